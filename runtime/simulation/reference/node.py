"""A plain model of one node: told what its actor is told, it says what the actor must do next.

Told by: the world, before the actor itself is. Asked by: the run's model, for each event; the circuit's, for each
ask.
Here is how it joins and begins; its waits are in node_waits.py, how its attempts end is in node_attempts.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from playbill.model import messages as m
from playbill.model.errors import CircuitOpen
from playbill.model.events import EventType
from playbill.model.facts import NodeStatus, Outcome
from playbill.model.failures import failure_of
from playbill.model.templates import Template
from playbill.runtime.simulation.checks.names import BEGINS, CIRCUITS, LADDER, PAUSES, RETRIES, ROUTES, SLOTS
from playbill.runtime.simulation.reference.attempt import EPSILON, NEVER, AttemptModel
from playbill.runtime.simulation.reference.node_attempts import AttemptsOfNode
from playbill.runtime.simulation.reference.node_waits import WaitsOfNode
from playbill.runtime.simulation.reference.rules import delay_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.facts import Inputs, Now, Permit
    from playbill.runtime.simulation.reference.node_ground import Surroundings
    from playbill.runtime.simulation.reference.rules import NodeRules

STARTED: Final = EventType.PIPELINE_NODE_STARTED
CHANNELS: Final[dict[type, tuple[str, str]]] = {
    **dict.fromkeys((m.Granted, m.Parked, m.Refused, m.AskAgain), ("answers", CIRCUITS)),
    **dict.fromkeys((m.Input, m.Skip, m.Proceed), ("mail", ROUTES)),
    **dict.fromkeys((m.Pause, m.Resume), ("orders", PAUSES)),
    m.LookAgain: ("orders", RETRIES),
    m.SlotGranted: ("orders", SLOTS),
    m.Stop: ("orders", LADDER),
}
"""Where a message that others tell a node is owed, and which invariant does not hold when it is another."""


class NodeModel(WaitsOfNode, AttemptsOfNode):
    """What one node must do."""

    def __init__(self, run: Surroundings, rules: NodeRules) -> None:
        super().__init__(run, rules)
        self._missing = len(rules.sources) or 1
        self._inputs: Inputs = {}
        self._is_reached = False
        """An edge into it is live."""
        self._asks = 0

    # ---- what it is told --------------------------------------------------------------------------------------

    def told(self, message: Any, now: Now) -> None:
        """Go on by a message that its actor is about to be told."""
        self.run.touched[self.rules.id] = self
        kind: type = message.__class__
        channel = CHANNELS.get(kind)
        if channel is not None:
            owed: list[Any] = getattr(self, channel[0])
            expected = owed.pop(0) if owed else "nothing"
            if message != expected:
                self.wrong(channel[1], f"was told {message}, expected {expected}")
        if self.at != "ended":
            if now.monotonic > self.due + EPSILON and (channel is None or kind is m.Stop):
                self.check_deadline(now.monotonic, self.run.lateness())
            row = self.ROWS.get(kind)
            if row is not None:
                row(self, message, now)

    # ---- joining ----------------------------------------------------------------------------------------------

    def _input(self, message: m.Input, now: Now) -> None:
        self._inputs = {**self._inputs, **message.values}
        self._is_reached = True
        self._missing -= 1
        if self._missing == 0 or self.rules.joins_any:
            self._start(now)

    def _skip(self, _: m.Skip, now: Now) -> None:
        self._missing -= 1
        if self._missing == 0 and self._is_reached:
            self._start(now)
        elif self._missing == 0:
            self._end(Outcome(NodeStatus.SKIPPED))

    def _start(self, now: Now) -> None:
        if self.rules.total_timeout is not None:
            self._total_left = self.rules.total_timeout
            self._total_since = None if self._paused else now.monotonic
        if self.rules.kind == "handler":
            self._go_on(now)
        else:
            self.attempts = 1
            self._work_itself(now)

    def _work_itself(self, now: Now) -> None:
        rules = self.rules
        if rules.kind == "delay":
            self._wait(now)
            return
        self.facts.append((STARTED, 1, {}))
        if rules.condition is None:
            self._pass_on()
            return
        try:
            variables = self.run.rules.variables(self._inputs, self.run.trigger)
            output = {"result": rules.condition.evaluate(variables)}
        except Exception as error:  # noqa: BLE001 (whatever CEL raises is this node's failure)
            self._end(Outcome(NodeStatus.FAILED, 1, failure=failure_of(error)))
        else:
            self._complete(output, {**self._inputs, rules.id: output})

    def _wait(self, now: Now) -> None:
        seconds = self.rules.seconds
        if isinstance(seconds, Template):
            try:
                seconds = delay_seconds(seconds.render(self._names(1)))
            except Exception as error:  # noqa: BLE001 (as above)
                self.facts.append((STARTED, 1, {}))
                self._end(Outcome(NodeStatus.FAILED, 1, failure=failure_of(error)))
                return
        self.at, self._due = "delaying", now.monotonic + seconds
        self._due_at = now.after(seconds)
        self.facts.append((STARTED, 1, {"due_at": self._due_at}))

    def _pass_on(self) -> None:
        if self.rules.kind == "trigger":
            self._complete(self.run.trigger, {self.rules.id: self.run.trigger})
        else:
            self._complete(self._inputs, self._inputs)

    # ---- beginning --------------------------------------------------------------------------------------------

    def _go_on(self, now: Now) -> None:
        """Take the next step to an attempt."""
        if self._paused:
            self.at = "held"
        elif self.rules.takes_slot and not self._has_slot:
            self.at, self.slots_wanted = "queued", self.slots_wanted + 1
            self.begin_wait(None, now)
        elif (breaker := self.rules.breaker) is None:
            self._ready(now)
        else:
            self._asks += 1
            self._ask_id = f"{self.run.number}:{self.run.run_id}/{self.rules.id}#{self._asks}"
            rules = self.rules
            target = rules.target if rules.target_at is None else rules.target_at.of(self._names(self.attempts + 1))
            self.asked.append((m.Ask, self._ask_id, rules.waits_open, target))
            self.at = "asking"
            by_hand = "/" in breaker  # a key that names its target, too
            self.begin_wait(breaker if by_hand or not target else f"{breaker}/{target}", now)

    def _names(self, attempt: int) -> dict[str, Any]:
        """Return what a template sees."""
        names = self.run.rules.variables(self._inputs, self.run.trigger)
        run = {"id": self.run.run_id, "pipeline": self.run.rules.definition.name, "attempt": attempt}
        return {**names, "run": run}

    def _slot_granted(self, _: m.SlotGranted, now: Now) -> None:
        self._has_slot = True
        self.end_wait("slot_ms", now)
        self._go_on(now)

    def _granted(self, message: m.Granted, now: Now) -> None:
        if message.permit.id != self._ask_id or self.at not in {"asking", "parked"}:
            self.too_late()
            return
        self.takes(message.permit, now)

    def takes(self, permit: Permit, now: Now) -> None:
        """Have the permit that it asked for."""
        self.permit = permit
        self.end_wait("permit_ms", now)
        self._ready(now)

    def _ready(self, now: Now) -> None:
        self.attempts += 1
        self.facts.append((STARTED, self.attempts, self.take_waits()))
        if self.rules.commits:
            self.at = "committing"
        else:
            self._begin(now)

    def _proceed(self, _: m.Proceed, now: Now) -> None:
        if self.at == "committing":
            self._begin(now)

    def _begin(self, now: Now) -> None:
        self.at = "running"
        self.attempt = AttemptModel(self.attempts, now.monotonic, self.rules)
        self.begins = (self.attempts, self._inputs)

    def begun(self, number: int, inputs: Inputs) -> None:
        """Compare an attempt that begins with the one that must."""
        self.run.check_kept(self.rules, number)
        expected, self.begins = self.begins, None
        if expected is None or number != expected[0]:
            self.wrong(BEGINS, f"began attempt {number} ({self.at})")
        elif inputs != expected[1]:
            self.wrong(BEGINS, f"attempt {number} was given {dict(inputs)!r}, expected {dict(expected[1])!r}")

    def _parked(self, message: m.Parked, _: Now) -> None:
        if message.ask_id == self._ask_id and self.at == "asking":
            self.at = "parked"
            self.park()
        else:
            self.too_late()

    def _refused(self, message: m.Refused, _: Now) -> None:
        if message.ask_id == self._ask_id and self.at in {"asking", "parked"}:
            failure = failure_of(CircuitOpen(message.key, message.retry_after, message.last_failure))
            self._end(Outcome(NodeStatus.FAILED, self.attempts, failure=failure))
        else:
            self.too_late()

    def _ask_again(self, message: m.AskAgain, now: Now) -> None:
        if message.ask_id == self._ask_id and self.at in {"asking", "parked"}:
            self.end_wait("permit_ms", now)
            self._go_on(now)
        else:
            self.too_late()

    def _look_again(self, _: m.LookAgain, now: Now) -> None:
        if self._due_at is not None and self.at in {"delaying", "backing_off"}:
            left = max(0.0, (self._due_at - now.utc).total_seconds())
            self._due = min(self._due, now.monotonic + left)

    def _due_now(self, _: m.Due, now: Now) -> None:
        if self.at not in {"delaying", "backing_off"}:
            return
        if now.monotonic < self._due - EPSILON:
            self.wrong(RETRIES, f"goes on at {now.monotonic:g} s, before {self._due:g} s")
        if self.at == "backing_off":
            self._go_on(now)
        elif self._paused:
            self.at = "held"
        else:
            self._pass_on()

    # ---- pauses -----------------------------------------------------------------------------------------------

    def _pause(self, _: m.Pause, now: Now) -> None:
        self._paused = True
        if self._total_since is not None:
            self._total_left = self._total_since + self._total_left - now.monotonic
            self._total_since = None
        if self.at in {"asking", "parked"}:
            self.asked.append((m.Withdraw, self._ask_id))
            self.end_wait("permit_ms", now)
            self._ask_id, self.at = "", "held"

    def _resume(self, _: m.Resume, now: Now) -> None:
        self._paused = False
        if self._total_left < NEVER:
            self._total_since = now.monotonic
        if self.at != "held":
            return
        if self.rules.kind == "delay":
            self._pass_on()
        else:
            self._go_on(now)

    ROWS: ClassVar[Mapping[type, Callable[[Any, Any, Now], None]]] = {
        m.Input: _input,
        m.Skip: _skip,
        m.SlotGranted: _slot_granted,
        m.Granted: _granted,
        m.Proceed: _proceed,
        m.Parked: _parked,
        m.Refused: _refused,
        m.AskAgain: _ask_again,
        m.LookAgain: _look_again,
        m.Due: _due_now,
        m.WaitedLong: WaitsOfNode.waited_long,
        m.Began: AttemptsOfNode.began,
        m.Heartbeat: AttemptsOfNode.heartbeat,
        m.AttemptOverdue: AttemptsOfNode.attempt_overdue,
        m.IdleOverdue: AttemptsOfNode.idle_overdue,
        m.TotalOverdue: AttemptsOfNode.total_overdue,
        m.Stop: AttemptsOfNode.stop,
        m.GraceOver: AttemptsOfNode.grace_over,
        m.KillOverdue: AttemptsOfNode.kill_overdue,
        m.Returned: AttemptsOfNode.returned,
        m.Pause: _pause,
        m.Resume: _resume,
    }
