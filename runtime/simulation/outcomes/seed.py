"""How one seed went: how its run ended, what was seen, and what was found wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from playbill.runtime.simulation.coverage import pairs_of
from playbill.runtime.simulation.outcomes.reached import marks_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from playbill.model.facts import Cause
    from playbill.runtime.faults.injector import Happening
    from playbill.runtime.simulation.coverage import Pair, Sight
    from playbill.runtime.simulation.durable.points import CrashPoint
    from playbill.runtime.simulation.outcomes.causes import Stalled
    from playbill.runtime.simulation.outcomes.reached import Mark
    from playbill.runtime.simulation.outcomes.reached import Sight as NodeSight
    from playbill.runtime.simulation.trace import Delivery

__all__ = ["EndOfRun", "Finding", "SeedResult"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A seed that went wrong."""

    seed: int | None
    invariant: str
    """What does not hold: an invariant's or a property's name, or an error's class."""
    text: str
    lanes: dict[str, list[int]]
    """The tape."""
    fired: bool = False
    """Whether a fault had fired."""
    crashes: tuple[CrashPoint, ...] = ()
    """Where processes died, besides as faults say."""

    def __str__(self) -> str:
        crashed = f" (crashed {', '.join(map(str, self.crashes))})" if self.crashes else ""
        return f"{self.invariant}: {self.text}{crashed}"


class EndOfRun(NamedTuple):
    """How a run ends: what a crash must not change."""

    status: str
    outputs: Mapping[str, Any]
    nodes: Mapping[str, str]
    """The status of each node."""

    def differs(self, before: EndOfRun) -> str:
        """Tell what is not as it was."""
        told = zip(self._fields, self, before, strict=True)
        return "; ".join(f"{name} {now!r:.200}, not {was!r:.200}" for name, now, was in told if now != was)


@dataclass(slots=True)
class SeedResult:
    """How one seed went."""

    status: str
    """The run's; `crashed` if a fault plan killed it, `set aside` after many crashes; `wrong` with a finding."""
    seconds: float
    """Simulated, not real ones."""
    fired: Counter[str]
    happened: list[Happening]
    """The faults that fired, in order; of very many the last."""
    seen: set[Sight]
    held: set[str]
    """The names of the `sometimes` properties that held."""
    judged: set[str]
    """The names of the `always` and `leads_to` properties that an event came for."""
    sights: set[NodeSight]
    """What of the pipeline was."""
    cause: Cause | None = None
    """What decided the run; None: it completed, or has no result."""
    stalled: tuple[Stalled, ...] = ()
    """In which nodes it was as it timed out."""
    finding: Finding | None = None
    trace: list[Delivery] = field(default_factory=list["Delivery"])
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ending: EndOfRun | None = None
    """How the run ended; None: it did not."""
    writes: int = 0
    """How many writes of a journal on disk were begun."""

    @property
    def reached(self) -> set[Mark]:
        """What of the pipeline was."""
        return marks_of(self.sights)

    @property
    def coverage(self) -> set[Pair]:
        """Which machine received what in which state."""
        return pairs_of(self.seen)
