"""Records a fork in a journal that nobody has at work: its types judge its edges, and no handler is called.

What its handlers' versions are is not recorded: the fork is one of whoever goes on with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from playbill.model.errors import UnknownRun
from playbill.model.events import Event, EventType
from playbill.model.facts import Origin
from playbill.model.frozen import freeze
from playbill.model.machines.supervisor import start_data
from playbill.model.policies import StopPolicy
from playbill.model.reuse import Fork, forked
from playbill.model.run_inputs import check_trigger_data
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.options import run_id_to_start
from playbill.runtime.recovery.pins import pins_of, row_of_run
from playbill.runtime.recovery.recorded.retries import keep_rerun
from playbill.runtime.recovery.stored_history import StoredHistory
from playbill.runtime.world import unique_id

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.model.catalog import Catalog
    from playbill.model.reuse import Earlier
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.recovery.changes import RerunChanges

__all__ = ["ForkedHere", "record_fork"]


class ForkedHere(NamedTuple):
    """Where and when a fork is recorded."""

    catalog: Catalog
    """The types that are known here."""
    now: datetime


async def record_fork(
    journal: MemoryJournal, run_id: str, node: str, changes: RerunChanges, here: ForkedHere
) -> RunRow:
    """Record a fork of a run at one of its nodes, and return its row.

    Raises:
        UnknownRun: there is no such run.
        DefinitionError: it cannot be forked there; a type is not known here; what is given is wrong; or the new id
            is taken.
        JournalError: it cannot be read, or the fork not be kept.
    """
    history = StoredHistory(journal.reading, lambda: None)
    row = await history.row(run_id)
    if row is None:
        raise UnknownRun(run_id)
    earlier = await history.earlier(row)
    compiled = _compiled(earlier, changes, here.catalog)
    origin = Origin(run_id, "fork", node=node)
    new_id = unique_id() if changes.run_id is None else run_id_to_start(changes.run_id)
    told = _told(earlier, compiled, changes, origin)
    started = Event(EventType.PIPELINE_RUN_STARTED, new_id, 1, here.now, None, None, told)
    events = forked(earlier, started, Fork(node, compiled.plan, compiled.catalog))
    fresh = row_of_run(new_id, compiled, here.now, row.attributes, run_id)
    return await keep_rerun(journal, fresh, compiled.pin.text, events)


def _compiled(earlier: Earlier, changes: RerunChanges, catalog: Catalog) -> CompiledPipeline:
    """Compile the pipeline of a fork; of the old run with its grace and kill bound."""
    if changes.definition is not None:
        return PipelineCompiler(catalog, StopPolicy()).of(changes.definition)
    first = earlier.events[0].data
    stop = StopPolicy(grace=first["grace"], kill_bound=first["kill_bound"])
    return PipelineCompiler(catalog, stop).of(earlier.definition)


def _told(earlier: Earlier, compiled: CompiledPipeline, changes: RerunChanges, origin: Origin) -> dict[str, Any]:
    """Return the data of a fork's first event."""
    first = earlier.events[0].data
    given = first["trigger_data"] if changes.trigger_data is None else changes.trigger_data
    data = freeze(check_trigger_data(compiled.definition, given))
    timeout = first["timeout"] if changes.definition is None else compiled.definition.timeout
    pins = {name: pin for name, pin in pins_of(compiled).items() if name != "handlers"}
    traced = {} if changes.trace is None else {"trace": changes.trace}
    return start_data(compiled.plan, data, changes.timeout_seconds or timeout, {**pins, "origin": origin, **traced})
