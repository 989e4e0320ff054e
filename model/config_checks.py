"""What is to be said of a config that its model refuses, or takes in silence; templates may still make it right."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from playbill.model.diagnostics import did_you_mean, list_names, names_of, path_of
from playbill.model.errors import Problem
from playbill.model.failures import failure_of
from playbill.model.templates import has_template, is_template, strings_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from playbill.model.places import Location

_NUMBERS = frozenset({"int_parsing", "float_parsing", "decimal_parsing"})
_OF_NUMBER = re.compile(r"(?:\$\{[^}]*\}|[-+.\deE])*")

__all__ = ["may_become_right", "unchecked", "unknown_fields"]


def may_become_right(config: Mapping[str, Any], detail: ErrorDetails) -> bool:
    """Tell whether a template may make a value right: of any type if it is all of it, else another text."""
    written = [detail["input"], _written_at(config, detail["loc"])]  # a check of a user's may have changed it
    if any(map(is_template, written)):
        return True
    if detail["type"].endswith("_type"):
        return False
    if detail["type"] not in {"missing", "extra_forbidden"} and any(map(_holds_template, written)):
        return True  # a check of several values together
    texts = [str(value) for value in written if has_template(value)]
    return any(detail["type"] not in _NUMBERS or _OF_NUMBER.fullmatch(text) for text in texts)


def unchecked(error: Exception, model: type[BaseModel], subject: str, where: str) -> Problem:
    """Tell that a model's own check raised what says nothing of the config."""
    text = f"the check of {model.__name__} raised {failure_of(error)}"
    text = f"{text}: have it raise a ValueError that says what is wrong"
    return Problem("invalid-value", where, f"{subject}: {text}" if subject else text)


def unknown_fields(model: type[BaseModel], names: Iterable[str], subject: str, where: str) -> Iterator[Problem]:
    """Tell of fields that a model would pass over in silence, unless it says that it does, by `extra`.

    A model that looks at all of its data itself may know more fields than it has.
    """
    if "extra" in model.model_config or model.__pydantic_decorators__.model_validators:
        return
    known = names_of(model)
    for name in names:
        if name not in known:
            text = f"unknown field '{name}'{did_you_mean(name, known)}; fields are: {list_names(known, 30)}"
            yield Problem("unknown-field", path_of((name,), where), f"{subject}: {text}" if subject else text)


def _holds_template(value: object) -> bool:
    return isinstance(value, dict | list) and any(map(has_template, strings_in(cast("Any", value))))


def _written_at(config: Any, location: Location) -> object:
    """Return the value that was written at a location; what names no part, as of one of several kinds, is passed."""
    for part in location:
        with suppress(LookupError, TypeError):
            config = config[part]
    return config
