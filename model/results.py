"""What a user gets back: the result of a node and of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playbill.model.errors import RunCancelled, RunFailed, RunTimedOut
from playbill.model.facts import NodeStatus, RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from playbill.model.facts import Cause, Failure, Output, Receipt


@dataclass(slots=True)
class NodeExecutionResult:
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
        """Return it as a JSON-able mapping, times as ISO 8601; `error_data` is there when the error carries data."""
        data = None if self.error is None else self.error.data
        return {
            "node_id": self.node_id,
            "status": str(self.status),
            "output": self.output,
            "error": None if self.error is None else str(self.error),
            **({} if data is None else {"error_data": data}),
            "attempts": self.attempts,
            "retry_count": self.retry_count,
            "started_at": self.started_at and self.started_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "duration_ms": self.duration_ms,
            "receipt": self.receipt and {"how": str(self.receipt.how), "ms": self.receipt.ms},
        }


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
        """Return it as a JSON-able mapping, times as ISO 8601."""
        return {
            "run_id": self.run_id,
            "status": str(self.status),
            "outputs": self.outputs,
            "node_results": {node: result.as_dict() for node, result in self.node_results.items()},
            "error": None if self.error is None else str(self.error),
            "orphans": list(self.orphans),
            "started_at": self.started_at and self.started_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
        }
