"""What a plain breaker holds: its circuits, who is out and who waits; and how it is compared with the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from playbill.model.facts import Permit, Verdict
from playbill.runtime.simulation.reference.attempt import EPSILON
from playbill.runtime.simulation.reference.circuits.circuit import Books, PlainCircuit

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.actors.breaker import BreakerActor
    from playbill.model.events import Event
    from playbill.model.messages import Ask
    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.simulation.reference.node_ground import Letters


class Asker(Protocol):
    """Who asks for permits."""

    def answer(self, message: Any) -> None:
        """Hear what the breaker must answer."""


class BreakerGround:
    """What one breaker and its circuits hold.

    Args:
        actor: the real one.
        wrong: is told what does not fit.
        lateness: gives the seconds by which faults have made timers and messages late, in all.
        letters: counts the messages that come too late.
    """

    def __init__(
        self, actor: BreakerActor, wrong: Callable[[str], None], lateness: Callable[[], float], letters: Letters
    ) -> None:
        self.actor = actor
        machine = actor.machine
        self.key: str = machine.key
        self.policy: BreakerPolicy = machine.policy
        self.books = Books(machine.ledger.epoch, wrong, lateness, letters)
        self.seq = machine.ledger.seq
        self.circuits = {"": self._new_circuit("")}
        self.forced = "closed"
        """What was set by hand for all."""
        self.waiting: dict[str, tuple[Ask, Asker]] = {}
        """Who was parked, by ask, first come first."""
        self.permits: dict[str, tuple[Asker, Permit]] = {}
        """Those that are out."""
        self.running_on: dict[str, Permit] = {}
        """Settled, but their work goes on."""
        self.ended_early: set[str] = set()
        self.counts = dict.fromkeys(Verdict, 0)
        """How attempts have ended."""
        self._next_start = 0.0
        """When the rate lets the next one start."""

    # ---- circuits and limits --------------------------------------------------------------------------------------

    def _new_circuit(self, target: str, state: str = "closed") -> PlainCircuit:
        machine = self.actor.machine
        policy = machine.targets.get(target, self.policy)
        return PlainCircuit(self.books, target, policy, machine.failures, state)

    def _circuit(self, target: str) -> PlainCircuit:
        if target not in self.circuits:
            self.circuits[target] = self._new_circuit(target, self.forced)
        return self.circuits[target]

    def _own_policy(self, circuit: PlainCircuit) -> BreakerPolicy | None:
        return self.actor.machine.targets.get(circuit.target) if circuit.target else None

    def _at_work(self, target: str | None) -> int:
        """Count who has a permit or works on: at all, or for one target."""
        if target is None:
            return len(self.permits) + len(self.running_on)
        out = [permit for _, permit in self.permits.values()]
        return sum(permit.target == target for permit in [*out, *self.running_on.values()])

    def _has_room(self, circuit: PlainCircuit, now: float, slack: float = 0.0) -> bool:
        own = self._own_policy(circuit) if circuit.target else None
        has_room = self._is_within(self.policy, None, self._next_start + slack, now)
        return has_room and (own is None or self._is_within(own, circuit.target, circuit.next_start + slack, now))

    def _is_within(self, policy: BreakerPolicy, target: str | None, next_start: float, now: float) -> bool:
        """Tell whether a policy's limits let one more begin, of all or for one target."""
        is_free = policy.max_concurrent is None or self._at_work(target) < policy.max_concurrent
        return is_free and (policy.rate is None or next_start <= now)

    def _forget(self, circuit: PlainCircuit, now: float) -> None:
        """Forget a circuit that was touched and is like a new one."""
        waits = any(ask.target == circuit.target for ask, _ in self.waiting.values())
        in_use = waits or self._at_work(circuit.target) or circuit.next_start > now
        if circuit.target and circuit.state == self.forced and circuit.is_like_new and not in_use:
            self.circuits.pop(circuit.target, None)

    def _first(self, now: float, slack: float = 0.0) -> Ask | None:
        """Find the one who came first of those who may go."""
        for ask, _ in self.waiting.values():
            circuit = self.circuits[ask.target]
            if not circuit.is_shut and self._has_room(circuit, now, slack):
                return ask
        return None

    # ---- what is seen -----------------------------------------------------------------------------------------

    def recorded(self, event: Event) -> None:
        """Compare an event with what must come next; the text of an error is nobody's rule."""
        self.seq += 1
        if event.seq != self.seq:
            self.books.wrong(f"{event.type} has seq {event.seq}, expected {self.seq}")
        facts = self.books.facts
        expected = facts.pop(0) if facts else None
        said = {name: value for name, value in event.data.items() if name != "error"}
        if expected != (event.type, said):
            self.books.wrong(f"it recorded {event.type} {dict(event.data)}, expected {expected or 'nothing'}")

    @property
    def is_different(self) -> bool:
        """Whether the real one has not done what it must."""
        real, circuits = self.actor.machine.circuits, self.circuits
        if self.books.facts or len(real) != len(circuits):
            return True
        for target, circuit in circuits.items():
            its = real.get(target)
            if its is None or its.state != circuit.state:
                return True
        return False

    def compare(self) -> None:
        """Compare the real one with this one, after a message."""
        real = self.actor.machine.circuits
        if self.books.facts:
            self.books.wrong(f"it did not record {self.books.facts[0][0]}")
        if real.keys() != self.circuits.keys():
            self.books.wrong(f"it has circuits of {sorted(real)}, and must have of {sorted(self.circuits)}")
            return
        for target, circuit in self.circuits.items():
            if real[target].state != circuit.state:
                self.books.wrong(f"{target or 'it'} is {real[target].state}, and must be {circuit.state}")

    def idle(self, now: float, lateness: float) -> None:
        """Look for what should have happened, when nothing is under way."""
        if self.is_different:
            self.compare()
        machine, wrong = self.actor.machine, self.books.wrong
        for circuit in self.circuits.values():
            if circuit.state != "closed":
                circuit.check_time(now, lateness)
        if self.waiting and (ask := self._first(now, lateness + EPSILON)) is not None:
            wrong(f"'{ask.ask_id}' waits although there is room")
        if machine.counts != self.counts:
            wrong(f"it has counted {machine.counts}, and must have {self.counts}")
        if machine.out.keys() != self.permits.keys() or machine.orphaned.keys() != self.running_on.keys():
            out, on = sorted(machine.out), sorted(machine.orphaned)
            wrong(
                f"it counts {out} out and {on} running on, not {sorted(self.permits)} and {sorted(self.running_on)}"
            )
