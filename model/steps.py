"""Work in steps: a generator yields where one may pause, for others to have a turn, and returns what it made."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, TypeAlias, TypeVar

__all__ = ["STEP", "Steps", "finished", "let_go"]

T = TypeVar("T")

Steps: TypeAlias = "Generator[None, None, T]"
"""Work that gives a T in the end."""
STEP: Final = 32
"""How many nodes or edges are looked at in one step: what is done with them takes a millisecond at most, mostly."""
LET_GO: Final = 1024
"""How many things are let go in one step."""


def let_go(things: set[T]) -> Steps[None]:
    """Empty a set in steps: to free a million things at once takes as long as to make them."""
    while things:
        things.pop()
        if not len(things) % LET_GO:
            yield


def finished(steps: Steps[T]) -> T:
    """Do work to its end, without a pause, and return what it made."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: T = end.value
            return made
