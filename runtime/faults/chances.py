"""Chances: how many occasions pass before any of several faults happens, and which of them does."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbill.runtime.faults.tape import Tape

F = TypeVar("F")
LANE: Final = "fault"
NEVER: Final = 1 << 60


class Choice(NamedTuple, Generic[F]):
    """What may happen at an occasion."""

    name: str
    """What it is counted as."""
    fault: F
    probability: float


class Chances(Generic[F]):
    """Faults each of which may happen at every occasion of a kind; at one occasion the first that does is the one.

    All of them need one draw, not one each: the number of occasions that all spare is geometric again, and which one
    is hit then does not depend on it.
    """

    __slots__ = ("_choices", "_miss", "_shares")

    def __init__(self, choices: Sequence[Choice[F]]) -> None:
        self._choices = choices
        misses = [1.0 - choice.probability for choice in choices]
        self._miss = -math.inf if 0.0 in misses else sum(map(math.log, misses))
        """The logarithm of the chance that nothing happens."""
        passed = [1.0, *accumulate(misses, mul)]
        self._shares = [1.0 - missed for missed in passed[1:]]
        """The chance that one of the choices up to this one happens."""

    def spares(self, tape: Tape) -> int:
        """Draw how many occasions pass before one is hit: one draw instead of one an occasion.

        Source: the geometric distribution by inversion (Devroye 1986). Zero on the tape: none is ever hit.
        """
        if not self._miss:
            return NEVER
        if self._miss == -math.inf:
            return 0
        part = tape.fraction(LANE)
        return int(math.log1p(-part) / self._miss) if part > 0.0 else NEVER

    def which(self, tape: Tape) -> Choice[F]:
        """Draw which one hits; zero on the tape: the first."""
        choices, shares = self._choices, self._shares
        if len(choices) == 1:
            return choices[0]
        return choices[bisect_right(shares, tape.fraction(LANE) * shares[-1])]
