"""The plan of a run: a valid definition with every default applied and every condition compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from playbill.model.builtin import BUILTIN
from playbill.model.delays import Length
from playbill.model.expressions import (
    CONDITION_ROOTS,
    EDGE_ROOTS,
    OUTPUT_ROOTS,
    Condition,
    Expression,
    compile_condition,
    compile_expression,
    merge_inputs,
)
from playbill.model.facts import Value
from playbill.model.graph import topological_order
from playbill.model.policies import RetryPolicy, StopPolicy
from playbill.model.targets import split_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode
    from playbill.model.facts import Inputs, Output
    from playbill.model.targets import CompiledTarget


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
    kind: Kind
    type: str
    joins_any: bool
    incoming: int
    """How many edges (a root: its one start) it hears from."""
    edges: tuple[EdgePlan, ...]
    all_live: tuple[int, ...] | None
    """The indexes of its edges when its success makes all of them live; None: each must be judged."""
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
    threaded: bool
    """Its handler may wait for a thread: timeouts count from Began."""
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


def build_plan(
    definition: PipelineDefinition,
    catalog: Catalog = BUILTIN,
    *,
    threaded: frozenset[str] = frozenset(),
    unguarded: frozenset[str] = frozenset(),
    stop: StopPolicy | None = None,
) -> Plan:
    """Compile a definition that `validate` found no problem in.

    Args:
        definition: the pipeline.
        catalog: the types of its nodes.
        threaded: the ids of the nodes whose handlers run in threads.
        unguarded: the node types that ask no breaker, besides the built-in ones.
        stop: grace and kill bound, in seconds.
    """
    stop = stop or StopPolicy()
    by_id = {node.id: node for node in definition.nodes}
    incoming = dict.fromkeys(by_id, 0)
    outgoing: dict[str, list[EdgePlan]] = {node: [] for node in by_id}
    for index, edge in enumerate(definition.edges):
        incoming[edge.to_node] += 1
        outgoing[edge.from_node].append(_edge(index, edge, by_id[edge.from_node], by_id[edge.to_node]))
    order = topological_order(by_id, [(edge.from_node, edge.to_node) for edge in definition.edges])
    predecessors = _predecessors(definition) if any(n.type == Kind.CONDITION for n in definition.nodes) else {}
    context = _Context(definition, catalog, threaded, unguarded, stop)
    nodes = {
        node: context.node(by_id[node], place, incoming[node], tuple(outgoing[node]), predecessors.get(node, ()))
        for place, node in enumerate(order)
    }
    roots = tuple(node for node in order if not incoming[node])
    outputs = {name: compile_expression(text, roots=OUTPUT_ROOTS) for name, text in definition.outputs.items()}
    return Plan(definition, nodes, roots, outputs, stop)


def _edge(index: int, edge: PipelineEdge, source: PipelineNode, target: PipelineNode) -> EdgePlan:
    """Compile `edge`; "true" and "false" from a condition node are the result wanted."""
    text = edge.condition
    compiled: Condition | None = None
    wanted: bool | None = None
    if text is not None and source.type == Kind.CONDITION and text.strip().lower() in {"true", "false"}:
        wanted = text.strip().lower() == "true"
    elif text is not None:
        compiled = compile_condition(text, predecessors=(source.id,), roots=EDGE_ROOTS)
    return EdgePlan(index, edge.arrow, target.id, target.join == "any", edge.when, compiled, wanted)


def _condition(node: PipelineNode, predecessors: Collection[str]) -> Condition:
    return compile_condition(str(node.config["condition"]), predecessors=predecessors, roots=CONDITION_ROOTS)


def _all_live(kind: Kind, edges: tuple[EdgePlan, ...]) -> tuple[int, ...] | None:
    if kind is Kind.CONDITION or any(edge.condition or edge.when == "failure" for edge in edges):
        return None
    return tuple(edge.index for edge in edges)


def _predecessors(definition: PipelineDefinition) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for edge in definition.edges:
        found.setdefault(edge.to_node, []).append(edge.from_node)
    return found


class _Context:
    """The defaults that all nodes of a definition share."""

    def __init__(
        self,
        definition: PipelineDefinition,
        catalog: Catalog,
        threaded: frozenset[str],
        unguarded: frozenset[str],
        stop: StopPolicy,
    ) -> None:
        self.defaults = definition.defaults
        self.retry = definition.defaults.retry or RetryPolicy()
        self.slots = definition.max_concurrency is not None
        self.catalog = catalog
        self.threaded = threaded
        self.unguarded = unguarded | BUILT_IN
        self.stop = stop

    def node(
        self,
        node: PipelineNode,
        order: int,
        incoming: int,
        edges: tuple[EdgePlan, ...],
        predecessors: tuple[str, ...] | list[str],
    ) -> NodePlan:
        """Return the plan of a node: its own words, else the definition's defaults, else the built-in ones."""
        kind = Kind(node.type) if node.type in BUILT_IN else Kind.HANDLER
        breaker, target = self._circuit(node)
        defaults = self.defaults
        return NodePlan(
            id=node.id,
            node=node,
            order=order,
            kind=kind,
            type=node.type,
            joins_any=node.join == "any",
            incoming=max(1, incoming),
            edges=edges,
            all_live=_all_live(kind, edges),
            retry=node.retry or self.retry,
            timeout=node.timeout or defaults.timeout,
            idle_timeout=node.idle_timeout or defaults.idle_timeout,
            total_timeout=node.total_timeout or defaults.total_timeout,
            grace=self.stop.grace if node.grace is None else node.grace,
            breaker=breaker,
            target=target if isinstance(target, str) else "",
            target_at=None if isinstance(target, str) else target,
            waits_open=node.on_open == "wait",
            commits=node.on_crash == "fail" and kind is Kind.HANDLER,
            continues=node.on_error == "continue",
            takes_slot=self.slots and kind is Kind.HANDLER,
            threaded=node.id in self.threaded,
            condition=_condition(node, predecessors) if kind is Kind.CONDITION else None,
            length=Length.of(node.config["seconds"]) if kind is Kind.DELAY else None,
        )

    def _circuit(self, node: PipelineNode) -> tuple[str | None, CompiledTarget | str]:
        """Return which breaker a node asks, and for what."""
        if node.type in self.unguarded or node.breaker == NO_BREAKER:
            return None, ""
        if node.breaker is not None:
            return split_key(node.breaker, self.catalog.names) or (node.breaker, "")
        node_type = self.catalog.get(node.type)
        return node.type, "" if node_type is None else node_type.target_of(node.config)
