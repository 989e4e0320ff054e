"""The runs of a manager, as it is asked for them: by their ids, or all at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from playbill.model.errors import RunSetAside, UnknownRun
from playbill.model.messages import Cancel, Pause, Resume
from playbill.runtime.arguments import check_grace, check_moment, check_text
from playbill.runtime.journals.index import check_ended
from playbill.runtime.journals.listing import query_of
from playbill.runtime.journals.waiters import take_note
from playbill.runtime.options import run_id_of
from playbill.runtime.recovery.taken_up import TakenUp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Unpack

    from playbill.model.attributes import Scalar
    from playbill.runtime.actor_system import ActorSystem
    from playbill.runtime.journals.listing import RunPage, RunQueryOptions
    from playbill.runtime.options import RunId
    from playbill.runtime.recovery.durable_runs import DurableRuns
    from playbill.runtime.run import Run
    from playbill.runtime.runs import Runs


class ManagedRuns:
    """What may be asked of a manager about its runs."""

    _runs: Runs
    _is_paused: bool
    _durable: DurableRuns | None
    """What is done with a journal that outlives the process; None: it does not, or no loop has been used yet."""

    def _use_loop(self) -> ActorSystem:
        """Return what the actors live in; the manager knows it."""
        raise NotImplementedError

    # ---- a manager that was made with start_paused ------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """Whether it was made with `start_paused`, and begins nothing until `resume_all`."""
        return self._is_paused

    def resume_all(self) -> None:
        """Begin what `start_paused` has held back: the recovery of its journal, unless `recover` is False.

        Runs that were paused one by one stay so. On a manager that is not paused it does nothing.

        Raises:
            RuntimeError: not on the manager's loop, or the manager is closed.
        """
        self._use_loop()
        if self._is_paused:
            self._is_paused = False
            if self._durable is not None:
                self._durable.begin_recovery()

    def _use_loop_to_begin(self) -> ActorSystem:
        """Return what the actors live in, for who begins something or lets it go on.

        Raises:
            RuntimeError: the manager is closed, not on its loop, or paused.
        """
        system = self._use_loop()
        self._check_not_paused("nothing")
        return system

    def _check_not_paused(self, what: str) -> None:
        if self._is_paused:
            text = "begins or goes on before `resume_all()`: this manager was made with start_paused=True"
            raise RuntimeError(f"{what} {text}")

    # ---- runs that are known, or in the journal ---------------------------------------------------------------

    async def open_run(self, run_id: RunId) -> Run:
        """Return a run that is known, or that the journal has: it goes on here, unless it has ended.

        Raises:
            UnknownRun: there is none of this id.
            JournalError: it cannot be read, or cannot go on: RunSetAside says why.
            RuntimeError: it has not ended, and the manager is paused.
        """
        self._use_loop()
        name = run_id_of(run_id)
        async with self._runs.reserve(name):
            known = self._runs.find(name)
            if known is None and self._durable is not None:
                if self._is_paused and await self._durable.is_unfinished(name):
                    self._check_not_paused(f"run '{name}' has not ended, and nothing")
                known = await self._durable.taking_up.find(name)
            if known is None:
                raise UnknownRun(name)
            return known

    async def recovered(self) -> TakenUp:
        """Wait until all runs that had not ended at its first use were looked at; tell what became of them.

        Raises:
            JournalError: the journal cannot be read.
            RuntimeError: the manager is paused, so that nobody looks at them yet.
        """
        self._use_loop_to_begin()
        return TakenUp() if self._durable is None else await self._durable.recovered()

    async def recover(self, run_id: RunId | None = None) -> TakenUp:
        """Take up unfinished runs of the journal that are not at work here, also those that were set aside.

        Args:
            run_id: this one, however often a node of it was running in a crash, and also while the manager is
                paused; None: all.

        Returns:
            What became of them; a run that is at work, or has ended, is not among them.

        Raises:
            UnknownRun: there is none of this id.
            JournalError: the journal cannot be read.
            RuntimeError: all are asked for, and the manager is paused.
        """
        if run_id is None:
            self._use_loop_to_begin()
        self._use_loop()
        if self._durable is None:
            if run_id is not None:
                self.get_run(run_id)
            return TakenUp()
        return await self._durable.recover(None if run_id is None else run_id_of(run_id))

    async def cancel_run(self, run_id: RunId, reason: str = "", grace: float | None = None) -> bool:
        """Stop a run within `grace` seconds and the kill bound; True if this cancel decided it.

        One that is in the journal and not at work here, as it was set aside, ends at once.

        Raises:
            JournalError: it is being stopped, and the journal has failed to keep that for 5 s.
            UnknownRun: there is none of this id.
        """
        told = await self._tell_unowned(run_id, Cancel("user", check_text("reason", reason), check_grace(grace)))
        return await self.get_run(run_id).cancel(reason, grace) if told is None else told

    async def _tell_unowned(self, run_id: RunId, message: Cancel | Pause | Resume) -> bool | None:
        """Tell a run something that only the journal has; None: it is known here, or there is none."""
        name = run_id_of(run_id)
        if self._runs.find(name) is None:
            self._use_loop()
            if self._durable is not None:
                async with self._runs.reserve(name):
                    if self._runs.is_passive(name):
                        with suppress(RunSetAside):  # then it is told as others that are
                            await self._durable.taking_up.find(name)
                    if self._runs.find(name) is None:
                        return await self._durable.taking_up.tell(name, message)
        return None

    async def cancel_all(self, reason: str = "", grace: float | None = None) -> int:
        """Stop all active runs; return how many of them these cancels decided.

        Raises:
            JournalError: all are being stopped, and the journal has failed to keep that for 5 s.
            ValueError: the grace is no number of seconds.
        """
        check_grace(grace)
        answers = await asyncio.gather(
            *(run.cancel(reason, grace) for run in self.active_runs),
            *(self.cancel_run(run_id, reason, grace) for run_id in self.passive_runs),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return sum(answer is True for answer in answers)

    async def pause_run(self, run_id: RunId) -> bool:
        """Let a run begin nothing more, also once it is taken up; True if this paused it."""
        told = await self._tell_unowned(run_id, Pause())
        return await self.get_run(run_id).pause() if told is None else told

    async def resume_run(self, run_id: RunId) -> bool:
        """Let a paused run go on, or have it do so when it is taken up; True if this resumed it."""
        told = await self._tell_unowned(run_id, Resume())
        return await self.get_run(run_id).resume() if told is None else told

    async def set_attributes(self, run_id: RunId, attributes: Mapping[str, Scalar]) -> None:
        """Set attributes of a run, by which `list_runs` finds it, once the journal has them; its others stay.

        Args:
            run_id: a run in the journal, be it under way, set aside or ended.
            attributes: name -> text, number or bool. A name begins with a letter or `_`, and has up to 64 letters,
                digits, `_`, `.` and `-`; a value has up to 4 KiB; a run has up to 64.

        Raises:
            DefinitionError: one is none of these, or they are too many.
            UnknownRun: there is none of this id.
            JournalError: the journal has failed to keep them for 5 s.
        """
        await self._use_loop().parts.journal.set_attributes(run_id_of(run_id), attributes)

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that had ended by then, with their events, logs and ids; return how many.

        Args:
            before: a moment with its time zone.
            statuses: of these alone, such as `["completed"]`; none: all that have ended.

        Raises:
            ValueError: the moment has no time zone, or a status is not that of a run that has ended.
            JournalError: the journal cannot be written.
        """
        work = asyncio.ensure_future(self._prune(check_moment("before", before), check_ended(statuses)))
        work.add_done_callback(take_note)
        return await asyncio.shield(work)  # who is cancelled cancels only their own wait

    async def _prune(self, before: datetime, statuses: Sequence[str]) -> int:
        journal = self._use_loop().parts.journal
        count = await journal.prune(before, statuses)
        for run in list(self._runs.ended.values()):
            if await journal.reading.run(run.id) is None:
                self._runs.ended.pop(run.id, None)
                journal.drop(run.id)
        return count

    async def list_runs(self, **asked: Unpack[RunQueryOptions]) -> RunPage:
        """List runs, the newest first: those in the journal, be they under way, set aside or ended.

        Args:
            asked: all must hold; none: all runs. statuses, pipeline, since and until (when they were created),
                attributes (each has just this value), text (a part of the id, of the pipeline's name or of an
                attribute's text), limit (50), and cursor: what the page before gave as `next`.

        Raises:
            ValueError: one of these is not what it has to be, or is not known; says which.
            JournalError: the journal cannot be read.
        """
        return await self._use_loop().parts.journal.reading.runs(query_of(asked))

    @property
    def active_runs(self) -> list[Run]:
        """The runs in memory that have not ended, in the order of their starts; see `passive_runs`."""
        return list(self._runs.active.values())

    @property
    def passive_runs(self) -> list[str]:
        """The ids of runs that wait out of memory: for more than a minute, in a durable journal, held by nobody.

        They go on in time, and when somebody wants one: `open_run` gives it back.
        """
        return [] if self._runs.passive is None else self._runs.passive.ids

    def is_running(self, run_id: RunId) -> bool:
        """Tell whether a run of this id, a text or a UUID, has begun and not ended."""
        name = run_id_of(run_id)
        return name in self._runs.active or self._runs.is_passive(name)

    def get_run(self, run_id: RunId) -> Run:
        """Return an active or a remembered run.

        Raises:
            UnknownRun: there is none of this id; `open_run` finds those in the journal, too.
            DefinitionError: the id is neither text nor a UUID.
        """
        return self._runs.get(run_id_of(run_id))
