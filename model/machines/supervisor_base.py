"""What a run holds, and how it records, stops what lives, and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.events import NO_DATA, Event, EventType
from playbill.model.machines.conclusion import conclude
from playbill.model.machines.machine import Machine
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import Stop, StopOverdue
from playbill.model.runstate import RunState

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Inputs, Now
    from playbill.model.plan import NodePlan, RunFacts

S: Final = SupervisorState
BACKSTOP_SECONDS: Final = 0.1
"""What a node may take to end beyond grace and kill bound."""
NO_SLOTS: Final[dict[str, None]] = {}
"""Where nobody has wanted a slot; nothing is put in."""
USER: Final = "user"
"""Who pauses a run so that its deadline stands still."""


class SupervisorBase(Machine[SupervisorState]):
    """What a run holds, and how it ends."""

    INITIAL = S.NEW

    def __init__(self, facts: RunFacts, timeout: float) -> None:
        self.facts = facts
        self.timeout = timeout
        self.run = RunState()
        """The durable state: changed by `_record` only."""
        self.live: dict[str, None] = {}
        """The nodes that have an actor, in the order of their spawning."""
        # There may be ten thousand runs, and few need what follows: while empty it is small, or not made yet.
        self.begun: dict[str, None] = {}
        """The join-any nodes that were told their first Input."""
        self.paused_by: frozenset[str] = frozenset()
        """Why it is paused: the user, the journal."""
        self.unrouted: list[tuple[NodePlan, tuple[int, ...], Inputs]] | None = None
        """The ends that were recorded while it was paused: their edges are yet to be followed."""
        self.slot_holders: dict[str, None] = NO_SLOTS
        self.slot_queue: dict[str, None] = NO_SLOTS
        self.deadline_at = 0.0
        self.deadline_left: float | None = None
        self.grace_ends = self.stop_asked = 0.0
        self.is_overdue = False
        """The bound of a stop has passed once."""

    # ---- recording and ending ---------------------------------------------------------------------------------

    def _record(
        self,
        event_type: EventType,
        now: Now,
        out: Outbox,
        node: str | None = None,
        attempt: int | None = None,
        data: Any = NO_DATA,
    ) -> None:
        """Make an event, change the durable state by it, and have it kept."""
        run = self.run
        event = Event(event_type, self.facts.run_id, run.seq + 1, now.utc, node, attempt, data)
        run.apply(event)
        out.record(event)

    def _finish(self, now: Now, out: Outbox) -> None:
        """Record the terminal event and hand over the result."""
        self.become(S.ENDED)
        self.live.clear()
        ending = conclude(self.facts, self.run)
        self._record(ending.event, now, out, data=ending.data)
        out.finish(ending.result(self.facts, self.run))

    def _stop(self, grace: float | None, now: Now, out: Outbox) -> None:
        """Begin nothing more, and end what is live within a bound; `grace` None: each node has its own."""
        self.become(S.STOPPING)
        self.stop_asked = now.monotonic
        self.unrouted = None
        self.slot_queue.clear()
        out.drop_timer(Timer.DEADLINE)
        if self.live:
            self._tell_stop(grace, now, out)
        else:
            self._finish(now, out)

    def _tell_stop(self, grace: float | None, now: Now, out: Outbox) -> None:
        plan = self.facts.plan
        graces = plan.stop_graces(self.live, grace)
        longest = max(graces.values())
        self.grace_ends = now.monotonic + longest
        out.set_timer(Timer.OVERDUE, longest + plan.stop.kill_bound + BACKSTOP_SECONDS, StopOverdue())
        for node, own in graces.items():
            out.tell(node, Stop(own))

    def __repr__(self) -> str:
        return (
            f"<SupervisorMachine {self.facts.run_id} {self.state} {self.run.status}"
            f" live={len(self.live)} seq={self.run.seq}>"
        )
