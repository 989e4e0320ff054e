"""The tape: every random choice of a simulation or a fault plan, drawn in lanes, recorded, and played again.

A lane is a list of whole numbers for one kind of choice (which mail next, does this fault fire, how long). Zero is
always the dull answer: the oldest mail, no fault, the shortest time. So a tape that is cut short still plays, and
making numbers smaller makes a failure simpler.

Source: the lanes as in Hypothesis' choice sequences (MacIver, Donaldson, "Test-Case Reduction via Test-Case
Generation", ECOOP 2020); one per kind, so that a change of the code that shifts one leaves the others in step.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCALE: Final = 1 << 30
"""A fraction is kept as so many parts."""


class Tape(Protocol):
    """What is asked where chance decides."""

    @property
    def lanes(self) -> Mapping[str, Sequence[int]]:
        """All choices so far."""
        ...

    def choose(self, lane: str, count: int) -> int:
        """Return one of 0..count-1; `count` is at least 1."""
        ...

    def fraction(self, lane: str) -> float:
        """Return a number in [0, 1)."""
        ...

    def chance(self, lane: str, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        ...


class DrawingTape:
    """Records each number that it draws; what is impossible, certain or the only choice takes no tape."""

    def __init__(self) -> None:
        self.lanes: defaultdict[str, list[int]] = defaultdict(list)

    def _draw(self, lane: str, count: int) -> int:
        """Return one of 0..count-1, the next of the lane."""
        raise NotImplementedError

    def choose(self, lane: str, count: int) -> int:
        """Return one of 0..count-1."""
        if count == 1:
            return 0
        value = self._draw(lane, count)
        self.lanes[lane].append(value)
        return value

    def fraction(self, lane: str) -> float:
        """Return a number in [0, 1)."""
        return self.choose(lane, SCALE) / SCALE

    def chance(self, lane: str, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        if not 0.0 < probability < 1.0:
            return probability > 0.0
        return self.fraction(lane) >= 1.0 - probability


class SeededTape(DrawingTape):
    """Draws its choices from a seed, and records them."""

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        self._random = random.Random(seed).random  # noqa: S311 (no secret)

    def choose(self, lane: str, count: int) -> int:
        """Return one of 0..count-1."""
        if count == 1:  # what its base does, without the call: a seed asks eighty times
            return 0
        value = int(self._random() * count)
        self.lanes[lane].append(value)
        return value

    def fraction(self, lane: str) -> float:
        """Return a number in [0, 1)."""
        value = int(self._random() * SCALE)
        self.lanes[lane].append(value)
        return value / SCALE


class RecordedTape(DrawingTape):
    """Plays recorded choices; beyond a lane's end all is dull. Records what it gave."""

    def __init__(self, lanes: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self._recorded = lanes

    def _draw(self, lane: str, count: int) -> int:
        recorded, place = self._recorded.get(lane, ()), len(self.lanes[lane])
        return min(recorded[place], count - 1) if place < len(recorded) else 0


class DullTape:
    """Chooses the dull answer always, and keeps nothing."""

    lanes: Mapping[str, Sequence[int]] = {}

    def choose(self, lane: str, count: int) -> int:
        """Return 0."""
        return 0

    def fraction(self, lane: str) -> float:
        """Return a half: the middle of a jitter."""
        return 0.5

    def chance(self, lane: str, probability: float) -> bool:
        """Tell whether it is certain."""
        return probability >= 1.0


class CountingTape:
    """One of all the schedules there are: follows `prefix` in the lanes it enumerates, then the first choice.

    Ask `after()` for the prefix of the next; None: all were tried.
    """

    def __init__(self, prefix: Sequence[int], lanes: frozenset[str]) -> None:
        self.lanes: defaultdict[str, list[int]] = defaultdict(list)
        self._prefix = prefix
        self._enumerated = lanes
        self._path: list[int] = []
        self._counts: list[int] = []

    def choose(self, lane: str, count: int) -> int:
        """Return one of 0..count-1."""
        if count == 1 or lane not in self._enumerated:
            return 0
        place = len(self._counts)
        value = self._prefix[place] if place < len(self._prefix) else 0
        self._counts.append(count)
        self._path.append(value)
        self.lanes[lane].append(value)
        return value

    def fraction(self, lane: str) -> float:
        """Return a half: only whole choices are enumerated."""
        return 0.5

    def chance(self, lane: str, probability: float) -> bool:
        """Tell whether it is certain."""
        return probability >= 1.0

    def after(self, depth: int) -> list[int] | None:
        """Return the prefix of the next schedule that differs within the first `depth` choices; None: no more."""
        path = self._path[:depth]
        for place in range(len(path) - 1, -1, -1):
            if path[place] + 1 < self._counts[place]:
                return [*path[:place], path[place] + 1]
        return None
