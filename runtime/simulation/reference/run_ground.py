"""A plain model of one run, its ground: what it holds, whom it reaches and tells, and how it ends.

1. What happened to a node is followed along its edges; who was reached and has not ended is live.
2. The first cause decides: it stops the run, or lets the other branches finish; the last live node ends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model import messages as m
from playbill.model.events import EventType
from playbill.model.facts import RunStatus
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.runtime.simulation.checks.names import RESOLVED
from playbill.runtime.simulation.reference.attempt import NEVER
from playbill.runtime.simulation.reference.node import NodeModel
from playbill.runtime.simulation.reference.outcome import ResultModel
from playbill.runtime.simulation.reference.rules import rules_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Now
    from playbill.runtime.simulation.reference.node_ground import Letters
    from playbill.runtime.simulation.reference.rules import NodeRules

T: Final = EventType
BACKSTOP_SECONDS: Final = 0.1
RUN_ENDS: Final = {
    RunStatus.COMPLETED: T.PIPELINE_RUN_COMPLETED,
    RunStatus.FAILED: T.PIPELINE_RUN_FAILED,
    RunStatus.CANCELLED: T.PIPELINE_RUN_CANCELLED,
    RunStatus.TIMEOUT: T.PIPELINE_RUN_TIMEOUT,
}
SALVAGED: Final[dict[str, Any]] = {}
"""Stands for what the terminal event of a run says whose supervisor has failed."""
NODE_ENDS: Final = frozenset(
    {
        T.PIPELINE_NODE_COMPLETED,
        T.PIPELINE_NODE_FAILED,
        T.PIPELINE_NODE_SKIPPED,
        T.PIPELINE_NODE_CANCELLED,
    }
)


class RunGround:
    """What one run holds.

    Args:
        actor: the real one.
        report: is told which invariant does not hold, and what broke it.
        lateness: gives the seconds by which faults have made timers and messages late, in all.
        letters: counts the messages that come too late.
        now: when it is first seen.
    """

    at = "new"
    seq: int = 0
    _soonest = NEVER
    """The first of the deadlines of the live nodes."""
    _read = 0
    """So many of the events that are kept were looked at."""
    _deadline = 0.0
    _deadline_left: float | None = None
    _stop_asked = _grace_ends = _backstop = 0.0
    _first_backstop = NEVER
    """That of a stop under way as the supervisor failed: its timer may have fired already."""
    _is_stopped = False

    def __init__(
        self,
        actor: SupervisorActor,
        report: Callable[[str, str], None],
        lateness: Callable[[], float],
        letters: Letters,
        now: Now,
    ) -> None:
        self.actor = actor
        self.wrong = report
        self.letters = letters
        self.run_id = actor.facts.run_id
        self.number = actor.facts.number
        self.trigger = actor.facts.trigger_data
        self.rules = rules_of(actor.facts.plan)
        self.nodes: dict[str, NodeModel] = {}
        """Those that were reached."""
        self.live: dict[str, NodeModel] = {}
        self.facts: list[tuple[EventType, dict[str, Any]]] = []
        """What must be recorded of the run itself."""
        self.result = ResultModel(self.rules, self.trigger)
        self.touched: dict[str, Any] = {}
        """Those to which something has happened since nothing was under way."""
        self.lateness = lateness
        self._now = now
        self._kept: set[str | None] = set()
        """The nodes whose ends the journal has."""
        self._is_overdue = False
        """The bound of its stop has passed once."""
        machine = actor.machine
        timeout = machine.timeout if isinstance(machine, SupervisorMachine) else self.rules.definition.timeout
        self._timeout: float = timeout
        self._paused_by: set[str] = set()
        self._unrouted: list[tuple[NodeRules, tuple[int, ...], Inputs]] = []
        self._begun_any: set[str] = set()
        self._slot_queue: list[str] = []
        self._slot_holders: set[str] = set()

    def too_late(self) -> None:
        """Hear of a message that comes too late to change anything: it must be counted."""
        self.letters.late += 1

    def reach(self, node: str) -> NodeModel:
        """Begin to look at a node."""
        model = self.nodes[node] = self.live[node] = NodeModel(self, self.rules.nodes[node])
        self.touched[model.rules.id] = model
        return model

    def order(self, node: str, message: Any) -> None:
        """Have a live node told something at once."""
        model = self.live[node]
        model.orders.append(message)
        self.touched[model.rules.id] = model

    def give_slots(self) -> None:
        """Give the free slots to those who wait."""
        limit = self.rules.definition.max_concurrency or 0
        while self._slot_queue and not self._paused_by and len(self._slot_holders) < limit:
            node = self._slot_queue.pop(0)
            self._slot_holders.add(node)
            self.order(node, m.SlotGranted())

    def take_slot(self, node: str) -> None:
        """Take a node's slot back, or its place in the queue."""
        if self._slot_queue and node in self._slot_queue:
            self._slot_queue.remove(node)
        if node in self._slot_holders:
            self._slot_holders.discard(node)
            self.give_slots()

    def follow(self, rules: NodeRules, live: tuple[int, ...], carried: Inputs) -> None:
        """Tell each target what became of its edge."""
        for edge in rules.edges:
            is_live, target = edge.index in live, edge.target
            if edge.to_any:
                if target in self._begun_any:
                    continue
                if is_live:
                    self._begun_any.add(target)
            if target not in self.nodes:
                self.reach(target)
            if target in self.live:
                model = self.live[target]
                model.mail.append(m.Input(rules.id, carried) if is_live else m.Skip(rules.id))
                self.touched[model.rules.id] = model

    def must_stop(self) -> bool:
        """Tell whether what has happened ends the other branches, too."""
        cause = self.result.cause
        if cause is None:
            return False
        return not (self.rules.finishes and cause.status is RunStatus.FAILED and cause.node)

    def graces(self, explicit: float | None) -> dict[str, float]:
        """Return what each live node has for its cleanup, at a stop that names no grace or this."""
        own = {node: self.rules.nodes[node] for node in self.live}
        if explicit is None:
            return {node: rules.grace for node, rules in own.items()}
        return {node: min(explicit, rules.grace) if rules.has_grace else explicit for node, rules in own.items()}

    def order_stop(self, explicit: float | None, now: Now) -> None:
        """Have each live node told to stop."""
        graces = self.graces(explicit)
        self._grace_ends = now.monotonic + max(graces.values(), default=0.0)
        self._backstop = self._grace_ends + self.rules.kill_bound + BACKSTOP_SECONDS
        for node, grace in graces.items():
            self.order(node, m.Stop(grace))

    def stop(self, grace: float | None, now: Now) -> None:
        """Have all that is live stopped."""
        if not self._is_stopped:
            self._is_stopped, self._stop_asked = True, now.monotonic
        self.at = "stopping"
        self._slot_queue, self._unrouted = [], []
        self.order_stop(grace, now)
        self.end_if_nobody_lives()

    def end_if_nobody_lives(self) -> None:
        """Have the end recorded, if no node is live."""
        if not self.live and self.at == "salvaging":
            self.facts.append((T.PIPELINE_RUN_FAILED, SALVAGED))
        elif not self.live and self.at != "ended":
            status, cause = self.result.conclude()
            self.facts.append((RUN_ENDS[status], {"status": status, "cause": cause, **self.result.told}))
            self.at = "ending"

    def end(self) -> None:
        """Hear that the end is recorded."""
        self.at = "ended"
        for node in self.live.values():
            node.is_over = True
        self.live.clear()

    def check_kept(self, rules: NodeRules, attempt: int) -> None:
        """Find out whether the journal has all that an attempt waits for, which begins."""
        writer: Any = self.actor.writer
        events: list[Event] = writer.events
        if len(events) == self.seq:
            return  # it has all there is
        if self._read < len(events):
            self._kept.update(event.node_id for event in events[self._read :] if event.type in NODE_ENDS)
            self._read = len(events)
        kept, sources = self._kept, rules.sources
        if not kept.issuperset(sources) and (not rules.joins_any or kept.isdisjoint(sources)):
            missing = [source for source in sources if source not in kept]
            self.wrong(RESOLVED, f"node '{rules.id}' began before the end of '{missing[0]}' was kept")
        if rules.commits and not any(
            event.type is T.PIPELINE_NODE_STARTED and (event.node_id, event.attempt) == (rules.id, attempt)
            for event in events
        ):
            self.wrong(RESOLVED, f"node '{rules.id}' began attempt {attempt} before its start was kept")
