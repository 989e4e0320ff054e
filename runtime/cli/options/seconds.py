"""Lengths of time on the command line: a number of seconds, or text with its unit."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, TypeAlias, cast

from cyclopts import Parameter

from playbill.model.fields import seconds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

__all__ = ["Seconds"]


def _seconds(_kind: object, tokens: Sequence[Token]) -> float:
    """Return the seconds that `90`, `90s` or `1h30m` says.

    Raises:
        ValueError: it says none.
    """
    text = tokens[0].value
    with suppress(ValueError):
        return float(text)
    return cast("float", seconds_of(text))


Seconds: TypeAlias = Annotated[float, Parameter(converter=_seconds)]
