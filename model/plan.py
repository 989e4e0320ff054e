"""The plan of a run: a valid definition with every default applied and every condition compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from playbill.model.definition import PipelineDefinition, PipelineNode
from playbill.model.delays import Length
from playbill.model.expressions import Condition, Expression, merge_inputs
from playbill.model.facts import Value
from playbill.model.policies import RetryPolicy, StopPolicy
from playbill.model.targets import CompiledTarget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playbill.model.facts import Inputs, Output


class Kind(StrEnum):
    """Who does a node's work: the machine itself for the first four, else a handler."""

    TRIGGER = "trigger"
    PARALLEL = "parallel"
    CONDITION = "condition"
    DELAY = "delay"
    HANDLER = "handler"


NO_BREAKER: Final = "none"
"""What a node's `breaker` says that asks none."""
BUILT_IN: frozenset[str] = frozenset({Kind.TRIGGER, Kind.PARALLEL, Kind.CONDITION, Kind.DELAY})
"""The node types done by the node machine: they pass on what they received; no handler, slot, permit or retry."""


class EdgePlan(Value):
    """One edge, its condition compiled: what its source asks to find out whether it is live."""

    index: int
    """Its place in the definition: what events call it by."""
    id: str
    target: str
    to_any: bool
    """The target joins any."""
    when: str
    condition: Condition | None
    wanted: bool | None
    """The result a condition node must have given; None: its condition, if any, is evaluated."""


class NodePlan(Value):
    """One node, with every default applied: all that its machine knows of the definition."""

    id: str
    node: PipelineNode
    order: int
    """Its place in the topological order."""
    incoming: int
    """How many edges (a root: its one start) it hears from."""
    edges: tuple[EdgePlan, ...]
    all_live: tuple[int, ...] | None
    """The indexes of its edges when its success makes all of them live; None: each must be judged."""
    threaded: bool
    """Its handler may wait for a thread: timeouts count from Began."""
    # What follows has nothing to do with its place in the pipeline: see planning.py.
    kind: Kind
    type: str
    joins_any: bool
    retry: RetryPolicy
    timeout: float | None
    idle_timeout: float | None
    total_timeout: float | None
    grace: float
    breaker: str | None
    """The key of its circuit breaker; None: none asked."""
    target: str
    """Which of the breaker's circuits it asks; empty: the type's own."""
    target_at: CompiledTarget | None
    """What says so when the node asks; None: `target` does."""
    waits_open: bool
    commits: bool
    """Its starts are on disk before they happen (on_crash: fail)."""
    continues: bool
    """Its failure does not end the run (on_error: continue)."""
    takes_slot: bool
    """The run has `max_concurrency`."""
    condition: Condition | None
    length: Length | None
    """Of a delay."""

    def stop_grace(self, explicit: float | None) -> float:
        """Give the seconds that its handler has at a stop.

        Args:
            explicit: what the one who stops says: instead of the default, and at most; None: the node's own counts,
                longer or shorter than the default.
        """
        if explicit is None:
            return self.grace
        return explicit if self.node.grace is None else min(explicit, self.node.grace)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What all nodes of one run share."""

    run_id: str
    plan: Plan
    trigger_data: Output
    number: int = 0
    """How many runs its manager had begun before: of two with one id they differ."""
    first_run: str | None = None
    """The run whose idempotency keys this one goes on with, since it is a retry of it; None: it has its own."""
    trace: Mapping[str, str] | None = None
    """The W3C trace context that it was started with; None: with none."""
    name: str = field(init=False)
    """Of this very run, for its asks: the number first, so that no other's can be the same text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.number}:{self.run_id}")


class Plan(Value):
    """A whole run's plan; shared by all runs of the definition."""

    definition: PipelineDefinition
    nodes: Mapping[str, NodePlan]
    """By id, in topological order."""
    roots: tuple[str, ...]
    outputs: Mapping[str, Expression]
    stop: StopPolicy

    def stop_graces(self, nodes: Iterable[str], explicit: float | None) -> dict[str, float]:
        """Give the grace of each of these nodes at a stop; see NodePlan.stop_grace."""
        return {node: self.nodes[node].stop_grace(explicit) for node in nodes}


def variables(inputs: Inputs, order: Mapping[str, NodePlan], trigger: Output) -> dict[str, Any]:
    """Return what expressions see: `inputs`, `input` (their merge in topological order) and `trigger`."""
    if len(inputs) > 1:
        inputs = {node: inputs[node] for node in sorted(inputs, key=lambda node: order[node].order)}
    own = {node: output for node, output in inputs.items() if order[node].kind is not Kind.CONDITION}
    return {"inputs": dict(inputs), "input": merge_inputs(own), "trigger": dict(trigger)}


def template_variables(run: RunFacts, inputs: Inputs, attempt: int) -> dict[str, Any]:
    """Return what templates see, but for the secrets."""
    names = variables(inputs, run.plan.nodes, run.trigger_data)
    names["run"] = {"id": run.run_id, "pipeline": run.plan.definition.name, "attempt": attempt}
    return names
