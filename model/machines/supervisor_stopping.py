"""How a run is ended before its time: cancels, the deadline, and the backstop of the ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.events import EventType
from playbill.model.facts import Cause, NodeStatus, Receipt, RunStatus, Stopped
from playbill.model.machines.supervisor_base import USER, SupervisorBase

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import Cancel, DeadlineReached, StopOverdue


class SupervisorStopping(SupervisorBase):
    """The actions of stops."""

    def cancel(self, message: Cancel, now: Now, out: Outbox) -> bool:
        """Stop the run; tell whether this cancel decides it."""
        decides = self.run.cause is None
        grace = self._record_cancel(message, now, out)
        self._stop(grace, now, out)
        return decides

    def cancel_new(self, message: Cancel, now: Now, out: Outbox) -> bool:
        """End a run that never began."""
        self._record_cancel(message, now, out)
        self._finish(now, out)
        return True

    def cancel_sooner(self, message: Cancel, now: Now, out: Outbox) -> bool:
        """Shorten the grace of a run that is stopping already."""
        if now.monotonic + self._grace(message) < self.grace_ends:
            self._tell_stop(self._record_cancel(message, now, out), now, out)
        return False

    def deadline_reached(self, message: DeadlineReached, now: Now, out: Outbox) -> None:
        """Stop the run: its time is over."""
        if USER in self.paused_by:
            out.dead_letter(message)
            return
        cause = Cause(RunStatus.TIMEOUT, source="timeout", seconds=self.timeout)
        grace = self.facts.plan.stop.grace
        self._record(EventType.PIPELINE_RUN_CANCEL_REQUESTED, now, out, data={"cause": cause, "grace": grace})
        self._stop(grace, now, out)

    def stop_overdue(self, message: StopOverdue, now: Now, out: Outbox) -> None:
        """Give up the nodes that have not ended within the bound."""
        receipt = Receipt(Stopped.ABANDONED, (now.monotonic - self.stop_asked) * 1000)
        for node in list(self.live):
            attempts = self.run.nodes[node].attempts if node in self.run.nodes else 0
            data = {"status": NodeStatus.CANCELLED, "failure": None, "receipt": receipt}
            self._record(EventType.PIPELINE_NODE_CANCELLED, now, out, node, attempts, data)
        self._finish(now, out)

    def _record_cancel(self, message: Cancel, now: Now, out: Outbox) -> float:
        """Record a cancel that changes something; return its grace."""
        grace = self._grace(message)
        cause = Cause(RunStatus.CANCELLED, source=message.source, reason=message.reason)
        self._record(EventType.PIPELINE_RUN_CANCEL_REQUESTED, now, out, data={"cause": cause, "grace": grace})
        return grace

    def _grace(self, message: Cancel) -> float:
        return self.facts.plan.stop.grace if message.grace is None else max(0.0, message.grace)
