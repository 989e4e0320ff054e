"""Records a retry in a journal that nobody has at work: without types and handlers, for a manager that has them.

What its handlers' versions were is not recorded: the retry is one of whoever goes on with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
    from collections.abc import Sequence
    from datetime import datetime

    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.recovery.changes import RerunChanges

__all__ = ["keep_rerun", "record_retry"]


SAME: Final = ("origin", "trigger_data", "definition")
"""What the first events of two runs have in common that are the same retry or fork."""


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
    return await keep_rerun(journal, fresh, definition or "", retried(earlier, started))


async def keep_rerun(journal: MemoryJournal, row: RunRow, definition: str, history: Sequence[Event]) -> RunRow:
    """Keep a retry or a fork with all that it begins with, and return its row, or that of the same one there is.

    Raises:
        DefinitionError: the id is another run's.
        JournalError: it cannot be kept.
    """
    try:
        await record_run(journal, row, definition, history)
    except RunIdTaken as error:
        stored = StoredHistory(journal.reading, lambda: None)
        there = await stored.row(row.run_id)
        if there is not None and there.origin == row.origin:
            first = (await stored.events(there))[0].data
            if all(first.get(name) == history[0].data.get(name) for name in SAME):
                return there
        text = f"run_id '{row.run_id}' is taken by another run: choose a new id"
        raise DefinitionError.single("run-id-reused", "run_id", text) from error
    return row
