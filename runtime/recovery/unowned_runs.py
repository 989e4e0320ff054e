"""What is done to runs in a journal that nobody has at work: cancels, pauses and resumptions, appended as events.

Only for who owns the journal: its manager, or whoever holds its lock while there is none.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.messages import Cancel
from playbill.model.unowned import UnownedRun
from playbill.runtime.journals.waiters import until_kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from playbill.model.messages import Pause, Resume
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.memory import MemoryJournal

__all__ = ["UnownedRuns"]


class UnownedRuns:
    """The runs of a journal that nobody has at work.

    Args:
        journal: has them.
        now: tells the time, in UTC.
    """

    def __init__(self, journal: MemoryJournal, now: Callable[[], datetime]) -> None:
        self._journal = journal
        self._now = now
        self._pending: dict[str, asyncio.Future[None]] = {}
        """What runs were told that is not kept yet."""

    async def settle(self, run_id: str) -> None:
        """Wait until all is kept that a run was told: what its row says is not all until then.

        Raises:
            NotKeptYet: the journal has failed for 5 s to keep it.
        """
        if (pending := self._pending.get(run_id)) is not None:
            await until_kept(pending, self._journal, f"what run '{run_id}' was told before is in force")

    async def tell(self, row: RunRow, message: Cancel | Pause | Resume) -> bool:
        """Tell a run something; True, once that is kept, if it changes the run.

        Args:
            row: the run, as it stands.
            message: what it is told.

        Raises:
            JournalError: the journal cannot be read, or has failed for 5 s to keep it.
        """
        run = UnownedRun(row.run_id, row.status, row.last_seq, await self._last_moment(row))
        events = run.receive(message, self._now())
        if not events:
            return False
        journal, keeper = self._journal, LastKeeper(events[-1].seq)
        stream = journal.open(row.run_id, keeper)
        for event in events:
            if stream.append(event):
                keeper.kept(event.seq)
        if isinstance(message, Cancel) and row.suspended_reason is not None:
            journal.change_run(row.run_id, {"suspended_reason": None, "suspended_at": None})
        stream.push()
        self._pending[row.run_id] = keeper.done

        def over(_: object) -> None:
            del self._pending[row.run_id]
            journal.drop(row.run_id)

        keeper.done.add_done_callback(over)
        await until_kept(keeper.done, journal, f"run '{row.run_id}' is {run.status} as soon as it is kept")
        return True

    async def _last_moment(self, row: RunRow) -> datetime:
        """Return when the last event of a run happened, or, if nobody can read it, the last that its row tells."""
        with suppress(DefinitionError, JournalError):
            for event in await self._journal.reading.events(row.run_id, row.last_seq, 1):
                return event.at
        return max(at for at in (row.created_at, row.started_at, row.suspended_at) if at is not None)


class LastKeeper:
    """Waits for one record.

    Args:
        seq: its seq.
    """

    def __init__(self, seq: int) -> None:
        self._seq = seq
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def kept(self, seq: int) -> None:
        """Hear what is kept."""
        if seq >= self._seq and not self.done.done():
            self.done.set_result(None)

    def failed(self, error: str) -> None:
        """Go on waiting: whoever waits asks the journal."""

    def fenced(self, error: JournalError) -> None:
        """Hear that it never will be."""
        if not self.done.done():
            self.done.set_exception(error)
