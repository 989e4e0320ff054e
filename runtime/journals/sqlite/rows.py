"""Events as rows and back: the head in columns, the data as JSON, and what is large of it beside, compressed.

1. An event's data above 64 KiB is looked at by its members (an output, trigger data): each that is above 64 KiB
   stands in a row of its own, compressed; reading puts it back.
2. Text is put together, never read and written again: what is read is what was written.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from playbill.model.errors import JournalError
from playbill.model.events import Event
from playbill.runtime.journals.codec import READINGS, compact, event_data, event_from_mapping
from playbill.runtime.journals.listing import micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.attributes import Scalar

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

DECODER: Final = msgspec.json.Decoder()
LARGE: Final = 64 * 1024
"""Characters of JSON; more stands beside the event."""
HEADS: Final = {(int, node, attempt) for node in (str, type(None)) for attempt in (int, type(None))}
"""The types of seq, node and attempt."""
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
    kind, node = READINGS[event.type], event.node_id
    if node is not None:
        node.encode()  # raises ValueError for halves of characters, which no column takes
    return EventRow(event.seq, kind.name, kind.version, micros(event.at), node, event.attempt, text), beside


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
    try:
        data = _read_json(row.data)
        for payload in beside:
            data[payload.name] = _read_json(unpacked(payload.zlib))
    except (ValueError, TypeError, zlib.error) as error:
        raise JournalError(f"{where} is damaged: {error}; restore a backup of the journal") from error
    if (event := _event_of_today(stream, row, data)) is not None:
        return event
    line: dict[str, Any] = {"type": row.type, "stream": stream, "seq": row.seq, "at": moment(row.at).isoformat()}
    line |= {"node_id": row.node, "attempt": row.attempt, "version": row.version, "data": data}
    return event_from_mapping(line, where)


def _read_json(text: str) -> Any:
    """Return what JSON says; what the fast reader does not take (halves of characters, endless numbers) json does."""
    try:
        return DECODER.decode(text)
    except (msgspec.MsgspecError, ValueError):
        return json.loads(text)


def _event_of_today(stream: str, row: EventRow, data: Any) -> Event | None:
    """Return an event of today's version, in a tenth of the time; None: the long way reads it, or says why not."""
    reading = READINGS.get(row.type)
    if reading is None or row.version != reading.version or type(data) is not dict:
        return None
    if (type(row.seq), type(row.node), type(row.attempt)) not in HEADS:
        return None
    facts = reading.read(cast("dict[str, Any]", data))
    return (
        None if facts is None else Event(reading.kind, stream, row.seq, moment(row.at), row.node, row.attempt, facts)
    )
