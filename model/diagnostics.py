"""Diagnostics: wrong shapes and unknown names as problems that name the thing, the value, the rule, the way out."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from playbill.model.errors import DefinitionError, Problem
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from pydantic_core import ErrorDetails

    from playbill.model.places import Location

__all__ = [
    "Named",
    "Owner",
    "details_of",
    "did_you_mean",
    "list_names",
    "names_of",
    "nobody",
    "path_of",
    "problems_of",
    "texts_expected",
    "unknown_names",
    "validate_as",
]

Owner: TypeAlias = "Callable[[Location], tuple[str, int]]"
M = TypeVar("M", bound=BaseModel)
_TEXT_EXPECTED: Final = frozenset({"string_type", "bytes_type", "path_type", "literal_error", "enum", "next_type"})
"""Pydantic's complaints that a scalar may meet because it was read as a number, true, false or null."""
LONGEST_VALUE: Final = 60
"""Characters of a value in a message: with what stands around it, one line of a terminal."""


class Named(NamedTuple):
    """A name that something written uses, and the names there are."""

    kind: str
    """Node, type or breaker."""
    known: Collection[str]
    name: str
    where: str
    """Where it is used, such as `faults[0].node`."""


def nobody(_location: Location) -> tuple[str, int]:
    """Name no owner: the location itself says enough."""
    return "", 0


def validate_as(model: type[M], data: Any, what: str = "pipeline", *, owner: Owner = nobody, name: str = "") -> M:
    """Return the `model` that plain data says.

    Args:
        model: What it shall be.
        data: What it is said by.
        what: What to call it in the error, such as `fault plan`.
        owner: As for `problems_of`.
        name: The name of the whole, if it has one.

    Raises:
        DefinitionError: The shape is wrong; carries every problem.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise DefinitionError(name, problems_of(error, model, owner=owner), what) from None


def unknown_names(used: Iterable[Named]) -> list[Problem]:
    """Give a problem for each name that nobody knows."""
    return [_unknown_name(each) for each in used if each.name not in each.known]


def _unknown_name(used: Named) -> Problem:
    kind, known, name, where = used
    hint = f"{did_you_mean(name, known)}; there are: {list_names(sorted(known), 30)}"
    return Problem(f"unknown-{kind}", where, f"{where}: unknown {kind} '{name}'{hint}")


def problems_of(
    error: ValidationError, model: type[BaseModel], *, prefix: str = "", owner: Owner = nobody
) -> list[Problem]:
    """Give one problem for each complaint.

    Args:
        error: What pydantic raised for `model`.
        model: The model, asked for its fields when one is unknown.
        prefix: Where the model stands in the whole, such as `nodes[3].config`.
        owner: Names the thing that a location belongs to, such as `node 'a'` (empty for none), and tells how
            many parts of the location that covers.
    """
    return [_problem(detail, model, prefix, owner) for detail in details_of(error)]


def details_of(error: ValidationError) -> list[ErrorDetails]:
    """Give what pydantic complains of, without defaults that only wait for another field to be right."""
    return [each for each in error.errors(include_url=False) if each["type"] != "default_factory_not_called"]


def texts_expected(error: ValidationError) -> list[Location]:
    """Give where text belongs, and something else is."""
    return [each["loc"] for each in details_of(error) if each["type"] in _TEXT_EXPECTED]


def _problem(detail: ErrorDetails, model: type[BaseModel], prefix: str, owner: Owner) -> Problem:
    location = detail["loc"]
    subject, covered = owner(location)
    code, text = _describe(detail, model, path_of(location[covered:]))
    return Problem(code, path_of(location, prefix), f"{subject}: {text}" if subject else text)


def _describe(detail: ErrorDetails, model: type[BaseModel], field: str) -> tuple[str, str]:
    match detail["type"]:
        case "extra_forbidden":
            name, known = str(detail["loc"][-1]), _fields_at(model, detail["loc"][:-1])
            hint = f"{did_you_mean(name, known)}; fields are: {list_names(known, 30)}"
            return "unknown-field", f"unknown field '{name}'{hint}"
        case "missing":
            return "missing-field", f"field '{field}' is missing"
        case "value_error":
            said = detail["msg"].removeprefix("Value error, ")
        case _:
            said = f"{_in_a_sentence(detail['msg'])}, not {_describe_value(detail)}"
    return "invalid-value", f"{field}: {said}" if field else said


def _in_a_sentence(text: str) -> str:
    """Write a sentence's beginning small, unless it is a name such as URL."""
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def _describe_value(detail: ErrorDetails) -> str:
    value: object = detail["input"]
    wants_number = detail["type"].startswith(("int_", "float_"))
    hint = " (text; a number has no quotes)" if wants_number and _is_number_as_text(value) else ""
    return clip(repr(value), LONGEST_VALUE) + hint


def _is_number_as_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def path_of(location: Location, prefix: str = "") -> str:
    """Write a location as people do: `nodes[3].config.url`."""
    path = prefix
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give `, did you mean 'x'?` when a known name is close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""


def list_names(names: Iterable[str], max_names: int = 10) -> str:
    """Write names in their order, the first `max_names` of them."""
    every = list(names)
    rest = f" and {len(every) - max_names} more" if len(every) > max_names else ""
    return ", ".join(f"'{name}'" for name in every[:max_names]) + rest if every else "none"


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Follow a location through nested models; an index or a mapping's key stays in the same model."""
    for part in location:
        field = model.model_fields.get(str(part))
        model = (_model_in(field.annotation) if field else None) or model
    return names_of(model)


def names_of(model: type[BaseModel]) -> list[str]:
    """Give the names of a model's fields as they are written."""
    return [str(field.validation_alias or name) for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
