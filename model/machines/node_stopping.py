"""How a node's attempt is ended against its will: timeouts and stops go down one ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.errors import AttemptTimedOut
from playbill.model.facts import NodeStatus, Outcome, Receipt, Stopped, Verdict
from playbill.model.failures import failure_of
from playbill.model.machines.ladder import Ladder
from playbill.model.machines.node_base import NodeBase
from playbill.model.machines.node_state import NodeState
from playbill.model.messages import GraceOver, IdleOverdue, KillOverdue, Settle

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Failure, Now
    from playbill.model.messages import AttemptOverdue, Interrupt, Stop, TotalOverdue

S: Final = NodeState
LATE_SECONDS: Final = 0.1
"""A timer that comes later than that tells of a loop that was blocked."""


class NodeStopping(NodeBase):
    """The actions of timers and stops."""

    # ---- timeouts: down the ladder before the retry -----------------------------------------------------------

    def attempt_overdue(self, message: AttemptOverdue, now: Now, out: Outbox) -> None:
        """End an attempt that took too long."""
        if message.attempt == self.attempts and self.plan.timeout is not None:
            self._time_out("timeout", self.plan.timeout, self.began_at + self.plan.timeout, now, out)
        else:
            out.dead_letter(message)

    def idle_overdue(self, message: IdleOverdue, now: Now, out: Outbox) -> None:
        """End an attempt that was silent too long, or look again later."""
        idle = self.plan.idle_timeout
        if message.attempt != self.attempts or idle is None:
            out.dead_letter(message)
        elif self.heard_at + idle > now.monotonic:
            left = self.heard_at + idle - now.monotonic
            out.set_timer(Timer.IDLE, left, IdleOverdue(self.attempts))
        else:
            self._time_out("idle_timeout", idle, self.heard_at + idle, now, out)

    def total_overdue(self, message: TotalOverdue, now: Now, out: Outbox) -> None:
        """End the running attempt; none follows."""
        seconds = self.plan.total_timeout
        if self.paused or seconds is None:
            out.dead_letter(message)
            return
        won_by = self.total_at or now.monotonic
        self._time_out("total_timeout", seconds, won_by, now, out)
        if self.ladder is not None:
            self.ladder.final = True

    def total_overdue_interrupting(self, message: TotalOverdue, now: Now, out: Outbox) -> None:
        """Let no attempt follow the one that is being ended."""
        if self.paused or self.ladder is None:
            out.dead_letter(message)
        else:
            self.ladder.final = True

    def total_overdue_idle(self, message: TotalOverdue, now: Now, out: Outbox) -> None:
        """Fail: the time is up and nothing runs."""
        if self.paused:
            out.dead_letter(message)
            return
        attempts = self._take_back(out)
        failure = failure_of(AttemptTimedOut("total_timeout", self.plan.total_timeout or 0.0))
        self._end(out, Outcome(NodeStatus.FAILED, attempts, failure=failure))

    def _time_out(self, which: str, seconds: float, won_by: float, now: Now, out: Outbox) -> None:
        failure = failure_of(AttemptTimedOut(which, seconds))
        self.become(S.INTERRUPTING)
        self._descend(Ladder(now.monotonic, won_by, now.monotonic + self.plan.grace, failure), now, out)

    # ---- the ladder -------------------------------------------------------------------------------------------

    def _descend(self, ladder: Ladder, now: Now, out: Outbox) -> None:
        """Ask the attempt to end, and set the next step of the ladder."""
        self.ladder = ladder
        out.interrupt(self.attempts)
        self._next_step(ladder, now, out)

    def _next_step(self, ladder: Ladder, now: Now, out: Outbox) -> None:
        left = ladder.grace_ends - now.monotonic
        if left > 0:
            out.set_timer(Timer.LADDER, left, GraceOver(self.attempts))
        else:
            self._kill(ladder, now, out)

    def _kill(self, ladder: Ladder, now: Now, out: Outbox) -> None:
        ladder.killed_at = now.monotonic
        out.kill(self.attempts)
        out.set_timer(Timer.LADDER, self.facts.plan.stop.kill_bound, KillOverdue(self.attempts))

    def grace_over(self, message: GraceOver, now: Now, out: Outbox) -> None:
        """Kill the attempt that did not end by itself."""
        if message.attempt != self.attempts or self.ladder is None or self.ladder.killed_at is not None:
            out.dead_letter(message)
        else:
            self._kill(self.ladder, now, out)

    def give_up(self, message: KillOverdue, now: Now, out: Outbox) -> None:
        """Abandon a timed-out attempt that cannot be ended; a retry may follow, fenced by its number."""
        ladder = self.ladder
        if message.attempt != self.attempts or ladder is None or ladder.failure is None:
            out.dead_letter(message)
            return
        if self._looks_again(ladder, message, now, out):
            return
        receipt = ladder.given_up(now.monotonic)
        self._abandon(out, Verdict.FAILURE, now)
        self.ladder = None
        self._failed(ladder.failure, now, out, receipt=receipt, final=ladder.final)

    def _looks_again(self, ladder: Ladder, message: KillOverdue, now: Now, out: Outbox) -> bool:
        """Wait for the kill bound once more, if the loop was blocked: the attempt's end may be on its way."""
        bound = self.facts.plan.stop.kill_bound
        if ladder.is_extended or now.monotonic <= (ladder.killed_at or 0.0) + bound + LATE_SECONDS:
            return False
        ladder.is_extended = True
        out.set_timer(Timer.LADDER, bound, message)
        return True

    # ---- stops: down the ladder, and no more ------------------------------------------------------------------

    def stop_idle(self, message: Stop, now: Now, out: Outbox) -> None:
        """End at once: nothing runs."""
        attempts = self._take_back(out)
        status = NodeStatus.CANCELLED if attempts else NodeStatus.NOT_STARTED
        receipt = Receipt(Stopped.NOT_STARTED)
        self._end(out, Outcome(status, attempts, failure=self.failure, receipt=receipt))

    def stop_running(self, message: Stop | Interrupt, now: Now, out: Outbox) -> None:
        """Send the attempt down the ladder."""
        self.become(S.STOPPING)
        asked = now.monotonic
        self._descend(Ladder(asked, asked, asked + message.grace, final=True), now, out)

    def stop_sooner(self, message: Stop | Interrupt, now: Now, out: Outbox) -> None:
        """Shorten the grace of an attempt that is on the ladder already."""
        self.become(S.STOPPING)
        ladder = self.ladder
        grace_ends = now.monotonic + message.grace
        if ladder is not None and ladder.killed_at is None and grace_ends < ladder.grace_ends:
            ladder.grace_ends = grace_ends
            self._next_step(ladder, now, out)

    def give_up_stopping(self, message: KillOverdue, now: Now, out: Outbox) -> None:
        """Abandon a stopped attempt that cannot be ended."""
        ladder = self.ladder
        if message.attempt != self.attempts or ladder is None:
            out.dead_letter(message)
            return
        if self._looks_again(ladder, message, now, out):
            return
        verdict = Verdict.CANCELLED if ladder.failure is None else Verdict.FAILURE
        self._abandon(out, verdict, now)
        self._end_stopped(out, ladder.given_up(now.monotonic))

    def _end_stopped(self, out: Outbox, receipt: Receipt, raised: Failure | None = None) -> None:
        """End cancelled; of several failures the timeout counts first, then what was raised while it was stopped."""
        failure = (None if self.ladder is None else self.ladder.failure) or raised or self.failure
        self._end(out, Outcome(NodeStatus.CANCELLED, self.attempts, failure=failure, receipt=receipt))

    def _abandon(self, out: Outbox, verdict: Verdict, now: Now) -> None:
        """Settle at once, and leave work and permit to the runner."""
        permit = self.permit
        if permit is not None:
            self.permit = None
            failure = None if self.ladder is None else self.ladder.failure
            seconds = now.monotonic - self.began_at
            out.tell(self.breaker, Settle(permit, verdict, seconds, running=True, failure=failure))
        out.abandon(self.attempts, permit)
