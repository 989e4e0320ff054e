"""The memory journal: keeps every event at once, for readers from any seq; slow readers never slow a run."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from playbill.model.events import TERMINAL, Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playbill.actors.ports import Keeper

TAIL_EVENTS: Final = 10_000
"""How many events a listener to all streams may lag behind before it misses the oldest."""


class MemoryStream:
    """One stream: its events in a list, and who waits for the next."""

    __slots__ = ("_journal", "_waiters", "closed", "events")

    def __init__(self, journal: MemoryJournal) -> None:
        self.events: list[Event] = []
        self.closed = False
        self._journal = journal
        self._waiters: list[asyncio.Future[None]] = []

    def append(self, event: Event) -> bool:
        """Keep `event`, at once."""
        self.events.append(event)
        if event.type in TERMINAL:
            self.closed = True
        if self._waiters:
            self._wake()
        if self._journal.tails:
            for tail in self._journal.tails:
                tail.add(event)
        return True

    def close(self) -> None:
        """Let readers end: nothing more will come."""
        self.closed = True
        self._wake()

    async def read(self, from_seq: int = 1) -> AsyncIterator[Event]:
        """Yield the events from `from_seq` on, waiting for new ones until the stream has ended."""
        place = max(0, from_seq - 1)
        while True:
            while place < len(self.events):
                yield self.events[place]
                place += 1
            if self.closed:
                return
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Tail:
    """A listener to all streams, from now on."""

    def __init__(self) -> None:
        self.missed = 0
        """How many events were dropped because this listener was too slow."""
        self._events: deque[Event] = deque(maxlen=TAIL_EVENTS)
        self._news = asyncio.Event()
        self._closed = False

    def add(self, event: Event) -> None:
        """Take an event; the oldest goes if there are too many."""
        if len(self._events) == TAIL_EVENTS:
            self.missed += 1
        self._events.append(event)
        self._news.set()

    def close(self) -> None:
        """Let the listener end: nothing more will come."""
        self._closed = True
        self._news.set()

    async def next(self) -> Event | None:
        """Wait for the next event; None: none will come."""
        while not self._events:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()


class MemoryJournal:
    """All streams of one manager."""

    def __init__(self) -> None:
        self.streams: dict[str, MemoryStream] = {}
        self.tails: list[Tail] = []

    def open(self, stream: str, keeper: Keeper) -> MemoryStream:
        """Open a stream; what memory keeps it keeps at once, so `keeper` never hears of it."""
        opened = self.streams[stream] = MemoryStream(self)
        return opened

    def drop(self, stream: str) -> None:
        """Forget a stream."""
        dropped = self.streams.pop(stream, None)
        if dropped is not None:
            dropped.close()

    def tail(self) -> AsyncIterator[Event]:
        """Return the events of all streams from this call on; a listener 10,000 behind misses the oldest."""
        tail = Tail()
        self.tails.append(tail)
        return self._following(tail)

    async def _following(self, tail: Tail) -> AsyncIterator[Event]:
        try:
            while (event := await tail.next()) is not None:
                yield event
        finally:
            self.tails.remove(tail)

    def close(self) -> None:
        """End all readers once they have read what there is."""
        for stream in self.streams.values():
            stream.close()
        for tail in self.tails:
            tail.close()
