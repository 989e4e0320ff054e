"""The durable state of a run: the fold of its events, alive and at recovery the same.

Only `apply` changes it. A supervisor's machine applies each event it records, a recovery each event it reads; so the
two cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from playbill.model.events import NO_DATA, EventType
from playbill.model.facts import Cause, NodeStatus, RunStatus, Stopped
from playbill.model.frozen import freeze
from playbill.model.results import NodeExecutionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Output, Receipt

NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Before all events."""
RUNNING: Final = NodeStatus.RUNNING
COMPLETED: Final = NodeStatus.COMPLETED


@dataclass(slots=True)
class RunState:
    """What has happened to a run, as far as its events tell."""

    status: RunStatus = RunStatus.PENDING
    seq: int = 0
    """Of the last event applied."""
    at: datetime = NEVER
    """When that happened."""
    trigger_data: Output = field(default_factory=lambda: NO_DATA)
    nodes: dict[str, NodeExecutionResult] = field(default_factory=dict[str, NodeExecutionResult])
    """The nodes that were reached, by id."""
    live: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """Of each node that ended: the indexes of its live outgoing edges."""
    carried: dict[str, Inputs] = field(default_factory=dict[str, "Inputs"])
    """Of each transparent node that completed: what it passes on."""
    cause: Cause | None = None
    """What decided the run: the first recorded failure, cancel or deadline."""
    was_stopped: bool = False
    """Whether a cancel or its deadline has stopped it, though a failure may have decided it before."""
    orphans: tuple[str, ...] = ()
    """The nodes of attempts that could not be stopped, one entry for each."""
    outputs: Output | None = None
    """What the definition's `outputs` came to; None: it has none, or the run has not completed."""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def apply(self, event: Event) -> None:
        """Change the state by `event`."""
        self.seq = event.seq
        self.at = event.at
        self.ROWS[event.type](self, event)

    def _node(self, event: Event) -> NodeExecutionResult:
        node_id = event.node_id or ""
        node = self.nodes.get(node_id)
        if node is None:
            node = self.nodes[node_id] = NodeExecutionResult(node_id)
        return node

    def _run_started(self, event: Event) -> None:
        self.status = RunStatus.RUNNING
        self.started_at = event.at
        self.trigger_data = event.data["trigger_data"]

    def _node_started(self, event: Event) -> None:
        node_id, attempt = event.node_id or "", event.attempt or 0
        node = self.nodes.get(node_id)
        if node is None:
            self.nodes[node_id] = NodeExecutionResult(node_id, RUNNING, attempts=attempt, started_at=event.at)
        else:
            node.status = NodeStatus.RUNNING
            node.attempts = attempt
            if node.started_at is None:
                node.started_at = event.at

    def _node_waiting(self, _event: Event) -> None:
        """Change nothing: nothing is recorded of what it waits for, and at recovery it asks again."""

    def _node_interrupted(self, _event: Event) -> None:
        """Change nothing: another attempt follows, wherever the run goes on."""

    def _node_retrying(self, event: Event) -> None:
        node = self._node(event)
        node.error = event.data["failure"]
        self._receive(node, event.data["receipt"])

    def _node_completed(self, event: Event) -> None:
        node = self.nodes.get(event.node_id or "") or self._node(event)
        data = event.data
        node.status = COMPLETED
        if "passed_on" in data:
            self._pass_on(node, data)
        else:
            node.output = data["output"]
        node.error = None
        node.receipt = None
        node.ended_at = event.at
        self.live[node.node_id] = data["live"]
        if "reused_from" in data:
            node.reused_from = data["reused_from"]
        if "failure" in data:
            self._decide(Cause(RunStatus.FAILED, data["failure"]))

    def _pass_on(self, node: NodeExecutionResult, data: Mapping[str, Any]) -> None:
        """Put together what a transparent node passes on: the event names whose outputs, and has none of them."""
        carried: dict[str, Output] = {source: self._given_by(source) for source in data["passed_on"]}
        own = self.trigger_data if data.get("from_trigger") else data.get("output")
        node.output = carried if own is None else own
        if own is not None:
            carried[node.node_id] = own
        self.carried[node.node_id] = carried

    def carried_by(self, node: str) -> Inputs:
        """Return what the live edges of a node that has ended carry."""
        found = self.carried.get(node)
        return {node: self._given_by(node)} if found is None else found

    def _given_by(self, source: str) -> Output:
        """Return what a node that has ended gives itself."""
        node = self.nodes[source]
        if node.status is COMPLETED or node.error is None:
            return node.output or {}
        frozen: Output = freeze(node.error.as_error(), source)
        return frozen

    def _node_failed(self, event: Event) -> None:
        node = self._node(event)
        data = event.data
        node.status = NodeStatus.FAILED
        node.attempts = event.attempt or 0
        node.error = data["failure"]
        node.ended_at = event.at
        node.reused_from = data.get("reused_from")
        self._receive(node, data["receipt"])
        self.live[node.node_id] = data["live"]
        if "edge_failure" in data:
            self._decide(Cause(RunStatus.FAILED, data["edge_failure"]))
        elif not data["handled"]:
            self._decide(Cause(RunStatus.FAILED, data["failure"], node=node.node_id))

    def _node_skipped(self, event: Event) -> None:
        node = self._node(event)
        node.status = NodeStatus.SKIPPED
        node.ended_at = event.at
        self.live[node.node_id] = ()

    def _node_cancelled(self, event: Event) -> None:
        node = self._node(event)
        node.status = event.data["status"]
        node.attempts = event.attempt or 0
        node.error = event.data["failure"]
        node.ended_at = event.at
        self._receive(node, event.data["receipt"])

    def _cancel_requested(self, event: Event) -> None:
        self.was_stopped = True
        self._decide(event.data["cause"])

    def _recovered(self, _event: Event) -> None:
        """Change nothing: what becomes of the attempts that were running then is an event of its own."""

    def _parked(self, _event: Event) -> None:
        """Change nothing: whoever goes on with the run takes it up as after a crash."""

    def _clock_stepped(self, _event: Event) -> None:
        """Change nothing: moments are as they were recorded."""

    def _paused(self, _event: Event) -> None:
        self.status = RunStatus.PAUSED

    def _resumed(self, _event: Event) -> None:
        self.status = RunStatus.RUNNING

    def _ended(self, event: Event) -> None:
        self.status = event.data["status"]
        self.ended_at = event.at
        self.outputs = event.data.get("outputs")
        if event.data["cause"] is not None:
            self._decide(event.data["cause"])
        if self.status is RunStatus.CANCELLED:
            self._settle(event.at)

    def _settle(self, at: datetime) -> None:
        """End what was under way in a run that was cancelled while nobody had it at work."""
        for node in self.nodes.values():
            if node.ended_at is None:
                node.status, node.ended_at = NodeStatus.CANCELLED, at

    def _receive(self, node: NodeExecutionResult, receipt: Receipt | None) -> None:
        node.receipt = receipt
        if receipt is not None and receipt.how is Stopped.ABANDONED:
            self.orphans += (node.node_id,)

    def _decide(self, cause: Cause) -> None:
        if self.cause is None:
            self.cause = cause

    ROWS: ClassVar[Mapping[EventType, Callable[[Any, Event], None]]] = {
        EventType.PIPELINE_RUN_STARTED: _run_started,
        EventType.PIPELINE_RUN_CANCEL_REQUESTED: _cancel_requested,
        EventType.PIPELINE_RUN_PARKED: _parked,
        EventType.PIPELINE_RUN_RECOVERED: _recovered,
        EventType.PIPELINE_RUN_CLOCK_STEPPED: _clock_stepped,
        EventType.PIPELINE_RUN_PAUSED: _paused,
        EventType.PIPELINE_RUN_RESUMED: _resumed,
        EventType.PIPELINE_RUN_COMPLETED: _ended,
        EventType.PIPELINE_RUN_FAILED: _ended,
        EventType.PIPELINE_RUN_CANCELLED: _ended,
        EventType.PIPELINE_RUN_TIMEOUT: _ended,
        EventType.PIPELINE_NODE_WAITING: _node_waiting,
        EventType.PIPELINE_NODE_STARTED: _node_started,
        EventType.PIPELINE_NODE_INTERRUPTED: _node_interrupted,
        EventType.PIPELINE_NODE_RETRYING: _node_retrying,
        EventType.PIPELINE_NODE_COMPLETED: _node_completed,
        EventType.PIPELINE_NODE_FAILED: _node_failed,
        EventType.PIPELINE_NODE_SKIPPED: _node_skipped,
        EventType.PIPELINE_NODE_CANCELLED: _node_cancelled,
    }
    """What each type of event does to the state."""


def folded(events: Iterable[Event]) -> RunState:
    """Return the durable state of a run that has these events."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state
