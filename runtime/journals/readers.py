"""Readers of events in memory, of one stream or of all; a wait that is cut short loses nothing."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, Self

from playbill.runtime.journals.waiters import Waiters

if TYPE_CHECKING:
    from playbill.model.events import Event

__all__ = ["EventReader", "StreamReader", "Tail"]

TAIL_EVENTS: Final = 10_000
"""How many events a listener to all streams may lag behind before it misses the oldest."""


class LiveEvents(Protocol):
    """The events of one stream, as far as they are there."""

    closed: bool
    """Whether no more will come."""

    def at(self, seq: int) -> Event | None:
        """Return the event of this seq, or the oldest that is kept after it; None: it is not there yet."""

    async def more(self) -> None:
        """Wait until there is another event, or no more will come."""


class EventReader(Protocol):
    """Iterates over events, and tells which are there already."""

    @property
    def is_over(self) -> bool:
        """Whether no event will come any more."""
        ...

    def take(self) -> Event | None:
        """Return the next event if it is there; from any thread, as long as nobody else reads."""
        ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Event: ...


class StreamReader:
    """Iterates over the events of one stream, waiting for new ones; a wait that is cut short loses nothing."""

    __slots__ = ("_closed", "_next", "_stream")

    def __init__(self, stream: LiveEvents, from_seq: int) -> None:
        self._stream = stream
        self._next = from_seq
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            event = self.take()
            if event is not None:
                return event
            if self._stream.closed:
                break
            await self._stream.more()
        raise StopAsyncIteration

    @property
    def is_over(self) -> bool:
        """Whether no event will come any more."""
        return self._closed or (self._stream.closed and self._stream.at(self._next) is None)

    def take(self) -> Event | None:
        """Return the next event if it is there."""
        event = self._stream.at(self._next)
        if event is not None:
            self._next = event.seq + 1
        return event

    async def aclose(self) -> None:
        """Give no more events."""
        self._closed = True


class Tail:
    """Iterates over the events of all streams, from now on; a wait that is cut short loses nothing.

    Args:
        tails: Where it is told of; it is no more as soon as nobody holds it.
    """

    def __init__(self, tails: list[weakref.ref[Tail]]) -> None:
        tails.append(weakref.ref(self, tails.remove))
        self._tails = tails
        self.missed = 0
        """How many events were dropped because this listener was too slow."""
        self._events: deque[Event] = deque(maxlen=TAIL_EVENTS)
        self._waiters = Waiters()
        self._closed = False

    def add(self, event: Event) -> None:
        """Take an event; the oldest goes if there are too many."""
        if len(self._events) == TAIL_EVENTS:
            self.missed += 1
        self._events.append(event)
        self._waiters.wake()

    def close(self) -> None:
        """Let the listener end: nothing more will come."""
        self._closed = True
        self._waiters.wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            await self._waiters.wait()
        return self._events.popleft()

    @property
    def is_over(self) -> bool:
        """Whether no event will come any more."""
        return self._closed and not self._events

    def take(self) -> Event | None:
        """Return the next event if it is there."""
        return self._events.popleft() if self._events else None

    async def aclose(self) -> None:
        """Give no more events."""
        self._tails[:] = [reference for reference in self._tails if reference() is not self]
        self._events.clear()
        self.close()
