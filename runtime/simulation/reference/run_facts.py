"""A plain model of one run, its facts: each event is compared with what must come next, and followed.

The result, and the durable state, are what the events say, read once more (outcome.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model import messages as m
from playbill.model.events import TERMINAL, EventType
from playbill.model.facts import Cause, NodeStatus, Outcome, Receipt, RunStatus, Stopped
from playbill.runtime.simulation.checks.injected import is_injected
from playbill.runtime.simulation.checks.names import (
    FACTS,
    FAULT,
    FINAL,
    GAPLESS,
    IN_TIME,
    LEFT,
    OWED,
    RECEIPTS,
    RETRIES,
    STATUS,
)
from playbill.runtime.simulation.reference.attempt import COARSE_SECONDS, EPSILON, NEVER
from playbill.runtime.simulation.reference.edges import carried_by, judge
from playbill.runtime.simulation.reference.node import NodeModel
from playbill.runtime.simulation.reference.node_ground import FAULTED
from playbill.runtime.simulation.reference.run_ground import RUN_ENDS, SALVAGED, RunGround

if TYPE_CHECKING:
    from playbill.model.events import Event
    from playbill.model.facts import Inputs
    from playbill.model.results import RunResult
    from playbill.runtime.simulation.reference.rules import NodeRules

T: Final = EventType
STARTED: Final = EventType.PIPELINE_NODE_STARTED
RETRYING: Final = EventType.PIPELINE_NODE_RETRYING
WAITING: Final = EventType.PIPELINE_NODE_WAITING
COMPLETED: Final = NodeStatus.COMPLETED
END_EVENTS: Final = {
    NodeStatus.COMPLETED: T.PIPELINE_NODE_COMPLETED,
    NodeStatus.FAILED: T.PIPELINE_NODE_FAILED,
    NodeStatus.SKIPPED: T.PIPELINE_NODE_SKIPPED,
    NodeStatus.CANCELLED: T.PIPELINE_NODE_CANCELLED,
    NodeStatus.NOT_STARTED: T.PIPELINE_NODE_CANCELLED,
}


class RecordedRun(RunGround):
    """What one run must record."""

    def recorded(self, event: Event) -> None:
        """Compare an event with what must come next, and go on by it."""
        self.seq += 1
        if event.seq != self.seq:
            self.wrong(GAPLESS, f"{event.type} has seq {event.seq}, expected {self.seq}")
        if self.at == "sunk":
            if event.type in TERMINAL:
                self.end()
            return
        if self.at == "ended":
            self.wrong(FINAL, f"{event.type} was recorded after the run's terminal event")
        if event.node_id is not None:
            self._node_event(event.node_id, event)
            return
        expected = self.facts.pop(0) if self.facts else None
        if expected is not None and expected[1] is SALVAGED:
            self._compare_salvage(event)
        elif expected != (event.type, event.data):
            self._wrong_fact(event, expected)
        self.result.see(event)
        if event.type in TERMINAL:
            self.end()

    def _wrong_fact(self, event: Event, expected: tuple[EventType, dict[str, Any]] | None) -> None:
        cause = event.data.get("cause")
        if cause is not None and cause.error is not None and cause.error.type == "InternalError":
            self.wrong(FAULT, f"the run: {cause.error.message}")
        invariant = STATUS if event.type in TERMINAL else FACTS
        self.wrong(invariant, f"recorded {event.type} {dict(event.data)}, expected {expected or 'nothing'}")

    def _compare_salvage(self, event: Event) -> None:
        cause: Cause = event.data["cause"]
        was_decided = self.result.cause is not None
        fits = cause == self.result.cause if was_decided else cause.error and is_injected(cause.error.message)
        if event.type in TERMINAL:
            fits = fits and event.type is RUN_ENDS[cause.status] and event.data["status"] is cause.status
        if not fits:
            self.wrong(STATUS, f"salvaged, it recorded {event.type} {dict(event.data)}")
        self.result.salvaged = True

    def _node_event(self, name: str, event: Event) -> None:
        node = self.nodes.get(name)
        if node is None:
            self.wrong(FACTS, f"{event.type} of node '{name}', which was not reached")
            return
        expected = node.facts.pop(0) if node.facts else None
        failure = event.data.get("failure")
        if failure is not None and failure.type == "InternalError" and not is_injected(failure.message):
            node.wrong(FAULT, f"failed: {failure.message}")
        if type(expected) is Outcome:
            if expected is FAULTED:
                receipt = Receipt(Stopped.ABANDONED) if node.gave_up_work else None
                expected = Outcome(NodeStatus.FAILED, node.attempts, failure=failure, receipt=receipt)
            self._ended(node, expected, event)
            return
        if expected != (event.type, event.attempt, event.data):
            invariant = RETRIES if event.type is RETRYING else FACTS
            said = f"{event.type} of attempt {event.attempt} {dict(event.data)}"
            node.wrong(invariant, f"recorded {said}, expected {expected or 'nothing'}")
        if event.type is WAITING:
            return
        if event.type is RETRYING:
            self.result.see_failure(event, name)
            self.take_slot(name)
            return
        self.result.see_start(event, name)
        if node.rules.commits and event.attempt:
            node.mail.append(m.Proceed(event.attempt))

    def _ended(self, node: NodeModel, outcome: Outcome, event: Event) -> None:
        rules = node.rules
        is_salvaged = self.at == "salvaging"
        if outcome.status is COMPLETED and rules.leads_on is not None and not is_salvaged:
            live, broken, handled = rules.leads_on, None, True
            carried = {rules.id: outcome.output or {}} if outcome.carried is None else outcome.carried
        else:
            carried = carried_by(rules, outcome)
            live, broken = ((), None) if is_salvaged else judge(rules, outcome, carried, self.rules, self.trigger)
            leads_on = rules.continues or any(edge.index in live and edge.when != "success" for edge in rules.edges)
            handled = is_salvaged or (leads_on and broken is None)
        self._compare_end(node, outcome, event, live, broken, handled=handled)
        self.result.see_end(event, rules.id, outcome)
        self.live.pop(rules.id, None)
        node.mail, node.orders, node.answers = [], [], []
        if rules.takes_slot:
            self.take_slot(rules.id)
        if broken is not None:
            self.result.decide(Cause(RunStatus.FAILED, broken))
        elif outcome.status is NodeStatus.FAILED and not handled:
            self.result.decide(Cause(RunStatus.FAILED, outcome.failure, node=rules.id))
        self._go_on(node, live, carried)

    def _go_on(self, node: NodeModel, live: tuple[int, ...], carried: Inputs) -> None:
        """Stop, wait or follow the edges, after a node's end."""
        if self.at == "running" and self.result.cause is not None and self.must_stop():
            self.stop(None, self._now)
        elif self.at == "running" and self._paused_by:
            self._unrouted.append((node.rules, live, carried))
        else:
            if self.at == "running":
                self.follow(node.rules, live, carried)
            if not self.live:
                self.end_if_nobody_lives()

    def _compare_end(
        self, node: NodeModel, outcome: Outcome, event: Event, live: tuple[int, ...], broken: Any, *, handled: bool
    ) -> None:
        data: dict[str, Any] = {}
        if outcome.status is COMPLETED:
            data = {"live": live, **self._given(node.rules, outcome)}
            if broken is not None:
                data["failure"] = broken
        elif outcome.status is NodeStatus.FAILED:
            data = {"failure": outcome.failure, "receipt": outcome.receipt, "live": live, "handled": handled}
            data |= {} if broken is None else {"edge_failure": broken}
        elif outcome.status is not NodeStatus.SKIPPED:
            data = {"failure": outcome.failure, "receipt": outcome.receipt, "status": outcome.status}
        expected = (END_EVENTS[outcome.status], outcome.attempts, data)
        if (event.type, event.attempt, event.data) != expected:
            is_receipt = event.data.get("receipt") != data.get("receipt")
            invariant = RECEIPTS if is_receipt and event.type is expected[0] else FACTS
            said = f"{event.type} of attempt {event.attempt} {dict(event.data)}"
            node.wrong(invariant, f"recorded {said}, expected {expected}")

    def _given(self, rules: NodeRules, outcome: Outcome) -> dict[str, Any]:
        """Return how the event of a node that completed tells its output: never that of another."""
        if outcome.carried is None:
            return {"output": outcome.output}
        others = tuple(name for name in outcome.carried if name != rules.id)
        if rules.kind == "trigger":
            return {"passed_on": others, "from_trigger": True}
        return {"passed_on": others, **({"output": outcome.output} if rules.kind == "condition" else {})}

    def over(self, result: RunResult) -> None:
        """Compare the result, and the durable state, with what the events say."""
        actor = self.actor
        if self.at != "ended":
            self.wrong(FINAL, f"run {result.run_id} has a result and no terminal event")
        if not actor.ended or actor.timers or actor.nodes:
            self.wrong(LEFT, f"{actor!r} is left with timers {actor.timers}, nodes {actor.nodes}")
        self.result.compare(result, actor.machine.run, self.seq, self.wrong)

    def idle(self, now: float, lateness: float) -> None:
        """Look for what should have happened, when nothing is under way."""
        if self.at in {"new", "ended", "sunk"}:
            return
        if self.touched or self.facts:
            self._look_at_touched()
        late = now - lateness - EPSILON
        if self._soonest < late:
            for node in self.live.values():
                node.check_deadline(now, lateness)
        if self.at == "running" and self._deadline_left is None and self._deadline + COARSE_SECONDS < late:
            self.wrong(IN_TIME, f"the run goes on after its deadline at {self._deadline:g} s")
        if self.at == "stopping" and self._backstop < late:
            self.wrong(IN_TIME, f"the run is stopping still, after {self._backstop:g} s")

    def _look_at_touched(self) -> None:
        """Look for what is owed by and to those to which something has happened, and set their deadlines."""
        actor, live, left = self.actor, self.live, dict[str, NodeModel]()
        gate_is_open, actors = not actor.gate.closed, actor.nodes
        for name, node in self.touched.items():
            if (
                (node.facts or node.asked or node.acts or node.orders or node.answers or node.mail)
                or (node.begins or node.slots_wanted)
            ) and (owes := node.owes(is_gate_open=gate_is_open)):
                node.wrong(OWED, f"must {owes} ({node.at})")
            at = node.at
            node.due = NEVER if at == "waiting" or at == "ended" else node.deadline()  # noqa: PLR1714 (no set is built)
            its = actors.get(name)
            if its is not None and its.machine.state != (at if node.attempt is None else node.stands):
                node.wrong(FACTS, f"is {its.machine.state}, and must be {node.stands}")
            if node.mail:
                left[name] = node
        self.touched = left
        self._soonest = min([node.due for node in live.values()], default=NEVER)
        if self.facts:
            self.wrong(OWED, f"must record {self.facts[0]}")
        if actors.keys() != live.keys():
            self.wrong(OWED, f"actors are kept of {sorted(actors)}, live are {sorted(live)}")
        if actor.machine.run.status != self.result.status:
            self.wrong(STATUS, f"the run is {actor.machine.run.status}, and must be {self.result.status}")
