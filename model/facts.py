"""The facts every floor shares: statuses, failures, receipts, permits, outcomes and the one base of values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias, dataclass_transform

from msgspec import Struct

__all__ = [
    "Cause",
    "Failure",
    "Inputs",
    "NodeStatus",
    "Now",
    "Origin",
    "Outcome",
    "Output",
    "Permit",
    "Receipt",
    "RunStatus",
    "Stopped",
    "Value",
    "Verdict",
]

Output: TypeAlias = Mapping[str, Any]
"""What a node gives: a JSON-able mapping."""

Inputs: TypeAlias = Mapping[str, Output]
"""What a node receives: the outputs of its predecessors by node id."""


@dataclass_transform(frozen_default=True, field_specifiers=())
class Value(Struct, frozen=True):
    """A value: messages, facts, events and plans are made of these; nobody can change one.

    To get another like it: `msgspec.structs.replace(value, field=...)`, or `copy.replace` from Python 3.13 on. A
    class whose fields are all scalars, enums or such values says `gc=False`: the cyclic collector never looks at it.

    Source: msgspec's Struct: made in a fifth of the time a plain dataclass with slots takes, and read as quickly.
    """


class NodeStatus(StrEnum):
    """Where a node of a run stands."""

    NOT_STARTED = "not_started"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class RunStatus(StrEnum):
    """Where a run stands; the last four are final."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


class Stopped(StrEnum):
    """How an attempt was stopped."""

    NOT_STARTED = "not_started"
    """Nothing was running."""
    COOPERATIVE = "cooperative"
    """The handler ended by itself within the grace."""
    INTERRUPTED = "interrupted"
    """The interruption (task cancel, SIGTERM) ended it within the grace."""
    KILLED = "killed"
    """It ended after the grace, by the kill."""
    ABANDONED = "abandoned"
    """It did not end: an orphan."""


class Verdict(StrEnum):
    """What an attempt says about its dependency, told to the breaker."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"
    CANCELLED = "cancelled"
    LOST = "lost"


class Now(Value, gc=False):
    """One reading of both clocks: `monotonic` seconds for timers, `utc` for events."""

    monotonic: float
    utc: datetime

    def after(self, seconds: float) -> datetime:
        """Return when so many seconds will be over; the last date there is, if the calendar ends before."""
        try:
            return self.utc + timedelta(seconds=seconds)
        except OverflowError:
            return datetime.max.replace(tzinfo=self.utc.tzinfo)


class Failure(Value):
    """A failure as data: it travels between actors instead of an exception."""

    type: str
    """The exception's class name."""
    message: str
    retryable: bool
    kinds: tuple[str, ...] = ()
    """The class names of the exception's ancestry, its own first."""
    traceback: str = ""
    retry_after: float | None = None
    """Seconds the source asked to wait before another attempt."""
    data: Mapping[str, Any] | None = None
    """What the error told beside its text, such as the exit code of a command: JSON-able, read-only."""

    @property
    def brief(self) -> str:
        """The type and the first 200 characters of the message: for a line about another thing."""
        return f"{self.type}: {self.message[:200]}" if self.message else self.type

    def as_error(self) -> dict[str, Any]:
        """Return the mapping that failure edges carry: `{"error": {...}}`."""
        told = {"type": self.type, "message": self.message, "retryable": self.retryable}
        return {"error": {**(self.data or {}), **told}}

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class Receipt(Value, gc=False):
    """Proof of a stop: how an attempt ended after it was told to, and after how many milliseconds."""

    how: Stopped
    ms: float = 0.0
    kill_ms: float | None = None
    """How many of these were after the kill; None: it was not killed."""

    @property
    def grace_ms(self) -> float:
        """How many of these it had for its own cleanup."""
        return self.ms - (self.kill_ms or 0.0)


class Permit(Value, gc=False):
    """A breaker's leave for one attempt; `id` is the ask it answers, `epoch` fences late reports."""

    key: str
    """Of the circuit, as people call it."""
    epoch: int
    id: str
    """Unique in its manager."""
    target: str = ""
    """Of its circuit."""


class Cause(Value):
    """What decided a run: its final status, and why."""

    status: RunStatus
    error: Failure | None = None
    node: str = ""
    """The node that failed, when it was one."""
    source: str = ""
    """Who cancelled it; `timeout` when that was it."""
    reason: str = ""
    """What they said, for people."""
    seconds: float = 0.0
    """The timeout that passed, when that was it."""


class Origin(Value, gc=False):
    """Of which run another one is a retry or a fork."""

    run: str
    how: str
    """retry, fork, or import: the same run, which has another id where it comes from."""
    first: str | None = None
    """The run whose idempotency keys it goes on with; None, of a fork: that has its own."""
    node: str = ""
    """Where it was forked."""


class Outcome(Value):
    """How a node ended, as its actor tells the supervisor."""

    status: NodeStatus
    attempts: int = 0
    output: Output | None = None
    carried: Inputs | None = None
    """What a transparent node passes on; None: `{node id: output}`."""
    failure: Failure | None = None
    receipt: Receipt | None = None
