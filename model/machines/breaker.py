"""The breaker machine: gives attempts of one node type their permits, by a circuit for each target they depend on.

Told by: nodes (Ask, Withdraw, Settle), runners (Released), users (Force), its timers. Tells: nodes.

Rules:

1. One grant covers concurrency, rate and circuit; a shortage of concurrency or rate parks. Of those who wait, the one
   that came first and that the breaker's limits and its own circuit let in goes first.
2. What the policy limits it limits for all circuits together; a circuit with a policy of its own has its limits, too.
3. A circuit that cannot be told from a new one is forgotten; at most 1,024 are kept: more share the type's own.
4. A permit is settled exactly once; the answer says counted, stale or duplicate. The share of work that goes on after
   that stays taken until the work ends.
5. What is set by hand for the type holds for all its circuits, later ones too.
6. One that comes back after a restart has its states and what is left of its open times; what it counts begins anew.

Here are what it is told, and the table; how it grants is in the base, and when a circuit opens in circuit.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.model.effects import Timer
from playbill.model.events import EventType
from playbill.model.facts import Verdict
from playbill.model.machines.breaker_base import CLOSED, BreakerBase, BreakerState
from playbill.model.machines.capacity import Capacity
from playbill.model.machines.circuit_state import FORCED, CircuitState, Report
from playbill.model.machines.machine import row, table
from playbill.model.messages import (
    Ask,
    AskAgain,
    Follow,
    Force,
    Granted,
    HalfOpenOver,
    OpenOver,
    RateDue,
    Released,
    Remember,
    Settle,
    Withdraw,
)

if TYPE_CHECKING:
    from playbill.model.effects import Outbox
    from playbill.model.facts import Now, Permit
    from playbill.model.machines.circuit import CircuitMachine


class BreakerMachine(BreakerBase):
    """One breaker, with a circuit for each target."""

    # ---- asks -------------------------------------------------------------------------------------------------

    def ask(self, message: Ask, now: Now, out: Outbox) -> Permit | None:
        """Grant; park behind those who came before; or refuse who would rather fail than wait.

        Returns the permit of who takes it at once; whoever waits is told later.
        """
        circuit = self.circuits.get(message.target) or self.circuit(message.target, now)
        if circuit.state is not CLOSED and not circuit.receive(message, now, out):
            if message.wait:
                self._park(circuit, message, out)
            else:
                self._refuse(circuit, message, now, out)
        elif self.lines:
            self._park(circuit, message, out)
            self._drain(now, out)
        elif (self.limits is None and circuit.limits is None) or self._has_room(circuit, now, out):
            permit = self._give(circuit, message, now, out)
            if message.at_once:
                return permit
            out.tell(message.reply_to, Granted(permit))
        else:
            self._park(circuit, message, out)
        return None

    def withdraw(self, message: Withdraw, now: Now, out: Outbox) -> None:
        """Forget a waiter; a grant that is on its way comes back as cancelled."""
        if message.ask_id in self.parked:
            self._rest(self._unpark(message.ask_id), now)
            return
        permit = self.out.pop(message.ask_id, None)
        if permit is None:
            out.dead_letter(message)
            return
        self.counts[Verdict.CANCELLED] += 1
        circuit = self._free(permit)
        circuit.take_back(permit.epoch)
        self._go_on(circuit, now, out)

    # ---- ends -------------------------------------------------------------------------------------------------

    def settle(self, message: Settle, now: Now, out: Outbox) -> Report:
        """Take a permit back, once, and let its circuit judge by it."""
        circuit = self._take(message)
        if circuit is None:
            out.dead_letter(message)
            return Report.DUPLICATE
        self.counts[message.verdict] += 1
        circuit.draw = message.jitter
        report: Report = circuit.actions[Settle](circuit, message, now, out)  # as for asks
        if self.lines or circuit.target:
            self._go_on(circuit, now, out)
        return report

    def _take(self, message: Settle) -> CircuitMachine | None:
        """Take a permit back; its share stays if its work goes on and nobody has told of the work's end yet."""
        permit = self.out.pop(message.permit.id, None)
        if permit is None:
            return None
        circuit = self.circuits[permit.target]
        if message.running and permit.id not in self.released_early:
            self.orphaned[permit.id] = permit
            return circuit
        if self.released_early:
            self.released_early.discard(permit.id)
        circuit.at_work -= 1
        return circuit

    def released(self, message: Released, now: Now, out: Outbox) -> None:
        """Free the share of an orphan that has ended."""
        permit_id = message.permit.id
        if permit_id in self.out:
            self.released_early.add(permit_id)
        elif permit_id in self.orphaned:
            self._go_on(self._free(self.orphaned.pop(permit_id)), now, out)
        else:
            out.dead_letter(message)

    # ---- timers and hands ---------------------------------------------------------------------------------------

    def rate_due(self, message: RateDue, now: Now, out: Outbox) -> None:
        """Let the next one start."""
        self._drain(now, out)

    def time_over(self, message: OpenOver | HalfOpenOver, now: Now, out: Outbox) -> None:
        """Tell the circuit whose time is over, if it is there."""
        circuit = self.circuits.get(message.target)
        if circuit is None:
            out.dead_letter(message)
            return
        self.counts[Verdict.LOST] += circuit.receive(message, now, out) or 0
        self._go_on(circuit, now, out)

    def force(self, message: Force, now: Now, out: Outbox) -> None:
        """Set one circuit by hand, or all, later ones too.

        Raises:
            InternalError: there is no such state to set.
        """
        of_all, named = message.target is None, message.target or ""
        circuits = [*self.circuits.values()] if of_all else [self.circuit(named, now, is_named=True)]
        for circuit in circuits:
            circuit.receive(message, now, out)
        if of_all:
            self.forced = CircuitState(message.state)
        for circuit in circuits:
            self._go_on(circuit, now, out)

    def _go_on(self, circuit: CircuitMachine, now: Now, out: Outbox) -> None:
        """Do what follows from a change of `circuit`, or from room that was made."""
        if circuit.line:
            self._refuse_waiting(circuit, now, out)
        if self.lines:
            self._drain(now, out)
        if circuit.target:
            self._rest(circuit, now)

    # ---- restarts ---------------------------------------------------------------------------------------------

    def remember(self, message: Remember, now: Now, out: Outbox) -> None:
        """Be what the breaker was, in new epochs; its windows and counts are empty, and nobody is at work."""
        past = message.past
        self.ledger.epoch = past.epoch
        self.forced = CircuitState(past.forced)
        for target, circuit in past.standing.items():
            self.circuit(target, now, is_named=True).remember(circuit, now, out)
            self.opened_by[target] = circuit.policy

    def follow(self, message: Follow, now: Now, out: Outbox) -> None:
        """Have the policies of who uses it first, and record whose circuit opened by another one."""
        if message.policy != self.policy:
            self.policy = message.policy
            self.limits = None if self.policy.is_unlimited else Capacity(self.policy)
            for circuit in self.circuits.values():
                if circuit.target not in self.targets:
                    circuit.judge_by(self.policy, self.failures)
        self.know(message.targets)
        opened_by, self.opened_by = self.opened_by, {}
        for target, before in opened_by.items():
            known = self.circuits.get(target)
            if known is not None and known.state is CircuitState.OPEN:
                known.reconsider(before, now, out)

    # ---- faults -----------------------------------------------------------------------------------------------

    def restart(self, message: object, error: str, now: Now, out: Outbox) -> None:
        """Begin the circuit afresh, closed, that broke over `message`; what was set by hand stays.

        Those who wait at it ask again. What the message said of a share still holds; whoever is at work keeps theirs.
        """
        self._take_in(message)
        target = self._target_of(message)
        old = self.circuits.get(target, self.own)
        fresh = self._new_circuit(old.target)
        fresh.epoch, fresh.at_work, fresh.limits = self.ledger.next_epoch(), old.at_work, old.limits
        if old.state in FORCED and old.state is not CLOSED:
            fresh.become(old.state)
        self.circuits[old.target] = fresh
        if old is self.own:
            self.own = fresh
        for name in (Timer.OPEN, Timer.HALF_OPEN):
            out.drop_timer((name, old.target))
        data: dict[str, Any] = {"epoch": fresh.epoch, "error": error}
        if fresh.state is not CLOSED:
            data["state"] = str(fresh.state)
        self.ledger.record(EventType.BREAKER_RESET, old.target, now, out, data)
        for _, ask in [*old.line.values()]:
            self._unpark(ask.ask_id)
            out.tell(ask.reply_to, AskAgain(ask.ask_id))

    def _take_in(self, message: object) -> None:
        """Let no share be lost with a message."""
        if isinstance(message, Settle):
            self._take(message)
        elif isinstance(message, Released) and message.permit.id in self.orphaned:
            self._free(self.orphaned.pop(message.permit.id))
        elif isinstance(message, Released) and message.permit.id in self.out:
            self.released_early.add(message.permit.id)
        elif isinstance(message, Withdraw) and message.ask_id in self.parked:
            self._unpark(message.ask_id)
        elif isinstance(message, Withdraw) and message.ask_id in self.out:
            self._free(self.out.pop(message.ask_id))

    def _target_of(self, message: object) -> str:
        if isinstance(message, Settle | Released):
            return message.permit.target
        return getattr(message, "target", None) or ""  # a withdrawal has none, and breaks at the type's own

    SERVING = BreakerState.SERVING
    TRANSITIONS = table(
        {
            SERVING: [
                row(Ask, ask),
                row(Withdraw, withdraw),
                row(Settle, settle),
                row(Released, released),
                row(Force, force),
                row(Remember, remember),
                row(Follow, follow),
                row(OpenOver, time_over),
                row(HalfOpenOver, time_over),
                row(RateDue, rate_due),
            ],
        }
    )
