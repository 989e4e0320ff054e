"""A plain circuit breaker: what each answer must be, told the same as the real one.

It knows the moments (opened at, a probe out since), not the machine's states and timers, and says what the answers,
the events and the state must be after each message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from playbill.model.events import NO_DATA, EventType
from playbill.model.facts import Permit, Verdict
from playbill.model.messages import Granted, Parked, Refused
from playbill.runtime.simulation.reference.attempt import EPSILON, NEVER
from playbill.runtime.simulation.reference.rules import Call, in_window, open_seconds, rates_trip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.actors.breaker import BreakerActor
    from playbill.model.events import Event
    from playbill.model.messages import Ask, Force, HalfOpenOver, OpenOver, RateDue, Released, Settle, Withdraw
    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.simulation.reference.node_ground import Letters

BARRED: Final = frozenset({"open", "forced_open"})


class Asker(Protocol):
    """Who asks for permits."""

    def answer(self, message: Any) -> None:
        """Hear what the breaker must answer."""


class PlainCircuit:
    """The plain model of one circuit.

    Args:
        actor: the real one.
        wrong: is told what does not fit.
        lateness: gives the seconds by which faults have made timers and messages late, in all.
        letters: counts the messages that come too late.
        epoch: the one it begins with.
    """

    def __init__(
        self,
        actor: BreakerActor,
        wrong: Callable[[str], None],
        lateness: Callable[[], float],
        letters: Letters,
        epoch: int = 0,
    ) -> None:
        self.actor = actor
        self.key: str = actor.machine.key
        self.policy: BreakerPolicy = actor.machine.policy
        self.state = "closed"
        self.epoch = epoch
        self.waiting: dict[str, tuple[Asker, bool]] = {}
        """Who was parked, by ask, and whether it would rather wait than be refused while this is open."""
        self.permits: dict[str, tuple[Asker, Permit]] = {}
        """Those that are out."""
        self.running_on: set[str] = set()
        """Settled, but their work goes on."""
        self.ended_early: set[str] = set()
        self.facts: list[tuple[EventType, dict[str, Any]]] = []
        """The events that must come next."""
        self._wrong = wrong
        self._lateness = lateness
        self._letters = letters
        self.counts = dict.fromkeys(Verdict, 0)
        """How attempts have ended."""
        self.seq = actor.machine.seq
        self._calls: list[Call] = []
        self._failures = self._openings = self._probes = self._good_probes = 0
        self._until = self._next_start = 0.0
        """When the open time, or the wait for a probe, is over; when the rate lets the next one start."""
        self._draw = 0.5

    def keep_shares(self, other: PlainCircuit) -> None:
        """Take over the permits that are out, and the work that goes on."""
        self.permits = dict(other.permits)
        self.running_on = set(other.running_on)
        self.ended_early = set(other.ended_early)

    # ---- asks -------------------------------------------------------------------------------------------------

    def ask(self, message: Ask, asker: Asker, now: float) -> None:
        """Grant, park or refuse."""
        if self._is_shut:
            if message.wait:
                self._park(message, asker)
            else:
                self._refuse(message.ask_id, asker, now)
        elif self.waiting or not self._has_room(now):
            self._park(message, asker)
        else:
            self._grant(message.ask_id, asker, now)

    def _park(self, message: Ask, asker: Asker) -> None:
        self.waiting[message.ask_id] = (asker, message.wait)
        asker.answer(Parked(message.ask_id))

    def _refuse(self, ask_id: str, asker: Asker, now: float) -> None:
        left = NEVER if self.state == "forced_open" else max(0.0, self._until - now)
        asker.answer(Refused(ask_id, self.key, left))

    def _grant(self, ask_id: str, asker: Asker, now: float) -> None:
        permit = Permit(self.key, self.epoch, ask_id)
        self.permits[ask_id] = (asker, permit)
        if self.policy.rate is not None:
            self._next_start = max(now, self._next_start) + 1 / self.policy.rate
        if self.state == "half_open":
            self._probes += 1
            if self._probes == 1:
                self._until = now + self.policy.half_open_max_wait_seconds
        asker.answer(Granted(permit))

    @property
    def _is_shut(self) -> bool:
        is_probed = self._probes + self._good_probes >= self.policy.half_open_permits
        return self.state in BARRED or (self.state == "half_open" and is_probed)

    def _has_room(self, now: float, slack: float = 0.0) -> bool:
        limit, rate = self.policy.max_concurrent, self.policy.rate
        at_work = len(self.permits) + len(self.running_on)
        return (limit is None or at_work < limit) and (rate is None or self._next_start + slack <= now)

    def _let_in(self, now: float) -> None:
        """Grant to those who wait, first come first served."""
        while self.waiting and self._may_let_in(now):
            ask_id = next(iter(self.waiting))
            self._grant(ask_id, self.waiting.pop(ask_id)[0], now)

    def _may_let_in(self, now: float, slack: float = 0.0) -> bool:
        return not self._is_shut and self._has_room(now, slack)

    def withdraw(self, message: Withdraw, now: float) -> None:
        """Forget an ask, or take its grant back."""
        if self.waiting.pop(message.ask_id, None) is not None:
            return
        if message.ask_id not in self.permits:
            self._letters.late += 1
        else:
            _, permit = self.permits.pop(message.ask_id)
            self.counts[Verdict.CANCELLED] += 1
            if permit.epoch == self.epoch and self._probes:
                self._probes -= 1
            self._let_in(now)

    # ---- ends -------------------------------------------------------------------------------------------------

    def settle(self, message: Settle, now: float) -> None:
        """Take a permit back, once, and judge by it if it is of this epoch."""
        permit_id = message.permit.id
        if permit_id not in self.permits:
            self._letters.late += 1
            self._let_in(now)
            return
        _, permit = self.permits.pop(permit_id)
        self.counts[message.verdict] += 1
        self._draw = message.jitter
        if message.running and permit_id not in self.ended_early:
            self.running_on.add(permit_id)
        if message.running:
            self.ended_early.discard(permit_id)
        if permit.epoch == self.epoch:
            if self._probes:
                self._probes -= 1
            self._judge(message, now)
        self._let_in(now)

    def _judge(self, message: Settle, now: float) -> None:
        verdict = message.verdict
        if self.state == "half_open":
            if verdict is Verdict.SUCCESS:
                self._good_probes += 1
                if self._good_probes == self.policy.half_open_permits:
                    self._openings = 0
                    self._become("closed", EventType.BREAKER_CLOSED)
            elif verdict in {Verdict.FAILURE, Verdict.LOST}:
                self._open(now)
        elif self.state in {"closed", "metrics_only"} and verdict in {Verdict.SUCCESS, Verdict.FAILURE}:
            self._failures = 0 if verdict is Verdict.SUCCESS else self._failures + 1
            if self._trips(message, now) and self.state == "closed":
                self._open(now)

    def _trips(self, message: Settle, now: float) -> bool:
        """Tell whether this result is one too many."""
        policy, failed = self.policy, message.verdict is Verdict.FAILURE
        if policy.failure_rate is not None or policy.slow_rate is not None:
            slow = policy.slow_call_seconds is not None and message.seconds >= policy.slow_call_seconds
            self._calls = in_window(policy, [*self._calls, Call(now, failed, slow)], now)
            if rates_trip(policy, self._calls):
                return True
        return failed and policy.failures is not None and self._failures >= policy.failures

    def released(self, message: Released, now: float) -> None:
        """Free the share of work that has ended at last."""
        if message.permit.id in self.permits:
            self.ended_early.add(message.permit.id)
        elif message.permit.id in self.running_on:
            self.running_on.discard(message.permit.id)
        else:
            self._letters.late += 1
        self._let_in(now)

    # ---- states -----------------------------------------------------------------------------------------------

    def _open(self, now: float) -> None:
        self._openings += 1
        seconds = open_seconds(self.policy, self._openings, self._draw)
        self._until = now + seconds
        self._become("open", EventType.BREAKER_OPENED, {"seconds": seconds})
        self._turn_away(now)

    def _become(self, state: str, event: EventType, data: Mapping[str, Any] = NO_DATA) -> None:
        self.state = state
        self.epoch += 1
        self._failures = self._probes = self._good_probes = 0
        self._calls = []
        self.facts.append((event, {**data, "epoch": self.epoch}))

    def _turn_away(self, now: float) -> None:
        """Refuse those who will not wait for it to close."""
        if self.state in BARRED:
            for ask_id, (asker, stays) in [*self.waiting.items()]:
                if not stays:
                    del self.waiting[ask_id]
                    self._refuse(ask_id, asker, now)

    def force(self, message: Force, now: float) -> None:
        """Be set by hand."""
        self._openings = 0
        self._become(message.state, EventType.BREAKER_FORCED, {"state": message.state})
        self._turn_away(now)
        self._let_in(now)

    def open_over(self, message: OpenOver, now: float) -> None:
        """Try again, when the time has come."""
        if message.epoch == self.epoch:
            self._in_time(now, "half-open")
            self._become("half_open", EventType.BREAKER_HALF_OPENED)
            self._let_in(now)
        else:
            self._letters.late += 1

    def half_open_over(self, message: HalfOpenOver, now: float) -> None:
        """Open again: a probe has not come back."""
        if message.epoch != self.epoch or not self._probes:
            self._letters.late += 1
        elif now >= self._until:
            self._in_time(now, "open again")
            self.counts[Verdict.LOST] += self._probes
            self._open(now)

    def rate_due(self, _message: RateDue, now: float) -> None:
        """Let the next one start."""
        self._let_in(now)

    def _in_time(self, now: float, what: str) -> None:
        if not self._until - EPSILON <= now <= self._until + EPSILON + self._lateness():
            self._wrong(f"it would be {what} at {now:g} s, not at {self._until:g} s")

    # ---- what is seen -----------------------------------------------------------------------------------------

    def recorded(self, event: Event) -> None:
        """Compare an event with what must come next."""
        self.seq += 1
        if event.seq != self.seq:
            self._wrong(f"{event.type} has seq {event.seq}, expected {self.seq}")
        expected = self.facts.pop(0) if self.facts else None
        if expected != (event.type, event.data):
            self._wrong(f"it recorded {event.type} {dict(event.data)}, expected {expected or 'nothing'}")

    def compare(self) -> None:
        """Compare the real one with this one, after a message."""
        machine = self.actor.machine
        if machine.state != self.state:
            self._wrong(f"it is {machine.state}, and must be {self.state}")
        if self.facts:
            self._wrong(f"it did not record {self.facts[0][0]}")

    def idle(self, now: float, lateness: float) -> None:
        """Look for what should have happened, when nothing is under way."""
        self.compare()
        machine = self.actor.machine
        timed = self.state == "open" or (self.state == "half_open" and self._probes)
        if timed and now > self._until + lateness + EPSILON:
            self._wrong(f"it is still {self.state} at {now:g} s, {now - self._until:g} s too long")
        if self.waiting and self._may_let_in(now, lateness + EPSILON):
            self._wrong(f"'{next(iter(self.waiting))}' waits although there is room")
        if machine.counts != self.counts:
            self._wrong(f"it has counted {machine.counts}, and must have {self.counts}")
        if machine.out.keys() != self.permits.keys() or machine.orphaned.keys() != self.running_on:
            out, on = sorted(machine.out), sorted(machine.orphaned)
            self._wrong(
                f"it counts {out} out and {on} running on, not {sorted(self.permits)} and {sorted(self.running_on)}"
            )
