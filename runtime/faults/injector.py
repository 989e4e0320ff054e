"""The injector: asks the tape which faults of a plan happen, occasion by occasion; and counts those that did.

Rules:

1. An occasion is an attempt, an event, a timer or a message; the faults of its kind are asked in the plan's order,
   and the first that happens is the one.
2. It is drawn how many occasions are spared until the next is hit, not one number an occasion: for all faults of a
   kind together if they may happen at each (chances.py), else for each fault.
3. A buggify site is a fault of our own code: on in a share of the seeds, and then it fires now and then.

Source of the sites: FoundationDB's BUGGIFY.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from playbill.runtime.faults.chances import LANE, Chances, Choice
from playbill.runtime.faults.plan import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape

BUGGIFY: Final = "buggify"
SITES: Final = {
    "journal": Choice("buggify journal-late", Fault(fault="journal_slow", seconds=0.01), 0.1),
    "timer_late": Choice("buggify timer-late", Fault(fault="timer_late", seconds=0.01), 0.1),
    "message_delay": Choice("buggify message-late", Fault(fault="message_delay", seconds=0.01), 0.1),
}
"""The buggify sites, by the kind of occasion: a site that is on fires at one in ten."""


class Odds:
    """One choice, and how many more occasions it spares."""

    __slots__ = ("_chances", "choice", "left", "spared")

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.left = choice.fault.times
        self.spared: int | None = None
        """None: not drawn yet."""
        self._chances = Chances([choice])

    def happens(self, tape: Tape) -> bool:
        """Tell whether it happens at an occasion that is its own."""
        if self.left == 0:
            return False
        if self.spared is None:
            self.spared = self._chances.spares(tape)
        if self.spared:
            self.spared -= 1
            return False
        self.spared = None
        if self.left is not None:
            self.left -= 1
        return True


class Occasions:
    """The occasions of one kind."""

    __slots__ = ("_chances", "_injector", "_kind", "_odds", "calm")

    def __init__(self, injector: Injector, kind: str) -> None:
        self.calm = 0
        """So many more occasions nothing happens for certain; who asks may count down by itself."""
        self._injector = injector
        self._kind = kind
        self._chances: Chances | None = None
        """Of all that may happen; None: not drawn from yet, or each has odds of its own."""
        self._odds: list[Odds] | None = None

    def happens(self, subject: str = "", kind: str = "", attempt: int = 0) -> Fault | None:
        """Return the fault that happens at this occasion.

        Args:
            subject: the name of the node, the event or the message.
            kind: the node's type.
            attempt: its number.
        """
        if self.calm:
            self.calm -= 1
            return None
        if self._chances is None and self._odds is None:
            self._first()
            return self.happens(subject, kind, attempt)
        injector = self._injector
        if self._chances is None:
            choice = self._by_odds(subject, kind, attempt)
        else:
            choice = self._chances.which(injector.tape)
            self.calm = self._chances.spares(injector.tape)
        if choice is None:
            return None
        injector.fired[choice.name] += 1
        return choice.fault

    def _first(self) -> None:
        """Draw whether the site is on, and when something happens first."""
        injector, name = self._injector, self._kind
        plan, tape = injector.plan, injector.tape
        faults = plan.by_kind.get(name, [])
        choices = [Choice(fault.fault, fault, fault.probability) for fault in faults]
        if name in SITES and plan.buggify > 0.0 and tape.chance(BUGGIFY, plan.buggify):
            choices.append(SITES[name])
        if all(fault.is_everywhere and fault.times is None for fault in faults):
            self._chances = Chances(choices)
            self.calm = self._chances.spares(tape)
        else:
            self._odds = [Odds(choice) for choice in choices]

    def _by_odds(self, subject: str, kind: str, attempt: int) -> Choice | None:
        injector = self._injector
        for odds in self._odds or ():
            fault = odds.choice.fault
            is_its_own = fault.is_everywhere or fault.touches(subject, kind, attempt, injector.time())
            if is_its_own and odds.happens(injector.tape):
                return odds.choice
        return None


class Injector:
    """The faults of one manager.

    Args:
        plan: what may happen.
        tape: whether it does.
        time: seconds since the manager was there.
    """

    def __init__(self, plan: FaultPlan, tape: Tape, time: Callable[[], float]) -> None:
        self.fired: Counter[str] = Counter()
        """How often each kind happened; buggify sites by `buggify <name>`."""
        self.lateness = 0.0
        """Seconds by which timers and messages were late in all: a bound may be missed by as much."""
        self.time = time
        self.plan = plan
        self.tape = tape
        self.attempts = Occasions(self, "handler")
        self.events = Occasions(self, "journal")
        self.crashes = Occasions(self, "crash")
        self.timers = Occasions(self, "timer_late")
        self.messages = Occasions(self, "message_delay")

    def timed(self) -> Iterator[Fault]:
        """Yield those of the faults with a time of their own that happen."""
        for fault in self.plan.by_kind.get("timed", []):
            if self.tape.chance(LANE, fault.probability):
                yield fault
