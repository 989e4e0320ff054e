"""A plain model of one node, its attempts: what timeouts and stops do to them, and what their ends mean.

Time is judged by its own deadlines: a timer that comes early, or never, is found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model import messages as m
from playbill.model.errors import AttemptTimedOut
from playbill.model.events import EventType
from playbill.model.facts import NodeStatus, Outcome, Receipt, Stopped, Verdict
from playbill.model.failures import failure_of
from playbill.runtime.simulation.checks.names import LADDER, TIMEOUTS
from playbill.runtime.simulation.reference.attempt import EPSILON
from playbill.runtime.simulation.reference.node_ground import NodeGround
from playbill.runtime.simulation.reference.rules import back_off, is_retried

if TYPE_CHECKING:
    from playbill.model.facts import Failure, Now
    from playbill.runtime.simulation.reference.attempt import AttemptModel

RETRYING: Final = EventType.PIPELINE_NODE_RETRYING


class AttemptsOfNode(NodeGround):
    """How a node's attempts end."""

    # ---- while it runs ----------------------------------------------------------------------------------------

    def began(self, message: m.Began, now: Now) -> None:
        """Count the timeouts from here."""
        attempt = self._attempt_of(message)
        if attempt is None or attempt.asked_at is not None:
            self.too_late()
            return
        attempt.began_at = attempt.heard_at = now.monotonic
        attempt.counts = True

    def heartbeat(self, message: m.Heartbeat, now: Now) -> None:
        """Remember when it was heard."""
        attempt = self._attempt_of(message)
        if attempt is None or attempt.asked_at is not None:
            self.too_late()
            return
        attempt.heard_at = now.monotonic

    def attempt_overdue(self, message: m.AttemptOverdue, now: Now) -> None:
        """End an attempt that took too long."""
        attempt, timeout = self._attempt_of(message), self.rules.timeout
        if attempt is None or attempt.asked_at is not None or timeout is None:
            self.too_late()
            return
        self._time_out("timeout", timeout, attempt.began_at + timeout, now, attempt)

    def idle_overdue(self, message: m.IdleOverdue, now: Now) -> None:
        """End an attempt that was silent too long."""
        attempt, idle = self._attempt_of(message), self.rules.idle_timeout
        if attempt is None or attempt.asked_at is not None or idle is None:
            self.too_late()
            return
        if attempt.heard_at + idle <= now.monotonic:
            self._time_out("idle_timeout", idle, attempt.heard_at + idle, now, attempt)

    def total_overdue(self, _: m.TotalOverdue, now: Now) -> None:
        """End it: no attempt follows."""
        total, attempt = self.rules.total_timeout, self.attempt
        is_stopped = attempt is not None and attempt.stopped
        if self._paused or total is None or self.at == "held" or is_stopped:
            self.too_late()
            return
        ends = (self._total_since or 0.0) + self._total_left
        if attempt is not None:
            if attempt.asked_at is None:
                self._time_out("total_timeout", total, ends, now, attempt)
            attempt.final = True
            return
        if now.monotonic < ends - EPSILON:
            self.wrong(TIMEOUTS, f"ended by its total_timeout at {now.monotonic:g} s, before {ends:g} s")
        attempts = self._take_back()
        failure = failure_of(AttemptTimedOut("total_timeout", total))
        self._end(Outcome(NodeStatus.FAILED, attempts, failure=failure))

    def _time_out(self, which: str, seconds: float, ends: float, now: Now, attempt: AttemptModel) -> None:
        if now.monotonic < ends - EPSILON:
            self.wrong(TIMEOUTS, f"hits its {which} at {now.monotonic:g} s, before {ends:g} s")
        attempt.failure = failure_of(AttemptTimedOut(which, seconds))
        self.acts.extend(attempt.ask(now.monotonic, self.rules.grace, ends))

    # ---- the ladder -------------------------------------------------------------------------------------------

    def stop(self, message: m.Stop, now: Now) -> None:
        """Be stopped by the run."""
        attempt = self.attempt
        if attempt is None:
            attempts = self._take_back()
            status = NodeStatus.CANCELLED if attempts else NodeStatus.NOT_STARTED
            self._end(Outcome(status, attempts, failure=self._failure, receipt=Receipt(Stopped.NOT_STARTED)))
        elif attempt.asked_at is None:
            attempt.stopped = True
            self.acts.extend(attempt.ask(now.monotonic, message.grace, now.monotonic))
        else:
            attempt.stopped = True
            self.acts.extend(attempt.shorten(now.monotonic, message.grace))

    def grace_over(self, message: m.GraceOver, now: Now) -> None:
        """Have the attempt killed."""
        attempt = self._attempt_of(message)
        if attempt is None or attempt.asked_at is None or attempt.killed_at is not None:
            self.too_late()
        else:
            if now.monotonic < attempt.grace_ends - EPSILON:
                self.wrong(LADDER, f"is killed at {now.monotonic:g} s, before {attempt.grace_ends:g} s")
            self.acts.extend(attempt.kill(now.monotonic))

    def kill_overdue(self, message: m.KillOverdue, now: Now) -> None:
        """Have the attempt given up."""
        attempt = self._attempt_of(message)
        if attempt is None or attempt.killed_at is None:
            self.too_late()
            return
        if now.monotonic < attempt.killed_at + self.run.rules.kill_bound - EPSILON:
            self.wrong(LADDER, f"is given up at {now.monotonic:g} s, killed at {attempt.killed_at:g} s")
        if not attempt.extended and now.monotonic > attempt.killed_at + self.run.rules.kill_bound + 0.1:
            attempt.extended, attempt.patience = True, now.monotonic - attempt.killed_at
            return  # the loop was blocked: its end may be on its way
        self.acts.append("abandon")
        verdict, seconds = self._verdict_of_a_stop(attempt), now.monotonic - attempt.began_at
        self._settle(verdict, seconds, running=True, failure=attempt.failure)
        self._end_stopped(attempt, attempt.given_up(now.monotonic), None, now)

    # ---- how an attempt ends ----------------------------------------------------------------------------------

    def returned(self, message: m.Returned, now: Now) -> None:
        """Take the end of an attempt."""
        attempt = self.attempt
        if attempt is None or message.attempt != attempt.number:
            self.too_late()
            return
        cut = attempt.asked_at is not None and not attempt.came_in_time(message)
        if cut or (message.failure is not None and attempt.final and not attempt.stopped):
            failure = attempt.failure or message.failure
            seconds = message.ended - attempt.began_at
            self._settle(self._verdict_of_a_stop(attempt), seconds, message.jitter, failure=failure)
            self._end_stopped(attempt, attempt.receipt(message), message, now)
            return
        seconds, failure = message.ended - attempt.began_at, message.failure
        if failure is None:
            self._settle(Verdict.SUCCESS, seconds, message.jitter)
            self._complete(message.output or {})
            return
        verdict = Verdict.FAILURE if failure.retryable else Verdict.IGNORED
        self._settle(verdict, seconds, message.jitter, failure=failure)
        if attempt.stopped:
            self._end(Outcome(NodeStatus.FAILED, self.attempts, failure=failure))
        else:
            self._fail(failure, None, now, message.jitter)

    def _verdict_of_a_stop(self, attempt: AttemptModel) -> Verdict:
        return Verdict.CANCELLED if attempt.failure is None else Verdict.FAILURE

    def _end_stopped(self, attempt: AttemptModel, receipt: Receipt, returned: m.Returned | None, now: Now) -> None:
        """End an attempt that somebody ended: the run, or a timeout."""
        raised = None if returned is None else returned.failure
        if attempt.stopped:
            failure = attempt.failure or raised or self._failure
            self._end(Outcome(NodeStatus.CANCELLED, self.attempts, failure=failure, receipt=receipt))
        elif attempt.failure is not None:
            jitter = 0.5 if returned is None else returned.jitter
            self._fail(attempt.failure, receipt, now, jitter, final=attempt.final)

    def _fail(
        self, failure: Failure, receipt: Receipt | None, now: Now, jitter: float, *, final: bool = False
    ) -> None:
        retry = self.rules.retry
        if final or self.attempts >= retry.max_attempts or not is_retried(retry, failure):
            self._end(Outcome(NodeStatus.FAILED, self.attempts, failure=failure, receipt=receipt))
            return
        seconds = back_off(retry, self.attempts, jitter, failure.retry_after)
        data = {"failure": failure, "due_at": now.after(seconds), "receipt": receipt}
        self.facts.append((RETRYING, self.attempts, data))
        self.attempt, self._failure, self._has_slot = None, failure, False
        self.at, self._due, self._due_at = "backing_off", now.monotonic + seconds, now.after(seconds)
