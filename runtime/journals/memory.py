"""The memory journal: keeps every event at once, for readers from any seq; slow readers never slow a run.

A run's stream is kept whole, for as long as its manager remembers the run; streams of playbill's own, of breakers and
of the loop, have no end, so that only their last events are kept.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from playbill.model.attributes import check_attributes
from playbill.model.events import TERMINAL, Event, is_own
from playbill.runtime.journals.index import ENDED
from playbill.runtime.journals.memory_index import MemoryIndex
from playbill.runtime.journals.progress import ProgressNews, ProgressReader
from playbill.runtime.journals.readers import StreamReader, Tail
from playbill.runtime.journals.waiters import Waiters, until_kept

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from playbill.actors.ports import Keeper
    from playbill.model.attributes import Scalar
    from playbill.model.progress import NodeProgress
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.sides import ReadingSide

OWN_EVENTS: Final = 1_000
"""How many events of a stream of playbill's own are kept: the last ones."""


class MemoryStream:
    """One stream: its events, and who waits for the next.

    Args:
        journal: Whose stream it is.
        name: What it is called; those of playbill's own keep their last events only.
    """

    __slots__ = ("__weakref__", "_journal", "_news", "_waiters", "closed", "events")

    def __init__(self, journal: MemoryJournal, name: str = "") -> None:
        self.events: list[Event] | deque[Event] = deque(maxlen=OWN_EVENTS) if is_own(name) else []
        """Those that are kept; their seqs have no gaps."""
        self.closed = False
        self._journal = journal
        self._waiters: Waiters | None = None
        """None: nobody has waited yet, as for most runs."""
        self._news: ProgressNews | None = None

    def append(self, event: Event) -> bool:
        """Keep `event`, at once."""
        self.events.append(event)
        if event.node_id is None and event.type in TERMINAL:
            self.closed = True
            self._news = None
        if self._waiters:
            self._waiters.wake()
        if self._journal.tails:
            self._journal.tell(event)
        return True

    def push(self) -> None:
        """Do nothing: what was appended is kept."""

    def close(self) -> None:
        """Let readers end: nothing more will come."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiters:
            self._waiters.wake()

    @property
    def reading(self) -> ReadingSide:
        """The reading side of its journal."""
        return self._journal.reading

    async def set_attributes(self, run_id: str, attributes: Mapping[str, Scalar]) -> None:
        """Set attributes of the run, whose id that is, in its journal."""
        await self._journal.set_attributes(run_id, attributes)

    def read(self, from_seq: int = 1) -> StreamReader:
        """Return the events from `from_seq` on, or from the oldest that is kept, until the stream has ended."""
        return StreamReader(self, from_seq)

    def read_progress(self, from_seq: int = 1) -> ProgressReader:
        """Return the same, and between them what handlers say of their progress."""
        return ProgressReader(self, from_seq, ProgressNews() if self.closed else self.news)

    @property
    def news(self) -> ProgressNews:
        """What handlers say of their progress; gone when the stream has ended."""
        if self._news is None:  # few runs have any
            self._news = ProgressNews()
        return self._news

    def tell(self, said: NodeProgress) -> None:
        """Tell progress to all who listen; no journal has it."""
        if not self.closed:
            self.news.tell(self.events[-1].seq if self.events else 0, said)
            self._wake()

    def at(self, seq: int) -> Event | None:
        """Return the event of this seq, or the oldest that is kept after it; None: it is not there yet."""
        events = self.events
        if not events:
            return None
        place = max(0, seq - events[0].seq)
        return events[place] if place < len(events) else None

    async def more(self) -> None:
        """Wait until there is another event, or the stream is closed."""
        if self._waiters is None:
            self._waiters = Waiters()
        await self._waiters.wait()


class MemoryJournal:
    """All streams of one manager."""

    is_durable = False
    """Whether what it keeps outlives this process."""
    crashes: Sequence[datetime] = ()
    """When owners of it were found to have crashed, the oldest first; at most the last three."""
    lock: int | None = None
    """The descriptor that makes this process its owner, and whoever inherits it; None: nobody needs to own it."""

    stays_owned = False
    """Whether its owner stays that one though it is closed, until `disown`."""
    breaker_events: Mapping[str, Sequence[Event]] = {}
    """Of each breaker's stream the events, in order, that tell how its circuits stood when the journal was opened."""

    def __init__(self) -> None:
        self.streams: dict[str, MemoryStream] = {}
        self.tails: list[weakref.ref[Tail]] = []
        """Who listens to all streams; whoever is held by nobody any more listens no more."""
        self._index = MemoryIndex(self.streams)
        self.reading: ReadingSide = self._index
        """The reading side."""

    def open(self, stream: str, keeper: Keeper, kept: Iterable[Event] = ()) -> MemoryStream:
        """Open a stream; what memory keeps it keeps at once, so `keeper` never hears of it."""
        opened = self.streams[stream] = MemoryStream(self, stream)
        opened.events.extend(kept)
        return opened

    def stored(self, name: str, events: Iterable[Event]) -> MemoryStream:
        """Return a stream that has ended, with the events that were read of it, for who looks at it."""
        read = MemoryStream(self, name)
        read.events.extend(events)
        read.closed = True
        return read

    def drop(self, stream: str) -> None:
        """Forget a stream."""
        dropped = self.streams.pop(stream, None)
        self._index.forget(stream)
        if dropped is not None:
            dropped.close()

    def begin_run(self, row: RunRow, definition: str | None = None) -> Future[None]:
        """Let a run begin, before its stream is opened; RunIdTaken: there is one of this id."""
        return self._index.begin(row, definition)

    def change_run(self, run_id: str, change: Mapping[str, Any]) -> Future[None]:
        """Change of a run's row what no event does."""
        return self._index.change(run_id, change)

    async def set_attributes(self, run_id: str, attributes: Mapping[str, Scalar]) -> None:
        """Set attributes of a run; the others it has stay.

        Raises:
            DefinitionError: one is none, or they are too many.
            UnknownRun: there is none of this id.
            NotKeptYet: the journal has failed for 5 s.
        """
        check_attributes(attributes)
        kept = self.change_run(run_id, {"attributes": dict(attributes)})
        await until_kept(kept, self, f"the attributes of run '{run_id}' are to be set")

    @property
    def error(self) -> str | None:
        """Why nothing is kept at the moment; None: it is."""
        return None

    def log(self, run_id: str, line: LogLine) -> None:
        """Keep what an attempt said, as far as its quota goes."""
        self._index.log(run_id, line)

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that ended before, with the whole tree of each; return how many."""
        found = self._index.ended_before(before, statuses or ENDED)
        for run_id in found:
            self.drop(run_id)
        return len(found)

    def tail(self) -> Tail:
        """Return the events of all streams from this call on; a listener 10,000 behind misses the oldest."""
        return Tail(self.tails)

    def tell(self, event: Event) -> None:
        """Tell an event to all who listen to all streams."""
        for tail in self._listeners():
            tail.add(event)

    async def aclose(self) -> None:
        """Close it while the loop goes on."""
        self.close()

    def disown(self) -> None:
        """Own it no more."""

    def close(self) -> None:
        """End all readers once they have read what there is."""
        for stream in self.streams.values():
            stream.close()
        for tail in self._listeners():
            tail.close()

    def _listeners(self) -> list[Tail]:
        """Return who listens; of a copy, since the collector may take one away at any time."""
        return [tail for reference in tuple(self.tails) if (tail := reference()) is not None]
