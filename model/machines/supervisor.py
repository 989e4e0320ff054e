"""The supervisor machine's actions: one run, from Start to its one terminal event.

Told by: the manager, its nodes, its shell (the journal's health), its timers. Tells: its nodes.
The rules, the states and the table are in supervisor_table.py; the names of its rows are the methods here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.errors import NodeConfigError
from playbill.model.events import NO_DATA, EventType
from playbill.model.facts import NodeStatus, Outcome, RunStatus
from playbill.model.failures import failure_of
from playbill.model.machines.routing import carried_by, live_edges
from playbill.model.machines.supervisor_stopping import USER, SupervisorStopping
from playbill.model.machines.supervisor_table import TRANSITIONS, SupervisorState
from playbill.model.messages import (
    DeadlineReached,
    Input,
    Pause,
    Proceed,
    Resume,
    Skip,
    SlotGranted,
)

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Failure, Inputs, Now
    from playbill.model.messages import (
        AttemptReady,
        Ended,
        JournalBack,
        JournalFailed,
        Retrying,
        SlotWanted,
        Start,
    )
    from playbill.model.plan import NodePlan

S: Final = SupervisorState
MANY: Final = 8
"""From how many live edges on they are looked up in a set."""
JOURNAL: Final = "journal"
"""Who holds a run while nothing can be kept: its deadline goes on."""

STARTED: Final = EventType.PIPELINE_NODE_STARTED
COMPLETED: Final = EventType.PIPELINE_NODE_COMPLETED
SUCCEEDED: Final = NodeStatus.COMPLETED
END_EVENTS: Final = {
    NodeStatus.COMPLETED: EventType.PIPELINE_NODE_COMPLETED,
    NodeStatus.FAILED: EventType.PIPELINE_NODE_FAILED,
    NodeStatus.SKIPPED: EventType.PIPELINE_NODE_SKIPPED,
    NodeStatus.CANCELLED: EventType.PIPELINE_NODE_CANCELLED,
    NodeStatus.NOT_STARTED: EventType.PIPELINE_NODE_CANCELLED,
}


class SupervisorMachine(SupervisorStopping):
    """One run."""

    TRANSITIONS = TRANSITIONS

    # ---- beginning --------------------------------------------------------------------------------------------

    def start(self, message: Start, now: Now, out: Outbox) -> None:
        """Record the start and begin the roots."""
        definition = self.facts.plan.definition
        data = {
            "pipeline": definition.name,
            "version": definition.version,
            "trigger_data": message.trigger_data,
        }
        self._record(EventType.PIPELINE_RUN_STARTED, now, out, data=data)
        self.become(S.RUNNING)
        self.deadline_at = now.monotonic + self.timeout
        out.set_timer(Timer.DEADLINE, self.timeout, DeadlineReached())
        for root in self.facts.plan.roots:
            self._spawn(root, out)
            out.tell(root, Input(None, {}))

    # ---- what nodes report ------------------------------------------------------------------------------------

    def slot_wanted(self, message: SlotWanted, now: Now, out: Outbox) -> None:
        """Give a run slot, or queue for one."""
        self.slot_queue[message.node] = None
        self._grant_slots(out)

    def _grant_slots(self, out: Outbox) -> None:
        limit = self.facts.plan.definition.max_concurrency
        while self.slot_queue and not self.holds and (limit is None or len(self.slot_holders) < limit):
            node = next(iter(self.slot_queue))
            del self.slot_queue[node]
            self.slot_holders.add(node)
            out.tell(node, SlotGranted())

    def _take_slot(self, node: str, out: Outbox) -> None:
        """Take back a node's slot, or its place in the queue."""
        self.slot_queue.pop(node, None)
        if node in self.slot_holders:
            self.slot_holders.discard(node)
            self._grant_slots(out)

    def attempt_ready(self, message: AttemptReady, now: Now, out: Outbox) -> None:
        """Record the start of an attempt; let a node that waits for the record proceed."""
        data = NO_DATA if message.due_at is None else {"due_at": message.due_at}
        self._record(STARTED, now, out, message.node, message.attempt, data)
        if self.facts.plan.nodes[message.node].commits:
            out.tell(message.node, Proceed(message.attempt))

    def attempt_ready_stopping(self, message: AttemptReady, now: Now, out: Outbox) -> None:
        """Record an attempt that began before its node heard of the stop; a waiting one never begins."""
        if self.facts.plan.nodes[message.node].commits:
            out.dead_letter(message)
        else:
            self.attempt_ready(message, now, out)

    def retrying(self, message: Retrying, now: Now, out: Outbox) -> None:
        """Record a failed attempt and give its slot to the next."""
        data = {"failure": message.failure, "due_at": message.due_at, "receipt": message.receipt}
        self._record(EventType.PIPELINE_NODE_RETRYING, now, out, message.node, message.attempt, data)
        self._take_slot(message.node, out)

    def ended(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record a node's end and follow its edges."""
        node, live, carried = self._note_end(message, now, out)
        if self.run.cause is not None and self._must_stop():
            self._stop(self.facts.plan.stop.grace, now, out)
            return
        self._follow(node, live, carried, out)
        if not self.live:
            self._finish(now, out)

    def ended_paused(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record a node's end; its edges wait for Resume."""
        route = self._note_end(message, now, out)
        if self.run.cause is not None and self._must_stop():
            self._stop(self.facts.plan.stop.grace, now, out)
        else:
            self.unrouted.append(route)

    def ended_stopping(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record a node's end; the last one ends the run."""
        self._note_end(message, now, out)
        if not self.live:
            self._finish(now, out)

    def _must_stop(self) -> bool:
        """Tell whether the cause that is recorded ends the other branches too."""
        cause = self.run.cause
        finish = self.facts.plan.definition.on_failure == "finish"
        return not (finish and cause is not None and cause.status is RunStatus.FAILED and cause.source)

    def _note_end(self, message: Ended, now: Now, out: Outbox) -> tuple[NodePlan, tuple[int, ...], Inputs]:
        """Record how a node ended, with its live edges; return the way on."""
        node, outcome = self.facts.plan.nodes[message.node], message.outcome
        self.live.pop(node.id, None)
        if self.slot_holders or self.slot_queue:
            self._take_slot(node.id, out)
        if outcome.status is SUCCEEDED and node.all_live is not None and outcome.carried is None:
            # What most nodes come to, without the ceremony below.
            output = outcome.output or {}
            completed = {"output": output, "live": node.all_live}
            self._record(COMPLETED, now, out, node.id, outcome.attempts, completed)
            return node, node.all_live, {node.id: output}
        carried = carried_by(node, outcome)
        live, broken = self._judge(node, outcome, carried)
        data = _end_data(node, outcome, live, broken)
        self._record(END_EVENTS[outcome.status], now, out, node.id, outcome.attempts, data)
        return node, live, carried

    def _judge(self, node: NodePlan, outcome: Outcome, carried: Inputs) -> tuple[tuple[int, ...], Failure | None]:
        try:
            return live_edges(node, outcome, carried, self.facts), None
        except NodeConfigError as error:
            return (), failure_of(error)

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
                    self.begun.add(target)
            if target not in spawned:
                if target in self.run.live:
                    continue  # it ended early, by a fault: nothing may begin it again
                self._spawn(target, out)
            out.tell(target, on_live if alive else Skip(node.id))

    # ---- pausing ----------------------------------------------------------------------------------------------

    def pause(self, message: Pause, now: Now, out: Outbox) -> bool:
        """Hold the run for a user; its deadline stands still."""
        if USER in self.holds:
            out.dead_letter(message)
            return False
        self._record(EventType.PIPELINE_RUN_PAUSED, now, out)
        self.deadline_left = self.deadline_at - now.monotonic
        out.drop_timer(Timer.DEADLINE)
        self._hold(USER, out)
        return True

    def resume(self, message: Resume, now: Now, out: Outbox) -> bool:
        """Go on for a user."""
        if USER not in self.holds:
            out.dead_letter(message)
            return False
        self._record(EventType.PIPELINE_RUN_RESUMED, now, out)
        left = max(0.0, self.deadline_left or 0.0)
        self.deadline_at, self.deadline_left = now.monotonic + left, None
        out.set_timer(Timer.DEADLINE, left, DeadlineReached())
        self._release(USER, now, out)
        return True

    def journal_failed(self, message: JournalFailed, now: Now, out: Outbox) -> None:
        """Hold the run while nothing can be kept; the deadline goes on."""
        if JOURNAL in self.holds:
            out.dead_letter(message)
        else:
            self._hold(JOURNAL, out)

    def journal_back(self, message: JournalBack, now: Now, out: Outbox) -> None:
        """Go on: the journal keeps again."""
        if JOURNAL in self.holds:
            self._release(JOURNAL, now, out)
        else:
            out.dead_letter(message)

    def _hold(self, reason: str, out: Outbox) -> None:
        if not self.holds:
            self.become(S.PAUSED)
            for node in self.live:
                out.tell(node, Pause())
        self.holds.add(reason)

    def _release(self, reason: str, now: Now, out: Outbox) -> None:
        self.holds.discard(reason)
        if self.holds:
            return
        self.become(S.RUNNING)
        for node in self.live:
            out.tell(node, Resume())
        self._grant_slots(out)
        unrouted, self.unrouted = self.unrouted, []
        for node_plan, live, carried in unrouted:
            self._follow(node_plan, live, carried, out)
        if not self.live:
            self._finish(now, out)


def _end_data(node: NodePlan, outcome: Outcome, live: tuple[int, ...], broken: Failure | None) -> dict[str, Any]:
    """Return what the event of a node's end says."""
    if outcome.status is NodeStatus.COMPLETED:
        data: dict[str, Any] = {"output": outcome.output, "live": live}
        if outcome.carried is not None:
            data["carried"] = outcome.carried
        if broken is not None:
            data["failure"] = broken
        return data
    if outcome.status is NodeStatus.SKIPPED:
        return {}
    data = {"failure": outcome.failure, "receipt": outcome.receipt}
    if outcome.status is NodeStatus.FAILED:
        handled = node.continues or any(edge.index in live for edge in node.edges if edge.when != "success")
        return {**data, "live": live, "handled": handled and broken is None}
    return {**data, "status": outcome.status}
