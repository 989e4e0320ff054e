"""Moments on the command line: so long ago, or a date and time."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeAlias, cast

from cyclopts import Parameter

from playbill.model.fields import seconds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

__all__ = ["Moment", "moment_of"]


def moment_of(text: str) -> datetime:
    """Return the moment that `24h` (so long ago) or a date and time of ISO 8601 says, which is local without a zone.

    Raises:
        ValueError: it says none.
    """
    with suppress(ValueError, OverflowError):
        return datetime.now(UTC) - timedelta(seconds=cast("float", seconds_of(text)))
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        said = f"{text!r:.60} is not a moment: write how long ago, such as 24h, or 2026-11-28 or 2026-11-28T06:30"
        raise ValueError(said) from None


def _moment(_kind: object, tokens: Sequence[Token]) -> datetime:
    return moment_of(tokens[0].value)


Moment: TypeAlias = Annotated[datetime, Parameter(converter=_moment)]
