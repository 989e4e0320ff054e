"""Events: the facts a journal keeps and listeners see; as objects, and as what JSON can say.

FIELDS says of each type which data it has and how that is written; what it does not name is plain JSON. INTERNALS are
what only a fold or a replay needs: they are in `data`, and shown to those who ask for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, cast

from playbill.model.errors import DefinitionError
from playbill.model.facts import NodeStatus, RunStatus, Value
from playbill.model.forms import (
    CAUSE,
    FAILURE,
    FLAG,
    MOMENT,
    NUMBER,
    OBJECT,
    ORIGIN,
    OUTPUT,
    RECEIPT,
    TEXT,
    WHOLE,
    Form,
    many,
    one_of,
    or_none,
    read_fields,
)
from playbill.model.frozen import copied
from playbill.model.trace_context import trace_context_of
from playbill.model.upcasting import upcast, version_of
from playbill.model.wording import clip


class EventType(StrEnum):
    """The types of events, named noun.past."""

    PIPELINE_RUN_STARTED = "pipeline_run.started"
    PIPELINE_RUN_COMPLETED = "pipeline_run.completed"
    PIPELINE_RUN_FAILED = "pipeline_run.failed"
    PIPELINE_RUN_CANCELLED = "pipeline_run.cancelled"
    PIPELINE_RUN_TIMEOUT = "pipeline_run.timeout"
    PIPELINE_RUN_CANCEL_REQUESTED = "pipeline_run.cancel_requested"
    PIPELINE_RUN_PAUSED = "pipeline_run.paused"
    PIPELINE_RUN_RESUMED = "pipeline_run.resumed"
    PIPELINE_RUN_PARKED = "pipeline_run.parked"
    PIPELINE_RUN_RECOVERED = "pipeline_run.recovered"
    PIPELINE_RUN_CLOCK_STEPPED = "pipeline_run.clock_stepped"
    PIPELINE_NODE_WAITING = "pipeline_node.waiting"
    PIPELINE_NODE_STARTED = "pipeline_node.started"
    PIPELINE_NODE_COMPLETED = "pipeline_node.completed"
    PIPELINE_NODE_FAILED = "pipeline_node.failed"
    PIPELINE_NODE_SKIPPED = "pipeline_node.skipped"
    PIPELINE_NODE_RETRYING = "pipeline_node.retrying"
    PIPELINE_NODE_INTERRUPTED = "pipeline_node.interrupted"
    PIPELINE_NODE_CANCELLED = "pipeline_node.cancelled"
    BREAKER_OPENED = "breaker.opened"
    BREAKER_HALF_OPENED = "breaker.half_opened"
    BREAKER_CLOSED = "breaker.closed"
    BREAKER_FORCED = "breaker.forced"
    BREAKER_RESET = "breaker.reset"
    BREAKER_RECOVERED = "breaker.recovered"
    BREAKER_POLICY_CHANGED = "breaker.policy_changed"
    LOOP_BLOCKED = "loop.blocked"


NO_DATA: Mapping[str, Any] = MappingProxyType({})
"""The data of events whose type says it all."""

TERMINAL: frozenset[EventType] = frozenset(
    {
        EventType.PIPELINE_RUN_COMPLETED,
        EventType.PIPELINE_RUN_FAILED,
        EventType.PIPELINE_RUN_CANCELLED,
        EventType.PIPELINE_RUN_TIMEOUT,
    }
)
"""The events that end a run: exactly one in its stream, the last."""


BREAKERS: Final = "breaker:"
"""What the names of the streams of breakers begin with."""
LOOP: Final = "loop"
"""The stream of what is not about one run."""


def is_breaker(stream: str) -> bool:
    """Tell whether a stream is a breaker's."""
    return stream.startswith(BREAKERS)


def is_own(stream: str) -> bool:
    """Tell whether a stream is one of playbill's own, and not a run's."""
    return stream == LOOP or is_breaker(stream)


# ---- what each event says -------------------------------------------------------------------------------------

LIVE: Final = many(WHOLE)
BOUNDS: Final = ("timeout", "grace", "kill_bound")
"""The seconds that bound a run; files of playbill 0.1 may lack them, as they do a cancel's grace."""
REUSED: Final = {"reused_from": TEXT}
"""The run in which the node has ended so, and from which this one has it."""
PINS: Final = {"playbill": TEXT, "definition": TEXT, "handlers": OBJECT, "folder": TEXT}
"""What a run is pinned to that may outlive its process: playbill's version, the hash of its definition, the versions
of its handlers, and the folder of its file, in which modules of `imports` may stand."""
OPENED: Final = {
    "seconds": NUMBER,
    "openings": WHOLE,
    "policy": OBJECT,
    "epoch": WHOLE,
    "failure": TEXT,
    "target": TEXT,
}
"""A circuit is open for so many seconds, the so-manieth time since it was closed, by a policy: what that says besides
the defaults."""


def _read_trace(raw: Any) -> Mapping[str, str]:
    if (trace := trace_context_of(OBJECT.read(raw))) is None:
        raise ValueError("is empty")
    return trace


TRACE: Final = Form(dict, _read_trace)
"""The W3C trace context that a run was started with."""
ENDED: Final = {"status": one_of(RunStatus), "cause": CAUSE, "outputs": OUTPUT}

FIELDS: Final[Mapping[EventType, Mapping[str, Form]]] = {
    EventType.PIPELINE_RUN_STARTED: {
        "pipeline": TEXT,
        "version": TEXT,
        "trigger_data": OUTPUT,
        **dict.fromkeys(BOUNDS, NUMBER),
        **PINS,
        "origin": ORIGIN,
        "trace": TRACE,
    },
    EventType.PIPELINE_RUN_COMPLETED: ENDED,
    EventType.PIPELINE_RUN_FAILED: ENDED,
    EventType.PIPELINE_RUN_CANCELLED: ENDED,
    EventType.PIPELINE_RUN_TIMEOUT: ENDED,
    EventType.PIPELINE_RUN_CANCEL_REQUESTED: {"cause": CAUSE, "grace": or_none(NUMBER)},
    EventType.PIPELINE_RUN_PAUSED: {"unowned": FLAG},
    EventType.PIPELINE_RUN_RECOVERED: {"epoch": WHOLE, "attempts": many(TEXT), "playbill": TEXT, "handlers": OBJECT},
    EventType.PIPELINE_RUN_CLOCK_STEPPED: {"seconds": NUMBER, "elapsed": NUMBER},
    EventType.PIPELINE_NODE_WAITING: {"for": TEXT, "key": or_none(TEXT), "since": MOMENT},
    EventType.PIPELINE_NODE_STARTED: {"due_at": MOMENT, "slot_ms": WHOLE, "permit_ms": WHOLE},
    EventType.PIPELINE_NODE_COMPLETED: {
        "output": OUTPUT,
        "live": LIVE,
        "passed_on": many(TEXT),
        "from_trigger": FLAG,
        "failure": FAILURE,
        **REUSED,
    },
    EventType.PIPELINE_NODE_FAILED: {
        "failure": FAILURE,
        "receipt": RECEIPT,
        "live": LIVE,
        "handled": FLAG,
        "edge_failure": FAILURE,
        **REUSED,
    },
    EventType.PIPELINE_NODE_RETRYING: {"failure": FAILURE, "due_at": MOMENT, "receipt": RECEIPT},
    EventType.PIPELINE_NODE_INTERRUPTED: {"receipt": RECEIPT},
    EventType.PIPELINE_NODE_CANCELLED: {"failure": FAILURE, "receipt": RECEIPT, "status": one_of(NodeStatus)},
    EventType.BREAKER_OPENED: OPENED,
    EventType.BREAKER_HALF_OPENED: {"epoch": WHOLE, "target": TEXT},
    EventType.BREAKER_CLOSED: {"epoch": WHOLE, "target": TEXT},
    EventType.BREAKER_FORCED: {"state": TEXT, "epoch": WHOLE, "target": TEXT},
    EventType.BREAKER_RESET: {"epoch": WHOLE, "error": TEXT, "state": TEXT, "target": TEXT},
    EventType.BREAKER_RECOVERED: {"state": TEXT, **OPENED},
    EventType.BREAKER_POLICY_CHANGED: {"policy": OBJECT, "target": TEXT},
    EventType.LOOP_BLOCKED: {"run_id": or_none(TEXT), "seconds": NUMBER, "stack": TEXT},
}
OPTIONAL: Final[Mapping[EventType, frozenset[str]]] = {
    EventType.PIPELINE_RUN_STARTED: frozenset({*BOUNDS, *PINS, "origin", "trace"}),
    EventType.PIPELINE_RUN_CANCEL_REQUESTED: frozenset({"grace"}),
    EventType.PIPELINE_RUN_PAUSED: frozenset({"unowned"}),
    EventType.PIPELINE_RUN_RECOVERED: frozenset({"playbill", "handlers"}),
    EventType.PIPELINE_NODE_STARTED: frozenset({"due_at", "slot_ms", "permit_ms"}),
    EventType.PIPELINE_NODE_COMPLETED: frozenset({"output", "passed_on", "from_trigger", "failure", *REUSED}),
    EventType.PIPELINE_NODE_FAILED: frozenset({"edge_failure", *REUSED}),
    **dict.fromkeys(TERMINAL, frozenset({"outputs"})),
    **{kind: frozenset({"failure", "target"}) for kind in EventType if kind.startswith("breaker.")},
    EventType.BREAKER_OPENED: frozenset({"openings", "policy", "failure", "target"}),
    EventType.BREAKER_RESET: frozenset({"state", "target"}),
    EventType.BREAKER_RECOVERED: frozenset({"seconds", "openings", "policy", "failure", "target"}),
}
"""The data that an event may have and another of its type may lack."""
HEAD: Final[Mapping[str, Form]] = {
    "type": one_of(EventType),
    "stream": TEXT,
    "seq": WHOLE,
    "at": MOMENT,
    "node_id": or_none(TEXT),
    "attempt": or_none(WHOLE),
}
INTERNALS: Final = frozenset({"live"})
"""The data that only a fold needs: indexes of live edges."""
LONGEST_SHOWN: Final = 60
"""Characters of each value in an event's repr."""


class Event(Value):
    """A fact: the `seq`-th of `stream` (a run id, or `breaker:<key>`), at `at` (UTC)."""

    type: EventType
    stream: str
    seq: int
    """Counts from 1, gapless per stream."""
    at: datetime
    node_id: str | None
    attempt: int | None
    data: Mapping[str, Any]
    """What the type says of it; with the live objects (Failure, Receipt) while in memory."""

    @property
    def run_id(self) -> str | None:
        """The run that it is of; None: it is a breaker's or the loop's."""
        return None if is_own(self.stream) else self.stream

    def as_dict(self, *, internals: bool = False) -> dict[str, Any]:
        """Return it as a mapping that JSON can say, times as ISO 8601; `from_dict` reads it.

        `version` is that of what its type says, in `data`.

        Args:
            internals: with what only a fold of events needs, such as which edges are live.
        """
        written = {name: form.write(getattr(self, name)) for name, form in HEAD.items()}
        said = copied(plain_data(self))
        data = {name: item for name, item in said.items() if internals or name not in INTERNALS}
        return {**written, "version": version_of(self.type), "run_id": self.run_id, "data": data}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Event:
        """Return the event that `as_dict`, of this playbill or an older one, gave as `mapping`.

        It is equal to what was written, if that had the internals.

        Raises:
            DefinitionError: it is not such a mapping; names the field.
        """
        try:
            return read_event(mapping)
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            said = f"this is not an event: {error}; an event has {', '.join(HEAD)} and data"
            raise DefinitionError.single("bad-event", "event", said) from None

    def __repr__(self) -> str:
        about = [self.node_id or "", f"attempt={self.attempt}" if self.attempt else ""]
        for name, item in _said(self).items():
            shown = repr(str(item) if isinstance(item, StrEnum) else item)
            about.append(f"{name}={clip(shown, LONGEST_SHOWN)}")
        return f"<Event {self.stream}#{self.seq} {' '.join(filter(None, [self.type, *about]))}>"


def _said(event: Event) -> dict[str, Any]:
    return {name: item for name, item in event.data.items() if name not in INTERNALS}


def plain_data(event: Event) -> dict[str, Any]:
    """Return the data of `event` as JSON has it: failures, receipts and causes as mappings, moments as text."""
    forms = FIELDS.get(event.type, {})
    return {name: forms.get(name, OUTPUT).write(item) for name, item in event.data.items()}


def read_event(mapping: Mapping[str, Any]) -> Event:
    """Return the event that a mapping says, in whatever version; internals may be missing.

    Raises:
        ValueError, TypeError, LookupError: it says none.
    """
    if not isinstance(cast("object", mapping), Mapping):
        raise TypeError(f"{mapping!r:.60} is not a mapping")
    raw = copied(dict(mapping))
    if unknown := sorted(raw.keys() - {*HEAD, "version", "run_id", "data"}):
        raise ValueError(f"unknown {', '.join(unknown)}")
    raw = upcast(raw)
    head = read_fields({name: item for name, item in raw.items() if name in HEAD}, HEAD)
    kind = head["type"]
    fields, optional = FIELDS.get(kind, {}), OPTIONAL.get(kind, frozenset()) | INTERNALS
    data = read_fields(OBJECT.read(raw.get("data")), fields, optional)
    if unknown := sorted(data.keys() - fields.keys()):
        raise ValueError(f"data: unknown {', '.join(unknown)}")
    if kind is EventType.PIPELINE_NODE_COMPLETED and not data.keys() & {"output", "passed_on"}:
        raise ValueError("lacks output")
    event = Event(**head, data=data)
    if raw.get("run_id", event.run_id) != event.run_id:
        raise ValueError(f"run_id: is {raw['run_id']!r:.60}, and its stream is '{event.stream}'")
    return event
