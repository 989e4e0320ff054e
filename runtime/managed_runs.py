"""The runs of a manager, as it is asked for them: by their ids, or all at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from playbill.runtime.arguments import check_grace
from playbill.runtime.journals.listing import RunQuery
from playbill.runtime.options import run_id_of

if TYPE_CHECKING:
    from typing import Unpack

    from playbill.runtime.journals.listing import RunPage, RunQueryOptions
    from playbill.runtime.journals.sides import ReadingSide
    from playbill.runtime.options import RunId
    from playbill.runtime.run import Run
    from playbill.runtime.runs import Runs


class ManagedRuns:
    """What may be asked of a manager about its runs."""

    _runs: Runs

    def _reading(self) -> ReadingSide:
        """Return what reads the journal; the manager knows it."""
        raise NotImplementedError

    async def cancel_run(self, run_id: RunId, reason: str = "", grace: float | None = None) -> bool:
        """Stop a run within `grace` seconds and the kill bound; True if this cancel decided it.

        Raises:
            JournalError: it is being stopped, and the journal has failed to keep that for 5 s.
            UnknownRun: there is none of this id.
        """
        return await self.get_run(run_id).cancel(reason, grace)

    async def cancel_all(self, reason: str = "", grace: float | None = None) -> int:
        """Stop all active runs; return how many of them these cancels decided.

        Raises:
            JournalError: all are being stopped, and the journal has failed to keep that for 5 s.
            ValueError: the grace is no number of seconds.
        """
        check_grace(grace)
        answers = await asyncio.gather(
            *(run.cancel(reason, grace) for run in self.active_runs), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return sum(answer is True for answer in answers)

    async def pause_run(self, run_id: RunId) -> bool:
        """Let a run begin nothing more; True if this paused it."""
        return await self.get_run(run_id).pause()

    async def resume_run(self, run_id: RunId) -> bool:
        """Let a paused run go on; True if this resumed it."""
        return await self.get_run(run_id).resume()

    async def list_runs(self, **asked: Unpack[RunQueryOptions]) -> RunPage:
        """List runs, the newest first: those in the journal, be they under way, set aside or ended.

        Args:
            asked: all must hold; none: all runs. statuses, pipeline, since and until (when they were created), text
                (a part of the id or of the pipeline's name), limit (50), and cursor: what the page before gave as
                `next`.

        Raises:
            ValueError: the cursor or the limit is none.
            JournalError: the journal cannot be read.
        """
        return await self._reading().runs(RunQuery(**asked))

    @property
    def active_runs(self) -> list[Run]:
        """The runs that have not ended, in the order of their starts."""
        return list(self._runs.active.values())

    def is_running(self, run_id: RunId) -> bool:
        """Tell whether a run of this id, a text or a UUID, is active."""
        return run_id_of(run_id) in self._runs.active

    def get_run(self, run_id: RunId) -> Run:
        """Return an active or a remembered run.

        Raises:
            UnknownRun: there is none of this id; `open_run` finds those in the journal, too.
            DefinitionError: the id is neither text nor a UUID.
        """
        return self._runs.get(run_id_of(run_id))
