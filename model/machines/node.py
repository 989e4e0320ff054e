"""The node machine: one node of one run, from its first input to its one outcome.

Told by: its supervisor, its breaker, the runner of its attempts, its timers. Tells: supervisor and breaker.

Rules:

1. It waits until every incoming edge is resolved (join all), or for the first live one (join any); all dead: skipped.
2. Trigger, parallel, condition and delay are done here; all others run a handler, after a run slot (if the run has
   them) and a breaker's permit. One permit, settled exactly once, for one attempt.
3. A failure that may be retried goes to the back-off and queues again; slot and permit are given back meanwhile.
4. A timeout sends the attempt down the ladder before the retry begins; so does a stop, without a retry.
5. While paused nothing new begins: every way to a permit passes `_enqueue`, which holds.
6. It tells its supervisor Ended exactly once, and is done.

Here is what an attempt's end means, and the table; the states are in node_state.py, the other actions in the bases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.facts import NodeStatus, Outcome, Verdict
from playbill.model.frozen import freeze_flat
from playbill.model.machines.machine import late, row, table
from playbill.model.machines.node_base import COMPLETED, NodeBase
from playbill.model.machines.node_beginning import NodeBeginning
from playbill.model.machines.node_joining import NodeJoining
from playbill.model.machines.node_pausing import NodePausing
from playbill.model.machines.node_state import NodeState
from playbill.model.machines.node_stopping import NodeStopping
from playbill.model.messages import (
    AskAgain,
    AttemptOverdue,
    Began,
    Due,
    GraceOver,
    Granted,
    Heartbeat,
    IdleOverdue,
    Input,
    Interrupt,
    KillOverdue,
    LookAgain,
    Parked,
    Pause,
    Proceed,
    Recovered,
    Refused,
    Resume,
    Returned,
    Skip,
    SlotGranted,
    Stop,
    TotalOverdue,
    WaitedLong,
)

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now

S: Final = NodeState
# Bound once, see machine.py.
SUCCESS: Final = Verdict.SUCCESS
ENQUEUED: Final = (S.HELD, S.QUEUED, S.ASKING, S.COMMITTING, S.RUNNING)
"""Where `_enqueue` leads: the furthest step that needs nobody's answer."""
RETRIED: Final = (S.BACKING_OFF, S.DONE)
STALE: Final = late(
    Returned,
    Heartbeat,
    Began,
    AttemptOverdue,
    IdleOverdue,
    GraceOver,
    KillOverdue,
    Granted,
    Parked,
    Refused,
    AskAgain,
    WaitedLong,
)
"""Mail about an attempt or an ask that the node has left behind."""
PAUSING: Final = (row(Pause, NodePausing.pause), row(Resume, NodePausing.resume))
STOP_IDLE: Final = (row(Stop, NodeStopping.stop_idle, S.DONE), *late(Interrupt))
"""Of a node without an attempt at work."""
LOOK_AGAIN: Final = row(LookAgain, NodeBase.look_again)
WAITED_LONG: Final = row(WaitedLong, NodeBeginning.waited_long)


class NodeMachine(NodeJoining, NodePausing, NodeStopping):
    """One node of one run."""

    def returned(self, message: Returned, now: Now, out: Outbox) -> None:
        """Take the result of the running attempt: complete, retry or fail."""
        if message.attempt != self.attempts:
            out.dead_letter(message)
            return
        if message.failure is None:
            self._settle(out, SUCCESS, message)
            output = message.output
            if output is None:
                output = freeze_flat({}, self.plan.id)
            self._end(out, Outcome(COMPLETED, self.attempts, output))
        else:
            self._settle(out, verdict_on(message), message)
            self._failed(message.failure, now, out, jitter=message.jitter)

    def interrupted(self, message: Returned, now: Now, out: Outbox) -> None:
        """Take the end of an attempt that timed out: what had ended before its deadline still counts."""
        ladder = self.ladder
        if message.attempt != self.attempts or ladder is None or ladder.failure is None:
            out.dead_letter(message)
            return
        self.ladder = None
        if ladder.in_time(message) and not (message.failure and ladder.final):
            self.returned(message, now, out)
            return
        self._settle(out, Verdict.FAILURE, message, ladder.failure)
        receipt = ladder.receipt(message)
        self._failed(ladder.failure, now, out, jitter=message.jitter, receipt=receipt, final=ladder.final)

    def stopped(self, message: Returned, now: Now, out: Outbox) -> None:
        """Take the end of a stopped attempt: what had ended before the stop still counts."""
        ladder = self.ladder
        if message.attempt != self.attempts or ladder is None:
            out.dead_letter(message)
            return
        if not ladder.in_time(message):
            verdict = Verdict.CANCELLED if ladder.failure is None else Verdict.FAILURE
            self._settle(out, verdict, message, ladder.failure)
            self._end_stopped(out, ladder.receipt(message), message.failure)
        elif message.failure is None:
            self._settle(out, SUCCESS, message)
            self._complete(out, freeze_flat({}, self.plan.id) if message.output is None else message.output)
        else:
            self._settle(out, verdict_on(message), message)
            self._end(out, Outcome(NodeStatus.FAILED, self.attempts, failure=message.failure))

    TRANSITIONS = table(
        {
            S.WAITING: [
                LOOK_AGAIN,
                row(Input, NodeJoining.join, S.WAITING, S.DELAYING, S.BACKING_OFF, *ENQUEUED, S.DONE),
                row(Skip, NodeJoining.skip, S.WAITING, S.DELAYING, S.BACKING_OFF, *ENQUEUED, S.DONE),
                row(Recovered, NodeJoining.recovered),
                *STOP_IDLE,
                *PAUSING,
            ],
            S.DELAYING: [
                LOOK_AGAIN,
                row(Due, NodeJoining.delay_over, S.HELD, S.DONE),
                row(TotalOverdue, NodeStopping.total_overdue_idle, S.DONE, S.DELAYING),
                *STOP_IDLE,
                *PAUSING,
            ],
            S.QUEUED: [
                LOOK_AGAIN,
                *STALE,
                WAITED_LONG,
                row(SlotGranted, NodeBeginning.slot_granted, S.HELD, S.ASKING, S.COMMITTING, S.RUNNING),
                row(TotalOverdue, NodeStopping.total_overdue_idle, S.DONE, S.QUEUED),
                *STOP_IDLE,
                *PAUSING,
            ],
            S.ASKING: [
                LOOK_AGAIN,
                *STALE,
                row(Granted, NodeBeginning.granted, S.COMMITTING, S.RUNNING, S.ASKING),
                row(Parked, NodeBeginning.parked, S.PARKED, S.ASKING),
                row(Refused, NodeBeginning.refused, S.DONE, S.ASKING),
                row(AskAgain, NodeBeginning.ask_again, S.ASKING, S.COMMITTING, S.RUNNING),
                row(TotalOverdue, NodeStopping.total_overdue_idle, S.DONE),
                *STOP_IDLE,
                row(Pause, NodePausing.hold, S.HELD),
            ],
            S.PARKED: [
                LOOK_AGAIN,
                *STALE,
                WAITED_LONG,
                row(Granted, NodeBeginning.granted, S.COMMITTING, S.RUNNING, S.PARKED),
                row(Refused, NodeBeginning.refused, S.DONE, S.PARKED),
                row(AskAgain, NodeBeginning.ask_again, S.ASKING, S.COMMITTING, S.RUNNING, S.PARKED),
                row(TotalOverdue, NodeStopping.total_overdue_idle, S.DONE),
                *STOP_IDLE,
                row(Pause, NodePausing.hold, S.HELD),
            ],
            S.COMMITTING: [
                LOOK_AGAIN,
                *STALE,
                row(Proceed, NodeBeginning.proceed, S.RUNNING),
                row(TotalOverdue, NodeStopping.total_overdue_idle, S.DONE, S.COMMITTING),
                *STOP_IDLE,
                *PAUSING,
            ],
            S.RUNNING: [
                LOOK_AGAIN,
                *STALE,
                row(Began, NodeBeginning.began),
                row(Heartbeat, NodeBeginning.heartbeat),
                row(Returned, returned, *RETRIED, S.RUNNING),
                row(AttemptOverdue, NodeStopping.attempt_overdue, S.INTERRUPTING, S.RUNNING),
                row(IdleOverdue, NodeStopping.idle_overdue, S.INTERRUPTING, S.RUNNING),
                row(TotalOverdue, NodeStopping.total_overdue, S.INTERRUPTING, S.RUNNING),
                row(Stop, NodeStopping.stop_running, S.STOPPING),
                row(Interrupt, NodeStopping.stop_running, S.STOPPING),
                *PAUSING,
            ],
            S.INTERRUPTING: [
                LOOK_AGAIN,
                *STALE,
                row(Returned, interrupted, *RETRIED, S.INTERRUPTING),
                row(GraceOver, NodeStopping.grace_over, S.INTERRUPTING),
                row(KillOverdue, NodeStopping.give_up, *RETRIED, S.INTERRUPTING),
                row(TotalOverdue, NodeStopping.total_overdue_interrupting, S.INTERRUPTING),
                row(Stop, NodeStopping.stop_sooner, S.STOPPING),
                row(Interrupt, NodeStopping.stop_sooner, S.STOPPING),
                *PAUSING,
            ],
            S.BACKING_OFF: [
                LOOK_AGAIN,
                *STALE,
                row(Due, NodeBeginning.back_off_over, *ENQUEUED),
                row(TotalOverdue, NodeStopping.total_overdue_idle, S.DONE, S.BACKING_OFF),
                *STOP_IDLE,
                *PAUSING,
            ],
            S.HELD: [
                LOOK_AGAIN,
                *STALE,
                *late(TotalOverdue),
                *STOP_IDLE,
                row(Resume, NodePausing.resume_held, S.DONE, S.QUEUED, S.ASKING, S.COMMITTING, S.RUNNING),
            ],
            S.STOPPING: [
                LOOK_AGAIN,
                *STALE,
                *late(TotalOverdue),
                row(Returned, stopped, S.DONE, S.STOPPING),
                row(GraceOver, NodeStopping.grace_over, S.STOPPING),
                row(KillOverdue, NodeStopping.give_up_stopping, S.DONE, S.STOPPING),
                row(Stop, NodeStopping.stop_sooner, S.STOPPING),
                row(Interrupt, NodeStopping.stop_sooner, S.STOPPING),
            ],
            S.DONE: [],
        }
    )


def verdict_on(message: Returned) -> Verdict:
    """Return what a failed attempt says about its dependency: nothing, when no retry could mend it."""
    return Verdict.FAILURE if message.failure is not None and message.failure.retryable else Verdict.IGNORED
