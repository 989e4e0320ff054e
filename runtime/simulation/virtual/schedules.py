"""Scheduling policies: which message is next; every answer is on the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.errors import DefinitionError
from playbill.runtime.faults.tape import SCALE
from playbill.runtime.simulation.virtual.dispatcher import MAIL, WINDOW

if TYPE_CHECKING:
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.simulation.virtual.dispatcher import Mail, Pick

POLICIES: Final = ("random", "fifo", "pct:<changes>", "exhaustive")
PCT: Final = "pct"
REPORTS: Final = "reports"
"""The tape's lane: by queue, or by call."""
PCT_STEPS: Final = 200
"""Over how many deliveries the changes of priority are spread."""


def picker(policy: str, tape: Tape) -> Pick | None:
    """Return what chooses the next message; None: the dispatcher's own way, at random.

    Raises:
        DefinitionError: there is no such policy.
    """
    name, _, depth = policy.partition(":")
    if name == "fifo" and not depth:
        return lambda _control, _data: 0
    if name == "random" and not depth:
        return None
    if name == "exhaustive" and not depth:
        return _Heads(tape)
    if name == "pct" and depth.isdecimal():
        return Pct(tape, int(depth))
    text = f"unknown policy '{policy}': use one of {', '.join(POLICIES)}"
    raise DefinitionError.single("unknown-policy", "policy", text)


def reports_by_call(tape: Tape) -> bool:
    """Tell whether reports go up at once: in half of the seeds."""
    return tape.choose(REPORTS, 2) == 1


class _Heads:
    """Chooses among the messages that differ: the first of each sender to each receiver, control before data."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def __call__(self, control: list[Mail], data: list[Mail]) -> int:
        """Return the place of the next message."""
        told = {id(mail[0]) for mail in control}
        seen: set[tuple[int, int]] = set()
        places: list[int] = []
        windowed = control[:WINDOW]
        for place, (to, sender, _) in enumerate([*windowed, *data[:WINDOW]]):
            channel = (id(to), id(sender))
            if place >= len(windowed) and id(to) in told:
                continue
            if channel not in seen:
                seen.add(channel)
                places.append(place)
        return places[self._tape.choose(MAIL, len(places))]


class Pct:
    """Serves the receiver of the highest priority; at `changes` random moments that one falls to the lowest.

    Source: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
    Finding Bugs", ASPLOS 2010.
    """

    def __init__(self, tape: Tape, changes: int) -> None:
        self._tape = tape
        self._priorities: dict[object, float] = {}
        self._changes = {tape.choose(PCT, PCT_STEPS) for _ in range(changes)}
        self._step = 0
        self._lowest = 0.0

    def __call__(self, control: list[Mail], data: list[Mail]) -> int:
        """Return the place of the next message."""
        best, place, receiver = -float("inf"), 0, None
        for index, (to, _, _) in enumerate([*control[:WINDOW], *data[:WINDOW]]):
            priority = self._priorities.get(to)
            if priority is None:
                priority = self._priorities[to] = 1.0 + self._tape.choose(PCT, SCALE)
            if priority > best:
                best, place, receiver = priority, index, to
        self._step += 1
        if self._step in self._changes:
            self._lowest -= 1.0
            self._priorities[receiver] = self._lowest
        return place
