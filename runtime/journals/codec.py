"""Events as lines of JSON and back, exactly: what a journal on disk, a file and another process read.

Rules:

1. An event is written as `Event.as_dict` gives it, with what only a fold needs: replays read it, too.
2. Users' data is written as it is, with no marks in it: JSON has no tuples, so their paths stand beside the data.
3. A line that says anything else is refused, with its place.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import FIELDS, HEAD, Event, read_event
from playbill.model.forms import FAILURE, LIST, OBJECT
from playbill.model.jsonable import why_not_json

if TYPE_CHECKING:
    from playbill.model.facts import Failure

__all__ = ["event_from_json", "event_to_json", "failure_to_json"]

KEYS: Final = (*HEAD, "run_id", "data", "tuples")
LEADING_ON: Final = frozenset(kind for kind, fields in FIELDS.items() if "live" in fields)
"""The types of events without whose live edges nothing can be folded."""


# ---- one event ------------------------------------------------------------------------------------------------


def event_to_json(event: Event) -> str:
    """Return `event` as one line of JSON, in ASCII and without the line's end.

    Raises:
        JournalError: JSON cannot say its data; names the event and the part of it.
    """
    line = event.as_dict(internals=True)
    data = line["data"]
    if why := why_not_json(data, "data"):
        raise JournalError(f"event {event.seq} of '{event.stream}' ({event.type}): its {why}")
    if tuples := _tuples_in(data):
        line["tuples"] = tuples
    return json.dumps(line, separators=(",", ":"))


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
        said = f"{where}: this is not an event: {error}; an event is a JSON object of {', '.join(KEYS)}"
        raise DefinitionError.single("bad-event", where, said) from error


def _event(raw: dict[str, Any]) -> Event:
    _make_tuples(raw.get("data"), raw.pop("tuples", []))
    event = read_event(raw)
    if event.type in LEADING_ON and "live" not in event.data:
        raise ValueError("lacks live")
    return event


def _tuples_in(data: dict[str, Any]) -> list[list[str | int]]:
    """Return the paths of all tuples, each before those within it."""
    found: list[list[str | int]] = []
    stack: list[tuple[list[str | int], Any]] = [([], data)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, tuple):
            found.append(path)
        if isinstance(item, dict):
            stack.extend(([*path, key], inner) for key, inner in cast("dict[str, Any]", item).items())
        elif isinstance(item, list | tuple):
            stack.extend(([*path, index], inner) for index, inner in enumerate(cast("list[Any]", item)))
    return found


def _make_tuples(data: Any, paths: list[list[str | int]]) -> None:
    """Make tuples of the lists at `paths`, the innermost first: nothing within a tuple can be replaced."""
    for *way, last in reversed(paths):
        holder: Any = data
        for step in way:
            holder = holder[step]
        holder[last] = tuple(LIST.read(holder[last]))
