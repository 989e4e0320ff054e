"""What is measured of a load: how many are in which phase, how long nodes and runs wait and work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from playbill.model.plan import Kind
from playbill.runtime.simulation.load.estimates import BatchMeans, Quantiles

if TYPE_CHECKING:
    from asyncio import Event
    from collections.abc import Collection

    from playbill.model.plan import NodePlan, Plan

__all__ = ["Level", "Measures", "NodeMeter", "Phase", "QueueMeter", "Sample", "Visit"]


class Phase(IntEnum):
    """Where the time of a node goes."""

    SLOT = 0
    """Waiting for one of the run's slots (max_concurrency)."""
    BREAKER = 1
    """Waiting for the breaker: for its concurrency, its rate, or for it to close."""
    WORKING = 2
    BACKING_OFF = 3


PHASES: Final = ("waiting for a slot", "waiting for the breaker", "working", "backing off")
"""By `Phase`, as reports write them."""


class Level:
    """How many there are of something, and the sum of it over time.

    The area under n(t) is kept as `offset + n * t`: entering at t takes t off, leaving adds it.
    """

    __slots__ = ("max_n", "n", "offset")

    def __init__(self) -> None:
        self.n = 0
        self.max_n = 0
        self.offset = 0.0

    def enter(self, now: float) -> None:
        """One more, from `now` on."""
        self.n += 1
        self.offset -= now
        if self.n > self.max_n:  # noqa: PLR1730 (max() is a call, here a million times)
            self.max_n = self.n

    def leave(self, now: float) -> None:
        """One less, from `now` on."""
        self.n -= 1
        self.offset += now

    def area(self, now: float) -> float:
        """Return the integral of n from the beginning to `now`, in seconds."""
        return self.offset + self.n * now


class Visit:
    """A node of a run that has not ended: in which phase since when, and how long it was in each before."""

    __slots__ = ("phase", "ready", "since", "spent")

    def __init__(self, now: float, phase: int) -> None:
        self.ready = self.since = now
        self.phase = phase
        self.spent: list[float] | None = None
        """By phase; None: it was in no other."""


class QueueMeter:
    """A breaker, or one circuit of it that has a policy of its own: who waits for it, and when it was open.

    Args:
        key: of the breaker, or of the circuit.
        breaker: the breaker's key.
    """

    def __init__(self, key: str, breaker: str) -> None:
        self.key = key
        self.breaker = breaker
        self.waiting = Level()
        self.starts = 0
        """Attempts that began."""
        self.openings = 0
        self.open = Level()
        """1 while any of its circuits is open."""


class NodeMeter:
    """One node, over all runs that are measured."""

    def __init__(self, plan: NodePlan, queue: QueueMeter | None) -> None:
        self.id = plan.id
        self.type = plan.type
        self.is_handler = plan.kind is Kind.HANDLER
        self.takes_time = self.is_handler or plan.kind is Kind.DELAY
        self.queue = queue
        self.levels = tuple(Level() for _ in Phase)
        self.spent = [0.0 for _ in Phase]
        """Seconds by phase, of the visits that ended."""
        self.ended: Counter[str] = Counter()
        """Visits by how they ended: completed, failed, skipped, cancelled."""
        self.retries = 0
        self.errors: Counter[str] = Counter()
        """Failures, retried or not, by their class."""
        self.response = Quantiles()
        """From ready to ended, of completed visits."""
        self.wait = Quantiles()
        """For slot and breaker, of completed visits."""
        self.mean_wait = BatchMeans()
        self.mean_response = BatchMeans()

    def completed(self, visit: Visit, now: float) -> None:
        """Take a visit that has just ended well."""
        response = now - visit.ready
        spent, total = visit.spent, self.spent
        if spent is None:
            total[visit.phase] += response
            wait = response if visit.phase <= Phase.BREAKER else 0.0
        else:
            spent[visit.phase] += now - visit.since
            wait = spent[0] + spent[1]
            for phase in range(4):
                total[phase] += spent[phase]
        self.response.add(response)
        self.wait.add(wait)
        self.mean_wait.add(wait)
        self.mean_response.add(response)

    def failed(self, visit: Visit, now: float) -> None:
        """Take a visit that ended in a failure: its time counts, its length does not."""
        for phase, seconds in enumerate(visit.spent or ()):
            self.spent[phase] += seconds
        self.spent[visit.phase] += now - visit.since


@dataclass(frozen=True, slots=True)
class Sample:
    """What was to be seen at one moment; areas and counts are from the beginning."""

    at: float
    live: int
    live_area: float
    arrived: int
    ended: int
    areas: dict[str, tuple[float, ...]]
    """By node: of each phase."""
    waiting: dict[str, int]
    """By breaker: how many wait now."""
    waiting_areas: dict[str, float]
    open_areas: dict[str, float]
    starts: dict[str, int]
    """By breaker: attempts that began."""


@dataclass
class Measures:
    """Everything that is measured; `time` is virtual."""

    warm_up: float
    nodes: dict[str, NodeMeter] = field(default_factory=dict[str, NodeMeter])
    queues: dict[str, QueueMeter] = field(default_factory=dict[str, QueueMeter])
    live: Level = field(default_factory=Level)
    arrived: int = 0
    measured: int = 0
    """Runs that arrived after the warm-up."""
    statuses: Counter[str] = field(default_factory=Counter[str])
    """Of the measured runs that have ended."""
    ended: int = 0
    response: Quantiles = field(default_factory=Quantiles)
    """Of completed runs, from arrival to end."""
    mean_response: BatchMeans = field(default_factory=BatchMeans)
    samples: list[Sample] = field(default_factory=list[Sample])
    closed: bool = False
    """Nothing counts any more."""
    idle: Event | None = None
    """Set when no run is left."""

    def watch(self, plan: Plan) -> None:
        """Make the meters of a pipeline."""
        for node in plan.nodes.values():
            self.nodes[node.id] = NodeMeter(node, self._queue(node, plan.definition.breakers))

    def _queue(self, node: NodePlan, policies: Collection[str]) -> QueueMeter | None:
        breaker = node.breaker
        if breaker is None:
            return None
        of_all = self.queues.setdefault(breaker, QueueMeter(breaker, breaker))
        key = f"{breaker}/{node.target}"
        return self.queues.setdefault(key, QueueMeter(key, breaker)) if key in policies else of_all

    def queue_of(self, breaker: str, target: str) -> QueueMeter:
        """Return the meter of a breaker's circuit."""
        return self.queues.get(f"{breaker}/{target}") or self.queues[breaker]

    def look(self, now: float) -> Sample:
        """Return what is to be seen now."""
        return Sample(
            now,
            self.live.n,
            self.live.area(now),
            self.arrived,
            self.ended,
            {node.id: tuple(level.area(now) for level in node.levels) for node in self.nodes.values()},
            {key: queue.waiting.n for key, queue in self.queues.items()},
            {key: queue.waiting.area(now) for key, queue in self.queues.items()},
            {key: queue.open.area(now) for key, queue in self.queues.items()},
            {key: queue.starts for key, queue in self.queues.items()},
        )

    def began(self, now: float) -> bool:
        """Count a run that arrives; tell whether it is measured."""
        self.arrived += 1
        self.live.enter(now)
        counts = now >= self.warm_up
        self.measured += counts
        return counts

    def over(self, status: str, arrived_at: float, now: float, *, counts: bool) -> None:
        """Count a run that has ended."""
        self.ended += 1
        self.live.leave(now)
        if self.idle is not None and not self.live.n:
            self.idle.set()
        if not counts:
            return
        self.statuses[status] += 1
        if status == "completed":
            self.response.add(now - arrived_at)
            self.mean_response.add(now - arrived_at)


def enter_phase(meter: NodeMeter, visits: dict[str, Visit], phase: int, now: float) -> None:
    """Have a node of a run enter a phase."""
    visit = visits.get(meter.id)
    if visit is None:
        visits[meter.id] = Visit(now, phase)
    elif visit.phase == phase:
        return
    else:
        spent = visit.spent
        if spent is None:
            spent = visit.spent = [0.0, 0.0, 0.0, 0.0]
        spent[visit.phase] += now - visit.since
        meter.levels[visit.phase].leave(now)
        if visit.phase == 1 and meter.queue is not None:
            meter.queue.waiting.leave(now)
        visit.phase, visit.since = phase, now
    meter.levels[phase].enter(now)
    if phase == 1 and meter.queue is not None:
        meter.queue.waiting.enter(now)


def leave_phase(meter: NodeMeter, visit: Visit, now: float) -> None:
    """Have a node of a run leave the phase it was in."""
    meter.levels[visit.phase].leave(now)
    if visit.phase == 1 and meter.queue is not None:
        meter.queue.waiting.leave(now)


def error_of(data: Any) -> str:
    """Return the class of the failure in an event's data."""
    failure = data.get("failure")
    return "unknown" if failure is None else str(failure.type)
