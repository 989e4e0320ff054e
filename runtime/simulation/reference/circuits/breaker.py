"""A plain circuit breaker: what each answer must be, told the same as the real one.

It counts shares by looking through the permits that are out, and finds who goes first among all who wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.events import EventType
from playbill.model.facts import Permit, Verdict
from playbill.model.messages import AskAgain, Granted, Parked, Refused, Released, Settle, Withdraw
from playbill.runtime.simulation.reference.circuits.circuit import BARRED, PlainCircuit
from playbill.runtime.simulation.reference.circuits.ground import BreakerGround

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.messages import Ask, Force, HalfOpenOver, OpenOver, RateDue
    from playbill.runtime.simulation.reference.circuits.ground import Asker

BY_HAND: Final = frozenset({"forced_open", "disabled", "metrics_only"})


class PlainBreaker(BreakerGround):
    """The plain model of one breaker."""

    # ---- asks -------------------------------------------------------------------------------------------------

    def ask(self, message: Ask, asker: Asker, now: float) -> Permit | None:
        """Grant, park or refuse; return the permit of who takes it at once."""
        circuit = self.circuits.get(message.target) or self._circuit(message.target)
        is_shut = circuit.is_shut
        if is_shut and not message.wait:
            self._refuse(circuit, message, asker, now)
        elif is_shut or self.waiting or not self._has_room(circuit, now):
            self.waiting[message.ask_id] = (message, asker)
            asker.answer(Parked(message.ask_id))
            if not is_shut:
                self._let_in(now)
        else:
            permit = self._give(circuit, message, asker, now)
            if message.at_once:
                return permit
            asker.answer(Granted(permit))
        return None

    def _refuse(self, circuit: PlainCircuit, ask: Ask, asker: Asker, now: float) -> None:
        last = circuit.last_failure
        key = f"{self.key}/{circuit.target}" if circuit.target else self.key
        asker.answer(Refused(ask.ask_id, key, circuit.retry_after(now), "" if last is None else last.brief))

    def _give(self, circuit: PlainCircuit, ask: Ask, asker: Asker, now: float) -> Permit:
        key = f"{self.key}/{circuit.target}" if circuit.target else self.key
        permit = Permit(key, circuit.epoch, ask.ask_id, circuit.target)
        self.permits[ask.ask_id] = (asker, permit)
        own = self._own_policy(circuit) if circuit.target else None
        if self.policy.rate is not None:
            self._next_start = max(now, self._next_start) + 1 / self.policy.rate
        if own is not None and own.rate is not None:
            circuit.next_start = max(now, circuit.next_start) + 1 / own.rate
        circuit.granted(now)
        return permit

    def _let_in(self, now: float) -> None:
        while (ask := self._first(now)) is not None:
            _, asker = self.waiting.pop(ask.ask_id)
            asker.answer(Granted(self._give(self.circuits[ask.target], ask, asker, now)))

    def withdraw(self, message: Withdraw, now: float) -> None:
        """Forget an ask, or take its grant back."""
        if message.ask_id in self.waiting:
            ask, _ = self.waiting.pop(message.ask_id)
            self._forget(self.circuits[ask.target], now)
        elif message.ask_id in self.permits:
            _, permit = self.permits.pop(message.ask_id)
            self.counts[Verdict.CANCELLED] += 1
            self.circuits[permit.target].given_back(permit)
            self._go_on(self.circuits[permit.target], now)
        else:
            self.books.letters.late += 1

    # ---- ends -------------------------------------------------------------------------------------------------

    def settle(self, message: Settle, now: float) -> None:
        """Take a permit back, once, and judge by it if it is of this epoch."""
        if message.permit.id not in self.permits:
            self.books.letters.late += 1
            return
        permit = self._take(message)
        self.counts[message.verdict] += 1
        circuit = self.circuits[permit.target]
        circuit.draw = message.jitter
        if permit.epoch == circuit.epoch:
            circuit.judge(message, now)
        self._go_on(circuit, now)

    def _take(self, message: Settle) -> Permit:
        _, permit = self.permits.pop(message.permit.id)
        if message.running and permit.id not in self.ended_early:
            self.running_on[permit.id] = permit
        self.ended_early.discard(permit.id)
        return permit

    def released(self, message: Released, now: float) -> None:
        """Free the share of work that has ended at last."""
        if message.permit.id in self.permits:
            self.ended_early.add(message.permit.id)
        elif message.permit.id in self.running_on:
            self._go_on(self.circuits[self.running_on.pop(message.permit.id).target], now)
        else:
            self.books.letters.late += 1

    def _go_on(self, circuit: PlainCircuit, now: float) -> None:
        """Do what must follow from a change of a circuit."""
        if circuit.state in BARRED:
            for ask, asker in [*self.waiting.values()]:
                if ask.target == circuit.target and not ask.wait:
                    del self.waiting[ask.ask_id]
                    self._refuse(circuit, ask, asker, now)
        if self.waiting:
            self._let_in(now)
        if circuit.target:
            self._forget(circuit, now)

    # ---- states -----------------------------------------------------------------------------------------------

    def force(self, message: Force, now: float) -> None:
        """Be set by hand, all or one."""
        circuits = [*self.circuits.values()] if message.target is None else [self._circuit(message.target)]
        for circuit in circuits:
            circuit.force(message.state)
        if message.target is None:
            self.forced = message.state
        for circuit in circuits:
            self._go_on(circuit, now)

    def open_over(self, message: OpenOver, now: float) -> None:
        """Let the circuit of the target try again."""
        self._time_over(message, PlainCircuit.open_over, now)

    def half_open_over(self, message: HalfOpenOver, now: float) -> None:
        """Let the circuit of the target open again."""
        self._time_over(message, PlainCircuit.half_open_over, now)

    def _time_over(self, message: Any, row: Callable[[PlainCircuit, Any, float], int], now: float) -> None:
        circuit = self.circuits.get(message.target)
        if circuit is None:
            self.books.letters.late += 1
        else:
            self.counts[Verdict.LOST] += row(circuit, message, now)
            self._go_on(circuit, now)

    def rate_due(self, _message: RateDue, now: float) -> None:
        """Let the next one start."""
        self._let_in(now)

    def fails(self, message: Any) -> None:
        """Hear that the real one fails over a message: its circuit begins afresh, and no share is lost."""
        target = self._target_of(message)
        if isinstance(message, Settle) and message.permit.id in self.permits:
            self._take(message)
        elif isinstance(message, Released) and message.permit.id in self.permits:
            self.ended_early.add(message.permit.id)
        elif isinstance(message, Released):
            self.running_on.pop(message.permit.id, None)
        elif isinstance(message, Withdraw):
            self.waiting.pop(message.ask_id, None)
            self.permits.pop(message.ask_id, None)
        old = self.circuits.get(target) or self.circuits[""]
        self.books.epoch += 1
        state = old.state if old.state in BY_HAND else "closed"
        fresh = self.circuits[old.target] = self._new_circuit(old.target, state)
        fresh.next_start = old.next_start
        for ask, asker in [*self.waiting.values()]:
            if ask.target == old.target:
                del self.waiting[ask.ask_id]
                asker.answer(AskAgain(ask.ask_id))
        about = {"target": old.target} if old.target else {}
        by_hand = {"state": state} if state != "closed" else {}
        self.books.facts.append((EventType.BREAKER_RESET, {"epoch": fresh.epoch, **by_hand, **about}))

    def _target_of(self, message: Any) -> str:
        if isinstance(message, Settle | Released):
            return message.permit.target
        return getattr(message, "target", None) or ""
