"""The journals that there are, and what tests of any of them need."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playbill.model.errors import JournalError
from playbill.model.events import NO_DATA, Event, EventType
from playbill.runtime.journals.index import RunRow
from playbill.runtime.journals.memory import MemoryJournal, MemoryStream
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.simulation.durable.disk import Disk
from playbill.runtime.simulation.durable.journal import DiskJournal

STARTED, COMPLETED = EventType.PIPELINE_RUN_STARTED, EventType.PIPELINE_RUN_COMPLETED
AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
STARTED_DATA = {"pipeline": "p", "version": "1", "trigger_data": {}}
ENDED_DATA = {"status": "completed", "cause": None}


def memory(folder: Path) -> MemoryJournal:
    return MemoryJournal()


def sqlite(folder: Path) -> SqliteJournal:
    return SqliteJournal(f"sqlite:///{folder}/journal.db")


def disk(folder: Path) -> DiskJournal:
    return DiskJournal(Disk(), asyncio.get_running_loop())


JOURNALS: dict[str, Callable[[Path], MemoryJournal]] = {"memory": memory, "sqlite": sqlite, "disk": disk}
"""How each is made; postgres comes here, too."""


class Heard:
    """A keeper that notes what it hears."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.errors: list[str] = []
        self._news = asyncio.Event()

    def kept(self, seq: int) -> None:
        self.seqs.append(seq)
        self._news.set()

    def failed(self, error: str) -> None:
        self.errors.append(error)
        self._news.set()

    def fenced(self, error: JournalError) -> None:
        self.errors.append(str(error))
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def until_kept(self, seq: int) -> None:
        await self.until(lambda: bool(self.seqs) and self.seqs[-1] >= seq)


def event(seq: int, kind: EventType | None = None, stream: str = "r", **more: Any) -> Event:
    """An event that every journal takes: the first starts a run."""
    kind = kind or (STARTED if seq == 1 else EventType.PIPELINE_RUN_PAUSED)
    data: dict[EventType, Any] = {STARTED: STARTED_DATA, COMPLETED: ENDED_DATA}
    return Event(kind, stream, seq, more.pop("at", AT), None, None, more.pop("data", data.get(kind, NO_DATA)))


def row(run_id: str, minutes: int = 0, **more: Any) -> RunRow:
    more = {"pipeline": "p", "created_at": AT + timedelta(minutes=minutes), **more}
    return RunRow(run_id=run_id, **more)


async def put(journal: MemoryJournal, *events: Event) -> MemoryStream:
    """Append events of one stream, open or not, and wait until they are kept."""
    name = events[0].stream
    heard = Heard()
    stream = journal.streams.get(name) or journal.open(name, heard)
    heard = getattr(stream, "keeper", heard)
    kept = [stream.append(each) for each in events]
    stream.push()
    if not all(kept):
        await heard.until_kept(events[-1].seq)
    return stream


async def seqs(source: AsyncIterator[Event]) -> list[int]:
    return [each.seq async for each in source]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
