"""Takes up the runs that a journal has: those that have not ended go on here, each alone; others are read back.

Rules:

1. The journal tells what a run is: its definition is the stored one, its timeout, grace and kill bound are those that
   it began with; only handlers, resources and secrets are this manager's.
2. A run that cannot go on is set aside, with the reason in the index, and harms no other: its definition or an event
   cannot be read, a handler is gone or has a version that does not accept the run's, or it crashes again and again.
3. Runs are taken up the oldest first, one after the other, beside all else that the loop does; the events of the next
   ones are read meanwhile, of many together.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from playbill.actors.supervisor import SupervisorActor
from playbill.model.diagnostics import list_names
from playbill.model.errors import DefinitionError, JournalError, RunSetAside, UnknownRun
from playbill.model.messages import Recover
from playbill.model.past import Past
from playbill.model.plan import RunFacts
from playbill.model.reuse import Earlier, check_began
from playbill.model.runstate import folded
from playbill.runtime.clocks.weak import weakly
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.definitions.slices import Uncollected
from playbill.runtime.definitions.versions import our_version
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.recovery.obstacles import changes_since, check_crashes
from playbill.runtime.recovery.passive_runs import PassiveRuns
from playbill.runtime.recovery.stored_history import StoredHistory, StoredPipelines
from playbill.runtime.recovery.stored_run import StoredRun
from playbill.runtime.recovery.taken_up import TakenUp
from playbill.runtime.recovery.unowned_runs import UnownedRuns
from playbill.runtime.run import Run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.messages import Cancel, Pause, Resume
    from playbill.model.results import RunResult
    from playbill.model.runstate import RunState
    from playbill.runtime.actor_system import ActorSystem
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.runs import Runs

__all__ = ["TakingUp"]

logger = logging.getLogger("playbill")

A_TURN: Final = 16
"""Runs that are taken up before the loop has its turn."""
SHOWN: Final = 10
"""Runs, where they are named."""

Leaves: TypeAlias = "Callable[[RunRow, list[Event] | None], Awaitable[bool]]"
Agree: TypeAlias = "Callable[[PipelineDefinition, Mapping[str, Any]], None]"


class TakingUp:
    """What a manager does with the runs in its journal.

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
        self.system = system
        self.runs = runs
        self.compiler = compiler
        self.conclude = conclude
        self.check = check
        self._journal = system.parts.journal
        self.stored = StoredHistory(self._journal.reading, check)
        self._pipelines = StoredPipelines(self.stored, compiler)
        self._unowned = UnownedRuns(self._journal, lambda: system.parts.clock.now().utc)
        self.passive = PassiveRuns(system, runs, self._wake, self.tell)
        """Those that are out of memory."""
        if self._journal.is_durable:
            runs.passive, system.clock_stepped = self.passive, weakly(self.passive.clock_stepped)
        self._uncollected = Uncollected(0)
        self._told: set[str] = set()
        """Runs that were told something while nobody had them at work: what was read of them before is not all."""

    async def take_up_all(self, rows: Sequence[RunRow] = (), leaves: Leaves | None = None) -> TakenUp:
        """Let all runs go on that have not ended, or these, the oldest first; `leaves` says which come later."""
        taken = TakenUp()
        rows = rows or self.passive.let_rest(await self.stored.unfinished(), taken)
        self._uncollected = Uncollected(sum(row.last_seq for row in rows))
        async with aclosing(self.stored.each(rows)) as each:
            async for row, events in each:
                if leaves is None or not await leaves(row, events):
                    await self._take_up_one(row, events, taken)
                if (len(taken.runs) + len(taken.set_aside)) % A_TURN == 0:
                    await asyncio.sleep(0)
        self._uncollected = Uncollected(0)
        if taken.runs:
            logger.info("from before go on: %s", list_names(taken.runs, SHOWN))
        return taken

    async def _take_up_one(self, row: RunRow, events: list[Event] | None, taken: TakenUp) -> None:
        """Take up a run of which these events were read, unless somebody has asked for it meanwhile."""
        async with self.runs.reserve(row.run_id):
            self.check()
            if self.runs.find(row.run_id) is not None:
                return  # whoever asked for it was told
            if row.run_id in self._told:
                now, events = await self.stored.row(row.run_id), None
                if now is None or now.status not in ALIVE:
                    return
                row = now
            try:
                await self._take_up(row, events)
                taken.runs.append(row.run_id)
            except RunSetAside as error:
                taken.set_aside[row.run_id] = error.reason

    async def tell(self, run_id: str, message: Cancel | Pause | Resume) -> bool:
        """Tell a run something that nobody has at work; True if that changed it.

        Only for who has reserved the id.

        Raises:
            UnknownRun: the journal has none of this id.
            JournalError: it cannot be read, or has failed for 5 s to keep it.
        """
        await self._unowned.settle(run_id)
        if (row := await self.stored.row(run_id)) is None:
            raise UnknownRun(run_id)
        self._told.add(run_id)
        return await self._unowned.tell(row, message)

    async def find(
        self, run_id: str, agree: Agree = lambda _definition, _data: None, *, insists: bool = False
    ) -> Run | None:
        """Return the run that the journal has of an id: it goes on here, or has ended; None: there is none.

        Only for who has reserved the id.

        Args:
            run_id: its id.
            agree: told its definition and what it was started with, before it goes on or is remembered; what it
                raises is raised.
            insists: whether it goes on however often a node of it was running in a crash.

        Raises:
            DefinitionError: no journal can have such an id.
            RunSetAside: it has not ended, and cannot go on.
            JournalError: it cannot be read.
        """
        await self._unowned.settle(run_id)
        if (row := await self.stored.row(run_id)) is None:
            return None
        if row.status in ALIVE:
            return await self._take_up(row, None, agree, insists=insists)
        with suppress(UnknownRun):  # it was forgotten since
            return await self._read_back(row, agree)
        return None

    async def _wake(self, run_id: str) -> None:
        """Take up a run that rests, unless somebody has meanwhile."""
        async with self.runs.reserve(run_id):
            if self.runs.find(run_id) is None:
                await self.find(run_id)
            self.passive.take(run_id)  # whatever became of it

    async def get(self, run_id: str) -> Run | None:
        """Return a run that is known here, or else what `find` gives; only for who has reserved the id."""
        return self.runs.find(run_id) or await self.find(run_id)

    async def is_there(self, run_id: str) -> bool:
        """Tell whether there is a run of an id, here or in the journal."""
        return self.runs.find(run_id) is not None or await self.stored.row(run_id) is not None

    async def earlier(self, run_id: str) -> Earlier:
        """Return what there is of a run, under way or ended, for who begins another one with it.

        Raises:
            UnknownRun: there is none of this id.
            DefinitionError: nothing of it is kept yet.
            JournalError: it cannot be read.
        """
        known = self.runs.find(run_id)
        if known is not None:
            if not (events := known.kept_events):
                text = f"run '{run_id}' has only just begun, and nothing of it is kept yet: wait for its first event"
                raise DefinitionError.single("not-kept", "run_id", text)
            return check_began(Earlier(known.definition, events))
        if (row := await self.stored.row(run_id)) is None:
            raise UnknownRun(run_id)
        return await self.stored.earlier(row)

    # ---- one run ----------------------------------------------------------------------------------------------

    async def _take_up(
        self,
        row: RunRow,
        events: list[Event] | None,
        agree: Agree = lambda _definition, _data: None,
        *,
        insists: bool = False,
    ) -> Run:
        """Let a run go on that has these events; None: they are to be read.

        Raises:
            RunSetAside: it cannot; its reason is in the index.
        """
        try:
            events = await self.stored.events(row) if events is None else events
            first = events[0].data
            compiled = await self._pipelines.of(row, first)
            changed = changes_since(first, compiled)
            with self._uncollected:
                past, state = Past(events), folded(events)
            if not insists:
                check_crashes(past)
        except Exception as error:  # whatever is wrong with one run, it harms no other
            self.check()  # nobody reads a journal whose manager is closed
            reason = str(error) if isinstance(error, (DefinitionError, JournalError)) else f"{error!r}"
            self.passive.take(row.run_id)
            await self._set_aside(row, reason)
            raise RunSetAside(row.run_id, reason) from error
        agree(compiled.definition, state.trigger_data)
        self.check()
        if (rested := self.passive.goes_on(row.run_id)) is not None:
            return self.go_on(events, state, compiled, Recover(past, rested=rested))
        told: dict[str, Any] = {"playbill": our_version(), **({"handlers": changed} if changed else {})}
        with self._uncollected:
            return self.go_on(events, state, compiled, Recover(past, told))

    def go_on(self, events: list[Event], state: RunState, compiled: CompiledPipeline, recover: Recover) -> Run:
        """Let a run go on that has these events, which fold to this state."""
        system, first, data, told = self.system, events[0], state.trigger_data, events[0].data
        first_run = None if (origin := told.get("origin")) is None else origin.first
        facts = RunFacts(first.stream, compiled.plan, data, next(system.run_numbers), first_run, told.get("trace"))
        breakers = system.breakers_of(compiled.definition, compiled.breaker_keys, agree=False)
        ports, timeout = system.ports_of_run(compiled.bindings), first.data["timeout"]
        actor = SupervisorActor(ports, facts, timeout, breakers, self.conclude, state, events)
        run = Run(compiled.definition, data, actor, self._journal.streams[first.stream], system)
        self.runs.active[first.stream] = run
        self.watch(actor)
        actor.post(recover)
        return run

    def watch(self, actor: SupervisorActor) -> None:
        """Forget a run, should its journal keep nothing of it any more, once its work has stopped; let it rest."""
        run_id = actor.facts.run_id

        def let_go(error: JournalError) -> None:
            run = self.runs.active.pop(run_id, None)
            self._journal.drop(run_id)
            if run is not None:
                run.fence(error)

        actor.on_fenced, actor.on_kept = let_go, self.passive.touch

    async def _read_back(self, row: RunRow, agree: Agree) -> Run:
        """Return a run that has ended.

        Raises:
            JournalError: its definition, or an event of its, cannot be read.
        """
        events = await self.stored.events(row)
        definition, state = await self.stored.definition(row, events[0].data), folded(events)
        run = StoredRun(definition, row.run_id, state, self._journal.stored(row.run_id, events), self.system)
        if not run.began_in_vain:
            agree(definition, state.trigger_data)
        forgotten = self.runs.remember(run)
        if forgotten is not None:
            self._journal.drop(forgotten)
        return run

    async def _set_aside(self, row: RunRow, reason: str) -> None:
        logger.warning("run '%s' is set aside: %s", row.run_id, reason)
        if row.suspended_reason == reason:
            return  # since then
        now = self.system.parts.clock.now().utc
        await self._journal.change_run(row.run_id, {"suspended_reason": reason, "suspended_at": now})
