"""What a run holds, and how it records, stops what lives, and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.events import NO_DATA, Event, EventType
from playbill.model.facts import NodeStatus, Receipt, RunStatus, Stopped
from playbill.model.machines.conclusion import conclude
from playbill.model.machines.machine import Machine
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import Recovered, Stop, StopOverdue
from playbill.model.runstate import RunState

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Inputs, Now
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import NodeExecutionResult

S: Final = SupervisorState
BACKSTOP_SECONDS: Final = 0.1
"""What a node may take to end beyond grace and kill bound."""
NO_SLOTS: Final[dict[str, None]] = {}
"""Where nobody has wanted a slot; nothing is put in."""
NO_PAST: Final[Mapping[str, Recovered]] = {}
"""Of a run that began here."""
USER: Final = "user"
"""Who pauses a run so that its deadline stands still."""


class SupervisorBase(Machine[SupervisorState]):
    """What a run holds, and how it ends."""

    INITIAL = S.NEW

    def __init__(self, facts: RunFacts, timeout: float, run: RunState | None = None) -> None:
        self.facts = facts
        self.timeout = timeout
        self.run = RunState() if run is None else run
        """The durable state: changed by `_record` only."""
        self.live: dict[str, None] = {}
        """The nodes that have an actor, in the order of their spawning."""
        # There may be ten thousand runs, and few need what follows: while empty it is small, or not made yet.
        self.begun: dict[str, None] = {}
        """The join-any nodes that were told their first Input."""
        self.recovered: Mapping[str, Recovered] = NO_PAST
        """What had begun of nodes when the run was left, which they are told before all else."""
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
    ) -> Event:
        """Make an event, change the durable state by it, and have it kept; return it."""
        run = self.run
        at = now.utc
        at = max(at, run.at)  # somebody has set the clock back
        event = Event(event_type, self.facts.run_id, run.seq + 1, at, node, attempt, data)
        run.apply(event)
        out.record(event)
        return event

    def _must_stop(self) -> bool:
        """Tell whether the cause that is recorded ends the other branches too."""
        cause = self.run.cause
        finish = self.facts.plan.definition.on_failure == "finish"
        return not (finish and cause is not None and cause.status is RunStatus.FAILED and cause.node)

    def _begun(self) -> list[NodeExecutionResult]:
        """Return the nodes of which something has begun, and nothing has ended them."""
        return [node for node in self.run.nodes.values() if node.ended_at is None]

    def _finish(self, now: Now, out: Outbox) -> None:
        """Record the terminal event and hand over the result."""
        if self.recovered or self.paused_by:
            self._give_up_begun(now, out)
        self.become(S.ENDED)
        self.live.clear()
        ending = conclude(self.facts, self.run)
        self._record(ending.event, now, out, data=ending.data)
        out.finish(ending.result(self.facts, self.run))

    def _give_up_begun(self, now: Now, out: Outbox) -> None:
        """Record the ends of nodes that had begun when the run was left, or is, and that nobody took up since."""
        for node in self._begun():
            past = self.recovered.get(node.node_id)
            receipt = Receipt(Stopped.KILLED if past is not None and past.was_running else Stopped.NOT_STARTED)
            data = {"status": NodeStatus.CANCELLED, "failure": node.error, "receipt": receipt}
            self._record(EventType.PIPELINE_NODE_CANCELLED, now, out, node.node_id, node.attempts, data)

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
