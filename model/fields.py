"""The kinds of fields that users fill in, and the base of all that is written: strict, frozen, no unknown names."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from numbers import Real
from typing import Annotated, Any, Final, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from playbill.model.wording import clip

__all__ = [
    "MAX_SECONDS",
    "Count",
    "Factor",
    "Number",
    "PositiveSeconds",
    "PositiveShare",
    "Rate",
    "Seconds",
    "Settings",
    "Share",
    "SignedSeconds",
    "Text",
    "Whole",
    "is_seconds",
    "seconds_of",
]

MAX_SECONDS: Final = 1e9
"""The longest time that can be set: 31 years, so that what is due can be written as a date."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = r"([0-9]+(?:\.[0-9]+)?)\s*(ms|min|s|m|h|d)"
_DURATION: Final = rf"-?(?:{_PART}\s*)+"
_RATE: Final = r"([0-9]+(?:\.[0-9]+)?)\s*/\s*(s|min|m|h|d)"


def seconds_of(value: object) -> object:
    """Return the seconds that a duration says; what is none stays as it is, for who checks the number.

    Args:
        value: a text of numbers and units (ms, s, m or min, h, d), such as `250ms`, `90s` or `1h30m`; a timedelta; a
            number of another kind than Python's own, such as a Decimal.

    Raises:
        ValueError: it is a text, and not a duration.
    """
    if isinstance(value, str):
        text = value.strip()
        if not re.fullmatch(_DURATION, text):
            raise ValueError(f"{_shown(value)} is not a duration: write seconds as a number, or {_EXAMPLES}")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))
        return -seconds if text.startswith("-") else seconds
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int | float):
        return value
    if isinstance(value, Real | Decimal):
        with suppress(OverflowError, TypeError):  # a fraction over any float; a timedelta64 of numpy's
            return float(value)
    return value


_EXAMPLES: Final = "text such as 90s, 1h30m or 2d (a number has no quotes)"


def _per_second(value: object) -> object:
    """Return the rate a second that a text such as `600/h` says; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(_RATE, value.strip())
    if found is None:
        examples = "write a number (a second), or text such as 10/s, 90/min or 600/h"
        raise ValueError(f"{_shown(value)} is not a rate: {examples}")
    return float(found[1]) / _UNITS[found[2]]


def _shown(text: str) -> str:
    return clip(repr(text), 60)


def _or_text(pattern: str, **bounds: Any) -> Any:
    """Return what the JSON Schema says of a number that may be written as a text, too."""
    return Annotated[float, Field(**bounds)] | Annotated[str, Field(pattern=f"^{pattern}$")]


def _time(**bounds: float) -> Any:
    """Return what reads a length of time within these bounds."""
    return BeforeValidator(seconds_of, json_schema_input_type=_or_text(_DURATION, **bounds))


Text = Annotated[str, Field(min_length=1)]
# Strict: a YAML `1e3` (text) or `yes` (true) where a number belongs is an error, not a silent 1.0.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Seconds = Annotated[Number, Field(ge=0, le=MAX_SECONDS), _time(ge=0, le=MAX_SECONDS)]
PositiveSeconds = Annotated[Number, Field(gt=0, le=MAX_SECONDS), _time(gt=0, le=MAX_SECONDS)]
SignedSeconds = Annotated[Number, Field(ge=-MAX_SECONDS, le=MAX_SECONDS), _time(ge=-MAX_SECONDS, le=MAX_SECONDS)]
Rate = Annotated[Number, Field(ge=0), BeforeValidator(_per_second, json_schema_input_type=_or_text(_RATE, ge=0))]
"""So many a second."""
Share = Annotated[Number, Field(ge=0, le=1)]
PositiveShare = Annotated[Number, Field(gt=0, le=1)]
Factor = Annotated[Number, Field(ge=1)]


class Settings(BaseModel):
    """Frozen settings that refuse unknown fields; a field with an alias may be given by either name."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True, defer_build=True
    )


def is_seconds(value: object) -> TypeGuard[float]:
    """Tell whether a value is a length of time as `Seconds` takes it; for what no model checks."""
    # Of a number that is not one every comparison is false; an int may be too large to be turned into a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS
