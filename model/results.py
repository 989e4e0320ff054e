"""What a user gets back: the result of a node and of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import Struct

from playbill.model.errors import DefinitionError, RunCancelled, RunFailed, RunTimedOut
from playbill.model.facts import Failure, NodeStatus, Output, Receipt, RunStatus
from playbill.model.forms import (
    CAUSE,
    FAILURE,
    MOMENT,
    OBJECT,
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

if TYPE_CHECKING:
    from playbill.model.facts import Cause

MAYBE_OUTPUT: Final = or_none(OUTPUT)
MAYBE_MOMENT: Final = or_none(MOMENT)
NODE: Final[Mapping[str, Form]] = {
    "node_id": TEXT,
    "status": one_of(NodeStatus),
    "output": MAYBE_OUTPUT,
    "failure": FAILURE,
    "attempts": WHOLE,
    "started_at": MAYBE_MOMENT,
    "ended_at": MAYBE_MOMENT,
    "receipt": RECEIPT,
    "reused_from": or_none(TEXT),
}
"""How the result of a node is written; `failure` is its error with all that is known of it."""
LATER: Final = frozenset({"reused_from"})
"""What results that an older playbill wrote lack."""
RUN: Final[Mapping[str, Form]] = {
    "run_id": TEXT,
    "status": one_of(RunStatus),
    "outputs": OUTPUT,
    "node_results": OBJECT,
    "cause": CAUSE,
    "orphans": many(TEXT),
    "started_at": MAYBE_MOMENT,
    "ended_at": MAYBE_MOMENT,
}
"""How the result of a run is written."""


class NodeExecutionResult(Struct):
    """How one node of a run stands; final once the run has ended."""

    node_id: str
    status: NodeStatus = NodeStatus.NOT_STARTED
    output: Output | None = None
    error: Failure | None = None
    """The last failure; kept through retries, None once an attempt completed."""
    attempts: int = 0
    started_at: datetime | None = None
    """When its first attempt began, UTC."""
    ended_at: datetime | None = None
    receipt: Receipt | None = None
    """How it was stopped; None: it ended by itself."""
    reused_from: str | None = None
    """The run in which it ended so: this one, a retry or a fork, has it from there; None: it ended here."""

    @property
    def retry_count(self) -> int:
        """Attempts after the first."""
        return max(0, self.attempts - 1)

    @property
    def duration_ms(self) -> float | None:
        """From the first attempt's start to the end, in milliseconds; None: never both."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds() * 1000

    def as_dict(self) -> dict[str, Any]:
        """Return it as a mapping that JSON can say, times as ISO 8601; `from_dict` reads it.

        `error` is a text, `failure` all that is known of it: type, message, whether a retry may help, traceback, and
        the data that it carries.
        """
        return {
            "node_id": self.node_id,
            "status": str(self.status),
            "output": copied(MAYBE_OUTPUT.write(self.output)),
            "error": None if self.error is None else str(self.error),
            "failure": FAILURE.write(self.error),
            "attempts": self.attempts,
            "retry_count": self.retry_count,
            "started_at": MAYBE_MOMENT.write(self.started_at),
            "ended_at": MAYBE_MOMENT.write(self.ended_at),
            "duration_ms": self.duration_ms,
            "receipt": RECEIPT.write(self.receipt),
            "reused_from": self.reused_from,
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> NodeExecutionResult:
        """Return the result that `as_dict` gave as `mapping`; the two are equal.

        Raises:
            DefinitionError: it is not such a mapping; names the field.
        """
        fields = _read(mapping, NODE, "the result of a node", LATER)
        return cls(error=fields.pop("failure"), **fields)


@dataclass(slots=True)
class RunResult:
    """How a run ended: final, and never raised by itself (see `raise_for_status`)."""

    run_id: str
    status: RunStatus
    outputs: Mapping[str, Any]
    """The definition's `outputs`; without them `{node id: output}` of all completed nodes."""
    node_results: Mapping[str, NodeExecutionResult]
    """By node id, in topological order; nodes never reached are `not_started`."""
    cause: Cause | None = None
    """What decided the run; None: it completed."""
    orphans: tuple[str, ...] = ()
    """Nodes whose work could not be stopped, as the run ended."""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def error(self) -> Failure | None:
        """What made the run fail; None unless `status` is failed."""
        return None if self.cause is None else self.cause.error

    def raise_for_status(self) -> RunResult:
        """Return self if the run completed.

        Raises:
            RunFailed: a node's failure, or an edge's or output's expression, ended the run.
            RunCancelled: somebody cancelled it.
            RunTimedOut: its timeout passed.
        """
        if self.cause is None:
            return self
        if self.status is RunStatus.FAILED:
            raise RunFailed(str(self.error), self.cause.node or None)
        if self.status is RunStatus.CANCELLED:
            raise RunCancelled(self.cause.source, self.cause.reason or None)
        raise RunTimedOut(self.cause.seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return it as a mapping that JSON can say, times as ISO 8601; `from_dict` reads it.

        `error` is a text; `cause` says what decided the run: which node failed, or who cancelled it and why, or after
        how many seconds.
        """
        return {
            "run_id": self.run_id,
            "status": str(self.status),
            "outputs": copied(OUTPUT.write(self.outputs)),
            "node_results": {node: result.as_dict() for node, result in self.node_results.items()},
            "error": None if self.error is None else str(self.error),
            "cause": CAUSE.write(self.cause),
            "orphans": list(self.orphans),
            "started_at": MAYBE_MOMENT.write(self.started_at),
            "ended_at": MAYBE_MOMENT.write(self.ended_at),
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> RunResult:
        """Return the result that `as_dict` gave as `mapping`; the two are equal.

        Raises:
            DefinitionError: it is not such a mapping; names the field.
        """
        fields = _read(mapping, RUN, "the result of a run")
        nodes = {node: NodeExecutionResult.from_dict(result) for node, result in fields.pop("node_results").items()}
        return cls(node_results=nodes, **fields)


def _read(
    mapping: Mapping[str, Any], forms: Mapping[str, Form], what: str, optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Read the fields that a result is made of; what else stands in a mapping follows from them.

    Raises:
        DefinitionError: one is missing or wrong.
    """
    if not isinstance(cast("object", mapping), Mapping):
        raise DefinitionError.single("bad-result", "result", f"{what} is a mapping, not {mapping!r:.60}")
    raw = copied({name: item for name, item in mapping.items() if name in forms})
    try:
        return read_fields(raw, forms, optional)
    except (LookupError, TypeError, ValueError) as error:
        raise DefinitionError.single("bad-result", "result", f"this is not {what}: {error}") from None
