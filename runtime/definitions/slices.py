"""Work on large definitions beside others: in slices of time, on the loop, and without the cyclic collector.

On the loop and not in a thread, since what users bring (modules, checks of configs) may be bound to its thread.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from playbill.runtime.definitions.beside import looking_beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import PurePath

    from playbill.model.steps import Steps

T = TypeVar("T")

SLICE_SECONDS: Final = 0.005
"""How long others wait for their turn."""
MANY: Final = 20_000
"""Of so many nodes and edges a full collection takes so long that others would notice."""
IN_A_ROW: Final = 4
"""So often may what such definitions make be set aside without a full collection: as they are read, or compiled."""


async def in_slices(steps: Steps[T], folder: PurePath | None, check: Callable[[], object], *, size: int) -> T:
    """Do work to its end, with turns for others in between.

    Args:
        steps: the work.
        folder: where modules are looked for first meanwhile.
        check: called after each turn of others; what it raises ends the work.
        size: how many nodes and edges it is about.
    """
    uncollected = Uncollected(size)
    while True:
        try:
            with looking_beside(folder), uncollected:
                _advance(steps)
        except StopIteration as end:
            made: T = end.value
            return made
        await asyncio.sleep(0)
        check()


def _advance(steps: Steps[object]) -> None:
    """Do as many steps as fit into a slice, and at least one; at the end it is their StopIteration that is raised."""
    until = time.perf_counter() + SLICE_SECONDS
    next(steps)
    while time.perf_counter() < until:
        next(steps)


class Uncollected:
    """Keeps the cyclic collector from what is made meanwhile: a million objects that live on, and no garbage.

    It would look through all of them again and again: a third of the time that a very large definition takes, and
    pauses of half a second. So they are put among the old ones at once, and so is all else that is young. That puts
    off the next full collection, by which the garbage of others goes; so of several very large ones in a row one
    collects first.
    """

    _moved: ClassVar[tuple[int, int]] = (0, 0)
    """The full collections there were at the last of its kind, and how many had come since the latest of these."""

    def __init__(self, size: int) -> None:
        """Prepare for a definition of so many nodes and edges."""
        self._was_on = False
        self._moves = size >= MANY and not gc.get_freeze_count()  # what somebody has frozen stays so
        if self._moves and gc.isenabled():
            full, (known, count) = gc.get_stats()[-1]["collections"], Uncollected._moved
            count = count + 1 if full == known else 0
            if count >= IN_A_ROW:
                gc.collect()
                full, count = full + 1, 0
            Uncollected._moved = (full, count)

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            if self._moves:
                gc.freeze()
                gc.unfreeze()  # into the oldest generation
            gc.enable()
