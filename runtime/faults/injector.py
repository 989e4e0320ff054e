"""The injector: asks the tape, at each occasion, which faults of a plan happen; and counts those that did."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from playbill.runtime.faults.plan import HANDLER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playbill.runtime.faults.plan import Fault, FaultPlan
    from playbill.runtime.tape import Tape

LANE: Final = "fault"
BUGGIFY: Final = "buggify"
NEVER: Final = 1 << 60
FIRES: Final = 0.1
"""How likely a buggify site that is on fires at each occasion."""


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
        self._tape = tape
        self._time = time
        self._left = [fault.times for fault in plan.faults]
        self._spared: list[int | None] = [None] * len(plan.faults)
        """How many more occasions each fault lets pass; None: not drawn yet."""
        self._by_kind: defaultdict[str, list[tuple[int, Fault]]] = defaultdict(list)
        for index, fault in enumerate(plan.faults):
            self._by_kind["handler" if fault.fault in HANDLER else fault.fault].append((index, fault))
        self._share = plan.buggify
        self._sites: dict[str, int] = {}
        """How many more occasions each site lets pass."""
        self.delays = self.has("message_delay") or self._share > 0

    def has(self, kind: str) -> bool:
        """Tell whether the plan has faults of a kind (`handler`: any of those)."""
        return kind in self._by_kind

    def of_attempt(self, node: str, kind: str, attempt: int) -> Fault | None:
        """Return the fault that hits an attempt, if one does: the first of the plan."""
        for index, fault in self._by_kind.get("handler", ()):
            if fault.touches(node, kind, attempt) and self._happens(index, fault):
                return fault
        return None

    def of(self, kind: str, subject: str = "") -> Fault | None:
        """Return the fault of a kind that happens here; `subject` is the message's or the event's name."""
        for index, fault in self._by_kind.get(kind, ()):
            wanted = fault.event if kind == "crash" else fault.message
            if (wanted is None or wanted == subject) and self._happens(index, fault):
                return fault
        return None

    def timed(self) -> Iterator[Fault]:
        """Yield those of the faults with a time of their own that happen."""
        for kind in ("clock_skew", "breaker", "cancel", "pause"):
            for index, fault in self._by_kind.get(kind, ()):
                if self._tape.chance(LANE, fault.probability):
                    self._left[index] = 0
                    yield fault

    def _happens(self, index: int, fault: Fault) -> bool:
        if self._left[index] == 0 or not fault.is_on(self._time()):
            return False
        spared = self._spared[index]
        if spared is None:
            spared = self._spares(LANE, fault.probability)
        if spared:
            self._spared[index] = spared - 1
            return False
        self._spared[index] = None
        left = self._left[index]
        if left is not None:
            self._left[index] = left - 1
        self.fired[fault.fault] += 1
        return True

    def _spares(self, lane: str, probability: float) -> int:
        """Draw how many occasions pass before one is hit: one draw instead of one an occasion.

        Source: the geometric distribution by inversion (Devroye 1986). Zero on the tape: none is ever hit.
        """
        if probability >= 1.0:
            return 0
        part = self._tape.fraction(lane) if probability > 0.0 else 0.0
        return int(math.log1p(-part) / math.log1p(-probability)) if part > 0.0 else NEVER

    def buggify(self, site: str) -> bool:
        """Tell whether a site of our own code does its rare thing.

        Source: FoundationDB's BUGGIFY: a site is on in a share of the seeds, and then fires now and then.
        """
        spared = self._sites.get(site)
        if spared is None:
            spared = NEVER
            if self._share and self._tape.chance(BUGGIFY, self._share):
                spared = self._spares(BUGGIFY, FIRES)
        if spared:
            self._sites[site] = spared - 1
            return False
        self._sites[site] = self._spares(BUGGIFY, FIRES)
        self.fired[f"buggify {site}"] += 1
        return True
