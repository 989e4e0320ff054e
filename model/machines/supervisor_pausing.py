"""How a run is paused: by a user, whose pause stops its deadline, while the journal keeps nothing, or to be left."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.events import EventType
from playbill.model.machines.supervisor_base import USER
from playbill.model.machines.supervisor_routing import SupervisorRouting
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import DeadlineReached, Interrupt, Pause, Resume
from playbill.model.plan import Kind

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import Ended, JournalBack, JournalFailed, Park, StandDown

S: Final = SupervisorState
HANDLER: Final = Kind.HANDLER
LEAVING: Final = "leaving"
"""Who pauses a run for good in this process: another one goes on with it."""
JOURNAL: Final = "journal"
"""Who pauses a run while nothing can be kept: its deadline goes on."""


class SupervisorPausing(SupervisorRouting):
    """The actions of Pause and Resume, and of a journal that fails and is back."""

    def pause(self, message: Pause, now: Now, out: Outbox) -> bool:
        """Hold the run for a user; its deadline stands still."""
        if USER in self.paused_by:
            out.dead_letter(message)
            return False
        self._record(EventType.PIPELINE_RUN_PAUSED, now, out)
        self.deadline_left = self.deadline_at - now.monotonic
        out.drop_timer(Timer.DEADLINE)
        self._pause_for(USER, out)
        return True

    def resume(self, message: Resume, now: Now, out: Outbox) -> bool:
        """Go on for a user."""
        if USER not in self.paused_by:
            out.dead_letter(message)
            return False
        self._record(EventType.PIPELINE_RUN_RESUMED, now, out)
        left = max(0.0, self.deadline_left or 0.0)
        self.deadline_at, self.deadline_left = now.monotonic + left, None
        out.set_timer(Timer.DEADLINE, left, DeadlineReached())
        self._resume_for(USER, now, out)
        return True

    def journal_failed(self, message: JournalFailed, now: Now, out: Outbox) -> None:
        """Hold the run while nothing can be kept; the deadline goes on."""
        if JOURNAL in self.paused_by:
            out.dead_letter(message)
        else:
            self._pause_for(JOURNAL, out)

    def journal_back(self, message: JournalBack, now: Now, out: Outbox) -> None:
        """Go on: the journal keeps again."""
        if JOURNAL in self.paused_by:
            self._resume_for(JOURNAL, now, out)
        else:
            out.dead_letter(message)

    def park(self, message: Park, now: Now, out: Outbox) -> None:
        """Begin nothing more; what runs may end, and is recorded, as long as anybody waits for it."""
        self._record(EventType.PIPELINE_RUN_PARKED, now, out)
        self._pause_for(LEAVING, out)

    def stand_down(self, message: StandDown, now: Now, out: Outbox) -> None:
        """Have attempts ended: those that another process makes again, and at last those that nobody may."""
        nodes = self.facts.plan.nodes
        chosen = [
            node for node in self.live if nodes[node].kind is HANDLER and nodes[node].commits <= message.fragile
        ]
        for node, grace in self.facts.plan.stop_graces(chosen, message.grace).items():
            out.tell(node, Interrupt(grace))

    def _note_interrupted(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record that an attempt was ended because the run is left: it is no failure."""
        node, outcome = message.node, message.outcome
        self.live.pop(node, None)
        out.forget(node)
        self._record(
            EventType.PIPELINE_NODE_INTERRUPTED, now, out, node, outcome.attempts, {"receipt": outcome.receipt}
        )

    @property
    def rests_until(self) -> float | None:
        """Until when it does nothing of its own, in monotonic seconds; None: it does something."""
        if self.slot_queue or not self.live:
            return None
        if self.state is S.RUNNING:
            return self.deadline_at
        return inf if self.state is S.PAUSED and self.paused_by == frozenset({USER}) else None

    def seconds_left(self, now: Now) -> float:
        """Return how many seconds of its timeout are left."""
        return self.deadline_at - now.monotonic if self.deadline_left is None else self.deadline_left

    @property
    def is_left(self) -> bool:
        """Whether another process goes on with it."""
        return LEAVING in self.paused_by

    def _pause_for(self, reason: str, out: Outbox) -> None:
        if not self.paused_by:
            self.become(S.PAUSED)
            for node in self.live:
                out.tell(node, Pause())
        self.paused_by |= {reason}

    def _resume_for(self, reason: str, now: Now, out: Outbox) -> None:
        self.paused_by -= {reason}
        if self.paused_by:
            return
        self.become(S.RUNNING)
        for node in self.live:
            out.tell(node, Resume())
        self._grant_slots(out)
        unrouted, self.unrouted = self.unrouted or (), None
        for node_plan, live, carried in unrouted:
            self._follow(node_plan, live, carried, out)
        if not self.live:
            self._finish(now, out)
