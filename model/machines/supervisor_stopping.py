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
        self._record_cancel(message, now, out)
        self._stop(_explicit(message), now, out)
        return decides

    def cancel_new(self, message: Cancel, now: Now, out: Outbox) -> bool:
        """End a run that never began."""
        self._record_cancel(message, now, out)
        self._finish(now, out)
        return True

    def cancel_sooner(self, message: Cancel, now: Now, out: Outbox) -> bool:
        """Shorten the grace of a run that is stopping already."""
        graces = self.facts.plan.stop_graces(self.live, _explicit(message))
        if now.monotonic + max(graces.values()) < self.grace_ends:
            self._record_cancel(message, now, out)
            self._tell_stop(_explicit(message), now, out)
        return False

    def deadline_reached(self, message: DeadlineReached, now: Now, out: Outbox) -> None:
        """Stop the run: its time is over."""
        if USER in self.paused_by:
            out.dead_letter(message)
            return
        cause = Cause(RunStatus.TIMEOUT, source="timeout", seconds=self.timeout)
        self._record(EventType.PIPELINE_RUN_CANCEL_REQUESTED, now, out, data={"cause": cause, "grace": None})
        self._stop(None, now, out)

    def stop_overdue(self, message: StopOverdue, now: Now, out: Outbox) -> None:
        """Have what has not ended within the bound killed at once; the second time, give it up."""
        if not self.is_overdue:
            self.is_overdue = True
            self._tell_stop(0.0, now, out)
            return
        receipt = Receipt(Stopped.ABANDONED, (now.monotonic - self.stop_asked) * 1000)
        for node in list(self.live):
            attempts = self.run.nodes[node].attempts if node in self.run.nodes else 0
            data = {"status": NodeStatus.CANCELLED, "failure": None, "receipt": receipt}
            self._record(EventType.PIPELINE_NODE_CANCELLED, now, out, node, attempts, data)
        self._finish(now, out)

    def _record_cancel(self, message: Cancel, now: Now, out: Outbox) -> None:
        """Record a cancel that changes something."""
        cause = Cause(RunStatus.CANCELLED, source=message.source, reason=message.reason)
        data = {"cause": cause, "grace": _explicit(message)}
        self._record(EventType.PIPELINE_RUN_CANCEL_REQUESTED, now, out, data=data)


def _explicit(message: Cancel) -> float | None:
    """Return the grace that a cancel names, if it does."""
    return None if message.grace is None else max(0.0, message.grace)
