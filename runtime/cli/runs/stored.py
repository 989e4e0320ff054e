"""A run as its journal has it, read without actors: its events, what they come to, and whether anybody is at it."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from playbill.model.errors import JournalError
from playbill.model.events import EventType
from playbill.model.runstate import folded
from playbill.runtime.cli.journals import find_run, journals, reading
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.recovery.stored_history import StoredHistory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.runstate import RunState
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.sqlite.files.ownership import Owner
    from playbill.runtime.journals.sqlite.reading.reader import SqliteReader

__all__ = ["ReadRun", "Standing", "read_run", "standing_of", "standing_of_row"]

T = TypeVar("T")


class Standing(Enum):
    """Whether anybody is at a run."""

    HELD = "held"
    """The owner of its journal, or it has ended, and nobody has to be."""
    LEFT = "left"
    """It has not ended, and its process has gone."""
    LATER = "later"
    """It was recorded for later, and nobody has taken it up yet."""


class ReadRun(NamedTuple):
    """A run, and all that its journal has of it but for its log."""

    path: Path
    row: RunRow
    events: Sequence[Event]
    state: RunState
    definition: PipelineDefinition
    owner: Owner | None
    """Of the journal; None: nobody owns it."""

    @property
    def standing(self) -> Standing:
        """Whether anybody is at it."""
        return standing_of(self.row, self.events[-1], self.owner)


class ImpatientHistory(StoredHistory):
    """Reads once: whoever calls a command waits for no journal that is away."""

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        return await read()


def read_run(run_id: str, journal: str | None, *, changes: bool = False) -> ReadRun:
    """Return the run that an id means; `changes`: whether something is done to it.

    Raises:
        DefinitionError: there is none, or its definition cannot be read.
        JournalError: a journal, or the run in it, cannot be read.
    """
    return asyncio.run(_read_run(run_id, journal, changes=changes))


async def _read_run(run_id: str, journal: str | None, *, changes: bool) -> ReadRun:
    path, row = await find_run(journals(journal), run_id, changes=changes)
    owner = owner_of(path)
    async with reading(path) as reader:
        history = ImpatientHistory(reader, lambda: None)
        try:
            events = await history.events(row)
            definition = await history.definition(row, events[0].data)
        except JournalError as error:
            raise JournalError(f"run '{row.run_id}' of {path} cannot be read: {error}") from error
        row = await reader.run(row.run_id) or row  # no older than its events
    return ReadRun(path, row, events, folded(events), definition, owner)


def standing_of(row: RunRow, last: Event | None, owner: Owner | None) -> Standing:
    """Tell whether anybody is at a run.

    Whoever begins a run or takes one up appends an event: an owner who came after the last one has done neither. What
    is recorded of a retry or a fork is its start and the nodes that it keeps, and whoever takes it up appends more.

    Args:
        row: the run's.
        last: its last event.
        owner: of its journal.
    """
    if row.status not in ALIVE:
        return Standing.HELD
    if owner is not None and (owner.since is None or last is None or last.at >= owner.since):
        return Standing.HELD
    is_recorded = last is not None and (last.type is EventType.PIPELINE_RUN_STARTED or "reused_from" in last.data)
    return Standing.LATER if row.origin is not None and is_recorded else Standing.LEFT


async def standing_of_row(reader: SqliteReader, row: RunRow, owner: Owner | None) -> Standing:
    """Tell the same of a run of which no event was read."""
    if row.status not in ALIVE:
        return Standing.HELD
    if owner is None and row.origin is None:
        return Standing.LEFT
    last = await reader.events(row.run_id, row.last_seq, 1)
    return standing_of(row, last[0] if last else None, owner)
