"""Events as lines of JSON and back, exactly: what a journal on disk, a file and another process read.

Rules:

1. An event is written as `Event.as_dict` gives it, with what only a fold needs: replays read it, too.
2. Users' data is made plain JSON before it is written (model/jsonable.py), and has no marks in it. Files of playbill
   0.1 say in `tuples` which lists were tuples; there are none any more, so that this is read over.
3. A line that says anything else is refused, with its place.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import FIELDS, HEAD, OPTIONAL, Event, EventType, plain_data, read_event
from playbill.model.forms import FAILURE, OBJECT
from playbill.model.frozen import FrozenDict
from playbill.model.jsonable import NotJson, plain_json
from playbill.model.upcasting import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.facts import Failure

__all__ = [
    "READINGS",
    "compact",
    "event_data",
    "event_from_json",
    "event_from_mapping",
    "event_to_json",
    "failure_to_json",
]

ENCODER: Final = msgspec.json.Encoder()
DECODER: Final = msgspec.json.Decoder()
PLAIN_END: Final = ("output", "live")
"""What most nodes end with, in this order."""
SHORT: Final = 4_000
"""Characters; no number in it has more digits."""
LEVELS: Final = 3
"""That an event may put around an output."""
KEYS: Final = (*HEAD, "version", "run_id", "data")
LEADING_ON: Final = frozenset(kind for kind, fields in FIELDS.items() if "live" in fields)
"""The types of events without whose live edges nothing can be folded."""


class EventReading(NamedTuple):
    """How the data of a type of events is read, by who knows its version to be today's."""

    kind: EventType
    name: str
    version: int
    forms: Mapping[str, Callable[[Any], Any]]
    """By name: reads what JSON has."""
    required: frozenset[str]
    either: frozenset[str]
    """Of which at least one is there, if these are any."""

    def read(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the facts that plain JSON says; None: it is not what this type says, and the long way tells why."""
        if not self.required <= data.keys() or (self.either and self.either.isdisjoint(data)):
            return None
        forms = self.forms
        try:
            return {name: forms[name](item) for name, item in data.items()}
        except (LookupError, RecursionError, TypeError, ValueError):
            return None


def _reading(kind: EventType) -> EventReading:
    fields = FIELDS.get(kind, {})
    forms = {name: form.read for name, form in fields.items()}
    either = frozenset({"output", "passed_on"} if kind is EventType.PIPELINE_NODE_COMPLETED else ())
    return EventReading(
        kind, str(kind), version_of(kind), forms, frozenset(fields.keys() - OPTIONAL.get(kind, ())), either
    )


READINGS: Final[Mapping[str, EventReading]] = {str(kind): _reading(kind) for kind in EventType}
"""By type."""


def event_to_json(event: Event) -> str:
    """Return `event` as one line of JSON, in ASCII and without the line's end.

    Raises:
        JournalError: JSON cannot say its data; names the event and the part of it.
    """
    line = event.as_dict(internals=True)
    line["data"] = _plain(line["data"], event)
    return json.dumps(line, separators=(",", ":"))


def event_data(event: Event) -> tuple[dict[str, Any], str]:
    """Return the data of `event` alone, as JSON has it, and its text: for who keeps its head elsewhere.

    The text is written by a fast way, read, and compared; what does not come back equal (tuples, what is no JSON)
    goes the long way, and is made plain or refused there. It takes a fifth of the time.

    Raises:
        JournalError: JSON cannot say it; names the event and the part of it.
    """
    if not event.data:
        return {}, "{}"
    if (quick := _quickly(event.data)) is not None:
        return quick
    data = plain_data(event)
    try:
        written = ENCODER.encode(data)
        if DECODER.decode(written) == data:
            return data, written.decode()
    except (msgspec.MsgspecError, ArithmeticError, RecursionError, TypeError, ValueError):
        pass  # the long way tells why, or takes it
    plain = _plain(data, event)
    return plain, compact(plain)


def _quickly(data: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return what `event_data` does of what most nodes end with: an output that was checked as it was frozen.

    None: it says more, or may not come back equal: an endless number, which is written as null; a number of more
    digits than Python reads; what cannot be written at all.
    """
    if len(data) != len(PLAIN_END) or type(output := data.get("output")) is not FrozenDict or "live" not in data:
        return None
    plain = {"output": output, "live": [*data["live"]]}
    try:
        text = ENCODER.encode(plain).decode()
    except (msgspec.MsgspecError, ArithmeticError, RecursionError, TypeError, ValueError):
        return None
    return None if "null" in text or len(text) > SHORT else (plain, text)


def _plain(data: dict[str, Any], event: Event) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = plain_json(data, "data", around=LEVELS)
    except NotJson as error:
        raise JournalError(f"event {event.seq} of '{event.stream}' ({event.type}): its {error}") from error
    return plain


def compact(plain: Any) -> str:
    """Return plain JSON, and nothing else, as text that `json.loads` reads equal; ten times as fast as `json`."""
    try:
        return ENCODER.encode(plain).decode()
    except (UnicodeEncodeError, OverflowError, RecursionError):  # halves of characters; it is as exact, and slower
        return json.dumps(plain, separators=(",", ":"))


def failure_to_json(failure: Failure | None) -> dict[str, Any] | None:
    """Return a failure as events have it in JSON."""
    written: dict[str, Any] | None = FAILURE.write(failure)
    return written


def event_from_json(text: str, where: str = "event") -> Event:
    """Return the event that `event_to_json` wrote as `text`.

    Args:
        text: one line of JSON.
        where: its place, for errors, such as `run.jsonl:3`.

    Raises:
        DefinitionError: it is not such a line; names the place and the field.
    """
    try:
        return _event(OBJECT.read(json.loads(text)))
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise _not_an_event(where, error) from error


def event_from_mapping(line: dict[str, Any], where: str = "event") -> Event:
    """Return the event that a line of JSON says, once that is read; `event_from_json` does both.

    Raises:
        DefinitionError: it is not such a line; names the place and the field.
    """
    try:
        return _event(line)
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise _not_an_event(where, error) from error


def _not_an_event(where: str, error: Exception) -> DefinitionError:
    said = f"{where}: this is not an event: {error}; an event is a JSON object of {', '.join(KEYS)}"
    return DefinitionError.single("bad-event", where, said)


def _event(raw: dict[str, Any]) -> Event:
    raw.pop("tuples", None)
    event = read_event(raw)
    if event.type in LEADING_ON and "live" not in event.data:
        raise ValueError("lacks live")
    return event
