"""Events as lines of JSON and back, exactly: what a journal on disk, a file and another process read.

Rules:

1. An event is written as `Event.as_dict` gives it, with what only a fold needs: replays read it, too.
2. Users' data is made plain JSON before it is written (model/jsonable.py), and has no marks in it. Files of playbill
   0.1 say in `tuples` which lists were tuples; there are none any more, so that this is read over.
3. A line that says anything else is refused, with its place.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import FIELDS, HEAD, Event, plain_data, read_event
from playbill.model.forms import FAILURE, OBJECT
from playbill.model.jsonable import NotJson, plain_json

if TYPE_CHECKING:
    from playbill.model.facts import Failure

__all__ = ["compact", "event_data", "event_from_json", "event_from_mapping", "event_to_json", "failure_to_json"]

ENCODER: Final = msgspec.json.Encoder()
DECODER: Final = msgspec.json.Decoder()
LEVELS: Final = 3
"""That an event may put around an output."""
KEYS: Final = (*HEAD, "version", "run_id", "data")
LEADING_ON: Final = frozenset(kind for kind, fields in FIELDS.items() if "live" in fields)
"""The types of events without whose live edges nothing can be folded."""


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
    data = plain_data(event)
    try:
        written = ENCODER.encode(data)
        if DECODER.decode(written) == data:
            return data, written.decode()
    except (msgspec.MsgspecError, ArithmeticError, RecursionError, TypeError, ValueError):
        pass  # the long way tells why, or takes it
    plain = _plain(data, event)
    return plain, compact(plain)


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
