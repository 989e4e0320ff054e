"""The kinds of fields that users fill in, and the base of all that is written: strict, frozen, no unknown names."""

from __future__ import annotations

from typing import Annotated, Final, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "MAX_SECONDS",
    "Count",
    "Factor",
    "Number",
    "PositiveSeconds",
    "PositiveShare",
    "Seconds",
    "Settings",
    "Share",
    "Text",
    "Whole",
    "is_seconds",
]

MAX_SECONDS: Final = 1e9
"""The longest time that can be set: 31 years, so that what is due can be written as a date."""

Text = Annotated[str, Field(min_length=1)]
# Strict: a YAML `1e3` (text) or `yes` (true) where a number belongs is an error, not a silent 1.0.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Seconds = Annotated[Number, Field(ge=0, le=MAX_SECONDS)]
PositiveSeconds = Annotated[Number, Field(gt=0, le=MAX_SECONDS)]
Share = Annotated[Number, Field(ge=0, le=1)]
PositiveShare = Annotated[Number, Field(gt=0, le=1)]
Factor = Annotated[Number, Field(ge=1)]


class Settings(BaseModel):
    """Frozen settings that refuse unknown fields; a field with an alias may be given by either name."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


def is_seconds(value: object) -> TypeGuard[float]:
    """Tell whether a value is a length of time as `Seconds` takes it; for what no model checks."""
    # Of a number that is not one every comparison is false; an int may be too large to be turned into a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS
