"""The node machine: one node of one run, from its first input to its one outcome.

Told by: its supervisor, its breaker, the runner of its attempts, its timers. Tells: supervisor and breaker.
The rules, the states and the table are in node_table.py; the names in its rows are the methods here and in the bases.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.errors import CircuitOpen
from playbill.model.facts import NodeStatus, Outcome
from playbill.model.failures import failure_of
from playbill.model.machines.node_stopping import NodeStopping
from playbill.model.machines.node_table import TRANSITIONS, NodeState
from playbill.model.messages import (
    Ask,
    AttemptOverdue,
    AttemptReady,
    Due,
    IdleOverdue,
    SlotWanted,
    TotalOverdue,
    Withdraw,
)
from playbill.model.plan import Kind, variables

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.expressions import Condition
    from playbill.model.facts import Inputs, Now
    from playbill.model.messages import (
        AskAgain,
        Began,
        Granted,
        Heartbeat,
        Input,
        Parked,
        Pause,
        Proceed,
        Refused,
        Resume,
        Skip,
        SlotGranted,
    )

S: Final = NodeState
ASKING: Final = S.ASKING
RUNNING: Final = S.RUNNING
HANDLER: Final = Kind.HANDLER
ATTEMPT: Final = Timer.ATTEMPT
FIRST_OVERDUE: Final = AttemptOverdue(1)


class NodeMachine(NodeStopping):
    """The actions of joining, asking, beginning and pausing."""

    TRANSITIONS = TRANSITIONS

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
            self.total_at = now.monotonic + plan.total_timeout
            if self.paused:
                self.total_left = plan.total_timeout
            else:
                out.set_timer(Timer.TOTAL, plan.total_timeout, TotalOverdue())
        if plan.kind is HANDLER:
            self._enqueue(now, out)
        else:
            self.attempts = 1
            self._built_in(now, out)

    def _built_in(self, now: Now, out: Outbox) -> None:
        """Do the work of a transparent node."""
        plan, inputs = self.plan, self.inputs or {}
        if plan.kind is Kind.DELAY:
            seconds = float(plan.node.config["seconds"])
            out.tell(self.supervisor, AttemptReady(plan.id, 1, now.utc + timedelta(seconds=seconds)))
            out.set_timer(Timer.DUE, seconds, Due(1))
            self.become(S.DELAYING)
            return
        out.tell(self.supervisor, AttemptReady(plan.id, 1))
        if plan.kind is Kind.TRIGGER:
            self._complete(out, self.run.trigger_data)
        elif plan.condition is not None:
            self._judge(plan.condition, inputs, out)
        else:
            self._complete(out, inputs, inputs)

    def _judge(self, condition: Condition, inputs: Inputs, out: Outbox) -> None:
        """Evaluate a condition node."""
        try:
            result = condition.evaluate(variables(inputs, self.run.plan.nodes, self.run.trigger_data))
        except Exception as error:  # noqa: BLE001 (whatever CEL raises is this node's failure)
            self._end(out, Outcome(NodeStatus.FAILED, 1, failure=failure_of(error)))
            return
        output = {"result": result}
        self._complete(out, output, {**inputs, self.plan.id: output})

    def delay_over(self, message: Due, now: Now, out: Outbox) -> None:
        """Pass on what was received, unless paused."""
        if self.paused:
            self.become(S.HELD)
        else:
            inputs = self.inputs or {}
            self._complete(out, inputs, inputs)

    # ---- slot and permit --------------------------------------------------------------------------------------

    def _enqueue(self, now: Now, out: Outbox) -> None:
        """Take the next step to an attempt; the one place a pause holds."""
        if self.paused:
            self.become(S.HELD)
        elif self.plan.takes_slot and not self.has_slot:
            out.tell(self.supervisor, SlotWanted(self.plan.id))
            self.become(S.QUEUED)
        elif self.breaker is None:
            self._ready(now, out)
        else:
            self._ask(out)

    def _ask(self, out: Outbox) -> None:
        self.asks += 1
        self.ask_id = f"{self.run.run_id}/{self.plan.id}#{self.asks}"
        out.tell(self.breaker, Ask(self.ask_id, self.me, self.plan.waits_open))
        self.become(ASKING)

    def slot_granted(self, message: SlotGranted, now: Now, out: Outbox) -> None:
        """Go on to the breaker."""
        self.has_slot = True
        self._enqueue(now, out)

    def granted(self, message: Granted, now: Now, out: Outbox) -> None:
        """Begin the attempt the permit is for."""
        if message.permit.id != self.ask_id:
            out.dead_letter(message)
            return
        self.permit = message.permit
        self._ready(now, out)

    def parked(self, message: Parked, now: Now, out: Outbox) -> None:
        """Wait for the breaker."""
        if message.ask_id == self.ask_id:
            self.become(S.PARKED)
        else:
            out.dead_letter(message)

    def refused(self, message: Refused, now: Now, out: Outbox) -> None:
        """Fail: the circuit is open, and a retry against it would be burnt."""
        if message.ask_id != self.ask_id:
            out.dead_letter(message)
            return
        failure = failure_of(CircuitOpen(message.key, message.retry_after))
        self._end(out, Outcome(NodeStatus.FAILED, self.attempts, failure=failure))

    def ask_again(self, message: AskAgain, now: Now, out: Outbox) -> None:
        """Ask a breaker that forgot us."""
        if message.ask_id == self.ask_id:
            self._ask(out)
        else:
            out.dead_letter(message)

    def _ready(self, now: Now, out: Outbox) -> None:
        self.attempts += 1
        out.tell(self.supervisor, AttemptReady(self.plan.id, self.attempts))
        if self.plan.commits:
            self.become(S.COMMITTING)
        else:
            self._begin(now, out)

    def proceed(self, message: Proceed, now: Now, out: Outbox) -> None:
        """Begin: the start is on disk."""
        self._begin(now, out)

    # ---- an attempt -------------------------------------------------------------------------------------------

    def _begin(self, now: Now, out: Outbox) -> None:
        self.become(RUNNING)
        self.began_at = now.monotonic
        out.begin(self.attempts, self.inputs or {})
        if not self.plan.threaded:
            self._watch(now, out)

    def began(self, message: Began, now: Now, out: Outbox) -> None:
        """Count the timeouts from here: the thread has really begun."""
        if message.attempt == self.attempts:
            self.began_at = now.monotonic
            self._watch(now, out)
        else:
            out.dead_letter(message)

    def _watch(self, now: Now, out: Outbox) -> None:
        """Set the attempt's timers."""
        plan = self.plan
        if plan.timeout is not None:
            overdue = FIRST_OVERDUE if self.attempts == 1 else AttemptOverdue(self.attempts)
            out.set_timer(ATTEMPT, plan.timeout, overdue)
        if plan.idle_timeout is not None:
            self.heard_at = now.monotonic
            out.set_timer(Timer.IDLE, plan.idle_timeout, IdleOverdue(self.attempts))

    def heartbeat(self, message: Heartbeat, now: Now, out: Outbox) -> None:
        """Remember when the handler was last heard."""
        if message.attempt == self.attempts:
            self.heard_at = now.monotonic
        else:
            out.dead_letter(message)

    def back_off_over(self, message: Due, now: Now, out: Outbox) -> None:
        """Queue for the next attempt."""
        self._enqueue(now, out)

    # ---- pausing ----------------------------------------------------------------------------------------------

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
