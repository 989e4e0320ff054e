"""How a node waits while its run is paused: nothing begins, and the total timeout stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.machines.node_beginning import NodeBeginning
from playbill.model.machines.node_state import NodeState
from playbill.model.messages import TotalOverdue, Withdraw
from playbill.model.plan import Kind

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import Pause, Resume

S: Final = NodeState


class NodePausing(NodeBeginning):
    """The actions of Pause and Resume."""

    def pause(self, message: Pause, now: Now, out: Outbox) -> None:
        """Begin nothing more; the total timeout stands still."""
        self.paused = True
        if self.total_at is not None:
            self.total_left = self.total_at - now.monotonic
            out.drop_timer(Timer.TOTAL)

    def hold(self, message: Pause, now: Now, out: Outbox) -> None:
        """Take the ask back and wait; the run slot stays ours."""
        self.pause(message, now, out)
        out.tell(self.breaker, Withdraw(self.ask_id))
        self.ask_id = ""
        self.permit_ms += self._waited(now, out)
        self.become(S.HELD)

    def resume(self, message: Resume, now: Now, out: Outbox) -> None:
        """Go on; the total timeout runs again."""
        self.paused = False
        if self.total_left is not None:
            self.total_at = now.monotonic + self.total_left
            out.set_timer(Timer.TOTAL, max(0.0, self.total_left), TotalOverdue())
            self.total_left = None

    def resume_held(self, message: Resume, now: Now, out: Outbox) -> None:
        """Take up what the pause held: a delay's end, or the way to an attempt."""
        self.resume(message, now, out)
        if self.plan.kind is Kind.DELAY:
            inputs = self.inputs or {}
            self._complete(out, inputs, inputs)
        else:
            self._enqueue(now, out)
