"""The injector: asks the tape which faults of a plan happen, occasion by occasion; and counts those that did.

Rules:

1. An occasion is an attempt, an event, a timer or a message; the faults of its kind are asked in the plan's order,
   and the first that happens is the one.
2. A fault draws how many occasions it spares until the next it hits, not one number an occasion; while all faults of
   a kind spare theirs, an occasion costs one look at a counter.
3. A buggify site is a fault of our own code: on in a share of the seeds, and then it fires now and then.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from playbill.runtime.faults.plan import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.tape import Tape

LANE: Final = "fault"
BUGGIFY: Final = "buggify"
NEVER: Final = 1 << 60
FIRES: Final = 0.1
"""How likely a buggify site that is on fires at each occasion."""
LATE_EVENT: Final = Fault(fault="journal_slow", seconds=0.01)
LATE_TIMER: Final = Fault(fault="timer_late", seconds=0.01)
LATE_MESSAGE: Final = Fault(fault="message_delay", seconds=0.01)


class Odds:
    """One fault, and how many more occasions it spares."""

    __slots__ = ("everywhere", "fault", "left", "spared")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self.spared: int | None = None
        """None: not drawn yet."""
        self.everywhere = fault.is_everywhere

    def happens(self, injector: Injector) -> bool:
        """Tell whether it happens at an occasion that is its own."""
        if self.left == 0:
            return False
        if self.spared is None:
            self.spared = injector.spares(LANE, self.fault.probability)
        if self.spared:
            self.spared -= 1
            return False
        self.spared = None
        if self.left is not None:
            self.left -= 1
        return True


class Kind:
    """The faults of one kind of occasion, and the buggify site that stands at the same place."""

    __slots__ = ("_injector", "_odds", "_rare", "_site", "_spared", "calm")

    def __init__(
        self, injector: Injector, faults: Sequence[Fault], site: str = "", rare: Fault | None = None
    ) -> None:
        self.calm = 0
        """So many more occasions nothing happens for certain; who asks may count down by itself."""
        self._injector = injector
        self._odds = [Odds(fault) for fault in faults]
        self._site = site
        self._rare = rare
        """What the site does."""
        self._spared = None if rare is not None else NEVER

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
        injector = self._injector
        for odds in self._odds:
            is_its_own = odds.everywhere or odds.fault.touches(subject, kind, attempt, injector.time())
            if is_its_own and odds.happens(injector):
                injector.fired[odds.fault.fault] += 1
                return odds.fault
        if self._site_fires():
            injector.fired[f"buggify {self._site}"] += 1
            return self._rare
        self._calm_down()
        return None

    def _site_fires(self) -> bool:
        if self._spared is None:
            self._spared = self._injector.first_of_site()
        if self._spared:
            self._spared -= 1
            return False
        self._spared = self._injector.spares(BUGGIFY, FIRES)
        return True

    def _calm_down(self) -> None:
        """Count together what every fault and the site spare."""
        if not all(odds.everywhere and odds.left is None for odds in self._odds):
            return
        spared = self._spared or 0
        calm = self.calm = min(spared, *(odds.spared or 0 for odds in self._odds)) if self._odds else spared
        self._spared = spared - calm
        for odds in self._odds:
            odds.spared = (odds.spared or 0) - calm


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
        self._tape = tape
        self._share = plan.buggify
        self._timed = plan.by_kind["timed"]
        by_kind = plan.by_kind
        self.attempts = Kind(self, by_kind["handler"])
        self.events = Kind(self, by_kind["journal"], "journal-late", LATE_EVENT)
        self.crashes = Kind(self, by_kind["crash"])
        self.timers = Kind(self, by_kind["timer_late"], "timer-late", LATE_TIMER)
        self.messages = Kind(self, by_kind["message_delay"], "message-late", LATE_MESSAGE)

    def timed(self) -> Iterator[Fault]:
        """Yield those of the faults with a time of their own that happen."""
        for fault in self._timed:
            if self._tape.chance(LANE, fault.probability):
                yield fault

    def spares(self, lane: str, probability: float) -> int:
        """Draw how many occasions pass before one is hit: one draw instead of one an occasion.

        Source: the geometric distribution by inversion (Devroye 1986). Zero on the tape: none is ever hit.
        """
        if probability >= 1.0:
            return 0
        part = self._tape.fraction(lane) if probability > 0.0 else 0.0
        return int(math.log1p(-part) / math.log1p(-probability)) if part > 0.0 else NEVER

    def first_of_site(self) -> int:
        """Draw how many occasions a buggify site passes; in most seeds it is off.

        Source: FoundationDB's BUGGIFY: a site is on in a share of the seeds, and then fires now and then.
        """
        on = self._share and self._tape.chance(BUGGIFY, self._share)
        return self.spares(BUGGIFY, FIRES) if on else NEVER
