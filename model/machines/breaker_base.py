"""What a breaker holds: its circuits, the permits that are out, who waits; and how it grants, parks and refuses."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.facts import Permit, Verdict
from playbill.model.machines.capacity import Capacity
from playbill.model.machines.circuit import CircuitMachine
from playbill.model.machines.circuit_state import CircuitState, Ledger
from playbill.model.machines.machine import Machine
from playbill.model.messages import Granted, Parked, RateDue, Refused
from playbill.model.targets import FAILURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.effects import Outbox
    from playbill.model.facts import Now
    from playbill.model.messages import Ask
    from playbill.model.policies import BreakerPolicy

MOST_CIRCUITS: Final = 1024
"""Of one breaker, besides the type's own."""
# Bound once, see machine.py.
HALF_OPEN: Final = CircuitState.HALF_OPEN
CLOSED: Final = CircuitState.CLOSED
FOREVER: Final = float("inf")


class BreakerState(StrEnum):
    """A breaker has one; its circuits have theirs."""

    SERVING = "serving"


class BreakerBase(Machine[BreakerState]):
    """What a breaker holds, and how it gives it out.

    Args:
        key: the node type, or the name given by hand.
        policy: its limits, and when its circuits open.
        targets: the policies of circuits that have their own.
        failures: how many in a row open a circuit whose policy does not say; None: none do.
    """

    INITIAL = BreakerState.SERVING

    own: CircuitMachine
    """The type's own circuit: of all that names no target, or one too many."""
    circuits: dict[str, CircuitMachine]
    """By target."""
    forced: CircuitState = CLOSED
    """What was set by hand for all circuits; closed: nothing."""
    out: dict[str, Permit]
    """Permits not settled, by id."""
    orphaned: dict[str, Permit]
    """Permits settled whose work goes on: they keep their share of the concurrency."""
    released_early: set[str]
    """Permits whose runner has told of the work's end before their node gave it up."""
    parked: dict[str, CircuitMachine]
    """Where an ask waits, by its id."""
    lines: dict[str, CircuitMachine]
    """The circuits that somebody waits at, by target."""
    opened_by: dict[str, Mapping[str, Any]]
    """Of circuits that have come back: the policy by which each opened, until somebody uses it."""
    counts: dict[Verdict, int]
    """How permits were settled."""
    _places: int = 0

    def __init__(
        self,
        key: str,
        policy: BreakerPolicy,
        targets: Mapping[str, BreakerPolicy] | None = None,
        *,
        failures: int | None = FAILURES,
    ) -> None:
        self.key = key
        self.policy = policy
        self.targets = dict(targets or {})
        self.failures = failures
        self.ledger = Ledger(key)
        self.limits = None if policy.is_unlimited else Capacity(policy)
        self.own = CircuitMachine(self.ledger, "", policy, failures)
        self.circuits = {"": self.own}
        self.out = {}
        self.orphaned = {}
        self.released_early = set()
        self.parked = {}
        self.lines = {}
        self.opened_by = {}
        self.counts = dict.fromkeys(Verdict, 0)

    # ---- circuits ---------------------------------------------------------------------------------------------

    def circuit(self, target: str, now: Now, *, is_named: bool = False) -> CircuitMachine:
        """Return the circuit of `target`, made if it is the first to ask, or the type's own if there are too many.

        Those that somebody has named, by a policy or now by hand (`is_named`), are made beyond the bound, too.
        """
        found = self.circuits.get(target)
        if found is not None:
            return found
        if len(self.circuits) > MOST_CIRCUITS and not (is_named or target in self.targets):
            self._make_room(now)
            if len(self.circuits) > MOST_CIRCUITS:
                return self.own
        made = self.circuits[target] = self._new_circuit(target)
        if self.forced is not CLOSED:
            made.become(self.forced)
        return made

    def know(self, targets: Mapping[str, BreakerPolicy]) -> None:
        """Take the policies of circuits that have their own; for circuits there are, they hold from now on."""
        for target, policy in targets.items():
            if self.targets.get(target) != policy:
                self.targets[target] = policy
                circuit = self.circuits.get(target)
                if circuit is not None:
                    circuit.follow(policy, self.failures)

    def _new_circuit(self, target: str) -> CircuitMachine:
        circuit = CircuitMachine(self.ledger, target, self.policy, self.failures)
        if (policy := self.targets.get(target)) is not None:
            circuit.follow(policy, self.failures)
        return circuit

    def _make_room(self, now: Now) -> None:
        for circuit in [circuit for circuit in self.circuits.values() if circuit.target]:
            if circuit.state is self.forced and circuit.is_idle(now.monotonic):
                del self.circuits[circuit.target]

    def _rest(self, circuit: CircuitMachine, now: Now) -> None:
        """Forget a circuit that a new one would be no different from; a window remembers its successes, too."""
        if (
            circuit.target
            and not circuit.at_work
            and circuit.state is self.forced
            and not circuit.windowed
            and circuit.is_idle(now.monotonic)
        ):
            self.circuits.pop(circuit.target, None)

    # ---- giving permits ------------------------------------------------------------------------------------------

    def _has_room(self, circuit: CircuitMachine, now: Now, out: Outbox) -> bool:
        """Tell whether its breaker's limits and its own let a start through now."""
        return self._is_free(now, out) and _lets_start(circuit.limits, circuit.at_work, circuit.target, now, out)

    def _is_free(self, now: Now, out: Outbox) -> bool:
        """Tell whether the limits of all circuits together let a start through now."""
        return _lets_start(self.limits, len(self.out) + len(self.orphaned), "", now, out)

    def _give(self, circuit: CircuitMachine, ask: Ask, now: Now, out: Outbox) -> Permit:
        permit = Permit(circuit.key, circuit.epoch, ask.ask_id, circuit.target)
        self.out[ask.ask_id] = permit
        circuit.at_work += 1
        if self.limits is not None:
            self.limits.take(now.monotonic)
        if circuit.limits is not None:
            circuit.limits.take(now.monotonic)
        if circuit.state is HALF_OPEN:
            circuit.probe(now, out)
        return permit

    def _park(self, circuit: CircuitMachine, ask: Ask, out: Outbox) -> None:
        self._places += 1
        circuit.line[ask.ask_id] = (self._places, ask)
        self.lines[circuit.target] = circuit
        self.parked[ask.ask_id] = circuit
        out.tell(ask.reply_to, Parked(ask.ask_id))

    def _unpark(self, ask_id: str) -> CircuitMachine:
        """Take somebody out of the line of a circuit."""
        circuit = self.parked.pop(ask_id)
        del circuit.line[ask_id]
        if not circuit.line:
            del self.lines[circuit.target]
        return circuit

    def _refuse(self, circuit: CircuitMachine, ask: Ask, now: Now, out: Outbox) -> None:
        last = "" if circuit.last_failure is None else circuit.last_failure.brief
        out.tell(ask.reply_to, Refused(ask.ask_id, circuit.key, circuit.retry_after(now.monotonic), last))

    def _refuse_waiting(self, circuit: CircuitMachine, now: Now, out: Outbox) -> None:
        """Tell those who would rather fail than wait that it is open."""
        if circuit.is_barred:
            for _, ask in [*circuit.line.values()]:
                if not ask.wait:
                    self._unpark(ask.ask_id)
                    self._refuse(circuit, ask, now, out)

    def _drain(self, now: Now, out: Outbox) -> None:
        """Grant to those who wait, as far as there is room: of all who may, to the one that came first."""
        while self.lines and self._is_free(now, out):
            first: tuple[int, Ask] | None = None
            for circuit in self.lines.values():
                head = next(iter(circuit.line.values()))
                if (first is None or head[0] < first[0]) and self._lets_in(circuit, head[1], now, out):
                    first = head
            if first is None:
                return
            ask = first[1]
            permit = self._give(self._unpark(ask.ask_id), ask, now, out)
            out.tell(ask.reply_to, Granted(permit))

    def _lets_in(self, circuit: CircuitMachine, ask: Ask, now: Now, out: Outbox) -> bool:
        lets_in: bool = circuit.receive(ask, now, out)
        return lets_in and _lets_start(circuit.limits, circuit.at_work, circuit.target, now, out)

    # ---- taking permits back -----------------------------------------------------------------------------------

    def _free(self, permit: Permit) -> CircuitMachine:
        """Give back the share of a permit whose work has ended."""
        circuit = self.circuits[permit.target]
        circuit.at_work -= 1
        return circuit

    def __repr__(self) -> str:
        own = self.own
        return (
            f"<BreakerMachine {self.key} {own.state} epoch={own.epoch} in_a_row={own.in_a_row}"
            f" out={len(self.out)} waiting={len(self.parked)} targets={len(self.circuits) - 1}>"
        )


def _lets_start(limits: Capacity | None, at_work: int, target: str, now: Now, out: Outbox) -> bool:
    """Tell whether these limits let a start through; if only the rate does not, have it looked at again in time."""
    if limits is None:
        return True
    wait = limits.wait(at_work, now.monotonic)
    if 0 < wait < FOREVER:
        out.set_timer((Timer.RATE, target), wait, RateDue(target))
    return wait == 0
