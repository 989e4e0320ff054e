"""Takes a run from a file into a journal: as history that never goes on, for retries and forks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from playbill.model.errors import DefinitionError
from playbill.model.facts import Origin
from playbill.model.messages import Cancel
from playbill.model.unowned import UnownedRun
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.refusals import RunIdTaken
from playbill.runtime.recovery.reruns import record_run

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.recovery.recorded.run_file import RunFile

__all__ = ["import_run", "taken"]

UNFINISHED: Final = Cancel("import", "it had not ended when it was exported; where it comes from it goes on")


async def import_run(journal: MemoryJournal, file: RunFile, now: datetime, new_id: str | None = None) -> str:
    """Keep a run that a file has, and return its id; one that had not ended is cancelled here.

    Args:
        journal: takes it.
        file: has it.
        now: the time, in UTC.
        new_id: another id than it had.

    Raises:
        DefinitionError: there is a run of this id.
        JournalError: it cannot be kept.
    """
    run_id = new_id or file.row.run_id
    events = [replace(event, stream=run_id) for event in file.events]
    state = file.state
    if state.status in ALIVE:
        events += UnownedRun(run_id, state.status, state.seq, state.at).receive(UNFINISHED, now)
    if run_id != file.row.run_id:
        events[0] = _renamed(events[0], file.row.run_id)
    row = replace(file.row, run_id=run_id)
    try:
        await record_run(journal, row, file.definition, events, file.logs)
    except RunIdTaken as error:
        raise DefinitionError.single("run-id-reused", "run_id", taken(run_id)) from error
    return run_id


def taken(run_id: str) -> str:
    """Return what is said of an id that another run has."""
    return f"the journal has a run '{run_id}' already: import it by another id"


def _renamed(started: Event, was: str) -> Event:
    """Return the first event of a run that has another id here: its retries go on with the keys that it had there."""
    before: Origin | None = started.data.get("origin")
    first = (before and before.first) or was
    return replace(started, data={**started.data, "origin": Origin(was, "import", first)})
