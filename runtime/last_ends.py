"""How the last runs of a manager end that is closed: they are stopped, and their journal has 5 s to keep that.

1. All have been cancelled before: each stops within its own bound, and that is waited for.
2. Then one wait for all of them: a journal that fails, or does not answer, holds nobody up for longer.
3. Those that are parked are stopped, too, and nothing of that is recorded: another process goes on with them.
4. Whoever waits for the result of a run whose end is not kept by then gets a JournalError that names the run.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from playbill.model.diagnostics import list_names
from playbill.model.messages import Cancel

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.facts import Now
    from playbill.runtime.run import Run
    from playbill.runtime.runs import Runs

__all__ = ["await_ends", "park_all"]

logger = logging.getLogger("playbill")

FRAGILE_SECONDS: Final = 25.0
"""How long nodes that must not begin twice have to end, when their run is parked."""
LOOK_SECONDS: Final = 0.02
KEEP_SECONDS: Final = 5.0
"""How long a journal has to keep the ends of runs that have stopped."""
REASON: Final = f"its manager was closed, and waited {KEEP_SECONDS:g} s for that"


async def park_all(runs: Runs, now: Callable[[], Now], grace: float | None) -> None:
    """Leave all active runs: whoever opens their journal goes on with them.

    Nodes that must not begin twice (`on_crash: fail`) and are at work may end before, for 25 s; all else is stopped.

    Args:
        runs: none of them is active afterwards.
        now: reads the clock.
        grace: what handlers have to clean up; None: their own.
    """
    left = list(runs.active.values())
    for run in left:
        run.actor.park(now())
    with suppress(TimeoutError):
        async with asyncio.timeout(FRAGILE_SECONDS):
            while any(_is_fragile(run) for run in left):  # noqa: ASYNC110 (nobody tells when one has ended)
                await asyncio.sleep(LOOK_SECONDS)
    for run in left:
        run.actor.leave()
        run.actor.post(Cancel("shutdown", "the manager is left", grace))
    for run in left:
        await run.stopped()
        run.park()
        runs.active.pop(run.id, None)
    if left:
        names = list_names([run.id for run in left], 10)
        logger.info("parked %s: they go on when their journal is opened again", names)


def _is_fragile(run: Run) -> bool:
    """Tell whether a node of a run is at work that must not begin twice."""
    nodes = run.actor.nodes.values()
    return any(node.machine.plan.commits and node.machine.has_attempt for node in nodes)


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
