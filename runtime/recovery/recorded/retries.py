"""Records a retry in a journal that nobody has at work: without types and handlers, for a manager that has them.

What its handlers' versions were is not recorded: the retry is one of whoever goes on with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError, UnknownRun
from playbill.model.events import Event, EventType
from playbill.model.reuse import retried
from playbill.model.run_inputs import check_trigger_data
from playbill.runtime.definitions.versions import our_version
from playbill.runtime.journals.index import RunRow
from playbill.runtime.journals.refusals import RunIdTaken
from playbill.runtime.options import run_id_to_start
from playbill.runtime.recovery.reruns import origin_of_retry, record_run
from playbill.runtime.recovery.stored_history import StoredHistory
from playbill.runtime.world import unique_id

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.recovery.changes import RerunChanges

__all__ = ["record_retry"]


async def record_retry(journal: MemoryJournal, run_id: str, changes: RerunChanges, now: datetime) -> RunRow:
    """Record a retry of a run, and return its row.

    Raises:
        UnknownRun: there is no such run.
        DefinitionError: it has completed, or not ended; or the new id is taken.
        JournalError: it cannot be read, or the retry not be kept.
    """
    history = StoredHistory(journal.reading, lambda: None)
    row = await history.row(run_id)
    if row is None:
        raise UnknownRun(run_id)
    earlier = await history.earlier(row)
    origin = origin_of_retry(earlier)
    definition = None if row.definition is None else await journal.reading.definition(row.definition)
    new_id = unique_id() if changes.run_id is None else run_id_to_start(changes.run_id)
    said = earlier.events[0].data
    check_trigger_data(earlier.definition, said["trigger_data"])
    data = {name: item for name, item in said.items() if name != "handlers"}
    data |= {"playbill": our_version(), "timeout": changes.timeout_seconds or said["timeout"], "origin": origin}
    data |= {} if changes.trace is None else {"trace": changes.trace}
    started = Event(EventType.PIPELINE_RUN_STARTED, new_id, 1, now, None, None, data)
    fresh = RunRow(
        run_id=new_id,
        pipeline=row.pipeline,
        created_at=now,
        version=row.version,
        definition=row.definition,
        origin=run_id,
        attributes=dict(row.attributes),
    )
    try:
        await record_run(journal, fresh, definition or "", retried(earlier, started))
    except RunIdTaken as error:
        there = await history.row(new_id)
        if there is not None and there.origin == run_id:
            events = await history.events(there)
            if events[0].data.get("origin") == origin:
                return there
        text = f"run_id '{new_id}' is taken by another run: choose a new id"
        raise DefinitionError.single("run-id-reused", "run_id", text) from error
    return fresh
