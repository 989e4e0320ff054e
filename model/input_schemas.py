"""The `inputs` of a pipeline as a JSON Schema: checked with the definition, so that no run is the first to find out.

Nothing is ever fetched: a `$ref` leads to a place in the schema itself. Patterns are run by a linear engine, and what
would evaluate one value in very many ways is refused. A draft that `$schema` names is kept to; without it, 2020-12.

Weak spot: ways that multiply only with the depth of recursive data are not counted.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from playbill.model.cel_patterns import pattern_cost
from playbill.model.diagnostics import LONGEST_VALUE, path_of
from playbill.model.errors import Problem
from playbill.model.jsonable import why_not_json
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jsonschema_rs import ValidationError, Validator

__all__ = ["MAX_VIOLATIONS", "schema_problems", "validator_of", "violations"]

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

Location: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = dict[str, Any]

_OF_ONE: Final = ("not", "if", "then", "else")
_OF_MANY: Final = ("allOf", "anyOf", "oneOf")
_OF_PARTS: Final = (
    "additionalProperties", "unevaluatedProperties", "propertyNames", "items", "unevaluatedItems", "contains",
    "additionalItems", "contentSchema",
)  # fmt: skip
_LISTS_OF_PARTS: Final = ("prefixItems", "items")
_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions")


def schema_problems(schema: Schema) -> list[Problem]:
    """Tell what keeps a pipeline's `inputs` from being a JSON Schema that can be checked in a bounded time."""
    if why := why_not_json(schema, "inputs"):
        return [_problem((), why)]
    import jsonschema_rs  # noqa: PLC0415 - see validator_of

    try:
        validator_of(schema)
    except jsonschema_rs.ValidationError as error:
        unknown = error.kind.name in {"$ref", "$dynamicRef", "referencing"}
        reason = "refers to an unknown schema, and none is fetched" if unknown else "is not a JSON Schema"
        return [_problem(tuple(error.instance_path), f"{reason}: {_describe(error)}")]
    except ValueError as error:  # what cannot be handed over, such as half a surrogate pair
        return [_problem((), f"is not a JSON Schema: {clip(str(error), LONGEST_SHOWN)}")]
    return [*_pattern_problems(schema), *_endless(schema)] or list(_default_problems(schema))


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
    return jsonschema_rs.validator_for({"$ref": f"{URN}#{pointer}"}, registry=registry, **options)


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


# ---- its parts ----------------------------------------------------------------------------------------------------


def _parts(schema: Any, location: Location = ()) -> Iterator[tuple[Location, Schema]]:
    """Give every schema in a schema, itself first, with its place."""
    found: list[tuple[Location, Any]] = [(location, schema)]
    for place, part in found:  # it grows
        if isinstance(part, dict):
            schema = cast("Schema", part)
            yield place, schema
            found += [((*place, *steps), inner) for steps, inner in (*_same(schema), *_deeper(schema))]


def _same(schema: Schema) -> Iterator[tuple[Location, Any]]:
    """Give the schemas that are asked about the same value."""
    yield from (((key,), schema.get(key)) for key in _OF_ONE)
    yield from (((key, index), inner) for key in _OF_MANY for index, inner in enumerate(_list(schema, key)))
    yield from ((("dependentSchemas", name), inner) for name, inner in _named(schema, "dependentSchemas"))


def _deeper(schema: Schema) -> Iterator[tuple[Location, Any]]:
    """Give the schemas that are asked about parts of the value, or by nobody yet."""
    yield from (((key,), schema.get(key)) for key in _OF_PARTS)
    yield from (((key, index), inner) for key in _LISTS_OF_PARTS for index, inner in enumerate(_list(schema, key)))
    yield from (((key, name), inner) for key in _BY_NAME for name, inner in _named(schema, key))


# Older drafts know some of these keywords not, so they may hold anything there.
def _list(schema: Schema, key: str) -> list[Any]:
    value: object = schema.get(key)
    return cast("list[object]", value) if isinstance(value, list) else []


def _named(schema: Schema, key: str) -> Iterable[tuple[str, Any]]:
    value: object = schema.get(key)
    return cast("Schema", value).items() if isinstance(value, dict) else ()


# ---- what is a schema, and yet not to be had ----------------------------------------------------------------------


def _pattern_problems(schema: Schema) -> Iterator[Problem]:
    for place, part in _parts(schema):
        for pattern in (part.get("pattern"), *(name for name, _ in _named(part, "patternProperties"))):
            if isinstance(pattern, str) and pattern_cost(pattern).positions > MAX_POSITIONS:
                text = f"has a pattern of over {MAX_POSITIONS:,} positions, its repetitions written out: '{pattern}'"
                yield _problem(place, clip(text, LONGEST_SHOWN))


def _endless(schema: Schema) -> list[Problem]:
    """Tell of references that lead back to where they are, and of ways that multiply."""
    ways = _Ways(dict(_references(schema)))
    for place, part in _parts(schema):
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
            again = [each for _, each in _same(schema)] + self._references.get(key, [])
            ways = 1 + sum(self.of(each, same | {key}, below) for each in again)
            deeper = [(place[0], self.of(each, frozenset(), below)) for place, each in _deeper(schema)]
            named = max((many for kind, many in deeper if kind == "properties"), default=0)
            ways += named + sum(many for kind, many in deeper if kind not in {"properties", "$defs", "definitions"})
            self._known[key] = ways
        return self._known[key]


def _references(schema: Schema) -> Iterator[tuple[int, list[Any]]]:
    """Give, by the id of each schema that has some, the schemas that its references lead to."""
    parts = dict(_parts(schema))
    anchors = {
        f"#{part[key]}": part for part in parts.values() for key in ("$anchor", "$dynamicAnchor") if key in part
    }
    pointers = {"#" + "".join(f"/{_escape(step)}" for step in place): part for place, part in parts.items()}
    known = anchors | pointers
    for part in parts.values():
        to = [part[key] for key in ("$ref", "$dynamicRef", "$recursiveRef") if isinstance(part.get(key), str)]
        yield id(part), [known.get(each) for each in to]


def _escape(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _default_problems(schema: Schema) -> Iterator[Problem]:
    """Tell of defaults that violate what they are the default of."""
    for place, part in _parts(schema):
        if "default" not in part:
            continue
        validator = validator_of(schema, "".join(f"/{_escape(step)}" for step in place))
        where = path_of((*place, "default"), "inputs")
        for _, text in violations(validator, part["default"], where)[:1]:
            yield Problem("invalid-default", where, f"{text}: a default must satisfy its own schema")
