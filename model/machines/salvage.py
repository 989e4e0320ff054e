"""The salvage machine: ends a run whose supervisor machine has failed, by the ladder and without it.

Told by: its nodes, its timer. Tells: its nodes.

Rules:

1. Every live node is told Stop at once; a backstop timer bounds the wait for their ends.
2. Nothing of the failed machine is used but the durable state, to which the terminal event is applied.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.events import Event, EventType
from playbill.model.facts import Cause, RunStatus
from playbill.model.machines.conclusion import Conclusion
from playbill.model.machines.machine import Machine, row, table
from playbill.model.machines.supervisor import AFTER_THE_END
from playbill.model.machines.supervisor_base import BACKSTOP_SECONDS
from playbill.model.messages import Ended, Stop, StopOverdue

if TYPE_CHECKING:
    from collections.abc import Iterable

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

    def begin(self, now: Now, out: Outbox) -> None:
        """Stop whatever lives."""
        stop = self.facts.plan.stop
        out.drop_timer(Timer.DEADLINE)
        out.set_timer(Timer.OVERDUE, stop.grace + stop.kill_bound + BACKSTOP_SECONDS, StopOverdue())
        for node in self.live:
            out.tell(node, Stop(stop.grace))
        if not self.live:
            self._finish(now, out)

    def ended(self, message: Ended, now: Now, out: Outbox) -> None:
        """Let a node go; the last one ends the run."""
        self.live.pop(message.node, None)
        out.forget(message.node)
        if not self.live:
            self._finish(now, out)

    def overdue(self, message: StopOverdue, now: Now, out: Outbox) -> None:
        """End the run: nodes that have not ended by now are orphans."""
        self.run.orphans.extend(self.live)
        self._finish(now, out)

    def _finish(self, now: Now, out: Outbox) -> None:
        self.become(S.ENDED)
        run = self.run
        cause = run.cause or Cause(RunStatus.FAILED, self.failure)
        data = {"status": RunStatus.FAILED, "cause": cause}
        event = Event(EventType.PIPELINE_RUN_FAILED, self.facts.run_id, run.seq + 1, now.utc, None, None, data)
        run.apply(event)
        run.cause = Cause(RunStatus.FAILED, self.failure)
        out.record(event)
        out.finish(Conclusion(RunStatus.FAILED, run.cause, {}).result(self.facts, run))

    TRANSITIONS = table(
        {
            S.STOPPING: [*AFTER_THE_END, row(Ended, ended, S.STOPPING, S.ENDED), row(StopOverdue, overdue, S.ENDED)],
            S.ENDED: AFTER_THE_END,
        }
    )
