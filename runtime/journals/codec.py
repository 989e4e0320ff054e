"""Events as lines of JSON and back, exactly: what a journal on disk, a file and another process read.

Rules:

1. FIELDS says of each type of event which data it has and how that is written; what it does not name is plain JSON.
2. Users' data is written as it is, with no marks in it: JSON has no tuples, so their paths stand beside the data.
3. A line that says anything else is refused, with its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import Event, EventType
from playbill.model.facts import Cause, Failure, NodeStatus, Receipt, RunStatus, Stopped
from playbill.model.jsonable import why_not_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

__all__ = ["event_from_json", "event_to_json", "failure_to_json", "plain_data"]

# ---- how one value is written ---------------------------------------------------------------------------------


class Form(NamedTuple):
    """How a kind of value is written and read; reading raises ValueError for what was never written so."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _only(*types: type) -> Form:
    """Return the form of values of exactly these types."""

    def read(raw: Any) -> Any:
        if type(raw) not in types:
            raise ValueError(f"is {json.dumps(raw):.60}, and takes {' or '.join(kind.__name__ for kind in types)}")
        return raw

    return Form(_same, read)


TEXT: Final = _only(str)
FLAG: Final = _only(bool)
WHOLE: Final = _only(int)
OBJECT: Final = _only(dict)


def _plain(value: Any) -> Any:
    """Return any mapping as the dict that JSON takes."""
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value


def _plain_each(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(output) for name, output in value.items()}


OUTPUT: Final = Form(_plain, _same)
OUTPUTS: Final = Form(_plain_each, OBJECT.read)


def _write_number(value: float) -> float | str:
    return value if isfinite(value) else repr(float(value))


def _read_number(raw: Any) -> float:
    return float(raw) if raw in ("inf", "-inf", "nan") else cast("float", _only(int, float).read(raw))


def _read_moment(raw: Any) -> datetime:
    return datetime.fromisoformat(TEXT.read(raw))


NUMBER: Final = Form(_write_number, _read_number)
"""Seconds may be endless, which JSON cannot say."""
MOMENT: Final = Form(datetime.isoformat, _read_moment)


def _one_of(kind: type[StrEnum]) -> Form:
    def write(value: str) -> str:
        return str(value)

    return Form(write, kind)


def _many(item: Form) -> Form:
    """Return the form of a tuple of such items."""

    def write(value: tuple[Any, ...]) -> list[Any]:
        return [item.write(one) for one in value]

    def read(raw: Any) -> tuple[Any, ...]:
        return tuple(item.read(one) for one in _only(list).read(raw))

    return Form(write, read)


def _or_none(form: Form) -> Form:
    def write(value: Any) -> Any:
        return None if value is None else form.write(value)

    def read(raw: Any) -> Any:
        return None if raw is None else form.read(raw)

    return Form(write, read)


def _fact(kind: type[Any], optional: frozenset[str] = frozenset(), **fields: Form) -> Form:
    """Return the form of a slotted dataclass; of its optional fields, None is not written."""

    def write(value: object) -> dict[str, Any]:
        told = {name: form.write(getattr(value, name)) for name, form in fields.items()}
        return {name: item for name, item in told.items() if item is not None or name not in optional}

    def read(raw: Any) -> Any:
        return kind(**_read_fields(OBJECT.read(raw), fields, optional))

    return Form(write, read)


def _read_fields(
    raw: dict[str, Any], fields: Mapping[str, Form], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Read each field by its form, and leave what has none as it is."""
    if missing := [name for name in fields if name not in raw and name not in optional]:
        raise ValueError(f"lacks {', '.join(missing)}")
    values = dict(raw)
    for name, form in fields.items():
        if name in raw:
            try:
                values[name] = form.read(raw[name])
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: {error}") from error
    return values


# ---- what each event says -------------------------------------------------------------------------------------

FAILURE: Final = _or_none(_fact(
    Failure, frozenset({"data"}), type=TEXT, message=TEXT, retryable=FLAG, kinds=_many(TEXT), traceback=TEXT,
    retry_after=_or_none(NUMBER), data=_or_none(Form(_plain, OBJECT.read)),
))  # fmt: skip
RECEIPT: Final = _or_none(_fact(Receipt, how=_one_of(Stopped), ms=NUMBER))
CAUSE: Final = _or_none(
    _fact(Cause, status=_one_of(RunStatus), error=FAILURE, node=TEXT, source=TEXT, reason=TEXT, seconds=NUMBER)
)
LIVE: Final = _many(WHOLE)
BOUNDS: Final = ("timeout", "grace", "kill_bound")
"""The seconds that bound a run; files of playbill 0.1 may lack them, as they do a cancel's grace."""
ENDED: Final = {"status": _one_of(RunStatus), "cause": CAUSE}

FIELDS: Final[Mapping[EventType, Mapping[str, Form]]] = {
    EventType.PIPELINE_RUN_STARTED: {
        "pipeline": TEXT,
        "version": TEXT,
        "trigger_data": OUTPUT,
        **dict.fromkeys(BOUNDS, NUMBER),
    },
    EventType.PIPELINE_RUN_COMPLETED: ENDED,
    EventType.PIPELINE_RUN_FAILED: ENDED,
    EventType.PIPELINE_RUN_CANCELLED: ENDED,
    EventType.PIPELINE_RUN_TIMEOUT: ENDED,
    EventType.PIPELINE_RUN_CANCEL_REQUESTED: {"cause": CAUSE, "grace": _or_none(NUMBER)},
    EventType.PIPELINE_NODE_STARTED: {"due_at": MOMENT},
    EventType.PIPELINE_NODE_COMPLETED: {"output": OUTPUT, "live": LIVE, "carried": OUTPUTS, "failure": FAILURE},
    EventType.PIPELINE_NODE_FAILED: {
        "failure": FAILURE,
        "receipt": RECEIPT,
        "live": LIVE,
        "handled": FLAG,
        "edge_failure": FAILURE,
    },
    EventType.PIPELINE_NODE_RETRYING: {"failure": FAILURE, "due_at": MOMENT, "receipt": RECEIPT},
    EventType.PIPELINE_NODE_CANCELLED: {"failure": FAILURE, "receipt": RECEIPT, "status": _one_of(NodeStatus)},
    EventType.BREAKER_OPENED: {"seconds": NUMBER, "epoch": WHOLE, "failure": TEXT, "target": TEXT},
    EventType.BREAKER_HALF_OPENED: {"epoch": WHOLE, "target": TEXT},
    EventType.BREAKER_CLOSED: {"epoch": WHOLE, "target": TEXT},
    EventType.BREAKER_FORCED: {"state": TEXT, "epoch": WHOLE, "target": TEXT},
    EventType.BREAKER_RESET: {"epoch": WHOLE, "error": TEXT, "target": TEXT},
    EventType.LOOP_BLOCKED: {"run_id": _or_none(TEXT), "seconds": NUMBER, "stack": TEXT},
}
OPTIONAL: Final[Mapping[EventType, frozenset[str]]] = {
    EventType.PIPELINE_RUN_STARTED: frozenset(BOUNDS),
    EventType.PIPELINE_RUN_CANCEL_REQUESTED: frozenset({"grace"}),
    EventType.PIPELINE_NODE_STARTED: frozenset({"due_at"}),
    EventType.PIPELINE_NODE_COMPLETED: frozenset({"carried", "failure"}),
    EventType.PIPELINE_NODE_FAILED: frozenset({"edge_failure"}),
    **{kind: frozenset({"failure", "target"}) for kind in EventType if kind.startswith("breaker.")},
}
"""The data that an event may have and another of its type may lack."""
HEAD: Final[Mapping[str, Form]] = {
    "type": _one_of(EventType),
    "stream": TEXT,
    "seq": WHOLE,
    "at": MOMENT,
    "node_id": _or_none(TEXT),
    "attempt": _or_none(WHOLE),
}
KEYS: Final = (*HEAD, "data", "tuples")


# ---- one event ------------------------------------------------------------------------------------------------


def event_to_json(event: Event) -> str:
    """Return `event` as one line of JSON, in ASCII and without the line's end.

    Raises:
        JournalError: JSON cannot say its data; names the event and the part of it.
    """
    data = plain_data(event)
    if why := why_not_json(data, "data"):
        raise JournalError(f"event {event.seq} of '{event.stream}' ({event.type}): its {why}")
    line = {name: form.write(getattr(event, name)) for name, form in HEAD.items()}
    line["data"] = data
    if tuples := _tuples_in(data):
        line["tuples"] = tuples
    return json.dumps(line, separators=(",", ":"))


def plain_data(event: Event) -> dict[str, Any]:
    """Return the data of `event` as JSON has it: failures, receipts and causes as mappings, moments as text."""
    forms = FIELDS.get(event.type, {})
    return {name: forms.get(name, OUTPUT).write(value) for name, value in event.data.items()}


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
    if unknown := sorted(raw.keys() - set(KEYS)):
        raise ValueError(f"unknown {', '.join(unknown)}")
    head = _read_fields({name: item for name, item in raw.items() if name in HEAD}, HEAD)
    data = OBJECT.read(raw.get("data"))
    _make_tuples(data, raw.get("tuples", []))
    kind = head["type"]
    return Event(**head, data=_read_fields(data, FIELDS.get(kind, {}), OPTIONAL.get(kind, frozenset())))


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


def _make_tuples(data: dict[str, Any], paths: list[list[str | int]]) -> None:
    """Make tuples of the lists at `paths`, the innermost first: nothing within a tuple can be replaced."""
    for *way, last in reversed(paths):
        holder: Any = data
        for step in way:
            holder = holder[step]
        holder[last] = tuple(_only(list).read(holder[last]))
