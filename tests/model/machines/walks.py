"""Random walks through a machine's table: what it did with every message in every state it came to."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from playbill.model.errors import InternalError
from playbill.model.machines.machine import Machine, Table
from playbill.model.messages import Cancel, DeadlineReached, Interrupt, Skip, Stop, StopOverdue, TotalOverdue
from playbill.model.plan import RunFacts
from tests.model.machines.recorder import Recorder, at

ENDING = {Stop, Interrupt, Skip, TotalOverdue, Cancel, DeadlineReached, StopOverdue}
"""What ends most walks."""
PERMITS = 0.3
"""How likely a breaker gives a permit at once."""
Pair = tuple[StrEnum, type]


@dataclass
class Walked:
    """What the walks saw."""

    reached: dict[Pair, set[StrEnum]] = field(default_factory=lambda: defaultdict(set))
    """The states a message led to, by the state it came in."""
    refused: set[Pair] = field(default_factory=set)
    """The pairs that raised InternalError and changed nothing."""
    changed_by_refusal: set[Pair] = field(default_factory=set)
    late: set[Pair] = field(default_factory=set)
    """The pairs that only counted a dead letter."""


def walk(
    makers: Iterable[Callable[[], Machine[Any]]],
    messages: Callable[[Machine[Any], random.Random, float], Iterator[Any]],
    *,
    walks: int = 400,
    steps: int = 25,
) -> Walked:
    """Walk each machine that `makers` make, over messages drawn from `messages(machine, rng, time)`."""
    seen, rng = Walked(), random.Random(7)
    for maker in makers:
        for _ in range(walks):
            machine, now = maker(), 0.0
            for _ in range(steps):
                now += rng.choice((0.0, 0.5, 3.0))
                message = _choose(machine, [*messages(machine, rng, now)], rng)
                _receive(machine, message, now, seen, gives=rng.random() < PERMITS)
    return seen


def _choose(machine: Machine[Any], messages: list[Any], rng: random.Random) -> Any:
    """Draw a message; mostly one that does something and ends nothing, so that walks come far."""
    rows = machine.TRANSITIONS[machine.state]
    doing = [message for message in messages if type(message) in rows and not rows[type(message)].late]
    going_on = [message for message in doing if type(message) not in ENDING]
    return rng.choice(rng.choices((going_on or doing or messages, doing or messages, messages), (6, 1, 3))[0])


def _receive(machine: Machine[Any], message: Any, now: float, seen: Walked, *, gives: bool) -> None:
    state = machine.state
    out: Any = Recorder()
    out.gives = gives
    pair = (state, type(message))
    before = snapshot(machine) if type(message) not in machine.TRANSITIONS[state] else None
    try:
        machine.receive(message, at(now), out)
    except InternalError:
        seen.refused.add(pair)
        if snapshot(machine) != before or out.calls:
            seen.changed_by_refusal.add(pair)
    else:
        seen.reached[pair].add(machine.state)
        if [call[0] for call in out.calls] == ["dead_letter"]:
            seen.late.add(pair)


def snapshot(machine: Machine[Any]) -> dict[str, str]:
    """Write down all that a machine holds, but for the plan: no machine changes it, and it takes long to write."""
    names = {slot for cls in type(machine).__mro__ for slot in getattr(cls, "__slots__", ())}
    names |= vars(machine).keys() if hasattr(machine, "__dict__") else set()
    held = {name: getattr(machine, name) for name in names - {"actions", "plan", "facts"} if hasattr(machine, name)}
    return {name: repr(value) for name, value in held.items() if not isinstance(value, RunFacts)}


def pairs(table: Table, messages: Iterable[type]) -> list[tuple[StrEnum, type]]:
    """Every state with every message of the machine's table, legal or not."""
    return [(state, message) for state in table for message in messages]


def expected(table: Table, state: StrEnum, message: type) -> set[StrEnum] | None:
    """Return where the table says a message leads; None: it is refused."""
    row = table[state].get(message)
    if row is None:
        return None
    return set(row.to) or {state}
