"""Which edges of a node that has ended are live, and what they carry.

Rules:

1. `when: success` (the default) wants a node that completed, `failure` one that failed, `always` either; a node that
   was skipped or cancelled makes no edge live. Of a failed node with `on_error: continue` success edges are live,
   too.
2. From a condition node an edge without a condition wants its result to be true (`always`: either), one with "true"
   or "false" that very result.
3. Any other condition is evaluated over what the edge would carry; an error there names the edge and fails the run.
4. Live edges carry what a transparent node passes on, else the node's output, or `{"error": ...}` of one that failed.

The simulation's plain evaluator reads the rules in its own way (runtime/simulation/checks/reference.py); the tests
have a third reading (tests/model/machines/test_reference.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.model.errors import NodeConfigError
from playbill.model.events import NO_DATA
from playbill.model.facts import NodeStatus
from playbill.model.frozen import freeze
from playbill.model.plan import EdgePlan, Kind, NodePlan, RunFacts, variables

if TYPE_CHECKING:
    from playbill.model.expressions import Condition
    from playbill.model.facts import Inputs, Outcome, Output


def carried_by(node: NodePlan, outcome: Outcome) -> Inputs:
    """Return what the live edges of `node` carry."""
    if outcome.status is NodeStatus.COMPLETED:
        own: Output = {} if outcome.output is None else outcome.output
        return {node.id: own} if outcome.carried is None else outcome.carried
    return {node.id: freeze(outcome.failure.as_error(), node.id)} if outcome.failure is not None else {}


def live_edges(node: NodePlan, outcome: Outcome, carried: Inputs, run: RunFacts) -> tuple[int, ...]:
    """Return the indexes of the live edges.

    Raises:
        NodeConfigError: an edge's condition cannot be evaluated; the text names the edge.
    """
    completed = outcome.status is NodeStatus.COMPLETED
    if completed and node.all_live is not None:
        return node.all_live
    if not completed and outcome.status is not NodeStatus.FAILED:
        return ()
    return tuple(edge.index for edge in node.edges if _is_live(edge, node, outcome, carried, run))


def _is_live(edge: EdgePlan, node: NodePlan, outcome: Outcome, carried: Inputs, run: RunFacts) -> bool:
    """Judge an edge of a node that completed or failed (rules 1 to 3)."""
    succeeded = outcome.status is NodeStatus.COMPLETED or (node.continues and edge.when == "success")
    if edge.when == ("failure" if succeeded else "success"):
        return False
    if outcome.status is NodeStatus.COMPLETED and node.kind is Kind.CONDITION and edge.condition is None:
        result = bool((outcome.output or {}).get("result"))
        if edge.wanted is None:
            return result or edge.when == "always"
        return result is edge.wanted
    return edge.condition is None or _holds(edge.condition, edge, outcome, carried, run)


def _holds(condition: Condition, edge: EdgePlan, outcome: Outcome, carried: Inputs, run: RunFacts) -> bool:
    """Evaluate an edge's condition over what it would carry."""
    names: dict[str, Any] = variables(carried, run.plan.nodes, run.trigger_data)
    failed: Output = next(iter(carried.values()), NO_DATA)
    output = failed if outcome.output is None else outcome.output
    names["output"] = dict(output)
    try:
        return condition.evaluate(names)
    except NodeConfigError as error:
        raise NodeConfigError(f"edge '{edge.id}': {error}") from error
