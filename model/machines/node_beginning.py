"""How a node comes to an attempt: a run slot, a permit of its breaker, the begin, and the timers over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.effects import Timer
from playbill.model.errors import CircuitOpen
from playbill.model.facts import NodeStatus, Outcome
from playbill.model.failures import failure_of
from playbill.model.machines.node_base import NodeBase
from playbill.model.machines.node_state import NodeState
from playbill.model.messages import (
    Ask,
    AttemptOverdue,
    AttemptReady,
    IdleOverdue,
    SlotWanted,
    StillWaiting,
    WaitedLong,
)
from playbill.model.plan import template_variables

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import (
        AskAgain,
        Began,
        Due,
        Granted,
        Heartbeat,
        Parked,
        Proceed,
        Refused,
        SlotGranted,
    )

S: Final = NodeState
# Bound once, see machine.py.
ASKING: Final = S.ASKING
RUNNING: Final = S.RUNNING
ATTEMPT: Final = Timer.ATTEMPT
FIRST_OVERDUE: Final = AttemptOverdue(1)
AT_ONCE: Final = True
LONG_SECONDS: Final = 1.0
"""Who waits so long for a slot or a permit says so."""


class NodeBeginning(NodeBase):
    """The actions of slots, permits and begins."""

    target = ""
    """Of the circuit whose permit it waits for."""

    # ---- slot and permit --------------------------------------------------------------------------------------

    def _enqueue(self, now: Now, out: Outbox) -> None:
        """Take the next step to an attempt; the one place a pause holds."""
        if self.paused:
            self.become(S.HELD)
        elif self.plan.takes_slot and not self.has_slot:
            out.tell(self.supervisor, SlotWanted(self.plan.id))
            self.become(S.QUEUED)
            self.waits_since = now
            self._wait(LONG_SECONDS, out)
        elif self.breaker is None:
            self._ready(now, out)
        else:
            self._ask(now, out)

    def _ask(self, now: Now, out: Outbox) -> None:
        """Ask the breaker; begin, if it gives a permit at once."""
        self.asks += 1
        facts, plan = self.facts, self.plan
        self.ask_id = f"{facts.name}/{plan.id}#{self.asks}"
        target = plan.target
        if plan.target_at is not None:
            target = plan.target_at.of(template_variables(facts, self.inputs or {}, self.attempts + 1))
        permit = out.permit(self.breaker, Ask(self.ask_id, self.me, plan.waits_open, target, AT_ONCE))
        if permit is None:
            self.become(ASKING)
            self.target, self.waits_since = target, now
        else:
            self.permit = permit
            self._ready(now, out)

    def slot_granted(self, message: SlotGranted, now: Now, out: Outbox) -> None:
        """Go on to the breaker."""
        self.has_slot = True
        self.slot_ms += self._waited(now, out)
        self._enqueue(now, out)

    def granted(self, message: Granted, now: Now, out: Outbox) -> None:
        """Begin the attempt the permit is for."""
        if message.permit.id != self.ask_id:
            out.dead_letter(message)
            return
        self.permit = message.permit
        self.permit_ms += self._waited(now, out)
        self._ready(now, out)

    def parked(self, message: Parked, now: Now, out: Outbox) -> None:
        """Stay parked until the breaker grants, refuses or forgets the ask."""
        if message.ask_id == self.ask_id:
            self.become(S.PARKED)
            since = self.waits_since or now
            self._wait(max(0.0, since.monotonic + LONG_SECONDS - now.monotonic), out)
        else:
            out.dead_letter(message)

    def refused(self, message: Refused, now: Now, out: Outbox) -> None:
        """Fail: the circuit is open, and a retry against it would be burnt."""
        if message.ask_id != self.ask_id:
            out.dead_letter(message)
            return
        failure = failure_of(CircuitOpen(message.key, message.retry_after, message.last_failure))
        self._end(out, Outcome(NodeStatus.FAILED, self.attempts, failure=failure))

    def ask_again(self, message: AskAgain, now: Now, out: Outbox) -> None:
        """Ask a breaker that forgot us."""
        if message.ask_id == self.ask_id:
            self.permit_ms += self._waited(now, out)
            self._ask(now, out)
        else:
            out.dead_letter(message)

    # ---- waits ------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float, out: Outbox) -> None:
        """Wait for a slot or a permit, and be told when that has taken long."""
        self.waits += 1
        out.set_timer(Timer.WAITING, seconds, WaitedLong(self.waits))

    def _waited(self, now: Now, out: Outbox) -> int:
        """End a wait; return how many whole milliseconds it took."""
        since, self.waits_since, self.has_waited = self.waits_since, None, True
        if self.state is not ASKING:
            out.drop_timer(Timer.WAITING)
        return 0 if since is None else int((now.monotonic - since.monotonic) * 1000)

    def waited_long(self, message: WaitedLong, now: Now, out: Outbox) -> None:
        """Say what it waits for, once a wait."""
        since = self.waits_since
        if since is None or message.wait != self.waits:
            out.dead_letter(message)
            return
        what, key = ("slot", None) if self.state is S.QUEUED else ("permit", self._circuit())
        out.tell(self.supervisor, StillWaiting(self.plan.id, self.attempts + 1, what, key, since.utc))

    def _circuit(self) -> str | None:
        breaker, target = self.plan.breaker, self.target
        return f"{breaker}/{target}" if target else breaker

    # ---- the begin --------------------------------------------------------------------------------------------

    def _ready(self, now: Now, out: Outbox) -> None:
        self.attempts += 1
        if self.has_waited:
            waited = self.slot_ms, self.permit_ms
            out.tell(self.supervisor, AttemptReady(self.plan.id, self.attempts, None, *waited))
            self.has_waited, self.slot_ms, self.permit_ms = False, 0, 0
        else:
            out.tell(self.supervisor, AttemptReady(self.plan.id, self.attempts))
        if self.plan.commits:
            self.become(S.COMMITTING)
        else:
            self._begin(now, out)

    def proceed(self, message: Proceed, now: Now, out: Outbox) -> None:
        """Begin: the journal has kept the start."""
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
