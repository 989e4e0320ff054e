"""Work on large definitions beside others: in slices of time, on the loop, and without the cyclic collector.

On the loop and not in a thread, since what users bring (modules, checks of configs) may be bound to its thread.
"""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from playbill.runtime.definitions.beside import looking_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import PurePath

    from playbill.model.steps import Steps

T = TypeVar("T")

SLICE_SECONDS: Final = 0.005
"""How long others wait for their turn."""


async def in_slices(steps: Steps[T], folder: PurePath | None, check: Callable[[], object]) -> T:
    """Do work to its end, with turns for others in between.

    Args:
        steps: the work.
        folder: where modules are looked for first meanwhile.
        check: called after each turn of others; what it raises ends the work.
    """
    are_frozen = bool(gc.get_freeze_count())
    while True:
        try:
            with looking_beside(folder), uncollected(are_frozen=are_frozen):
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


@contextmanager
def uncollected(*, are_frozen: bool | None = None) -> Generator[None]:
    """Keep the cyclic collector from what is made meanwhile: a million objects that live on, and no garbage.

    It would look through all of them again and again: a third of the time that a large definition takes, and a pause
    of half a second at the end. So they are put among the old ones at once, and so is all else that is young.

    Args:
        are_frozen: whether somebody has frozen objects, which stay so; None: it is found out, by counting them all.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not (bool(gc.get_freeze_count()) if are_frozen is None else are_frozen):
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        gc.enable()
