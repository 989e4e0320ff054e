"""Events as rows and back: the head in columns, the data as JSON, and what is large of it beside, compressed.

1. An event's data above 64 KiB is looked at by its members (an output, trigger data): each that is above 64 KiB
   stands in a row of its own, compressed; reading puts it back.
2. Text is put together, never read and written again: what is read is what was written.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from playbill.model.errors import JournalError
from playbill.model.upcasting import version_of
from playbill.runtime.journals.codec import compact, event_data, event_from_mapping
from playbill.runtime.journals.listing import micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.attributes import Scalar
    from playbill.model.events import Event

__all__ = [
    "COLUMNS",
    "EventRow",
    "Payload",
    "attribute_text",
    "event_of",
    "packed",
    "row_of_event",
    "storable",
    "unpacked",
]

LARGE: Final = 64 * 1024
"""Characters of JSON; more stands beside the event."""
COLUMNS: Final = "seq, type, version, at, node, attempt, data"


class Payload(NamedTuple):
    """A member of an event's data that stands beside it."""

    name: str
    zlib: bytes


class EventRow(NamedTuple):
    """An event as its columns."""

    seq: int
    type: str
    version: int
    at: int
    node: str | None
    attempt: int | None
    data: str


def row_of_event(event: Event, *, whole: bool = False) -> tuple[EventRow, tuple[Payload, ...]]:
    """Return the row of an event, and what stands beside it.

    Args:
        event: of a run, or of a stream of playbill's own.
        whole: nothing stands beside it, however large it is: one of playbill's own.

    Raises:
        JournalError: JSON cannot say its data.
        ValueError: its node's id is not text that UTF-8 can say.
    """
    data, text = event_data(event)
    beside: tuple[Payload, ...] = ()
    if len(text) > LARGE and not whole:
        text, beside = _apart(data)
    version = version_of(event.type)
    at = micros(event.at)
    (event.node_id or "").encode()  # raises ValueError for halves of characters, which no column takes
    return EventRow(event.seq, str(event.type), version, at, event.node_id, event.attempt, text), beside


def _apart(data: Mapping[str, Any]) -> tuple[str, tuple[Payload, ...]]:
    members = {name: compact(member) for name, member in data.items()}
    large = {name for name, text in members.items() if len(text) > LARGE}
    left = _object({name: text for name, text in members.items() if name not in large})
    return left, tuple(Payload(name, packed(members[name])) for name in members if name in large)


def _object(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{compact(name)}:{text}" for name, text in members.items()) + "}"


def storable(text: str) -> str:
    """Return text that a column takes: of halves of characters their numbers are written."""
    return text.encode("utf-8", "backslashreplace").decode()


def attribute_text(value: Scalar) -> str:
    """Return the value of an attribute as the file has it."""
    return storable(json.dumps(value, ensure_ascii=False))


def packed(text: str) -> bytes:
    """Return text compressed."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def unpacked(data: bytes) -> str:
    """Return what was compressed.

    Raises:
        zlib.error: it is damaged.
    """
    return zlib.decompress(data).decode("utf-8", "surrogatepass")


def event_of(stream: str, row: EventRow, beside: Iterable[Payload] = ()) -> Event:
    """Return the event that a row says.

    Raises:
        DefinitionError: it says none; names the stream and the seq.
        JournalError: its JSON is damaged, or what stands beside it; names the same.
    """
    where = f"event {row.seq} of '{stream}'"
    line: dict[str, Any] = {"type": row.type, "stream": stream, "seq": row.seq, "at": moment(row.at).isoformat()}
    line |= {"node_id": row.node, "attempt": row.attempt, "version": row.version}
    try:
        line["data"] = json.loads(row.data)
        for payload in beside:
            line["data"][payload.name] = json.loads(unpacked(payload.zlib))
    except (ValueError, TypeError, zlib.error) as error:
        raise JournalError(f"{where} is damaged: {error}; restore a backup of the journal") from error
    return event_from_mapping(line, where)
