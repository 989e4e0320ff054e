"""Coverage: which machine received which message in which state, of all that the tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit import CircuitMachine
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.salvage import SalvageMachine
from playbill.model.machines.supervisor import SupervisorMachine

if TYPE_CHECKING:
    from collections.abc import Iterable

Pair = tuple[str, str, str]
"""A machine's class, its state, and the message it received there."""
Sight = tuple[int, type]
"""The same, as it is noted for each message: by the identity of what is done there (see PLACES)."""
MACHINES: Final = (SupervisorMachine, SalvageMachine, NodeMachine, BreakerMachine, CircuitMachine)
PLACES: Final = {
    id(actions): (machine.__name__, str(state)) for machine in MACHINES for state, actions in machine.ACTIONS.items()
}
"""Machine and state by the identity of what is done there: the cheapest thing to note for each message."""


def all_pairs() -> set[Pair]:
    """Return all pairs of the machines' tables."""
    return {
        (machine.__name__, state, message.__name__)
        for machine in MACHINES
        for state, rows in machine.TRANSITIONS.items()
        for message in rows
    }


def unreached(seen: set[Pair]) -> dict[str, list[str]]:
    """Return, by machine, the states that nobody was in."""
    been = {(machine, str(state)) for machine, state, _ in seen}
    return {
        machine.__name__: [
            str(s) for s, rows in machine.TRANSITIONS.items() if rows and (machine.__name__, str(s)) not in been
        ]
        for machine in MACHINES
    }


def pairs_of(seen: Iterable[Sight]) -> set[Pair]:
    """Return which machine received what in which state."""
    return {(*PLACES[place], told.__name__) for place, told in seen}
