"""A run's events and what its handlers say of their progress, in the order in which they came.

Events are facts and none is left out. Of progress a listener that is slow sees each node's latest, behind the events
that were there before it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from playbill.model.progress import NodeProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.events import Event
    from playbill.runtime.clocks.system import Clock

__all__ = ["ProgressNews", "ProgressReader", "Speaker", "teller_of"]

Latest: TypeAlias = "dict[str, tuple[int, NodeProgress]]"
"""By node: how many events there were before it, and what it said; the newest last."""


class Events(Protocol):
    """The events of a run, as far as they are there."""

    closed: bool

    def at(self, seq: int) -> Event | None:
        """Return the event of this seq; None: it is not there yet."""

    async def more(self) -> None:
        """Wait until there is something new."""


class ProgressNews:
    """What each node of a live run said last, and who is told when it says more."""

    __slots__ = ("latest", "listeners")

    def __init__(self) -> None:
        self.latest: Latest = {}
        self.listeners: weakref.WeakSet[ProgressReader] = weakref.WeakSet()
        """Whoever is held by nobody any more listens no more."""

    def tell(self, events_before: int, said: NodeProgress) -> None:
        """Tell all who listen; who comes later finds it, too."""
        for latest in (self.latest, *(listener.unread for listener in tuple(self.listeners))):
            latest.pop(said.node_id, None)
            latest[said.node_id] = (events_before, said)


class ProgressReader:
    """Iterates over both; a wait that is cut short loses nothing.

    Args:
        stream: the events.
        from_seq: the first of them.
        news: the progress.
    """

    __slots__ = ("__weakref__", "_closed", "_next", "_stream", "unread")

    def __init__(self, stream: Events, from_seq: int, news: ProgressNews) -> None:
        self._stream = stream
        self._next = from_seq
        self._closed = False
        self.unread: Latest = dict(news.latest)
        news.listeners.add(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | NodeProgress:
        stream = self._stream
        while not self._closed:
            event = stream.at(self._next)
            for node, (events_before, said) in self.unread.items():
                if event is None or events_before < event.seq:
                    del self.unread[node]
                    return said
                break
            if event is not None:
                self._next = event.seq + 1
                return event
            if stream.closed:
                break
            await stream.more()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give nothing more."""
        self._closed = True


class Speaker(Protocol):
    """Which attempt of which node of which run says something."""

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def node_id(self) -> str:
        """The node."""
        ...

    @property
    def attempt(self) -> int:
        """Counts from 1."""
        ...


class Told(Protocol):
    """A stream whose listeners are told of progress."""

    def tell(self, said: NodeProgress) -> None:
        """Tell all who listen."""


def teller_of(streams: Mapping[str, Told], clock: Clock) -> Callable[[Speaker, Any], None]:
    """Return what tells those who listen to a run what one of its handlers says of its progress."""

    def tell(speaker: Speaker, progress: Any) -> None:
        stream = streams.get(speaker.run_id)
        if stream is not None:
            at = clock.now().utc
            stream.tell(NodeProgress(speaker.run_id, at, speaker.node_id, speaker.attempt, progress))

    return tell
