"""How the last runs of a manager end that is closed: they are stopped, and their journal has 5 s to keep that.

1. All have been cancelled before: each stops within its own bound, and that is waited for.
2. Then one wait for all of them: a journal that fails, or does not answer, holds nobody up for longer.
3. Whoever waits for the result of a run whose end is not kept by then gets a JournalError that names the run.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playbill.runtime.run import Run
    from playbill.runtime.runs import Runs

__all__ = ["await_ends"]

KEEP_SECONDS: Final = 5.0
"""How long a journal has to keep the ends of runs that have stopped."""
REASON: Final = f"its manager was closed, and waited {KEEP_SECONDS:g} s for that"


async def await_ends(runs: Runs) -> list[Run]:
    """Wait for the ends of all active runs, which were cancelled before.

    Args:
        runs: none of them is active afterwards: those that are given up are among the ended, as all others.

    Returns:
        Those that were given up.
    """
    for run in list(runs.active.values()):
        await run.stopped()
    with suppress(TimeoutError):
        async with asyncio.timeout(KEEP_SECONDS):
            while runs.active:
                await next(iter(runs.active.values())).result()
    given_up = list(runs.active.values())
    for run in given_up:
        run.give_up(REASON)
        runs.ended[run.id] = runs.active.pop(run.id)
    return given_up
