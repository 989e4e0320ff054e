"""Which edges of a node that has ended are live, and what they carry: read in a way of its own.

Second to live_edges.py, which the machines use. The cases are told apart by the source's end first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.model.errors import NodeConfigError
from playbill.model.events import NO_DATA
from playbill.model.facts import NodeStatus
from playbill.model.failures import failure_of

if TYPE_CHECKING:
    from playbill.model.facts import Failure, Inputs, Outcome, Output
    from playbill.runtime.simulation.reference.rules import EdgeRules, NodeRules, RunRules


def carried_by(node: NodeRules, outcome: Outcome) -> Inputs:
    """Return what its live edges carry."""
    if outcome.status is NodeStatus.FAILED and outcome.failure is not None:
        return {node.id: outcome.failure.as_error()}
    if outcome.status is not NodeStatus.COMPLETED:
        return {}
    return {node.id: outcome.output or {}} if outcome.carried is None else outcome.carried


def judge(
    node: NodeRules, outcome: Outcome, carried: Inputs, rules: RunRules, trigger: Output
) -> tuple[tuple[int, ...], Failure | None]:
    """Return the indexes of the live edges; or none, and why one of them cannot be judged."""
    live: list[int] = []
    for edge in node.edges:
        try:
            is_live = _after(edge, node, outcome) and _holds(edge, outcome, carried, rules, trigger)
        except NodeConfigError as error:
            return (), failure_of(NodeConfigError(f"edge '{edge.name}': {error}"))
        if is_live:
            live.append(edge.index)
    return tuple(live), None


def _after(edge: EdgeRules, node: NodeRules, outcome: Outcome) -> bool:
    """Tell whether an edge follows such an end, whatever its condition says."""
    if outcome.status is NodeStatus.FAILED:
        return node.continues or edge.when != "success"
    if outcome.status is not NodeStatus.COMPLETED or edge.when == "failure":
        return False
    if node.kind != "condition" or edge.condition is not None:
        return True
    result = (outcome.output or {})["result"]
    if edge.wanted is None:
        return result is True or edge.when == "always"
    return result is edge.wanted


def _holds(edge: EdgeRules, outcome: Outcome, carried: Inputs, rules: RunRules, trigger: Output) -> bool:
    if edge.condition is None:
        return True
    names: dict[str, Any] = rules.variables(carried, trigger)
    output: Output = next(iter(carried.values()), NO_DATA) if outcome.output is None else outcome.output
    names["output"] = dict(output)
    return edge.condition.evaluate(names)
