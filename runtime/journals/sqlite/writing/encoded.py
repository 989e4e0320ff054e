"""A group as rows: encoded once, before its transaction, so that trying again costs no more than the disk does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from playbill.model.errors import JournalError
from playbill.model.events import is_own
from playbill.runtime.journals.index import ENDED, change_of, row_of
from playbill.runtime.journals.refusals import Fenced
from playbill.runtime.journals.sqlite.rows import row_of_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playbill.model.events import Event
    from playbill.runtime.journals.index import Change, RunRow
    from playbill.runtime.journals.sqlite.group import Group, KeptGroup, Stream
    from playbill.runtime.journals.sqlite.rows import EventRow, Payload

__all__ = ["EncodedEvent", "EncodedGroup", "EncodedStream"]


class EncodedEvent(NamedTuple):
    """An event as its row, and what stands beside it."""

    row: EventRow
    beside: tuple[Payload, ...]
    change: Change | None
    """What it changes of its run's row."""


class EncodedStream:
    """What a group has of one stream."""

    __slots__ = ("ends", "events", "fenced", "first", "is_own", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.is_own = is_own(stream.name)
        self.events: list[EncodedEvent] = []
        self.ends = False
        """Whether the run's end is among them."""
        self.first: RunRow | None = None
        """The row of the run as its first event here tells it, if nobody else does."""
        self.fenced: JournalError | None = None
        """Why what is missing at its end cannot be kept."""

    def add(self, event: Event) -> None:
        """Encode an event; nothing behind one that cannot be is taken, for a stream has no gaps."""
        if self.fenced is not None:
            return
        try:
            row, beside = row_of_event(event, whole=self.is_own)
        except (JournalError, ValueError, TypeError) as error:
            self.fenced = Fenced(self.stream.name, event.seq, f"it is not JSON: {error}")
            return
        if self.first is None and event.seq == 1:
            self.first = row_of(event)
        change = change_of(event)
        if change is not None and change.get("status") in ENDED:
            self.ends = True
        self.events.append(EncodedEvent(row, beside, change))


class EncodedGroup:
    """A group, ready to be written."""

    __slots__ = ("group", "streams", "token", "told")

    def __init__(self, group: Group, token: str) -> None:
        self.group = group
        self.token = token
        """By which the writer finds out whether the group was kept, though the answer was lost."""
        self.told: KeptGroup | None = None
        """What the last try would have told, had its commit been answered."""
        self.streams = _encoded(group.events)

    @property
    def has_more(self) -> bool:
        """Whether there is more in it than events, whose seqs tell whether they are kept."""
        group = self.group
        return bool(group.begins or group.rows or group.logs)


def _encoded(events: Iterable[tuple[Stream, Event]]) -> list[EncodedStream]:
    streams: dict[str, EncodedStream] = {}
    for stream, event in events:
        found = streams.get(stream.name)
        if found is None:
            found = streams[stream.name] = EncodedStream(stream)
        found.add(event)
    return list(streams.values())
