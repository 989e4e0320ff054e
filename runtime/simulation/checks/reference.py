"""A plain reference: from how the nodes ended, what each must have received, skipped and given.

It walks the nodes once in topological order and knows nothing of actors, messages or the order of events. About nodes
that a stop kept from being reached it claims nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import NodeConfigError
from playbill.model.events import NO_DATA
from playbill.model.facts import NodeStatus, RunStatus
from playbill.model.plan import Kind, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.facts import Inputs, Output
    from playbill.model.plan import EdgePlan, NodePlan, Plan
    from playbill.model.results import NodeExecutionResult, RunResult

ENDED: Final = frozenset({NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.SKIPPED})


def disagreements(
    plan: Plan, trigger: Output, result: RunResult, seen: Mapping[tuple[str, int], Inputs]
) -> list[str]:
    """Return a line for each thing in which a run differs from the reference.

    Args:
        plan: the run's.
        trigger: its trigger data.
        result: how it ended.
        seen: what each attempt was given, by node and attempt.
    """
    walk = _Walk(plan, trigger, result, seen)
    walk.go()
    return walk.lines


class _Walk:
    def __init__(
        self, plan: Plan, trigger: Output, result: RunResult, seen: Mapping[tuple[str, int], Inputs]
    ) -> None:
        self._plan = plan
        self._trigger = trigger
        self._result = result
        self._seen = seen
        self._live: dict[str, list[tuple[str, Inputs | None]]] = {node: [] for node in plan.nodes}
        """Into each node: the sources of live edges, and what those carry."""
        self._told = dict.fromkeys(plan.nodes, 0)
        """How many edges into each node are known, live or dead."""
        self.lines: list[str] = []
        """What differs."""

    def go(self) -> None:
        """Walk from the roots to the end."""
        results = self._result.node_results
        for node in self._plan.nodes.values():
            end = results[node.id]
            self._node(node, end)
            if end.status in ENDED:
                self._follow(node, end)
        self._outputs()

    def _node(self, node: NodePlan, end: NodeExecutionResult) -> None:
        live, told = self._live[node.id], self._told[node.id]
        root = node.id in self._plan.roots
        complete = root or told == node.incoming
        if end.status is NodeStatus.SKIPPED:
            if live or not complete or root:
                self.lines.append(f"node '{node.id}' was skipped although an edge into it is live or undecided")
            return
        began = end.started_at is not None
        if not began:
            if self._result.status is RunStatus.COMPLETED and end.status is not NodeStatus.FAILED:
                self.lines.append(f"node '{node.id}' is {end.status} in a run that completed")
            return
        if not root and (not live or (not complete and not node.joins_any)):
            self.lines.append(
                f"node '{node.id}' began with {len(live)} live edges and {told} of {node.incoming} decided"
            )
        self._inputs(node, end)

    def _inputs(self, node: NodePlan, end: NodeExecutionResult) -> None:
        expected = self._expect(node)
        if expected is None:
            return
        for attempt in range(1, end.attempts + 1):
            got = self._seen.get((node.id, attempt), expected)
            if got != expected and not (node.joins_any and got.items() <= expected.items()):
                self.lines.append(
                    f"node '{node.id}' attempt {attempt} was given {dict(got)!r}, expected {expected!r}"
                )
        if end.status is NodeStatus.COMPLETED and node.kind is not Kind.HANDLER and not node.joins_any:
            output = self._built_in(node, expected)
            if output is not None and end.output != output:
                self.lines.append(f"node '{node.id}' ({node.kind}) gave {end.output!r}, expected {output!r}")

    def _expect(self, node: NodePlan) -> dict[str, Output] | None:
        """Return the union of what the live edges into `node` carry."""
        union: dict[str, Output] = {}
        for _, carried in self._live[node.id]:
            if carried is None:
                return None
            union.update(carried)
        return union

    def _built_in(self, node: NodePlan, inputs: Inputs) -> Output | None:
        if node.kind is Kind.TRIGGER:
            return self._trigger
        if node.condition is not None:
            try:
                return {"result": node.condition.evaluate(variables(inputs, self._plan.nodes, self._trigger))}
            except NodeConfigError:
                return None
        return inputs

    # ---- edges ------------------------------------------------------------------------------------------------

    def _follow(self, node: NodePlan, end: NodeExecutionResult) -> None:
        """Judge the edges out of a node that has ended."""
        carried = self._carry(node, end)
        for edge in node.edges:
            if end.status is NodeStatus.SKIPPED:
                live: bool | None = False
            elif carried is None and edge.condition is not None:
                live = None
            else:
                live = self._is_live(edge, node, end, carried or {})
            if live is None:
                self._live[edge.target].append((node.id, None))
            self._told[edge.target] += 1
            if live:
                self._live[edge.target].append((node.id, carried))

    def _carry(self, node: NodePlan, end: NodeExecutionResult) -> Inputs | None:
        if end.status is NodeStatus.FAILED:
            return {node.id: end.error.as_error()} if end.error is not None else {}
        output = end.output or {}
        if node.kind in {Kind.PARALLEL, Kind.DELAY}:
            return output
        if node.kind is Kind.CONDITION:
            received = self._expect(node)
            return None if received is None or node.joins_any else {**received, node.id: output}
        return {node.id: output}

    def _is_live(self, edge: EdgePlan, node: NodePlan, end: NodeExecutionResult, carried: Inputs) -> bool | None:
        completed = end.status is NodeStatus.COMPLETED
        fine = completed or (node.continues and edge.when == "success")
        if edge.when == "failure" and fine:
            return False
        if edge.when == "success" and not fine:
            return False
        if completed and node.kind is Kind.CONDITION and edge.condition is None:
            said = (end.output or {}).get("result")
            wanted = True if edge.wanted is None else edge.wanted
            return said is wanted or (edge.wanted is None and edge.when == "always")
        return edge.condition is None or self._evaluate(edge, end, carried)

    def _evaluate(self, edge: EdgePlan, end: NodeExecutionResult, carried: Inputs) -> bool | None:
        names: dict[str, Any] = variables(carried, self._plan.nodes, self._trigger)
        output: Output = end.output if end.output is not None else next(iter(carried.values()), NO_DATA)
        names["output"] = dict(output)
        try:
            return edge.condition.evaluate(names) if edge.condition is not None else True
        except NodeConfigError:
            return None

    # ---- the run ----------------------------------------------------------------------------------------------

    def _outputs(self) -> None:
        result = self._result
        if self._plan.outputs or result.status is not RunStatus.COMPLETED:
            return
        expected = {
            node: end.output or {} for node, end in result.node_results.items() if end.status is NodeStatus.COMPLETED
        }
        if result.outputs != expected:
            self.lines.append(f"the run gave {dict(result.outputs)!r}, expected {expected!r}")
