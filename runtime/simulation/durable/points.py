"""Where a simulated process dies: at which of its journal's writes, and at which moment of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast, get_args

from playbill.model.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MOMENTS", "CrashPoint", "Moment", "check_points"]

Moment: TypeAlias = Literal["before", "kept", "told"]
MOMENTS: Final[tuple[Moment, ...]] = get_args(Moment)
"""Nothing of the write is on disk; it is, and nobody has heard of it; all who wait have just heard of it."""
PAIR: Final = 2
TEXTS: Final[dict[Moment, str]] = {
    "before": "before write {0}",
    "kept": "after write {0}, before anybody heard of it",
    "told": "after write {0} was told",
}


class CrashPoint(NamedTuple):
    """One of them."""

    write: int
    """Which write of the journal, over all processes; from 1. One that a crash came before counts, too."""
    moment: Moment

    def __str__(self) -> str:
        return TEXTS[self.moment].format(self.write)


def check_points(points: Iterable[tuple[int, str]]) -> tuple[CrashPoint, ...]:
    """Return what somebody gave as crash points.

    Raises:
        DefinitionError: one is none; names it.
    """
    found: list[CrashPoint] = []
    for place, point in enumerate(points):
        given: Any = point
        is_pair = isinstance(given, tuple | list) and len(cast("tuple[Any, ...]", given)) == PAIR
        write, moment = cast("tuple[Any, Any]", given) if is_pair else (None, None)
        if type(write) is not int or write < 1 or moment not in MOMENTS:
            text = f"{point!r:.60} is no crash point: give (write, moment), such as (3, 'kept');"
            text += f" writes count from 1, moments are {', '.join(MOMENTS)}"
            raise DefinitionError.single("crash-point", f"crashes[{place}]", text)
        found.append(CrashPoint(write, moment))
    return tuple(found)
