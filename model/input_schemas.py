"""The `inputs` of a pipeline as a JSON Schema: checked with the definition, so that no run is the first to find out.

Nothing is ever fetched: a `$ref` leads to a place in the schema itself. Patterns are run by a linear engine, and what
would evaluate one value in very many ways is refused. A draft that `$schema` names is kept to; without it, 2020-12.

Weak spot: ways that multiply only with the depth of recursive data are not counted.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from playbill.model.cel_patterns import pattern_cost
from playbill.model.diagnostics import LONGEST_VALUE, path_of
from playbill.model.errors import Problem
from playbill.model.frozen import copied
from playbill.model.input_defaults import EndlessDefault, fill_defaults, never_filled
from playbill.model.jsonable import why_not_json
from playbill.model.schema_mistakes import hint_at, mistakes
from playbill.model.schema_parts import (
    Schema,
    listed,
    named,
    of_parts,
    of_same_value,
    parts,
    pointer_of,
    references,
)
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema_rs import ValidationError, Validator

    from playbill.model.places import Location

__all__ = ["MAX_VIOLATIONS", "schema_problems", "texts_in_schema", "unused_defaults", "validator_of", "violations"]

MAX_VIOLATIONS: Final = 100
"""More violations of one schema are not told."""
MAX_WAYS: Final = 10_000
"""In so many ways one value may be evaluated: each takes up to a microsecond."""
MAX_POSITIONS: Final = 10_000
"""Of a pattern, its repetitions written out."""
LONGEST_SHOWN: Final = 300
VALUE: Final = "%value%"
"""Stands for the value in what the library says: it would write out all of it."""
URN: Final = "urn:playbill:inputs"

LATEST: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_problems(schema: Schema) -> list[Problem]:
    """Tell what keeps a pipeline's `inputs` from being a JSON Schema that can be checked in a bounded time.

    Told is, too, what JSON Schema passes over in silence and looks like a rule.
    """
    if why := why_not_json(schema, "inputs"):
        return [_problem((), why)]
    found = [*_shape_problems(schema), *(_problem(place, said) for place, said in mistakes(schema))]
    if found:
        return found
    import jsonschema_rs  # noqa: PLC0415 - see validator_of

    try:
        validator_of(schema)
    except jsonschema_rs.ValidationError as error:
        unknown = error.kind.name in {"$ref", "$dynamicRef", "referencing"}
        reason = "refers to an unknown schema, and none is fetched" if unknown else "is not a JSON Schema"
        return [_problem(tuple(error.instance_path), f"{reason}: {_describe(error)}")]
    except ValueError as error:  # what cannot be handed over, such as half a surrogate pair
        return [_problem((), f"is not a JSON Schema: {clip(str(error), LONGEST_SHOWN)}")]
    return [*_pattern_problems(schema), *_endless(schema)] or [*_default_problems(schema), *_endless_defaults(schema)]


def texts_in_schema(schema: Schema) -> list[Location]:
    """Give where in a schema text belongs, and something else is: in keywords, and in values of the type string."""
    if why_not_json(schema, "inputs"):
        return []
    found = [
        place for place, error in _shape_errors(schema) if "string" in _types_named(error) or place[-1:] == ("type",)
    ]
    for place, part in parts(schema):
        kinds = part.get("type")
        for where, value in (((key,), part[key]) for key in ("const", "default") if key in part):
            if _is_no_text(value, kinds):
                found.append((*place, *where))
        found += [(*place, "enum", i) for i, value in enumerate(listed(part, "enum")) if _is_no_text(value, kinds)]
    if not found and not _shape_errors(schema):
        found = [place for place, error in _default_errors(schema) if "string" in _types_named(error)]
    return found


def unused_defaults(schema: Schema) -> list[Problem]:
    """Tell of defaults that are never filled in: to JSON Schema they are comments."""
    said = "is never filled in: it stands under a condition, or is not of a property"
    return [Problem("unused-default", path_of(place, "inputs"), f"{path_of(place, 'inputs')} {said}")
            for place in never_filled(schema)]  # fmt: skip


def validator_of(schema: Schema, pointer: str = "") -> Validator:
    """Compile a schema, or the part of it that a JSON pointer names.

    Raises:
        ValueError: It is no schema; mostly a ValidationError that tells why.
    """
    import jsonschema_rs  # noqa: PLC0415 - many pipelines have no schema, and it takes 50 ms

    options: Any = {"offline": True, "pattern_options": jsonschema_rs.RegexOptions(), "mask": VALUE}
    if not pointer:
        return jsonschema_rs.validator_for(schema, **options)
    registry = jsonschema_rs.Registry([(URN, schema)])
    reference = {"$ref": f"{URN}#{quote(pointer, safe='/~')}"}
    return jsonschema_rs.validator_for(reference, registry=registry, **options)


def violations(validator: Validator, value: object, name: str) -> list[tuple[str, str]]:
    """Give where and how a value violates a schema, by place; not more than MAX_VIOLATIONS.

    Args:
        validator: The schema, compiled.
        value: What JSON can say.
        name: What to call it, such as `trigger_data`.
    """
    try:
        found = list(islice(validator.iter_errors(value), MAX_VIOLATIONS))
    except ValueError as error:  # it cannot be handed over, as above
        return [(name, f"{name}: {clip(str(error), LONGEST_SHOWN)}")]
    told = ((path_of(tuple(error.instance_path), name), error) for error in found)
    return sorted((where, f"{where}: {_describe(error)}") for where, error in told)


def _describe(error: ValidationError) -> str:
    """Give what the library says, in our quotes and with the value cut short."""
    said = error.message.replace('"', "'").replace(VALUE, clip(repr(error.instance), LONGEST_VALUE))
    return clip(said, LONGEST_SHOWN)


def _problem(location: Location, text: str) -> Problem:
    where = path_of(location, "inputs")
    return Problem("invalid-schema", where, text if text.startswith("inputs") else f"{where} {text}")


# ---- what is a schema, and yet not to be had ----------------------------------------------------------------------


def _pattern_problems(schema: Schema) -> Iterator[Problem]:
    for place, part in parts(schema):
        for pattern in (part.get("pattern"), *(name for name, _ in named(part, "patternProperties"))):
            if isinstance(pattern, str) and pattern_cost(pattern).positions > MAX_POSITIONS:
                text = f"has a pattern of over {MAX_POSITIONS:,} positions, its repetitions written out: '{pattern}'"
                yield _problem(place, clip(text, LONGEST_SHOWN))


def _endless(schema: Schema) -> list[Problem]:
    """Tell of references that lead back to where they are, and of ways that multiply."""
    ways = _Ways(dict(references(schema)))
    for place, part in parts(schema):
        try:
            many = ways.of(part, frozenset(), frozenset())
        except RecursionError:
            return [_problem(place, "refers to itself for the same value, which never ends: refer to it for a part")]
        if many > MAX_WAYS:
            text = f"evaluates one value in {many:,} ways, over {MAX_WAYS:,}: its references multiply"
            return [_problem(place, text)]
    return []


class _Ways:
    """Counts in how many ways one value, or one part of it, is evaluated."""

    def __init__(self, references: Mapping[int, list[Any]]) -> None:
        self._references = references
        self._known: dict[int, int] = {}

    def of(self, part: Any, same: frozenset[int], above: frozenset[int]) -> int:
        """Count those of a schema.

        Args:
            part: The schema.
            same: What led to it, about the same value.
            above: All that led to it; where the value's parts lead back, its depth bounds them.

        Raises:
            RecursionError: It leads to itself, about the same value.
        """
        key = id(part)
        if key in same:
            raise RecursionError
        if key in above or not isinstance(part, dict):
            return 0
        if key not in self._known:
            schema = cast("Schema", part)
            below = above | {key}
            again = [each for _, each in of_same_value(schema)] + self._references.get(key, [])
            ways = 1 + sum(self.of(each, same | {key}, below) for each in again)
            deeper = [(place[0], self.of(each, frozenset(), below)) for place, each in of_parts(schema)]
            named = max((many for kind, many in deeper if kind == "properties"), default=0)
            ways += named + sum(many for kind, many in deeper if kind not in {"properties", "$defs", "definitions"})
            self._known[key] = ways
        return self._known[key]


def _default_problems(schema: Schema) -> Iterator[Problem]:
    """Tell of defaults that violate what they are the default of."""
    for place, part in parts(schema):
        if "default" not in part:
            continue
        where = path_of((*place, "default"), "inputs")
        whole = copied(part["default"])
        with suppress(EndlessDefault):  # which is told apart
            fill_defaults(whole, part, schema)
        try:
            validator = validator_of(schema, pointer_of(place))
        except ValueError as error:
            yield _problem(place, f"is not a JSON Schema: {clip(str(error), LONGEST_SHOWN)}")
            continue
        for _, text in violations(validator, whole, where)[:1]:
            yield Problem("invalid-default", where, f"{text}: a default must satisfy its own schema")


def _default_errors(schema: Schema) -> Iterator[tuple[Location, ValidationError]]:
    try:
        for place, part in parts(schema):
            if "default" in part:
                for error in validator_of(schema, pointer_of(place)).iter_errors(part["default"]):
                    yield (*place, "default", *error.instance_path), error
    except ValueError:  # the schema is wrong in another way, which is told
        return


def _shape_errors(schema: Schema) -> list[tuple[Location, ValidationError]]:
    """Give what the schema of schemas says against one, by place; nothing, when the draft is unknown."""
    import jsonschema_rs  # noqa: PLC0415 - see validator_of

    draft = schema.get("$schema", LATEST)
    if not isinstance(draft, str):
        draft = LATEST
    try:
        checked = jsonschema_rs.validator_for({"$schema": draft, "$ref": draft}, offline=True, mask=VALUE)
        found = list(islice(checked.iter_errors(schema), MAX_VIOLATIONS))
    except ValueError:
        return []
    return [(tuple(error.instance_path), error) for error in found]


def _shape_problems(schema: Schema) -> list[Problem]:
    found = dict(reversed(_shape_errors(schema)))  # the first of each place
    return [
        _problem(place, f"is not a JSON Schema: {_describe(error)}{hint_at(place, error.instance)}")
        for place, error in reversed(found.items())
    ]


def _types_named(error: ValidationError) -> list[str]:
    return cast("list[str]", error.kind.as_dict().get("types", ())) if error.kind.name == "type" else []


def _is_no_text(value: object, kinds: object) -> bool:
    """Tell whether a value is a scalar that the types beside it forbid, and text would do."""
    allowed = cast("list[object]", kinds) if isinstance(kinds, list) else [kinds]
    if "string" not in allowed or isinstance(value, str | dict | list):
        return False
    names = {"null"} if value is None else {"boolean"} if isinstance(value, bool) else {"number", "integer"}
    return not any(each in names for each in allowed)


def _endless_defaults(schema: Schema) -> Iterator[Problem]:
    try:
        fill_defaults({}, schema)
    except EndlessDefault as error:
        yield _problem((), f"never ends: {error}")
