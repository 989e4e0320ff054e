"""Takes a run from a file into a journal: as history that never goes on, for retries and forks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from playbill.model.errors import DefinitionError
from playbill.model.messages import Cancel
from playbill.model.unowned import UnownedRun
from playbill.runtime.journals.refusals import RunIdTaken
from playbill.runtime.recovery.reruns import record_run

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.recovery.recorded.run_file import RunFile

__all__ = ["import_run"]

UNFINISHED: Final = Cancel("import", "it had not ended when it was exported; where it comes from it goes on")
WAS: Final[dict[str, Any]] = dict.fromkeys(("parent", "root", "wake_at", "suspended_reason", "suspended_at"))
"""What of its row was true where it was, and is not here."""


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
    row = replace(file.row, run_id=run_id, **WAS)
    last = events[-1]
    events += UnownedRun(run_id, row.status, last.seq, last.at).receive(UNFINISHED, now)
    try:
        await record_run(journal, row, file.definition, events, file.logs)
    except RunIdTaken as error:
        text = f"the journal has a run '{run_id}' already: import it by another id"
        raise DefinitionError.single("run-id-reused", "run_id", text) from error
    return run_id
