"""How runs begin whose journal outlives the process, and how those go on that it has from before."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playbill.model.errors import RunSetAside, UnknownRun
from playbill.model.frozen import freeze
from playbill.model.run_inputs import check_trigger_data
from playbill.model.stored_form import definition_of
from playbill.runtime.definitions.content import is_large, size_of
from playbill.runtime.definitions.slices import in_slices
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.waiters import take_note, until_kept
from playbill.runtime.recovery.caution import CautiousRecovery, is_crash_loop
from playbill.runtime.recovery.pins import pins_of, row_of_run
from playbill.runtime.recovery.stored_run import StoredRun
from playbill.runtime.recovery.taken_up import TakenUp
from playbill.runtime.same_run import check_same_run
from playbill.runtime.starting import begin

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from datetime import datetime

    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.recovery.taking_up import TakingUp
    from playbill.runtime.run import Run
    from playbill.runtime.starting import Wanted

__all__ = ["DurableRuns"]


class DurableRuns:
    """The runs of a manager whose journal outlives the process.

    Args:
        taking_up: what is done with those that the journal has.
        recovers: whether those that have not ended go on, beside all else, once `begin_recovery` says so.
    """

    def __init__(self, taking_up: TakingUp, *, recovers: bool) -> None:
        self.taking_up = taking_up
        self._system, self._runs = taking_up.system, taking_up.runs
        self._recovery: asyncio.Task[TakenUp] | None = None
        self._runs.hint = "`await manager.open_run(...)` looks in the journal, too"
        self._recovers = recovers
        self._opened_at = self._system.parts.clock.now().utc
        """By which a crash is recent: who looks for long, with `start_paused`, is not less careful then."""

    def begin_recovery(self) -> None:
        """Let those go on that have not ended, if they shall; once."""
        if self._recovers and self._recovery is None:
            self._recovery = asyncio.Task(self._take_up_all(self._opened_at), name="playbill-recovery")
            self._recovery.add_done_callback(take_note)

    def _take_up_all(self, now: datetime) -> Coroutine[Any, Any, TakenUp]:
        """Return what takes up all: with caution, if the process had crashed again and again by then."""
        if is_crash_loop(self._system.parts.journal.crashes, now):
            return CautiousRecovery(self.taking_up).take_up_all()
        return self.taking_up.take_up_all()

    async def is_unfinished(self, run_id: str) -> bool:
        """Tell whether the journal has a run of this id that has not ended.

        Raises:
            DefinitionError: no journal can have such an id.
            JournalError: it cannot be read.
        """
        row = await self.taking_up.stored.row(run_id)
        return row is not None and row.status in ALIVE

    async def recovered(self) -> TakenUp:
        """Wait until they do; who is cancelled cancels only their own wait.

        Raises:
            JournalError: the journal cannot be read.
        """
        return TakenUp() if self._recovery is None else await asyncio.shield(self._recovery)

    async def recover(self, run_id: str | None) -> TakenUp:
        """Take up unfinished runs that are not at work here, or one: however often it crashed.

        Raises:
            UnknownRun: there is none of this id.
            JournalError: the journal cannot be read.
        """
        await self.recovered()
        if run_id is None:
            return await self._take_up_all(self._system.parts.clock.now().utc)
        async with self._runs.reserve(run_id):
            if self._runs.find(run_id) is not None or self._runs.is_passive(run_id):
                return TakenUp()
            try:
                run = await self.taking_up.find(run_id, insists=True)
            except RunSetAside as error:
                return TakenUp(set_aside={run_id: error.reason})
        if run is None:
            raise UnknownRun(run_id)
        return TakenUp([] if run.done else [run_id])

    async def find_or_begin(self, compiled: CompiledPipeline, wanted: Wanted) -> Run:
        """Return the run there is of this id, or begin one: once the journal has its start.

        Only for who has reserved the id.

        Raises:
            DefinitionError: the data is wrong, or the run there is is another one.
            JournalError: the run there is cannot go on.
        """
        definition = compiled.definition
        data = freeze(check_trigger_data(definition, wanted.data))
        if wanted.run_id is not None and (known := await self._find(wanted.run_id, compiled, data)) is not None:
            return known
        check = self.taking_up.check
        if is_large(definition):
            await in_slices(compiled.pinned(), definition.written.folder, check, size=size_of(definition))
        check()
        return await self._begin(compiled, replace(wanted, data=data))

    async def _find(self, run_id: str, compiled: CompiledPipeline, data: Mapping[str, Any]) -> Run | None:
        """Return the run there is of an id; None: there is none.

        Raises:
            DefinitionError: it has another definition or other trigger data.
            JournalError: it cannot go on.
        """

        def agree(own: PipelineDefinition, own_data: Mapping[str, Any]) -> None:
            wanted = compiled.definition
            stored = None if own is wanted else definition_of(json.loads(compiled.pin.text))
            check_same_run(run_id, own, own_data, (wanted, data, stored))

        known = self._runs.find(run_id)
        if known is None:
            return await self.taking_up.find(run_id, agree)
        if not (isinstance(known, StoredRun) and known.began_in_vain):
            agree(known.definition, known.trigger_data)
        return known

    async def _begin(self, compiled: CompiledPipeline, wanted: Wanted) -> Run:
        """Begin a run, and wait until the journal has its start.

        Raises:
            DefinitionError: it wants another policy for a breaker than the pipeline that used it first.
            JournalError: the journal has failed to keep the start for a while.
        """
        parts = self._system.parts
        run_id = wanted.run_id or parts.new_id()
        told, row = pins_of(compiled), row_of_run(run_id, compiled, parts.clock.now().utc, wanted.attributes)
        kept = parts.journal.begin_run(row, compiled.pin.text)
        try:
            wanted = replace(wanted, run_id=run_id)
            run = begin(self._system, self._runs, compiled, wanted, self.taking_up.conclude, told)
        except BaseException:
            parts.journal.drop(run_id)
            raise
        self.taking_up.watch(run.actor)
        await until_kept(kept, parts.journal, f"run '{run_id}' begins as soon as it is kept")
        return run
