"""Plans a valid definition: applies every default and compiles every condition, for all its runs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from playbill.model.builtin import BUILTIN
from playbill.model.delays import Length
from playbill.model.expressions import (
    CONDITION_ROOTS,
    EDGE_ROOTS,
    OUTPUT_ROOTS,
    Condition,
    compile_condition,
    compile_expression,
)
from playbill.model.graph import ordering
from playbill.model.plan import BUILT_IN, NO_BREAKER, EdgePlan, Kind, NodePlan, Plan
from playbill.model.policies import RetryPolicy, StopPolicy, retry_policy_of
from playbill.model.steps import STEP, finished
from playbill.model.targets import split_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode
    from playbill.model.steps import Steps
    from playbill.model.targets import CompiledTarget

__all__ = ["build_plan", "planning"]

_SETTINGS: Final = frozenset({
    "join", "retry", "timeout", "idle_timeout", "total_timeout", "grace", "breaker",
    "on_open", "on_crash", "on_error",
})  # fmt: skip
"""What a node may say of its own, besides type and config, that stands in its plan."""
_Settings: TypeAlias = tuple[Any, ...]
_Edges: TypeAlias = tuple[EdgePlan, ...] | list[EdgePlan]
_BY_DEFAULT: Final = RetryPolicy()


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
    return finished(planning(definition, catalog, threaded=threaded, unguarded=unguarded, stop=stop))


def planning(
    definition: PipelineDefinition,
    catalog: Catalog,
    *,
    threaded: frozenset[str] = frozenset(),
    unguarded: frozenset[str] = frozenset(),
    stop: StopPolicy | None = None,
    order: Sequence[str] = (),
) -> Steps[Plan]:
    """Do what `build_plan` does, in steps; `order` is that of its nodes, if it is known."""
    planner = _Planner(definition, catalog, unguarded, stop or StopPolicy())
    by_id: dict[str, PipelineNode] = {}
    for index, node in enumerate(definition.nodes):
        by_id[node.id] = node
        if not index % STEP:
            yield
    incoming, outgoing = yield from _plan_edges(definition, by_id)
    if not order:
        order = yield from ordering(by_id, ((edge.from_node, edge.to_node) for edge in definition.edges))
    nodes: dict[str, NodePlan] = {}
    for place, name in enumerate(order):
        node, edges = by_id[name], outgoing.pop(name, ())
        nodes[name] = NodePlan(
            name,
            node,
            place,
            incoming.get(name, 1),
            tuple(edges),
            _all_live(node, edges),
            name in threaded,
            *planner.settings(node),
        )
        if not place % STEP:
            yield
    roots = tuple([node for node in order if node not in incoming])
    outputs = {name: compile_expression(text, roots=OUTPUT_ROOTS) for name, text in definition.outputs.items()}
    return Plan(definition, nodes, roots, outputs, planner.stop)


def _plan_edges(
    definition: PipelineDefinition, nodes: Mapping[str, PipelineNode]
) -> Steps[tuple[dict[str, int], dict[str, _Edges]]]:
    """Plan all edges; return how many lead to a node, and those that leave it: of nodes that have any."""
    incoming: dict[str, int] = {}
    outgoing: dict[str, _Edges] = {}
    for index, edge in enumerate(definition.edges):
        incoming[edge.to_node] = incoming.get(edge.to_node, 0) + 1
        made, others = _edge(index, edge, nodes), outgoing.get(edge.from_node)
        if others is None:
            outgoing[edge.from_node] = (made,)  # as the plan has it: of a million nodes most have one
        elif isinstance(others, tuple):
            outgoing[edge.from_node] = [*others, made]
        else:
            others.append(made)
        if not index % STEP:
            yield
    return incoming, outgoing


def _edge(index: int, edge: PipelineEdge, nodes: Mapping[str, PipelineNode]) -> EdgePlan:
    """Compile `edge`; "true" and "false" from a condition node are the result wanted."""
    text, target, arrow = edge.condition, nodes[edge.to_node], edge.arrow
    compiled: Condition | None = None
    wanted: bool | None = None
    if text is None:
        pass
    elif nodes[edge.from_node].type == Kind.CONDITION and text.strip().lower() in {"true", "false"}:
        wanted = text.strip().lower() == "true"
    else:
        compiled = compile_condition(text, predecessors=(edge.from_node,), roots=EDGE_ROOTS)
    name = edge.id if edge.id == arrow else arrow  # one text, not two
    return EdgePlan(index, name, target.id, target.join == "any", edge.when, compiled, wanted)


def _all_live(node: PipelineNode, edges: _Edges) -> tuple[int, ...] | None:
    for edge in edges:
        if edge.condition is not None or edge.when == "failure":
            return None
    return None if node.type == Kind.CONDITION else tuple([edge.index for edge in edges])


class _Planner:
    """Plans the nodes of a definition, with the defaults that they share."""

    def __init__(
        self, definition: PipelineDefinition, catalog: Catalog, unguarded: frozenset[str], stop: StopPolicy
    ) -> None:
        self.stop = stop
        self._definition = definition
        self._catalog = catalog
        self._unguarded = unguarded | BUILT_IN
        self._of_types: dict[str, _Settings] = {}
        """Of the nodes that say nothing of their own."""

    def settings(self, node: PipelineNode) -> _Settings:
        """Return the fields of a node's plan from `kind` on, one tuple for all nodes of whom it is the same."""
        if node.config or not node.says_none_of(_SETTINGS):
            return self._own(node)
        if (shared := self._of_types.get(node.type)) is None:
            shared = self._of_types[node.type] = self._own(node)
        return shared

    def _own(self, node: PipelineNode) -> _Settings:
        """Return a node's own words, else the definition's defaults, else the built-in ones."""
        kind = Kind(node.type) if node.type in BUILT_IN else Kind.HANDLER
        breaker, target = self._circuit(node)
        defaults = self._definition.defaults
        return (
            kind,
            node.type,
            node.join == "any",
            retry_policy_of(node.retry, defaults.retry or _BY_DEFAULT, fails_in_crash=node.on_crash == "fail"),
            node.timeout or defaults.timeout,
            node.idle_timeout or defaults.idle_timeout,
            node.total_timeout or defaults.total_timeout,
            self.stop.grace if node.grace is None else node.grace,
            breaker,
            target if isinstance(target, str) else "",
            None if isinstance(target, str) else target,
            node.on_open == "wait",
            node.on_crash == "fail" and kind is Kind.HANDLER,
            node.on_error == "continue",
            self._definition.max_concurrency is not None and kind is Kind.HANDLER,
            self._condition(node) if kind is Kind.CONDITION else None,
            Length.of(node.config["seconds"]) if kind is Kind.DELAY else None,
        )

    def _condition(self, node: PipelineNode) -> Condition:
        predecessors = self._predecessors.get(node.id, ())
        return compile_condition(str(node.config["condition"]), predecessors=predecessors, roots=CONDITION_ROOTS)

    @cached_property
    def _predecessors(self) -> dict[str, list[str]]:
        """The ids of the nodes before a node; only conditions ask."""
        found: dict[str, list[str]] = {}
        for edge in self._definition.edges:
            found.setdefault(edge.to_node, []).append(edge.from_node)
        return found

    def _circuit(self, node: PipelineNode) -> tuple[str | None, CompiledTarget | str]:
        """Return which breaker a node asks, and for what."""
        if node.type in self._unguarded or node.breaker == NO_BREAKER:
            return None, ""
        if node.breaker is not None:
            return split_key(node.breaker, self._catalog.names) or (node.breaker, "")
        node_type = self._catalog.get(node.type)
        return node.type, "" if node_type is None else node_type.target_of(node.config)
