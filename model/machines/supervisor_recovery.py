"""How a run goes on that was left in the midst of its life: with the nodes that its events say are under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.events import EventType
from playbill.model.facts import RunStatus
from playbill.model.machines.supervisor_base import USER
from playbill.model.machines.supervisor_pausing import SupervisorPausing
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import DeadlineReached, Recovered
from playbill.model.plan import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.effects import Outbox
    from playbill.model.facts import Inputs, Now
    from playbill.model.messages import Recover
    from playbill.model.past import Past
    from playbill.model.plan import NodePlan

S: Final = SupervisorState


class SupervisorRecovery(SupervisorPausing):
    """The action of Recover.

    Nodes are told what they would be told in a life without a crash, in the same order: roots their start, the others
    what became of their edges; and before it what had begun of them.
    """

    def recover(self, message: Recover, now: Now, out: Outbox) -> None:
        """Go on where the events end."""
        past = message.past
        self._take_time(message, now, out)
        self.recovered = {node.node_id: self._past_of(node.node_id, past) for node in self._begun()}
        self.become(S.RUNNING)
        if self.run.was_stopped or (self.run.cause is not None and self._must_stop()):
            self._stop(None, now, out)
            return
        left = max(0.0, self.timeout - past.seconds)
        self._begin_roots(out)
        self.deadline_at = now.monotonic + left
        self.deadline_left = left if self.run.status is RunStatus.PAUSED else None
        if self.run.status is RunStatus.PAUSED:
            self._pause_for(USER, out)
            self.unrouted = list(self._routes())
            return
        out.set_timer(Timer.DEADLINE, left, DeadlineReached())
        for route in self._routes():
            self._follow(*route, out)
        if not self.live:
            self._finish(now, out)

    def _record_step(self, seconds: float, left: float, now: Now, out: Outbox) -> None:
        """Record that the clock on the wall was set, and how much of the run's time is over without that."""
        data = {"seconds": seconds, "elapsed": self.timeout - left}
        self._record(EventType.PIPELINE_RUN_CLOCK_STEPPED, now, out, data=data)

    def _take_time(self, message: Recover, now: Now, out: Outbox) -> None:
        """Know how much of the run's time is over: whoever let it rest knows; a recovery is recorded."""
        past, rested = message.past, message.rested
        if rested is not None:
            past.go_on_from(self.timeout - rested.left, now.utc)
            if rested.stepped:
                self._record_step(rested.stepped, rested.left, now, out)
            return
        nodes = self.facts.plan.nodes
        lost = tuple(node for node in past.running if nodes[node].kind is Kind.HANDLER)
        data: dict[str, Any] = {"epoch": past.epoch + 1, "attempts": lost, **message.told}
        past.apply(self._record(EventType.PIPELINE_RUN_RECOVERED, now, out, data=data))

    def _past_of(self, node: str, past: Past) -> Recovered:
        known = self.run.nodes[node]
        at, length = past.due.get(node, (None, 0.0))
        seconds = past.seconds_of(node)
        return Recovered(known.attempts, past.lost[node], node in past.cut, at, length, known.error, seconds)

    def _routes(self) -> Iterator[tuple[NodePlan, tuple[int, ...], Inputs]]:
        """Yield the way on from each node that has ended, in the order of their ends."""
        for node, live in self.run.live.items():
            yield self.facts.plan.nodes[node], live, self.run.carried_by(node)
