"""How the last runs of a manager end that is closed: they are stopped, and their journal has 5 s to keep that.

1. All have been cancelled before: each stops within its own bound, and that is waited for.
2. Then one wait for all of them: a journal that fails, or does not answer, holds nobody up for longer.
3. Those that are parked are stopped, too: of the attempts that another process makes again it is recorded how. Those
   that nobody may make again have 25 s to end; then they are stopped, and their nodes have failed.
4. Whoever waits for the result of a run whose end is not kept by then gets a JournalError that names the run.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from playbill.model.diagnostics import list_names
from playbill.model.messages import Cancel, StandDown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playbill.model.facts import Now
    from playbill.runtime.actor_system import ActorSystem
    from playbill.runtime.run import Run
    from playbill.runtime.runs import Runs

__all__ = ["await_ends", "keep_journal_owned", "park_all"]

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
        run.actor.post(StandDown(grace))
    with suppress(TimeoutError):
        async with asyncio.timeout(FRAGILE_SECONDS):
            await _ended(left, fragile=True)
    for run in left:
        run.actor.post(StandDown(grace, fragile=True))
    await _ended(left)
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


async def _ended(runs: Sequence[Run], *, fragile: bool = False) -> None:
    """Wait until no attempt is at work; `fragile`: none of those that must not begin twice."""
    await asyncio.sleep(0)
    while any(_is_at_work(run, fragile=fragile) for run in runs):  # noqa: ASYNC110 (nobody tells when one has ended)
        await asyncio.sleep(LOOK_SECONDS)


def _is_at_work(run: Run, *, fragile: bool) -> bool:
    nodes = [node.machine for node in run.actor.nodes.values()]
    return any(node.is_at_work and (node.plan.commits or not fragile) for node in nodes)


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


def keep_journal_owned(system: ActorSystem) -> None:
    """Keep a journal's next owner out after the close, while work goes on that it would begin again."""
    journal, orphans = system.parts.journal, system.orphans
    if orphans and journal.is_durable:
        journal.stays_owned, orphans.on_last = True, journal.disown
        named = list_names([str(attempt.identity) for attempt in orphans], 10)
        logger.warning("the journal stays locked until these have ended, or this process: %s", named)
