"""The breaker machine's actions: one circuit breaker, shared by all runs of a manager.

Told by: nodes (Ask, Withdraw, Settle), runners (Released), users (Force), its timers. Tells: nodes.
The rules, the states and the table are in breaker_table.py; the names of its rows are the methods here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.effects import Timer
from playbill.model.errors import InternalError
from playbill.model.events import NO_DATA, Event, EventType
from playbill.model.facts import Permit, Verdict
from playbill.model.machines.breaker_table import FORCED, TRANSITIONS, CircuitState, Report
from playbill.model.machines.machine import Machine
from playbill.model.machines.window import Window
from playbill.model.messages import Granted, HalfOpenOver, OpenOver, Parked, RateDue, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import Ask, Force, Released, Settle, Withdraw
    from playbill.model.policies import BreakerPolicy

S: Final = CircuitState
HALF_OPEN: Final = cast("StrEnum", S.HALF_OPEN)
SUCCESS: Final = Verdict.SUCCESS
FAILURE: Final = Verdict.FAILURE
COUNTED: Final = Report.COUNTED
FOREVER: Final = float("inf")


class BreakerMachine(Machine):
    """One circuit breaker."""

    TRANSITIONS = TRANSITIONS
    INITIAL = S.CLOSED

    def __init__(self, key: str, policy: BreakerPolicy, *, epoch: int = 0, seq: int = 0) -> None:
        self.key = key
        self.policy = policy
        self.epoch = epoch
        self.seq = seq
        self.unlimited = policy.max_concurrent is None and policy.rate is None
        self.windowed = policy.failure_rate is not None or policy.slow_rate is not None
        self.waiting: dict[str, Ask] = {}
        self.out: dict[str, Permit] = {}
        """Permits not settled, by id."""
        self.orphaned: dict[str, Permit] = {}
        """Permits settled whose work goes on: they keep their share of the concurrency."""
        self.released_early: set[str] = set()
        """Permits whose runner has told of the work's end before their node gave it up."""
        self.counts = dict.fromkeys(Verdict, 0)
        self.in_a_row = 0
        self.window = Window(policy)
        self.openings = 0
        self.open_ends = 0.0
        self.half_open_ends = 0.0
        self.probes = 0
        self.successes = 0
        self.next_start = 0.0
        self.draw = 0.5

    # ---- asking -----------------------------------------------------------------------------------------------

    def ask(self, message: Ask, now: Now, out: Outbox) -> None:
        """Grant, or park behind those who came before."""
        if not self.waiting and (self.unlimited or self._has_room(now, out)):
            self._grant(message, now, out)
        else:
            self._park(message, out)

    def ask_open(self, message: Ask, now: Now, out: Outbox) -> None:
        """Refuse, or park who would rather wait."""
        if message.wait:
            self._park(message, out)
        else:
            self._refuse(message, now, out)

    def ask_half_open(self, message: Ask, now: Now, out: Outbox) -> None:
        """Let a probe through while there are any."""
        if self._probes_left() > 0:
            self.ask(message, now, out)
        else:
            self.ask_open(message, now, out)

    def withdraw(self, message: Withdraw, now: Now, out: Outbox) -> None:
        """Forget a waiter; a grant that is on its way comes back as cancelled."""
        if self.waiting.pop(message.ask_id, None) is not None:
            return
        permit = self.out.pop(message.ask_id, None)
        if permit is None:
            out.dead_letter(message)
            return
        self.counts[Verdict.CANCELLED] += 1
        if self.probes and permit.epoch == self.epoch:
            self.probes -= 1
        self._drain(now, out)

    def _has_room(self, now: Now, out: Outbox) -> bool:
        """Tell whether concurrency and rate allow a start now; if only the rate does not, wait for it."""
        policy = self.policy
        limit = policy.max_concurrent
        if limit is not None and len(self.out) + len(self.orphaned) >= limit:
            return False
        if policy.rate is None or self.next_start <= now.monotonic:
            return True
        out.set_timer(Timer.RATE, self.next_start - now.monotonic, RateDue())
        return False

    def _probes_left(self) -> int:
        return self.policy.half_open_permits - self.probes - self.successes

    def _grant(self, ask: Ask, now: Now, out: Outbox) -> None:
        permit = Permit(self.key, self.epoch, ask.ask_id)
        self.out[ask.ask_id] = permit
        if not self.unlimited and self.policy.rate is not None:
            self.next_start = max(now.monotonic, self.next_start) + 1 / self.policy.rate
        if self.state is HALF_OPEN:
            self.probes += 1
            if self.probes == 1:
                wait = self.policy.half_open_max_wait_seconds
                self.half_open_ends = now.monotonic + wait
                out.set_timer(Timer.HALF_OPEN, wait, HalfOpenOver(self.epoch))
        out.tell(ask.reply_to, Granted(permit))

    def _park(self, ask: Ask, out: Outbox) -> None:
        self.waiting[ask.ask_id] = ask
        out.tell(ask.reply_to, Parked(ask.ask_id))

    def _refuse(self, ask: Ask, now: Now, out: Outbox) -> None:
        ends = {S.OPEN: self.open_ends, S.HALF_OPEN: self.half_open_ends}.get(S(self.state), FOREVER)
        out.tell(ask.reply_to, Refused(ask.ask_id, self.key, max(0.0, ends - now.monotonic)))

    def _drain(self, now: Now, out: Outbox) -> None:
        """Grant to those who wait, as far as there is room."""
        if self.state in {S.OPEN, S.FORCED_OPEN}:
            return
        while self.waiting:
            if self.state is S.HALF_OPEN and self._probes_left() <= 0:
                return
            if not self._has_room(now, out):
                return
            ask = self.waiting.pop(next(iter(self.waiting)))
            self._grant(ask, now, out)

    def rate_due(self, message: RateDue, now: Now, out: Outbox) -> None:
        """Let the next one start."""
        self._drain(now, out)

    # ---- settling ---------------------------------------------------------------------------------------------

    def _take(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take the permit back; tell whether its verdict counts."""
        permit = self.out.pop(message.permit.id, None)
        if permit is None:
            out.dead_letter(message)
            return Report.DUPLICATE
        self.counts[message.verdict] += 1
        self.draw = message.jitter
        if message.running:
            self._orphan(permit)
        if permit.epoch != self.epoch:
            return Report.STALE
        if self.probes:
            self.probes -= 1
        return COUNTED

    def _orphan(self, permit: Permit) -> None:
        """Keep the share of work that goes on, unless its end, told by another, has come first."""
        if permit.id in self.released_early:
            self.released_early.discard(permit.id)
        else:
            self.orphaned[permit.id] = permit

    def settle_closed(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a result; open when there are too many failures."""
        report = self._take(message, now, out)
        if report is COUNTED:
            if message.verdict is SUCCESS and not self.windowed:
                self.in_a_row = 0
            elif self._count(message, now):
                self._open(now, out)
        if self.waiting:
            self._drain(now, out)
        return report

    def _count(self, message: Settle, now: Now) -> bool:
        """Add a result to the counts; tell whether the breaker trips."""
        verdict, policy = message.verdict, self.policy
        if verdict is SUCCESS:
            self.in_a_row = 0
        elif verdict is FAILURE:
            self.in_a_row += 1
        else:
            return False
        if self.windowed:
            self.window.add(now.monotonic, message.seconds, failed=verdict is Verdict.FAILURE)
            if self.window.trips():
                return True
        return policy.failures is not None and self.in_a_row >= policy.failures

    def settle_half_open(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a probe: enough successes close, one failure opens."""
        report = self._take(message, now, out)
        if report is COUNTED:
            if message.verdict is Verdict.SUCCESS:
                self.successes += 1
                if self.successes >= self.policy.half_open_permits:
                    self._close(now, out)
            elif message.verdict in {Verdict.FAILURE, Verdict.LOST}:
                self._open(now, out)
            elif self.probes == 0:
                out.drop_timer(Timer.HALF_OPEN)
        self._drain(now, out)
        return report

    def settle_stale(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take back a permit from before it opened."""
        return self._take(message, now, out)

    def settle_uncounted(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take back a permit; disabled, nothing counts."""
        report = self._take(message, now, out)
        self._drain(now, out)
        return report

    def settle_metrics(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Count a result and open never."""
        report = self._take(message, now, out)
        if report is COUNTED:
            self._count(message, now)
        self._drain(now, out)
        return report

    def released(self, message: Released, now: Now, out: Outbox) -> None:
        """Free the share of an orphan that has ended."""
        permit_id = message.permit.id
        if permit_id in self.out:
            self.released_early.add(permit_id)
        elif self.orphaned.pop(permit_id, None) is None:
            out.dead_letter(message)
        self._drain(now, out)

    # ---- changing state ---------------------------------------------------------------------------------------

    def open_over(self, message: OpenOver, now: Now, out: Outbox) -> None:
        """Try again with a few."""
        if message.epoch != self.epoch:
            out.dead_letter(message)
            return
        self._enter(S.HALF_OPEN, EventType.BREAKER_HALF_OPENED, now, out)
        self._drain(now, out)

    def half_open_over(self, message: HalfOpenOver, now: Now, out: Outbox) -> None:
        """Count probes that are still out as lost."""
        if message.epoch != self.epoch or self.probes == 0:
            out.dead_letter(message)
            return
        self.counts[Verdict.LOST] += self.probes
        self._open(now, out)

    def force(self, message: Force, now: Now, out: Outbox) -> None:
        """Set the state by hand.

        Raises:
            InternalError: it cannot be set to that state.
        """
        if message.state not in FORCED:
            raise InternalError(f"a breaker cannot be forced to {message.state!r}, only to {', '.join(FORCED)}")
        self.openings = 0
        self._enter(S(message.state), EventType.BREAKER_FORCED, now, out, {"state": message.state})
        self._refuse_waiting(now, out)
        self._drain(now, out)

    def _open(self, now: Now, out: Outbox) -> None:
        self.openings += 1
        seconds = self.policy.open_for(self.openings, self.draw)
        self.open_ends = now.monotonic + seconds
        self._enter(S.OPEN, EventType.BREAKER_OPENED, now, out, {"seconds": seconds})
        out.set_timer(Timer.OPEN, seconds, OpenOver(self.epoch))
        self._refuse_waiting(now, out)

    def _close(self, now: Now, out: Outbox) -> None:
        self.openings = 0
        self._enter(S.CLOSED, EventType.BREAKER_CLOSED, now, out)

    def _enter(
        self, state: CircuitState, event: EventType, now: Now, out: Outbox, data: Mapping[str, Any] = NO_DATA
    ) -> None:
        """Begin a new epoch in `state`."""
        self.become(state)
        self.epoch += 1
        self.in_a_row = self.probes = self.successes = 0
        self.window = Window(self.policy)
        out.drop_timer(Timer.OPEN)
        out.drop_timer(Timer.HALF_OPEN)
        self.seq += 1
        data = {**data, "epoch": self.epoch}
        out.record(Event(event, f"breaker:{self.key}", self.seq, now.utc, None, None, data))

    def _refuse_waiting(self, now: Now, out: Outbox) -> None:
        """Tell those who would rather fail than wait that it is open."""
        if self.state in {S.OPEN, S.FORCED_OPEN}:
            for ask in [ask for ask in self.waiting.values() if not ask.wait]:
                del self.waiting[ask.ask_id]
                self._refuse(ask, now, out)

    def __repr__(self) -> str:
        return (
            f"<BreakerMachine {self.key} {self.state} epoch={self.epoch} in_a_row={self.in_a_row}"
            f" out={len(self.out)} waiting={len(self.waiting)}>"
        )
