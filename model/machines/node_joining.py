"""How a node comes to its inputs: joins, and the work of the transparent types, which is to pass them on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.facts import NodeStatus, Outcome
from playbill.model.failures import failure_of, killed_for_good
from playbill.model.frozen import freeze_flat
from playbill.model.machines.node_beginning import NodeBeginning
from playbill.model.machines.node_state import NodeState
from playbill.model.messages import AttemptReady, Due, TotalOverdue
from playbill.model.plan import Kind, template_variables, variables

if TYPE_CHECKING:
    from datetime import datetime

    from playbill.model.delays import Length
    from playbill.model.effects import Outbox
    from playbill.model.expressions import Condition
    from playbill.model.facts import Inputs, Now
    from playbill.model.messages import Input, Recovered, Skip

S: Final = NodeState
# Bound once, see machine.py.
HANDLER: Final = Kind.HANDLER


class NodeJoining(NodeBeginning):
    """The actions of live and dead edges, and of nodes without a handler."""

    # ---- joining ----------------------------------------------------------------------------------------------

    def join(self, message: Input, now: Now, out: Outbox) -> None:
        """Take a live edge; begin when no other is missing, or when any will do."""
        if self.inputs is None:
            self.inputs = message.values
        elif self.inputs_are_mine:
            self.inputs.update(message.values)  # type: ignore[attr-defined]
        else:
            self.inputs = {**self.inputs, **message.values}
            self.inputs_are_mine = True
        self.missing -= 1
        if self.missing == 0 or self.plan.joins_any:
            self._start(now, out)

    def skip(self, message: Skip, now: Now, out: Outbox) -> None:
        """Take a dead edge; when it was the last one, begin with what was live, or be skipped."""
        self.missing -= 1
        if self.missing:
            return
        if self.inputs is None:
            self._end(out, Outcome(NodeStatus.SKIPPED))
        else:
            self._start(now, out)

    def _start(self, now: Now, out: Outbox) -> None:
        plan = self.plan
        if plan.total_timeout is not None:
            left = plan.total_timeout if self.past is None else max(0.0, plan.total_timeout - self.past.seconds)
            self.total_at = now.monotonic + left
            if self.paused:
                self.total_left = left
            else:
                out.set_timer(Timer.TOTAL, left, TotalOverdue())
        if plan.kind is not HANDLER:
            self.attempts = 1
            self._built_in(now, out)
        elif self.past is not None:
            self._take_up(self.past, now, out)
        else:
            self._enqueue(now, out)

    # ---- after a crash ----------------------------------------------------------------------------------------

    def recovered(self, message: Recovered, now: Now, out: Outbox) -> None:
        """Know what had begun; it goes on once its inputs are there, as they were then."""
        self.past = message
        self.attempts, self.failure = message.attempts, message.failure

    def _take_up(self, past: Recovered, now: Now, out: Outbox) -> None:
        """Go on where the last attempt, or the wait for the next, was left."""
        if past.was_running and self.plan.commits:
            self._end(out, Outcome(NodeStatus.FAILED, self.attempts, failure=killed_for_good("crash")))
        elif past.was_running:
            self._enqueue(now, out)
        else:
            self._wait_for_due(past.left(now), past.due_at, now, out)
            self.become(S.BACKING_OFF)

    def _built_in(self, now: Now, out: Outbox) -> None:
        """Do the work of a transparent node."""
        plan, inputs = self.plan, self.inputs or {}
        if plan.length is not None:
            self._delay(plan.length, now, out)
            return
        if self.past is None:
            out.tell(self.supervisor, AttemptReady(plan.id, 1))
        if plan.kind is Kind.TRIGGER:
            data = self.facts.trigger_data
            self._complete(out, data, {plan.id: data})
        elif plan.condition is not None:
            self._judge(plan.condition, inputs, out)
        else:
            self._complete(out, inputs, inputs)

    def _delay(self, length: Length, now: Now, out: Outbox) -> None:
        """Begin to wait, once it is known how long."""
        try:
            seconds = length.over(lambda: template_variables(self.facts, self.inputs or {}, 1))
        except Exception as error:  # noqa: BLE001 (whatever CEL raises is this node's failure)
            if self.past is None:
                out.tell(self.supervisor, AttemptReady(self.plan.id, 1))
            self._end(out, Outcome(NodeStatus.FAILED, 1, failure=failure_of(error)))
            return
        if self.past is None:
            due_at: datetime | None = now.after(seconds)
            out.tell(self.supervisor, AttemptReady(self.plan.id, 1, due_at))
        else:
            seconds, due_at = self.past.left(now), self.past.due_at
        self._wait_for_due(seconds, due_at, now, out)
        self.become(S.DELAYING)

    def _judge(self, condition: Condition, inputs: Inputs, out: Outbox) -> None:
        """Evaluate a condition node."""
        try:
            result = condition.evaluate(variables(inputs, self.facts.plan.nodes, self.facts.trigger_data))
        except Exception as error:  # noqa: BLE001 (whatever CEL raises is this node's failure)
            self._end(out, Outcome(NodeStatus.FAILED, 1, failure=failure_of(error)))
            return
        output = freeze_flat({"result": result}, self.plan.id)
        self._complete(out, output, {**inputs, self.plan.id: output})

    def delay_over(self, message: Due, now: Now, out: Outbox) -> None:
        """Pass on what was received, unless paused."""
        if self.paused:
            self.become(S.HELD)
        else:
            inputs = self.inputs or {}
            self._complete(out, inputs, inputs)
