"""How a run ends: its status, its outputs and its result, from its durable state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from playbill.model.errors import NodeConfigError
from playbill.model.events import EventType
from playbill.model.facts import Cause, NodeStatus, RunStatus, Value
from playbill.model.failures import failure_of
from playbill.model.plan import variables
from playbill.model.results import NodeExecutionResult, RunResult
from playbill.model.sizes import MAX_BYTES, json_size

if TYPE_CHECKING:
    from playbill.model.facts import Failure, Inputs
    from playbill.model.plan import RunFacts
    from playbill.model.runstate import RunState

RUN_END_EVENTS: dict[RunStatus, EventType] = {
    RunStatus.COMPLETED: EventType.PIPELINE_RUN_COMPLETED,
    RunStatus.FAILED: EventType.PIPELINE_RUN_FAILED,
    RunStatus.CANCELLED: EventType.PIPELINE_RUN_CANCELLED,
    RunStatus.TIMEOUT: EventType.PIPELINE_RUN_TIMEOUT,
}


class Conclusion(Value):
    """What is to be recorded and returned at the end."""

    status: RunStatus
    cause: Cause | None
    outputs: Mapping[str, Any]
    told: bool = False
    """They were evaluated, and its event tells them; else they are those of all nodes that completed, or none."""

    @property
    def data(self) -> dict[str, Any]:
        """What the terminal event says."""
        data = {"status": self.status, "cause": self.cause}
        return {**data, "outputs": self.outputs} if self.told else data

    @property
    def event(self) -> EventType:
        """The terminal event's type."""
        return RUN_END_EVENTS[self.status]

    def result(self, facts: RunFacts, run: RunState) -> RunResult:
        """Return the run's result, once the terminal event was applied to `run`."""
        reached = run.nodes
        return RunResult(
            run_id=facts.run_id,
            status=self.status,
            outputs=self.outputs,
            node_results={
                node: reached[node] if node in reached else NodeExecutionResult(node) for node in facts.plan.nodes
            },
            cause=self.cause,
            orphans=tuple(dict.fromkeys(run.orphans)),
            started_at=run.started_at,
            ended_at=run.ended_at,
        )


def conclude(facts: RunFacts, run: RunState, fault: Failure | None = None) -> Conclusion:
    """Decide a run whose last node has ended, or whose supervisor failed by a `fault` of ours."""
    cause = run.cause
    if cause is None and fault is not None:
        cause = Cause(RunStatus.FAILED, fault)
    completed = {
        node: result.output or {} for node, result in run.nodes.items() if result.status is NodeStatus.COMPLETED
    }
    if not facts.plan.outputs:
        return Conclusion(cause.status if cause else RunStatus.COMPLETED, cause, completed)
    if cause is not None:
        return Conclusion(cause.status, cause, {})
    try:
        outputs = _evaluated(facts, completed)
    except NodeConfigError as error:
        return Conclusion(RunStatus.FAILED, Cause(RunStatus.FAILED, failure_of(error)), {})
    return Conclusion(RunStatus.COMPLETED, None, outputs, told=True)


def _evaluated(facts: RunFacts, completed: Inputs) -> dict[str, Any]:
    """Return what the definition's `outputs` come to.

    Raises:
        NodeConfigError: one cannot be evaluated, or together they are too large; names it, or says so.
    """
    names = variables(completed, facts.plan.nodes, facts.trigger_data)
    outputs: dict[str, Any] = {}
    for name, expression in facts.plan.outputs.items():
        try:
            outputs[name] = expression.evaluate(names)
        except NodeConfigError as error:
            raise NodeConfigError(f"output '{name}': {error}") from error
    if (size := json_size(outputs)) > MAX_BYTES:
        said = f"the run's outputs are {size:,} bytes as JSON, over the limit of {MAX_BYTES:,}"
        raise NodeConfigError(f"{said}: give references")
    return outputs
