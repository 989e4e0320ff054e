"""How a node's end is recorded, and its outputs are routed along its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import NodeConfigError
from playbill.model.events import EventType
from playbill.model.facts import NodeStatus
from playbill.model.failures import failure_of
from playbill.model.machines.live_edges import carried_by, live_edges
from playbill.model.machines.supervisor_slots import SupervisorSlots
from playbill.model.messages import Input, Skip
from playbill.model.plan import Kind

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Failure, Inputs, Now, Outcome, Output
    from playbill.model.messages import Ended
    from playbill.model.plan import NodePlan

MANY: Final = 8
"""From how many live edges on they are looked up in a set."""
# Bound once, see machine.py.
COMPLETED: Final = EventType.PIPELINE_NODE_COMPLETED
SUCCEEDED: Final = NodeStatus.COMPLETED
NODE_END_EVENTS: Final = {
    NodeStatus.COMPLETED: EventType.PIPELINE_NODE_COMPLETED,
    NodeStatus.FAILED: EventType.PIPELINE_NODE_FAILED,
    NodeStatus.SKIPPED: EventType.PIPELINE_NODE_SKIPPED,
    NodeStatus.CANCELLED: EventType.PIPELINE_NODE_CANCELLED,
    NodeStatus.NOT_STARTED: EventType.PIPELINE_NODE_CANCELLED,
}


class SupervisorRouting(SupervisorSlots):
    """What becomes of a node that has ended, and of its edges."""

    def _note_end(self, message: Ended, now: Now, out: Outbox) -> tuple[NodePlan, tuple[int, ...], Inputs]:
        """Record how a node ended, with its live edges; return the way on."""
        node, outcome = self.facts.plan.nodes[message.node], message.outcome
        self.live.pop(node.id, None)
        out.forget(node.id)
        if self.slot_holders or self.slot_queue:
            self._take_slot(node.id, out)
        if outcome.status is SUCCEEDED and node.all_live is not None and outcome.carried is None:
            # What most nodes come to, without the ceremony below.
            output: Output = {} if outcome.output is None else outcome.output
            completed = {"output": output, "live": node.all_live}
            self._record(COMPLETED, now, out, node.id, outcome.attempts, completed)
            return node, node.all_live, {node.id: output}
        carried = carried_by(node, outcome)
        live, broken = self._judge(node, outcome, carried)
        data = end_data(node, outcome, live, broken)
        self._record(NODE_END_EVENTS[outcome.status], now, out, node.id, outcome.attempts, data)
        return node, live, carried

    def _judge(self, node: NodePlan, outcome: Outcome, carried: Inputs) -> tuple[tuple[int, ...], Failure | None]:
        try:
            return live_edges(node, outcome, carried, self.facts), None
        except NodeConfigError as error:
            return (), failure_of(error)

    def _begin_roots(self, out: Outbox) -> None:
        """Tell the roots to start, but for those that have ended."""
        for root in self.facts.plan.roots:
            if root not in self.run.live:
                self.live[root] = None
                out.spawn(root)
                if root in self.recovered:
                    out.tell(root, self.recovered[root])
                out.tell(root, Input(None, {}))

    def _follow(self, node: NodePlan, live: tuple[int, ...], carried: Inputs, out: Outbox) -> None:
        """Tell each target what became of its edge."""
        spawned = self.live
        all_live = live is node.all_live
        chosen = live if len(live) < MANY else frozenset(live)
        on_live = Input(node.id, carried)
        for edge in node.edges:
            target = edge.target
            alive = all_live or edge.index in chosen
            if edge.to_any:
                if target in self.begun:
                    continue
                if alive:
                    self.begun[target] = None
            if target not in spawned:
                if target in self.run.live:
                    continue  # it ended early, by a fault: nothing may begin it again
                spawned[target] = None
                out.spawn(target)
                if target in self.recovered:
                    out.tell(target, self.recovered[target])
            out.tell(target, on_live if alive else Skip(node.id))


def passed_on(node: NodePlan, output: Output | None, carried: Inputs) -> dict[str, Any]:
    """Return what the event of a transparent node's end says: whose outputs it passes on, and what it adds itself."""
    sources = tuple(source for source in carried if source != node.id)
    if node.kind is Kind.TRIGGER:
        return {"passed_on": sources, "from_trigger": True}
    return {"passed_on": sources, "output": output} if node.id in carried else {"passed_on": sources}


def end_data(node: NodePlan, outcome: Outcome, live: tuple[int, ...], broken: Failure | None) -> dict[str, Any]:
    """Return what the event of a node's end says."""
    if outcome.status is SUCCEEDED:
        data: dict[str, Any] = {"live": live}
        if outcome.carried is None:
            data["output"] = outcome.output
        else:
            data |= passed_on(node, outcome.output, outcome.carried)
        if broken is not None:
            data["failure"] = broken
        return data
    if outcome.status is NodeStatus.SKIPPED:
        return {}
    data = {"failure": outcome.failure, "receipt": outcome.receipt}
    if outcome.status is NodeStatus.FAILED:
        handled = node.continues or any(edge.index in live for edge in node.edges if edge.when != "success")
        data |= {"live": live, "handled": handled and broken is None}
        return data if broken is None else {**data, "edge_failure": broken}
    return {**data, "status": outcome.status}
