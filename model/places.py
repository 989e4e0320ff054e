"""Where in a text each value stands, and how it is written there; what reads a text makes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbill.model.errors import Problem

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "Mark", "Reading", "Spot", "TextError", "mark_at", "too_many_digits"]

MAX_DEPTH: Final = 200
"""Mappings and lists in each other; more would overflow whoever walks through them."""
MAX_DIGITS: Final = 4300
"""Of an int: Python writes no longer ones."""
_INDEX: Final = re.compile(r"\[(\d+)\]")

Location: TypeAlias = "tuple[int | str, ...]"
Mark: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


class TextError(ValueError):
    """A text that cannot be read to its end."""

    def __init__(self, said: str, mark: Mark | None) -> None:
        """Take what is wrong with the text, and where."""
        super().__init__(said, mark)
        self.said = said
        self.mark = mark


@dataclass(slots=True)
class Spot:
    """One value of a text; an alias has the place of its anchor."""

    mark: Mark
    value: object
    written: str | None = None
    """A number, true, false or null as it is written; None: it is something else."""
    inner: dict[str, Spot] | list[Spot] | None = None
    """The places of what a mapping or a list holds."""
    keys: dict[str, Mark] = field(default_factory=dict[str, Mark])
    """Where a mapping's keys stand."""
    size: int = 1
    """Values that it stands for, itself and those of aliases included."""

    def find(self, where: str) -> tuple[Spot, Mark]:
        """Give the deepest place on the way to `where`, such as `nodes[3].config.url`, and where its key stands."""
        place, key = self, self.mark
        while (step := place._step(where.removeprefix("."))) is not None:
            place, key, where = step
        return place, key

    def at(self, location: Sequence[int | str]) -> tuple[Spot, Location]:
        """Give the deepest place on a location of pydantic's, and where that really is.

        What names no part, as the members of a union do, is passed over.
        """
        place, way = self, list[int | str]()
        for part in location:
            match place.inner, part:
                case dict(named), str(name) if name in named:
                    place = named[name]
                case list(items), int(index) if index < len(items):
                    place = items[index]
                case _:
                    continue
            way.append(part)
        return place, tuple(way)

    def _step(self, where: str) -> tuple[Spot, Mark, str] | None:
        if isinstance(self.inner, list):
            found = _INDEX.match(where)
            if found is None or int(found[1]) >= len(self.inner):
                return None
            place = self.inner[int(found[1])]
            return place, place.mark, where[found.end() :]
        named = self.inner or {}
        begun = [key for key in named if where.startswith(key) and where[len(key) : len(key) + 1] in {"", ".", "["}]
        key = max(begun, key=len, default="")  # keys may have dots in them
        return (named[key], self.keys.get(key, named[key].mark), where[len(key) :]) if key else None


class Reading(NamedTuple):
    """What a text says, and what is wrong with it that did not keep it from being read."""

    root: Spot
    faults: list[Problem]


def mark_at(text: str, offset: int) -> Mark:
    """Give line and column of the character at `offset`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def too_many_digits(digits: int) -> str:
    """Say of a number that it is too long."""
    return f"a number has {digits:,} digits, and at most {MAX_DIGITS:,} are read: put it in quotes if it is text"
