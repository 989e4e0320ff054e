"""Reads runs from a journal: their rows, events and definitions; one that is away for a while is waited for."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from playbill.model.errors import DefinitionError, JournalError, UnknownRun
from playbill.model.events import TERMINAL, EventType
from playbill.model.frozen import freeze
from playbill.model.policies import StopPolicy
from playbill.model.reuse import Earlier, check_began
from playbill.model.stored_form import definition_of
from playbill.model.written import Written
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.listing import RunQuery
from playbill.runtime.journals.refusals import JournalAway
from playbill.runtime.journals.waiters import take_note

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from playbill.model.definition import PipelineDefinition
    from playbill.model.errors import PlaybillError
    from playbill.model.events import Event
    from playbill.runtime.definitions.compile_once import PipelineCompiler
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.sides import ReadingSide

__all__ = ["StoredHistory"]

logger = logging.getLogger("playbill")
T = TypeVar("T")

FIRST: Final = frozenset({EventType.PIPELINE_RUN_STARTED, *TERMINAL})
"""What the events of a run begin with: its end, if its actor failed over its start."""
PAGE: Final = 1000
KEPT: Final = 64
"""Compiled definitions that are remembered."""
FIRST_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 1.0
"""Between two tries to read."""


class StoredHistory:
    """What a journal has of runs.

    Args:
        reading: reads it.
        check: raises once nobody shall wait for it any more.
    """

    def __init__(self, reading: ReadingSide, check: Callable[[], object]) -> None:
        self._reading = reading
        self._check = check

    async def unfinished(self) -> list[RunRow]:
        """Return the rows of all runs that have not ended, the oldest first."""
        found: list[RunRow] = []
        cursor: str | None = None
        while True:
            query = RunQuery(statuses=ALIVE, limit=PAGE, cursor=cursor)
            page = await self._patiently(lambda query=query: self._reading.runs(query))  # type: ignore[misc]
            found += page.runs
            cursor = page.next
            if cursor is None:
                return found[::-1]

    async def row(self, run_id: str) -> RunRow | None:
        """Return the row of a run; None: there is none of this id.

        Raises:
            DefinitionError: no journal can have such an id.
            JournalError: it cannot be read.
        """
        try:
            run_id.encode()
        except UnicodeEncodeError:
            text = f"run_id {run_id!r} has halves of characters, which a journal cannot keep: choose another"
            raise DefinitionError.single("run-id", "run_id", text) from None
        return await self._reading.run(run_id)

    async def events(self, row: RunRow) -> list[Event]:
        """Return all events of a run, outputs read-only.

        Raises:
            JournalError: they do not begin with its start, or its end if its start failed, or one is missing.
            UnknownRun: it was forgotten meanwhile.
        """
        found: list[Event] = []
        while True:
            place = len(found) + 1
            page = await self._patiently(lambda place=place: self._reading.events(row.run_id, place, PAGE))  # type: ignore[misc]
            found += map(_frozen, page)
            if len(page) < PAGE:
                break
        if not found or found[0].type not in FIRST:
            raise await self._missing(row, "its first event is not there: restore a backup of the journal")
        if [event.seq for event in found] != list(range(1, max(len(found), row.last_seq) + 1)):
            raise await self._missing(row, "some of its events are missing: restore a backup of the journal")
        return found

    async def _missing(self, row: RunRow, said: str) -> PlaybillError:
        """Return why something of a run is not there: it was forgotten since its row was read, or it is damaged."""
        now = await self._patiently(lambda: self._reading.run(row.run_id))
        is_same = now is not None and now.created_at == row.created_at
        return JournalError(said) if is_same else UnknownRun(row.run_id)

    async def each(self, rows: Iterable[RunRow]) -> AsyncGenerator[tuple[RunRow, list[Event] | None]]:
        """Give runs in their order, each with all its events; the next ones are read meanwhile, many together.

        None: whoever wants them reads them alone, by `events`, which says what is wrong with them if something is.
        """
        ahead: asyncio.Task[dict[str, list[Event]]] | None = None
        try:
            for batch, following in pairwise([*_batches(rows), ()]):
                found = await (ahead or self._together(batch))
                ahead = asyncio.Task(self._together(following)) if following else None
                for row in batch:
                    yield row, found.get(row.run_id)
        finally:
            if ahead is not None:
                ahead.cancel()
                ahead.add_done_callback(take_note)

    async def _together(self, rows: Sequence[RunRow]) -> dict[str, list[Event]]:
        """Return all events of several runs by id; of one that cannot be read with others nothing."""
        run_ids = [row.run_id for row in rows]
        try:
            read = await self._patiently(lambda: self._reading.histories(run_ids, PAGE))
        except JournalError:
            return {}
        found = {row.run_id: [*map(_frozen, read.get(row.run_id, ()))] for row in rows}
        return {row.run_id: events for row in rows if _is_whole(events := found[row.run_id], row)}

    async def definition(self, row: RunRow, first: Mapping[str, Any]) -> PipelineDefinition:
        """Return the stored definition of a run, whose first event says `first`.

        Raises:
            JournalError, DefinitionError: it is not there, or cannot be read.
            UnknownRun: the run was forgotten meanwhile.
        """
        digest = row.definition
        text = None if digest is None else await self._patiently(lambda: self._reading.definition(digest))
        if text is None:
            raise await self._missing(row, f"its definition {digest} is not in the journal: restore a backup")
        definition = definition_of(json.loads(text))
        folder = first.get("folder")
        return definition.of_text(Written(folder=Path(folder))) if folder else definition

    async def earlier(self, row: RunRow) -> Earlier:
        """Return a run for who begins another one with it.

        Raises:
            DefinitionError: it began in vain.
            JournalError: it cannot be read.
        """
        events = await self.events(row)
        return check_began(Earlier(await self.definition(row, events[0].data), events))

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read, again and again while the journal is away.

        Raises:
            JournalError: what is there cannot be read.
            RuntimeError: nobody shall wait any more.
        """
        seconds = FIRST_SECONDS
        while True:
            try:
                return await read()
            except JournalAway as error:
                logger.warning("%s; it is read again in %.2g s", error, seconds)
            await asyncio.sleep(seconds)
            self._check()
            seconds = min(2 * seconds, LONGEST_SECONDS)


class StoredPipelines:
    """The definitions of a journal's runs, ready to go on; each is compiled once.

    Args:
        history: reads them.
        compiler: the manager's own.
    """

    def __init__(self, history: StoredHistory, compiler: PipelineCompiler) -> None:
        self._history = history
        self._compiler = compiler
        self._known: dict[tuple[Any, ...], CompiledPipeline] = {}

    async def of(self, row: RunRow, first: Mapping[str, Any]) -> CompiledPipeline:
        """Return the pipeline of a run, whose first event says `first`: with the grace and kill bound it began with.

        Raises:
            JournalError, DefinitionError: its definition is not there, or cannot be read or bound.
        """
        key = (row.definition, first.get("folder"), first["grace"], first["kill_bound"])
        known = self._known.get(key)
        if known is None:
            definition = await self._history.definition(row, first)
            compiler = self._compiler.with_stop(StopPolicy(grace=first["grace"], kill_bound=first["kill_bound"]))
            known = self._known[key] = compiler.of(definition)
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return known


def _batches(rows: Iterable[RunRow]) -> Iterator[list[RunRow]]:
    """Give runs in their order, so many together as have a page of events in all."""
    batch: list[RunRow] = []
    events = 0
    for row in rows:
        if batch and events + row.last_seq > PAGE:
            yield batch
            batch, events = [], 0
        batch.append(row)
        events += row.last_seq
    if batch:
        yield batch


def _is_whole(events: Sequence[Event], row: RunRow) -> bool:
    begins = bool(events) and events[0].type in FIRST
    return begins and len(events) < PAGE and [event.seq for event in events] == [*range(1, row.last_seq + 1)]


def _frozen(event: Event) -> Event:
    """Return an event whose outputs nobody can change, as those of a live run."""
    data = event.data
    large = {name: freeze(data[name], event.node_id or "") for name in ("output", "trigger_data") if name in data}
    return replace(event, data={**data, **large}) if large else event
