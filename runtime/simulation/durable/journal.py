"""The journal of one simulated process: the SQLite journal's streams and groups, before a disk in virtual time.

A write takes a while, and is acknowledged a while after it is kept; at each of these moments the process may die.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from playbill.model.events import is_breaker, is_own
from playbill.runtime.journals.index import ENDED, check_change
from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.journals.sqlite.batches import Batches
from playbill.runtime.journals.sqlite.group import Rows
from playbill.runtime.journals.sqlite.stream import SqliteStream
from playbill.runtime.journals.sqlite.writing.open_note import OpenNote
from playbill.runtime.simulation.virtual.clock import EPOCH

if TYPE_CHECKING:
    import asyncio
    from asyncio import Future
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from playbill.actors.ports import Keeper
    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.sqlite.group import Group, KeptGroup
    from playbill.runtime.simulation.durable.disk import Disk
    from playbill.runtime.simulation.durable.points import Moment

__all__ = ["DiskJournal", "QuietLife"]


class Life(Protocol):
    """What happens to a process as it writes."""

    def taken(self, event: Event) -> None:
        """See an event as it is recorded."""

    def watching(self, keeper: Keeper) -> Keeper:
        """Return who hears in the place of a keeper what is kept, and tells it."""
        ...

    def lateness(self, group: Group, fail: Callable[[str], None]) -> tuple[float, float]:
        """Return how many seconds a group takes to be kept, and then to be told; `fail` says that it fails."""
        ...

    def dies(self, write: int, moment: Moment) -> bool:
        """Tell whether the process is dead from this moment of a write on."""
        ...


class QuietLife:
    """The life of a process to which nothing happens."""

    def taken(self, event: Event) -> None:
        """Do nothing."""

    def watching(self, keeper: Keeper) -> Keeper:
        """Return the keeper itself."""
        return keeper

    def lateness(self, group: Group, fail: Callable[[str], None]) -> tuple[float, float]:
        """Take no time."""
        return 0.0, 0.0

    def dies(self, write: int, moment: Moment) -> bool:
        """Go on."""
        return False


class DiskStream(SqliteStream):
    """A stream whose events are seen as they are recorded."""

    __slots__ = ("_life",)

    def __init__(
        self,
        journal: DiskJournal,
        name: str,
        keeper: Keeper,
        batches: Batches,
        last_seq: int,
        kept: Iterable[Event],
        life: Life,
    ) -> None:
        super().__init__(journal, name, life.watching(keeper), batches, last_seq, kept)
        self._life = life

    def append(self, event: Event) -> bool:
        """Take an event; False: the keeper will hear when it is kept."""
        self._life.taken(event)
        return super().append(event)


class DiskWriter:
    """Writes one group after the other, as the writer thread does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, disk: Disk, life: Life, note: OpenNote) -> None:
        self._loop = loop
        self._note = note
        self._disk = disk
        self._life = life
        self.hears: Batches | None = None
        """Who is told of a group; None: nobody any more, or not yet."""

    def send(self, group: Group) -> None:
        """Keep a group, and report."""
        if self.hears is None:
            return
        late, later = self._life.lateness(group, self._fails)
        self._loop.call_later(late, self._write, group, later)

    def _fails(self, error: str) -> None:
        self._loop.call_soon(self._fail, error)

    def _fail(self, error: str) -> None:
        if self.hears is not None:
            self.hears.failed(error)

    def _write(self, group: Group, later: float) -> None:
        self._disk.tries += 1
        write = self._disk.tries
        if self._life.dies(write, "before"):
            return
        outcome = self._disk.keep(group)
        self._disk.change_writer(self._note.opening())
        self._note.opened()
        if not self._life.dies(write, "kept"):
            self._loop.call_later(later, self._tell, outcome, write)

    def _tell(self, outcome: KeptGroup, write: int) -> None:
        if self.hears is not None:
            self.hears.kept(outcome)
            self._life.dies(write, "told")


class DiskJournal(MemoryJournal):
    """The journal of one simulated process, on a disk that outlives it.

    Args:
        disk: what is kept, by all processes.
        loop: the one of this process.
        life: what happens to it as it writes.
        now: when it opens the journal, UTC.
    """

    is_durable = True

    def __init__(
        self, disk: Disk, loop: asyncio.AbstractEventLoop, life: Life | None = None, now: datetime = EPOCH
    ) -> None:
        super().__init__()
        self.disk = disk
        self.reading = disk.index
        self.breaker_events = {name: list(kept.events) for name, kept in disk.streams.items() if is_breaker(name)}
        self._loop = loop
        self._life: Life = QuietLife() if life is None else life
        self._note = OpenNote(disk.writer, str(disk.tries), now)
        self.crashes = self._note.crashes
        self._writer = DiskWriter(loop, disk, self._life, self._note)
        self._batches = self._writer.hears = Batches(loop, self._writer)

    def open(self, stream: str, keeper: Keeper, kept: Iterable[Event] = ()) -> DiskStream:
        """Open a stream; one of playbill's own goes on from its last seq."""
        last = self._last_seq(stream) if is_own(stream) else 0
        opened = DiskStream(self, stream, keeper, self._batches, last, kept, self._life)
        self.streams[stream] = opened
        return opened

    def _last_seq(self, stream: str) -> int:
        before = self.streams.get(stream)
        return before.last_seq if isinstance(before, DiskStream) else self.disk.last_seq(stream)

    def drop(self, stream: str) -> None:
        """Forget a stream in memory; the disk keeps it."""
        self._batches.drop_begin(stream)
        super().drop(stream)

    def begin_run(self, row: RunRow, definition: str | None = None) -> Future[None]:
        """Let a run begin: its row is kept in one write with its first event."""
        return self._batches.begin(row, definition, is_open=row.run_id in self.streams)

    def change_run(self, run_id: str, change: Mapping[str, Any]) -> Future[None]:
        """Change of a run's row what no event does."""
        check_change(change)
        return self._rows(partial(self.disk.change, run_id, dict(change)))

    def _rows(self, write: Callable[[], Any]) -> Future[Any]:
        kept: Future[Any] = self._loop.create_future()

        def written(_connection: object) -> Any:
            return write()

        self._batches.add_rows(Rows(written, kept))
        return kept

    def log(self, run_id: str, line: LogLine) -> None:
        """Keep what an attempt said; nobody waits for it."""
        self._batches.add_log(run_id, line)

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that ended before, with the whole tree of each; return how many."""

        def prune() -> int:
            found = self.disk.index.ended_before(before, statuses or ENDED)
            for run_id in found:
                self.disk.forget(run_id)
            return len(found)

        count: int = await self._rows(prune)
        return count

    # ---- its end ----------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close it once all that was appended is kept."""
        while not self._batches.is_empty:
            self._batches.flush()
            await self._batches.reported.wait()
        self.close()

    def close(self) -> None:
        """End all readers; what is not kept by now never is."""
        if self._writer.hears is not None:  # who is dead closes nothing
            self.disk.change_writer(self._note.closing())
        self.die()
        super().close()

    def die(self) -> None:
        """Write nothing more, and tell nobody of what is written: the process is dead."""
        self._writer.hears = None
        self._batches.close()
