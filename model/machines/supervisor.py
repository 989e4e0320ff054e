"""The supervisor machine: one run, from Start to its one terminal event.

Told by: the manager, its nodes, its shell (the journal's health), its timers. Tells: its nodes.

Rules:

1. Roots begin at Start; every other node gets an actor when its first edge is resolved: live actors are the frontier.
   A run that was left goes on so at Recover, from what its events tell.
2. A node's end is recorded first; then each outgoing edge tells its target Input or Skip.
3. The first recorded cause (failure, cancel, deadline) decides the run's status; later ones change nothing.
4. A failure that no live edge handles stops the run (on_failure stop) or lets the other branches end (finish).
5. Stopping begins nothing more and tells every live node Stop at once; a backstop timer bounds it, and is set once
   more when it fires, for nodes whose ends are still on their way: a blocked loop makes everything late.
6. Paused, or while the journal fails, ends are recorded and routing waits.
7. The last live node's end ends the run: one terminal event, one result, final.

Here are the start and what nodes report, and the table; the states are in supervisor_state.py, the other actions in
the bases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from playbill.model.effects import Timer
from playbill.model.events import NO_DATA, EventType
from playbill.model.facts import NodeStatus
from playbill.model.failures import killed_for_good
from playbill.model.machines.machine import late, row, table
from playbill.model.machines.supervisor_pausing import SupervisorPausing
from playbill.model.machines.supervisor_recovery import SupervisorRecovery
from playbill.model.machines.supervisor_slots import SupervisorSlots
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.machines.supervisor_stopping import SupervisorStopping
from playbill.model.messages import (
    AttemptReady,
    Cancel,
    ClockStepped,
    DeadlineReached,
    Ended,
    JournalBack,
    JournalFailed,
    LookAgain,
    Park,
    Pause,
    Proceed,
    Recover,
    Resume,
    Retrying,
    SlotWanted,
    StandDown,
    Start,
    StillWaiting,
    StopOverdue,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.effects import Outbox
    from playbill.model.facts import Now, Output
    from playbill.model.plan import Plan

S: Final = SupervisorState
# Bound once, see machine.py.
STARTED: Final = EventType.PIPELINE_NODE_STARTED
HOLDS: Final = (Pause, Resume, Park, StandDown, JournalFailed, JournalBack)
"""What holds a run, or lets it go on: of no use to one that is stopping."""
AFTER_THE_END: Final = late(
    SlotWanted,
    StillWaiting,
    AttemptReady,
    Retrying,
    Ended,
    Cancel,
    ClockStepped,
    DeadlineReached,
    StopOverdue,
    *HOLDS,
)
"""What may still be under way to a run that has ended."""


class SupervisorMachine(SupervisorRecovery, SupervisorStopping):
    """One run."""

    def start(self, message: Start, now: Now, out: Outbox) -> None:
        """Record the start and begin the roots."""
        data = start_data(self.facts.plan, message.trigger_data, self.timeout, message.told)
        self._record(EventType.PIPELINE_RUN_STARTED, now, out, data=data)
        self.become(S.RUNNING)
        self.deadline_at = now.monotonic + self.timeout
        out.set_timer(Timer.DEADLINE, self.timeout, DeadlineReached())
        self._begin_roots(out)

    def attempt_ready(self, message: AttemptReady, now: Now, out: Outbox) -> None:
        """Record the start of an attempt; let a node that waits for the record proceed."""
        data = NO_DATA if message.due_at is None else {"due_at": message.due_at}
        if message.slot_ms or message.permit_ms:
            data = waits_of(message)
        self._record(STARTED, now, out, message.node, message.attempt, data)
        if self.facts.plan.nodes[message.node].commits:
            out.tell(message.node, Proceed(message.attempt))

    def attempt_ready_stopping(self, message: AttemptReady, now: Now, out: Outbox) -> None:
        """Record an attempt that began before its node heard of the stop; a waiting one never begins."""
        if self.facts.plan.nodes[message.node].commits:
            out.dead_letter(message)
        else:
            self.attempt_ready(message, now, out)

    def still_waiting(self, message: StillWaiting, now: Now, out: Outbox) -> None:
        """Record what a node waits for."""
        data = {"for": message.what, "key": message.key, "since": message.since}
        self._record(EventType.PIPELINE_NODE_WAITING, now, out, message.node, message.attempt, data)

    def clock_stepped(self, message: ClockStepped, now: Now, out: Outbox) -> None:
        """Record it, since a run's time does not count it; who waits for a moment may be there sooner."""
        self._record_step(message.seconds, self.seconds_left(now), now, out)
        if message.seconds > 0:
            for node in self.live:
                out.tell(node, LookAgain())

    def retrying(self, message: Retrying, now: Now, out: Outbox) -> None:
        """Record a failed attempt and give its slot to the next."""
        data = {"failure": message.failure, "due_at": message.due_at, "receipt": message.receipt}
        self._record(EventType.PIPELINE_NODE_RETRYING, now, out, message.node, message.attempt, data)
        self._take_slot(message.node, out)

    def ended(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record a node's end and follow its edges."""
        node, live, carried = self._note_end(message, now, out)
        if self.run.cause is not None and self._must_stop():
            self._stop(None, now, out)
            return
        self._follow(node, live, carried, out)
        if not self.live:
            self._finish(now, out)

    def ended_paused(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record a node's end; its edges wait for Resume, or for who goes on with the run."""
        if self.is_left and message.outcome.status is NodeStatus.CANCELLED:
            if not self.facts.plan.nodes[message.node].commits:
                self._note_interrupted(message, now, out)
                return
            failed = replace(message.outcome, status=NodeStatus.FAILED, failure=killed_for_good("shutdown"))
            message = Ended(message.node, failed)
        route = self._note_end(message, now, out)
        if self.run.cause is not None and self._must_stop():
            self._stop(None, now, out)
        else:
            self.unrouted = self.unrouted or []
            self.unrouted.append(route)

    def ended_stopping(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record a node's end; the last one ends the run."""
        self._note_end(message, now, out)
        if not self.live:
            self._finish(now, out)

    TRANSITIONS = table(
        {
            S.NEW: [
                row(Start, start, S.RUNNING),
                row(Recover, SupervisorRecovery.recover, S.RUNNING, S.PAUSED, S.ENDED),
                row(Cancel, SupervisorStopping.cancel_new, S.ENDED),
                *late(Park, StandDown, ClockStepped),
            ],
            S.RUNNING: [
                row(SlotWanted, SupervisorSlots.slot_wanted),
                row(StillWaiting, still_waiting),
                row(AttemptReady, attempt_ready),
                row(Retrying, retrying),
                row(ClockStepped, clock_stepped),
                row(Ended, ended, S.RUNNING, S.STOPPING, S.ENDED),
                row(Cancel, SupervisorStopping.cancel, S.STOPPING),
                row(DeadlineReached, SupervisorStopping.deadline_reached, S.STOPPING),
                row(Pause, SupervisorPausing.pause, S.PAUSED),
                row(Park, SupervisorPausing.park, S.PAUSED),
                row(JournalFailed, SupervisorPausing.journal_failed, S.PAUSED),
                *late(Resume, JournalBack),
            ],
            S.PAUSED: [
                row(SlotWanted, SupervisorSlots.slot_wanted),
                row(StillWaiting, still_waiting),
                row(AttemptReady, attempt_ready),
                row(Retrying, retrying),
                row(ClockStepped, clock_stepped),
                row(Ended, ended_paused, S.PAUSED, S.STOPPING, S.ENDED),
                row(Cancel, SupervisorStopping.cancel, S.STOPPING, S.ENDED),
                row(DeadlineReached, SupervisorStopping.deadline_reached, S.STOPPING, S.ENDED, S.PAUSED),
                row(Pause, SupervisorPausing.pause, S.PAUSED),
                row(Park, SupervisorPausing.park, S.PAUSED),
                row(StandDown, SupervisorPausing.stand_down),
                row(Resume, SupervisorPausing.resume, S.RUNNING, S.PAUSED, S.ENDED),
                row(JournalFailed, SupervisorPausing.journal_failed, S.PAUSED),
                row(JournalBack, SupervisorPausing.journal_back, S.RUNNING, S.PAUSED, S.ENDED),
            ],
            S.STOPPING: [
                row(AttemptReady, attempt_ready_stopping),
                row(Retrying, retrying),
                row(Ended, ended_stopping, S.STOPPING, S.ENDED),
                row(Cancel, SupervisorStopping.cancel_sooner, S.STOPPING),
                row(StopOverdue, SupervisorStopping.stop_overdue, S.STOPPING, S.ENDED),
                row(ClockStepped, clock_stepped),
                *late(SlotWanted, StillWaiting, DeadlineReached, *HOLDS),
            ],
            S.ENDED: AFTER_THE_END,
        }
    )


def start_data(plan: Plan, trigger_data: Output, timeout: float, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first event of a run says; `told` is what else it shall say."""
    return {
        "pipeline": plan.definition.name,
        "version": plan.definition.version,
        "trigger_data": trigger_data,
        "timeout": timeout,
        "grace": plan.stop.grace,
        "kill_bound": plan.stop.kill_bound,
        **told,
    }


def waits_of(message: AttemptReady) -> dict[str, Any]:
    """Return what the event of an attempt's start says of its waits: nothing of those that took no time."""
    waits = {"slot_ms": message.slot_ms, "permit_ms": message.permit_ms}
    return {name: ms for name, ms in waits.items() if ms}
