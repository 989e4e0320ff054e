"""After crashes in a row runs go on one at a time: the one that ends the process is named, and stops no other.

1. Three crashes within ten minutes are a loop, as the journal tells them to its owner.
2. Runs of which nothing was running as the process died go on first, all of them, as ever. So do paused ones: they
   begin nothing.
3. The others follow, the oldest first, each after a warning that names it and what was running. The next one waits
   until those attempts have ended, by whatever outcome, or the run has, but for 10 s at most.

WARNING: a handler that ends the process before the journal has its first start, some milliseconds, was not running as
far as anybody knows. Who asks for a run by its id has it at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from playbill.model.errors import JournalError
from playbill.model.events import EventType
from playbill.model.facts import RunStatus
from playbill.model.past import Past
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.recovery.taken_up import TakenUp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.recovery.taking_up import TakingUp
    from playbill.runtime.run import Run

__all__ = ["ATTEMPT_SECONDS", "CautiousRecovery", "is_crash_loop"]

logger = logging.getLogger("playbill")

CRASHES: Final = 3
WITHIN: Final = timedelta(minutes=10)
"""So many crashes within this time are a loop."""
ATTEMPT_SECONDS: Final = 10.0
"""How long one run may keep the next from going on."""
OVER: Final = frozenset(
    {
        EventType.PIPELINE_NODE_COMPLETED,
        EventType.PIPELINE_NODE_FAILED,
        EventType.PIPELINE_NODE_RETRYING,
        EventType.PIPELINE_NODE_INTERRUPTED,
        EventType.PIPELINE_NODE_CANCELLED,
        EventType.PIPELINE_NODE_SKIPPED,
    }
)
"""What says that an attempt of a node has ended."""


def is_crash_loop(crashes: Sequence[datetime], now: datetime) -> bool:
    """Tell whether a process has crashed again and again until now.

    Args:
        crashes: when its crashes were found, the oldest first.
        now: the moment; a clock that was set meanwhile makes none of them recent.
    """
    recent = [at for at in crashes if abs(now - at) <= WITHIN]
    return len(recent) >= CRASHES


class CautiousRecovery:
    """Takes up the unfinished runs of a journal, the suspects one at a time.

    Args:
        taking_up: takes them up.
    """

    def __init__(self, taking_up: TakingUp) -> None:
        self._taking_up = taking_up
        self._suspects: list[tuple[RunRow, list[str]]] = []
        """The runs that come later, and which nodes of each were running."""

    async def take_up_all(self) -> TakenUp:
        """Let all runs go on that have not ended; see the rules above."""
        first = await self._taking_up.take_up_all(leaves=self._leaves)
        taken = TakenUp(first.runs, first.set_aside, cautious=True)
        before: tuple[RunRow, list[str]] | None = None
        for suspect in self._suspects:
            if before is not None:
                await self._settle(*before)
            before = suspect if await self._take_up(*suspect, taken) else None
        return taken

    async def _leaves(self, row: RunRow, events: list[Event] | None) -> bool:
        """Tell whether a run comes later; one that cannot be read does not, and is set aside by who takes it up."""
        if row.status is RunStatus.PAUSED:
            return False
        try:
            nodes = Past(await self._taking_up.stored.events(row) if events is None else events).struck
        except Exception:  # noqa: BLE001 (whatever is wrong with one run, it harms no other)
            return False
        if nodes:
            self._suspects.append((row, nodes))
        return bool(nodes)

    async def _take_up(self, row: RunRow, nodes: list[str], taken: TakenUp) -> bool:
        """Take up a run, unless somebody has done so or ended it meanwhile; tell whether it goes on."""
        self._taking_up.check()
        if not await self._is_left(row.run_id):
            return False
        names = ", ".join(f"'{node}'" for node in sorted(nodes))
        was = f"node {names} was running" if len(nodes) == 1 else f"nodes {names} were running"
        logger.warning(
            "after %d crashes in %d minutes runs go on one at a time; run '%s' goes on now: %s",
            CRASHES,
            WITHIN.total_seconds() // 60,
            row.run_id,
            was,
        )
        one = await self._taking_up.take_up_all([row])
        taken.runs.extend(one.runs)
        taken.set_aside.update(one.set_aside)
        return bool(one.runs)

    async def _is_left(self, run_id: str) -> bool:
        if self._taking_up.runs.find(run_id) is not None:
            return False
        with suppress(JournalError):  # one that is away is waited for by who takes it up
            row = await self._taking_up.system.parts.journal.reading.run(run_id)
            return row is not None and row.status in ALIVE
        return True

    async def _settle(self, row: RunRow, nodes: list[str]) -> None:
        """Wait until what was running in a run has ended, or the run has, or it takes too long."""
        run = self._taking_up.runs.find(row.run_id)
        if run is not None and not run.is_paused:
            with suppress(TimeoutError):
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    await _until_over(run, set(nodes), row.last_seq + 1)


async def _until_over(run: Run, nodes: set[str], from_seq: int) -> None:
    async for event in run.events(from_seq):
        if event.type in OVER:
            nodes.discard(event.node_id or "")
        if not nodes:
            return
