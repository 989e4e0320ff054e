"""The salvage machine: ends a run whose supervisor machine has failed, by the ladder and without it.

Told by: its nodes, its timer. Tells: its nodes.

Rules:

1. Every live node is told Stop at once; a backstop timer bounds the wait for their ends, and is set once more.
   That the run ends is recorded before any of their ends: whoever takes it up after a crash goes on with the stop.
2. Nothing of the failed machine is used but the durable state; each node's end and the terminal event are recorded.
3. What had decided the run before still does; else the fault does.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.events import Event, EventType
from playbill.model.facts import Cause, NodeStatus, Outcome, Receipt, RunStatus, Stopped
from playbill.model.machines.conclusion import conclude
from playbill.model.machines.machine import Machine, row, table
from playbill.model.machines.supervisor import AFTER_THE_END
from playbill.model.machines.supervisor_base import BACKSTOP_SECONDS
from playbill.model.machines.supervisor_routing import NODE_END_EVENTS, end_data
from playbill.model.messages import Ended, Stop, StopOverdue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from playbill.model.effects import Outbox
    from playbill.model.facts import Failure, Now
    from playbill.model.plan import RunFacts
    from playbill.model.runstate import RunState


class SalvageState(StrEnum):
    """Where the salvage is."""

    STOPPING = "stopping"
    ENDED = "ended"


S: Final = SalvageState


class SalvageMachine(Machine[SalvageState]):
    """What is left of a run."""

    INITIAL = S.STOPPING

    def __init__(self, facts: RunFacts, run: RunState, live: Iterable[str], failure: Failure) -> None:
        self.facts = facts
        self.run = run
        self.live = dict.fromkeys(live)
        self.failure = failure
        self.is_overdue = False
        """The bound of the stop has passed once."""
        self.asked = 0.0
        """When all was told to stop, in monotonic seconds."""

    def begin(self, now: Now, out: Outbox, lost: object = None) -> None:
        """Stop whatever lives; `lost` is what the supervisor failed over: a node's end in it is taken in."""
        self.asked = now.monotonic
        ended = lost if isinstance(lost, Ended) else None
        if self.live.keys() - ({ended.node} if ended else ()):
            self._decide(now, out)
        if ended:
            self._let_go(ended, now, out)
        out.drop_timer(Timer.DEADLINE)
        if self.live:
            self._tell_stop(None, out)
        else:
            self._finish(now, out)

    def _decide(self, now: Now, out: Outbox) -> None:
        """Record that the run is stopped, unless it was before, and why."""
        if not self.run.was_stopped:
            cause = self.run.cause or Cause(RunStatus.FAILED, self.failure)
            self._record(EventType.PIPELINE_RUN_CANCEL_REQUESTED, now, out, {"cause": cause, "grace": None})

    def _tell_stop(self, grace: float | None, out: Outbox) -> None:
        plan = self.facts.plan
        graces = plan.stop_graces(self.live, grace)
        bound = max(graces.values()) + plan.stop.kill_bound + BACKSTOP_SECONDS
        out.set_timer(Timer.OVERDUE, bound, StopOverdue())
        for node, own in graces.items():
            out.tell(node, Stop(own))

    def ended(self, message: Ended, now: Now, out: Outbox) -> None:
        """Record how a node ended, and let it go; the last one ends the run."""
        self._let_go(message, now, out)
        if not self.live:
            self._finish(now, out)

    def _let_go(self, message: Ended, now: Now, out: Outbox) -> None:
        self.live.pop(message.node, None)
        out.forget(message.node)
        self._record_end(message.node, message.outcome, now, out)

    def overdue(self, message: StopOverdue, now: Now, out: Outbox) -> None:
        """Have what has not ended by now killed at once; the second time end the run: what is left are orphans."""
        if not self.is_overdue:
            self.is_overdue = True
            self._tell_stop(0.0, out)
            return
        receipt = Receipt(Stopped.ABANDONED, (now.monotonic - self.asked) * 1000)
        for node in self.live:
            attempts = self.run.nodes[node].attempts if node in self.run.nodes else 0
            self._record_end(node, Outcome(NodeStatus.CANCELLED, attempts, receipt=receipt), now, out)
        self._finish(now, out)

    def _record_end(self, node: str, outcome: Outcome, now: Now, out: Outbox) -> None:
        """Record a node's end, unless it was; no edge is followed any more, and it decides nothing."""
        if node in self.run.nodes and self.run.nodes[node].ended_at is not None:
            return
        data = end_data(self.facts.plan.nodes[node], outcome, (), None)
        if outcome.status is NodeStatus.FAILED:
            data["handled"] = True
        self._record(NODE_END_EVENTS[outcome.status], now, out, data, node, outcome.attempts)

    def _record(
        self,
        kind: EventType,
        now: Now,
        out: Outbox,
        data: Mapping[str, Any],
        node: str | None = None,
        attempt: int | None = None,
    ) -> None:
        at = max(now.utc, self.run.at)  # somebody has set the clock back
        event = Event(kind, self.facts.run_id, self.run.seq + 1, at, node, attempt, data)
        self.run.apply(event)
        out.record(event)

    def _finish(self, now: Now, out: Outbox) -> None:
        self.become(S.ENDED)
        ending = conclude(self.facts, self.run, self.failure)
        self._record(ending.event, now, out, ending.data)
        out.finish(ending.result(self.facts, self.run))

    TRANSITIONS = table(
        {
            S.STOPPING: [
                *AFTER_THE_END,
                row(Ended, ended, S.STOPPING, S.ENDED),
                row(StopOverdue, overdue, S.STOPPING, S.ENDED),
            ],
            S.ENDED: AFTER_THE_END,
        }
    )


def last_events(facts: RunFacts, run: RunState, failure: Failure, now: Now) -> Iterator[Event]:
    """Yield what is left to record of a run whose salvage failed, too; each is to be applied before the next."""
    at = max(now.utc, run.at)
    for node in [node for node in run.nodes.values() if node.ended_at is None]:
        receipt = Receipt(Stopped.ABANDONED)
        given_up = {"status": NodeStatus.CANCELLED, "failure": node.error, "receipt": receipt}
        kind = EventType.PIPELINE_NODE_CANCELLED
        yield Event(kind, facts.run_id, run.seq + 1, at, node.node_id, node.attempts, given_up)
    ending = conclude(facts, run, failure)
    yield Event(ending.event, facts.run_id, run.seq + 1, at, None, None, ending.data)
