"""A plain reading of a run's events: its result and its durable state, folded once more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import NodeConfigError
from playbill.model.events import TERMINAL, EventType
from playbill.model.facts import Cause, NodeStatus, RunStatus, Stopped
from playbill.model.failures import failure_of
from playbill.model.results import NodeExecutionResult
from playbill.runtime.simulation.checks.names import RESULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.model.facts import Outcome, Output
    from playbill.model.results import RunResult
    from playbill.model.runstate import RunState
    from playbill.runtime.simulation.reference.rules import RunRules

RUNNING: Final = NodeStatus.RUNNING
COMPLETED: Final = NodeStatus.COMPLETED
MAX_BYTES: Final = 1_048_576
"""Of a run's outputs, as JSON in UTF-8."""
COMPARED: Final = (
    "status", "cause", "outputs", "orphans", "started_at", "ended_at", "order of nodes", "results of nodes",
    "live edges", "carried", "seq", "trigger data", "recorded outputs",
)  # fmt: skip


class ResultModel:
    """What the events of a run come to."""

    def __init__(self, rules: RunRules, trigger: Output) -> None:
        self.cause: Cause | None = None
        self.status = RunStatus.PENDING
        self.salvaged = False
        """Its supervisor has failed."""
        self.was_stopped = False
        """Whether a stop is recorded."""
        self._sunk = False
        self._cause: Cause | None = None
        self._given: dict[str, Any] = {}
        """The outputs that it must give."""
        self.told: dict[str, Any] = {}
        """What its last event must tell of them: nothing that others have told."""
        self._rules = rules
        self._trigger = trigger
        self._nodes: dict[str, NodeExecutionResult] = {}
        self._live: dict[str, tuple[int, ...]] = {}
        self._carried: dict[str, Any] = {}
        self._orphans: list[str] = []
        self._began: datetime | None = None
        self._ended: datetime | None = None

    def decide(self, cause: Cause) -> None:
        """Hear of a cause; the first one counts."""
        self.cause = self.cause or cause

    def sinks(self) -> None:
        """Hear that not even the end of the run can be recorded."""
        self._sunk = True

    def attempts(self, node: str) -> int:
        """Return how many attempts of a node were recorded."""
        return self._nodes[node].attempts if node in self._nodes else 0

    def see(self, event: Event) -> None:
        """Go on by an event of the run itself."""
        if event.type is EventType.PIPELINE_RUN_PAUSED:
            self.status = RunStatus.PAUSED
        elif event.type is EventType.PIPELINE_RUN_CANCEL_REQUESTED:
            self.was_stopped = True
        elif event.type in {EventType.PIPELINE_RUN_STARTED, EventType.PIPELINE_RUN_RESUMED}:
            self.status = RunStatus.RUNNING
            self._began = self._began or event.at
        elif event.type in TERMINAL:
            self.status, self._ended = event.data["status"], event.at

    def see_start(self, event: Event, name: str) -> None:
        """Go on by the start of an attempt."""
        node = self._nodes.get(name) or self._node(name)
        node.status, node.attempts = RUNNING, event.attempt or 0
        node.started_at = node.started_at or event.at

    def see_failure(self, event: Event, name: str) -> NodeExecutionResult:
        """Go on by an attempt that did not complete."""
        node = self._node(name)
        node.error, node.receipt = event.data["failure"], event.data["receipt"]
        if node.receipt is not None and node.receipt.how is Stopped.ABANDONED:
            self._orphans.append(name)
        return node

    def see_end(self, event: Event, name: str, outcome: Outcome) -> None:
        """Go on by a node's end, which is `outcome`."""
        if event.type is EventType.PIPELINE_NODE_COMPLETED:
            node = self._nodes.get(name) or self._node(name)
            node.status, node.error, node.receipt = COMPLETED, None, None
            node.output = outcome.output
            if outcome.carried is not None:
                self._carried[name] = outcome.carried
        elif event.type is EventType.PIPELINE_NODE_SKIPPED:
            node = self._node(name)
            node.status = NodeStatus.SKIPPED
        else:
            node = self.see_failure(event, name)
            node.status, node.attempts = event.data.get("status", NodeStatus.FAILED), event.attempt or 0
        node.ended_at = event.at
        if event.type is not EventType.PIPELINE_NODE_CANCELLED:
            self._live[name] = event.data.get("live", ())

    def _node(self, name: str) -> NodeExecutionResult:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = NodeExecutionResult(name)
        return node

    def conclude(self) -> tuple[RunStatus, Cause | None]:
        """Return how the run must end, and why."""
        self._given, failed = self._outputs()
        self._cause = self.cause or failed
        if self._rules.definition.outputs and self._cause is None:
            self.told = {"outputs": self._given}
        return (RunStatus.COMPLETED if self._cause is None else self._cause.status), self._cause

    def _completed(self) -> dict[str, Any]:
        return {name: end.output or {} for name, end in self._nodes.items() if end.status is NodeStatus.COMPLETED}

    def _outputs(self) -> tuple[dict[str, Any], Cause | None]:
        """Return what the run must give; or why that cannot be said."""
        rules = self._rules
        completed = self._completed()
        if not rules.definition.outputs:
            return completed, None
        if self.cause is not None:
            return {}, None
        variables = rules.variables(completed, self._trigger)
        outputs: dict[str, Any] = {}
        for name, expression in rules.plan.outputs.items():
            try:
                outputs[name] = expression.evaluate(variables)
            except NodeConfigError as error:
                failure = failure_of(NodeConfigError(f"output '{name}': {error}"))
                return {}, Cause(RunStatus.FAILED, failure)
        size = len(json.dumps(outputs, ensure_ascii=False).encode(errors="surrogatepass"))
        if size > MAX_BYTES:
            said = f"the run's outputs are {size:,} bytes as JSON, over the limit of {MAX_BYTES:,}: give references"
            return {}, Cause(RunStatus.FAILED, failure_of(NodeConfigError(said)))
        return outputs, None

    def compare(self, result: RunResult, state: RunState, seq: int, wrong: Callable[[str, str], None]) -> None:
        """Compare a result and the durable state with what they must be, after `seq` events."""
        if self._sunk:
            return
        cause, outputs = self._cause, self._given
        if self.salvaged:  # the event of its end has been compared
            cause = self.cause or result.cause
            outputs = {} if self._rules.definition.outputs else self._completed()
        status = RunStatus.COMPLETED if cause is None else cause.status
        nodes = {node: self._nodes.get(node) or NodeExecutionResult(node) for node in self._rules.nodes}
        said: tuple[Any, ...] = (
            result.status, result.cause, result.outputs, result.orphans, result.started_at, result.ended_at,
            [*result.node_results], result.node_results, state.live, state.carried, state.seq, state.trigger_data,
            state.outputs,
        )  # fmt: skip
        expected: tuple[Any, ...] = (
            status, cause, outputs, tuple(dict.fromkeys(self._orphans)), self._began, self._ended,
            [*nodes], nodes, self._live, self._carried, seq, self._trigger if self._began else {},
            self.told.get("outputs"),
        )  # fmt: skip
        if said != expected:
            for what, is_so, must_be in zip(COMPARED, said, expected, strict=True):
                if is_so != must_be and repr(is_so) != repr(must_be):  # no NaN is itself
                    wrong(RESULT, f"{what}: {is_so!r}, expected {must_be!r}")
