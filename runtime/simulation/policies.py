"""Scheduling policies: which mailbox is served next; every answer is on the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.errors import DefinitionError
from playbill.runtime.tape import SCALE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.runtime.dispatchers.seeded import Mailbox
    from playbill.runtime.tape import Tape

POLICIES: Final = ("random", "fifo", "pct:<changes>", "exhaustive")
MAILBOX: Final = "mailbox"
PCT: Final = "pct"
PCT_STEPS: Final = 200
"""Over how many deliveries the changes of priority are spread."""


def picker(policy: str, tape: Tape) -> Callable[[list[Mailbox]], int]:
    """Return what chooses among mailboxes with mail.

    Raises:
        DefinitionError: there is no such policy.
    """
    name, _, depth = policy.partition(":")
    if name == "fifo" and not depth:
        return lambda ready: 0
    if name in {"random", "exhaustive"} and not depth:
        choose = tape.choose
        return lambda ready: choose(MAILBOX, len(ready))
    if name == "pct" and depth.isdecimal():
        return Pct(tape, int(depth))
    text = f"unknown policy '{policy}': use one of {', '.join(POLICIES)}"
    raise DefinitionError.single("unknown-policy", "policy", text)


class Pct:
    """Serves the mailbox of the highest priority; at `changes` random moments that one falls to the lowest.

    Source: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
    Finding Bugs", ASPLOS 2010.
    """

    def __init__(self, tape: Tape, changes: int) -> None:
        self._tape = tape
        self._priorities: dict[object, float] = {}
        self._changes = {tape.choose(PCT, PCT_STEPS) for _ in range(changes)}
        self._step = 0
        self._lowest = 0.0

    def __call__(self, ready: list[Mailbox]) -> int:
        """Return the place of the mailbox to serve."""
        best, place = -float("inf"), 0
        for index, box in enumerate(ready):
            priority = self._priorities.get(box.to)
            if priority is None:
                priority = self._priorities[box.to] = 1.0 + self._tape.choose(PCT, SCALE)
            if priority > best:
                best, place = priority, index
        self._step += 1
        if self._step in self._changes:
            self._lowest -= 1.0
            self._priorities[ready[place].to] = self._lowest
        return place
