"""How runs begin whose journal outlives the process, and how those go on that it has from before."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from playbill.model.frozen import freeze
from playbill.model.run_inputs import check_trigger_data
from playbill.model.stored_form import definition_of
from playbill.runtime.definitions.content import is_large, size_of
from playbill.runtime.definitions.slices import in_slices
from playbill.runtime.recovery.pins import pins_of, row_of_run
from playbill.runtime.recovery.taken_up import TakenUp
from playbill.runtime.recovery.taking_up import TakingUp
from playbill.runtime.starting import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.results import RunResult
    from playbill.runtime.actor_system import ActorSystem
    from playbill.runtime.definitions.compile_once import PipelineCompiler
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.run import Run
    from playbill.runtime.runs import Runs
    from playbill.runtime.starting import Wanted

__all__ = ["DurableRuns"]


class DurableRuns:
    """The runs of a manager whose journal outlives the process.

    Args:
        system: what they live in.
        runs: those that the manager knows.
        compiler: the manager's own.
        conclude: is told each result.
        check: raises once nothing may begin any more.
    """

    def __init__(
        self,
        system: ActorSystem,
        runs: Runs,
        compiler: PipelineCompiler,
        conclude: Callable[[RunResult], None],
        check: Callable[[], object],
    ) -> None:
        self.taking_up = TakingUp(system, runs, compiler, conclude, check)
        self._system = system
        self._runs = runs
        self._conclude = conclude
        self._check = check
        self._recovery: asyncio.Task[TakenUp] | None = None
        runs.hint = "`await manager.open_run(...)` looks in the journal, too"

    def recover(self) -> None:
        """Let the runs go on that have not ended, beside all else."""
        self._recovery = asyncio.Task(self.taking_up.take_up_all(), name="playbill-recovery")
        self._recovery.add_done_callback(_told)

    async def recovered(self) -> TakenUp:
        """Wait until they do; who is cancelled cancels only their own wait.

        Raises:
            JournalError: the journal cannot be read.
        """
        return TakenUp() if self._recovery is None else await asyncio.shield(self._recovery)

    async def find_or_begin(self, compiled: CompiledPipeline, wanted: Wanted) -> Run:
        """Return the run there is of this id, or begin one: once the journal has its start.

        Only for who has reserved the id.

        Raises:
            DefinitionError: the data is wrong, or the run there is is another one.
            JournalError: the run there is cannot go on.
        """
        definition = compiled.definition
        data = freeze(check_trigger_data(definition, wanted.data))
        if wanted.run_id is not None:
            known = self._runs.find(wanted.run_id) or await self.taking_up.find(wanted.run_id)
            if known is not None:
                known.check_same(definition, data, definition_of(json.loads(compiled.pin.text)))
                return known
        if is_large(definition):
            await in_slices(compiled.pinned(), definition.written.folder, self._check, size=size_of(definition))
        self._check()
        system, journal = self._system, self._system.parts.journal
        run_id = wanted.run_id or system.parts.new_id()
        told, row = pins_of(compiled), row_of_run(run_id, compiled, system.parts.clock.now().utc)
        kept = journal.begin_run(row, compiled.pin.text)
        run = begin(system, self._runs, compiled, replace(wanted, data=data, run_id=run_id), self._conclude, told)
        await asyncio.shield(kept)
        return run


def _told(recovery: asyncio.Task[TakenUp]) -> None:
    """Take note of how a recovery ended: whoever asks for it is told, and nobody has to."""
    if not recovery.cancelled():
        recovery.exception()
