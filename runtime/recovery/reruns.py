"""Retries and forks: a new run that begins with what an earlier one has, and then goes on as after a restart.

Its history is kept in one commit: who is killed in the midst of it leaves no run, or one that stands alone.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from playbill.model.errors import DefinitionError
from playbill.model.events import TERMINAL, Event, EventType
from playbill.model.facts import Origin
from playbill.model.frozen import freeze
from playbill.model.machines.supervisor import start_data
from playbill.model.messages import Cancel, Recover
from playbill.model.past import Past
from playbill.model.policies import StopPolicy
from playbill.model.reuse import Earlier, Fork, forked, retried
from playbill.model.run_inputs import check_trigger_data
from playbill.model.runstate import folded
from playbill.model.stored_form import definition_of
from playbill.runtime.definitions.versions import our_version
from playbill.runtime.journals.waiters import take_note, until_kept
from playbill.runtime.plain_ports import NullKeeper
from playbill.runtime.recovery.pins import pins_of, row_of_run
from playbill.runtime.same_run import check_same_run
from playbill.runtime.starting import planned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.attributes import Scalar
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.definitions.files import Given
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.recovery.changes import RerunChanges
    from playbill.runtime.recovery.taking_up import TakingUp
    from playbill.runtime.run import Run

__all__ = ["Reruns", "origin_of_retry", "record_run"]

RETRY: Final = "retry"
FORK: Final = "fork"


class Reruns:
    """The retries and forks of a manager.

    Args:
        taking_up: knows its runs, and lets those go on that have a history.
    """

    def __init__(self, taking_up: TakingUp) -> None:
        self._taking_up = taking_up

    async def retry(self, run_id: str, changes: RerunChanges) -> Run:
        """Begin a retry of a run that has ended unsuccessfully.

        Raises:
            UnknownRun: there is none of this id.
            DefinitionError: it has completed, or not ended; or the new id is another run's.
            JournalError: the journal cannot be read, or has not kept the retry's start for a while.
        """
        if (known := await self._known(changes.run_id, Origin(run_id, RETRY))) is not None:
            return known
        earlier = await self._taking_up.earlier(run_id)
        origin = origin_of_retry(earlier)
        compiled = await self._compiled(earlier.definition, earlier.events[0])
        return await self._begin(earlier, compiled, origin, changes)

    async def fork(self, run_id: str, node: str, changes: RerunChanges) -> Run:
        """Begin a fork of a run at one of its nodes.

        Raises:
            UnknownRun: there is none of this id.
            DefinitionError: it cannot be forked there; or the new id is another run's; or what is given is wrong.
            JournalError: the journal cannot be read, or has not kept the fork's start for a while.
        """
        if (known := await self._known(changes.run_id, Origin(run_id, FORK, node=node))) is not None:
            return known
        earlier = await self._taking_up.earlier(run_id)
        given = earlier.definition if changes.definition is None else changes.definition
        compiled = await self._compiled(given, None if changes.definition is not None else earlier.events[0])
        return await self._begin(earlier, compiled, Origin(run_id, FORK, node=node), changes)

    async def _known(self, new_id: str | None, origin: Origin) -> Run | None:
        """Return the run that was begun so before, if the old one is gone by now; None: look at the old one."""
        taking_up = self._taking_up
        if new_id is None or await taking_up.is_there(origin.run):
            return None
        async with taking_up.runs.reserve(new_id):
            known = await taking_up.get(new_id)
        is_same = known is not None and known.origin is not None and replace(known.origin, first=None) == origin
        return known if is_same else None

    async def _compiled(self, given: Given, first: Event | None) -> CompiledPipeline:
        """Compile a pipeline; of a run whose first event is given, with its grace and kill bound."""
        taking_up = self._taking_up
        compiler = taking_up.compiler
        if first is not None:
            stop = StopPolicy(grace=first.data["grace"], kill_bound=first.data["kill_bound"])
            compiler = compiler.with_stop(stop)
        return await planned(compiler, compiler.take(given), taking_up.runs, taking_up.check)

    async def _begin(
        self, earlier: Earlier, compiled: CompiledPipeline, origin: Origin, changes: RerunChanges
    ) -> Run:
        """Begin the run, and wait until the journal has its history; who is cancelled leaves it to begin."""
        parts = self._taking_up.system.parts
        row = await parts.journal.reading.run(origin.run)
        run_id = changes.run_id or parts.new_id()
        history = self._history(earlier, compiled, origin, changes, run_id)
        attributes = {} if row is None else row.attributes
        beginning = asyncio.ensure_future(self._find_or_record(history, compiled, attributes))
        beginning.add_done_callback(take_note)
        self._taking_up.runs.recording.add(beginning)
        beginning.add_done_callback(self._taking_up.runs.recording.discard)
        return await until_kept(beginning, parts.journal, f"run '{run_id}' begins as soon as it is kept")

    def _history(
        self, earlier: Earlier, compiled: CompiledPipeline, origin: Origin, changes: RerunChanges, run_id: str
    ) -> list[Event]:
        first, plan, parts = earlier.events[0].data, compiled.plan, self._taking_up.system.parts
        given = first["trigger_data"] if changes.trigger_data is None else changes.trigger_data
        data = freeze(check_trigger_data(compiled.definition, given))
        timeout = changes.timeout_seconds or (
            first["timeout"] if changes.definition is None else compiled.definition.timeout
        )
        pins: Mapping[str, Any] = pins_of(compiled) if parts.journal.is_durable else {}
        trace = changes.trace or (first.get("trace") if origin.how == RETRY else None)
        traced = {} if trace is None else {"trace": trace}
        told = start_data(plan, data, timeout, {**pins, "origin": origin, **traced})
        now = parts.clock.now().utc
        started = Event(EventType.PIPELINE_RUN_STARTED, run_id, 1, now, None, None, told)
        if origin.how == RETRY:
            return retried(earlier, started)
        return forked(earlier, started, Fork(origin.node, plan, compiled.catalog))

    async def _find_or_record(
        self, history: list[Event], compiled: CompiledPipeline, attributes: Mapping[str, Scalar]
    ) -> Run:
        """Return the run there is of this id, or record one and let it go on.

        Raises:
            DefinitionError: the run there is is another one.
            JournalError: it cannot be kept.
        """
        taking_up, started = self._taking_up, history[0]
        run_id, journal = started.stream, taking_up.system.parts.journal
        async with taking_up.runs.reserve(run_id):
            if (known := await taking_up.get(run_id)) is not None:
                return _checked(known, compiled, started)
            taking_up.check()
            if journal.is_durable:
                row = row_of_run(run_id, compiled, started.at, attributes, started.data["origin"].run)
                await record_run(journal, row, compiled.pin.text, history)
            recover = Recover(Past(history), {"playbill": our_version()})
            run = taking_up.go_on(history, folded(history), compiled, recover)
            if attributes and not journal.is_durable:
                journal.change_run(run_id, {"attributes": dict(attributes)})
            try:
                taking_up.check()
            except RuntimeError:  # who closes the manager has not seen the run: it was recorded meanwhile
                if not taking_up.runs.are_left:  # else it is parked like all others
                    run.actor.post(Cancel("shutdown", "the manager is closed"))
            return run


def origin_of_retry(earlier: Earlier) -> Origin:
    """Return what a retry says of the run that it is one of.

    Raises:
        DefinitionError: that has completed, or has not ended.
    """
    first, last = earlier.events[0], earlier.events[-1]
    if last.type not in TERMINAL:
        text = (
            f"run '{first.stream}' has not ended: let it go on (`playbill recover`, `open_run`), or cancel it first"
        )
        raise DefinitionError.single("not-ended", "run_id", text)
    if last.type is EventType.PIPELINE_RUN_COMPLETED:
        text = f"run '{first.stream}' has completed: fork it, if some of its nodes shall run again"
        raise DefinitionError.single("completed", "run_id", text)
    before = first.data.get("origin")
    return Origin(first.stream, RETRY, (before and before.first) or first.stream)


async def record_run(
    journal: MemoryJournal, row: RunRow, definition: str, history: Iterable[Event], logs: Iterable[LogLine] = ()
) -> None:
    """Keep a run with all that it begins with, in one commit; nobody has it at work then.

    Raises:
        JournalError: it cannot be kept, or there is a run of this id.
    """
    kept = journal.begin_run(row, definition)
    if kept.done():  # it is refused: the stream of this id is another run's
        return kept.result()
    try:
        stream = journal.open(row.run_id, NullKeeper())
        for event in history:
            stream.append(event)
        for line in logs:
            journal.log(row.run_id, line)
        stream.push()
        await kept
    finally:
        journal.drop(row.run_id)


def _checked(known: Run, compiled: CompiledPipeline, started: Event) -> Run:
    """Return the run there is of an id, if it is the one that somebody wants to begin.

    Raises:
        DefinitionError: it is another one.
    """
    if known.origin != started.data["origin"]:
        text = f"run_id '{known.id}' is taken by a run of another run, or at another node: choose a new id"
        raise DefinitionError.single("run-id-reused", "run_id", text)
    stored = definition_of(json.loads(compiled.pin.text))
    data = started.data["trigger_data"]
    check_same_run(known.id, known.definition, known.trigger_data, (compiled.definition, data, stored))
    return known
