"""What a load came to: rates, waits, the use of each limit, and whether the capacity was enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from playbill.model.policies import BreakerPolicy
from playbill.model.wording import describe_seconds
from playbill.runtime.simulation.load.measures import PHASES, Phase

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.simulation.load.measures import Measures, NodeMeter, Sample
    from playbill.runtime.simulation.load.plan import LoadPlan

__all__ = ["Limit", "LoadOutcome", "NodeShare"]

BUSY: Final = 0.95
"""A limit used more than this share of the time can explain a growing backlog."""
GROWN: Final = 1.4
"""A backlog that grows evenly is 1.8 times as long in the last fifth of the time as in the middle fifth."""
FEW: Final = 20
"""Fewer runs more are no growth."""
TIMED_OUT: Final = 0.01
EXHAUSTED: Final = 0.99
LONG: Final = 0.05
"""A limit exhausted for less than this share of the time is no matter."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a limit was used, between the warm-up and the end of the span."""

    name: str
    """`breaker 'api'` or `run slots`."""
    what: str
    """`max_concurrent 4`, `rate 5/s`, `max_concurrency 3`, or `no limit`."""
    utilisation: float | None
    """Used share of the capacity, 0 to 1; None: it has none."""
    used: float
    """Permits out, starts a second, or slots taken: the mean."""
    waiting: float
    """How many waited: the mean."""
    max_waiting: int | None
    """None: not counted."""
    openings: int = 0
    open_share: float = 0.0
    """Share of the time that the breaker was open."""
    shared: bool = True
    """Whether runs compete for it; run slots are each run's own."""


@dataclass(frozen=True, slots=True)
class NodeShare:
    """Where the time of one node goes."""

    meter: NodeMeter
    seconds: tuple[float, ...]
    """A visit, by phase: the mean over those that ended."""
    number: tuple[float, ...]
    """How many were in each phase: the mean over time."""


@dataclass
class LoadOutcome:
    """What was measured of one load."""

    definition: PipelineDefinition
    plan: LoadPlan
    measures: Measures
    begin: Sample
    """What there was when the warm-up was over."""
    end: Sample
    """What there was when the last run had arrived."""
    unfinished: int
    """Runs that had not ended when the drain was over."""
    stopped_at: float | None
    """When there were too many runs, in virtual seconds; None: never."""
    wall_seconds: float

    @property
    def seconds(self) -> float:
        """How long was measured, in virtual seconds."""
        return _seconds(self.begin, self.end)

    @property
    def arrival_rate(self) -> float:
        """Runs that came, a second."""
        return (self.end.arrived - self.begin.arrived) / self.seconds

    @property
    def throughput(self) -> float:
        """Runs that ended, a second."""
        return (self.end.ended - self.begin.ended) / self.seconds

    @property
    def mean_live(self) -> float:
        """How many runs there were at once: the mean over time."""
        return (self.end.live_area - self.begin.live_area) / self.seconds

    def nodes(self) -> list[NodeShare]:
        """Return where each node's time goes; those that take none are left out."""
        return [self._share(meter) for meter in self.measures.nodes.values() if meter.takes_time]

    def _share(self, meter: NodeMeter) -> NodeShare:
        visits = max(1, meter.ended["completed"] + meter.ended["failed"])
        areas = zip(self.end.areas[meter.id], self.begin.areas[meter.id], strict=True)
        return NodeShare(
            meter,
            tuple(seconds / visits for seconds in meter.spent),
            tuple((later - sooner) / self.seconds for later, sooner in areas),
        )

    # ---- limits -----------------------------------------------------------------------------------------------

    def limits(self, since: Sample | None = None, until: Sample | None = None) -> list[Limit]:
        """Return how much of each limit was used between two samples; None: from the warm-up to the span's end."""
        window = (since or self.begin, until or self.end)
        found = [limit for key in self.measures.queues for limit in self._of_breaker(key, *window)]
        slots = self.definition.max_concurrency
        if slots is not None:
            taken = self._number(*window, (Phase.WORKING, Phase.BREAKER))
            live = (window[1].live_area - window[0].live_area) / _seconds(*window)
            waiting = self._number(*window, (Phase.SLOT,))
            share = taken / (slots * live) if live else 0.0
            found.append(Limit("run slots", f"max_concurrency {slots}", share, taken, waiting, None, shared=False))
        return found

    def _of_breaker(self, key: str, begin: Sample, end: Sample) -> list[Limit]:
        queue = self.measures.queues[key]
        inner = [each.key for each in self.measures.queues.values() if key in {each.key, each.breaker}]
        policy = self.definition.breakers.get(key, BreakerPolicy())
        seconds = _seconds(begin, end)
        waiting = sum(end.waiting_areas[each] - begin.waiting_areas[each] for each in inner) / seconds
        is_open = (end.open_areas[key] - begin.open_areas[key]) / seconds
        more = (waiting, queue.waiting.max_n, queue.openings, is_open)
        name, found = f"breaker '{key}'", list[Limit]()
        working = self._number(begin, end, (Phase.WORKING,), key)
        if policy.max_concurrent is not None:
            what = f"max_concurrent {policy.max_concurrent}"
            found.append(Limit(name, what, working / policy.max_concurrent, working, *more))
        if policy.rate is not None:
            starts = sum(end.starts[each] - begin.starts[each] for each in inner) / seconds
            found.append(Limit(name, f"rate {policy.rate:g}/s", starts / policy.rate, starts, *more))
        return found or [Limit(name, "no limit", None, working, *more)]

    def _number(self, begin: Sample, end: Sample, phases: tuple[Phase, ...], key: str | None = None) -> float:
        """Return how many handler nodes (of a breaker) were in some phases: the mean between two samples."""
        area = sum(
            end.areas[meter.id][phase] - begin.areas[meter.id][phase]
            for meter in self.measures.nodes.values()
            if meter.is_handler
            and (key is None or (meter.queue is not None and key in {meter.queue.key, meter.queue.breaker}))
            for phase in phases
        )
        return area / _seconds(begin, end)

    def bottleneck(self, since: Sample | None = None) -> Limit | None:
        """Return the most used limit that runs compete for; None: there is none."""
        return max(self._rate(since), key=_use, default=None)

    @property
    def suffices(self) -> bool:
        """Whether the capacity was enough all the time."""
        return self.overload is None and self.stopped_at is None and self.strain is None

    @property
    def strain(self) -> tuple[Limit, float, float] | None:
        """The limit that was exhausted for the longest while, from when and for how long; None: none was for long."""
        longest: tuple[Limit, float, float] | None = None
        current: tuple[str, float] | None = None
        for one, two in pairwise(self.measures.samples):
            tightest = max(self._rate(one, two), key=_use, default=None) if two.at > one.at else None
            if tightest is None or _use(tightest) < EXHAUSTED:
                current = None
                continue
            if current is None or current[0] != tightest.name:
                current = (tightest.name, one.at)
            if two.at - current[1] > (longest[2] if longest else LONG * self.end.at):
                longest = (tightest, current[1], two.at - current[1])
        return longest if self.measures.live.max_n - self.mean_live > FEW else None

    def _rate(self, begin: Sample | None = None, end: Sample | None = None) -> list[Limit]:
        return [limit for limit in self.limits(begin, end) if limit.shared and limit.utilisation is not None]

    # ---- in words ---------------------------------------------------------------------------------------------

    @property
    def overload(self) -> Limit | None:
        """The limit that could not keep up with what came; None: none was exceeded for long."""
        samples = self.measures.samples
        late = self.bottleneck(samples[len(samples) // 2])
        if late is None or late.utilisation is None or late.utilisation < BUSY:
            return None
        ended = max(1, sum(self.measures.statuses.values()))
        gave_up = self.measures.statuses["timeout"] / ended > TIMED_OUT
        return late if self.stopped_at is not None or gave_up or self._grows() else None

    def _grows(self) -> bool:
        """Tell whether there were ever more runs."""
        until = self.end.at
        middle = [sample.live for sample in self.measures.samples if 0.4 * until <= sample.at <= 0.6 * until]
        last = [sample.live for sample in self.measures.samples if 0.8 * until <= sample.at <= until]
        before, after = (sum(part) / max(1, len(part)) for part in (middle, last))
        return after > GROWN * before and after - before > FEW

    def findings(self) -> list[str]:
        """Return what there is to say, the most important first."""
        said = [self._capacity()]
        waits = [(share.seconds[phase], share.meter.id, phase) for share in self.nodes() for phase in (0, 1, 3)]
        longest = max(waits, default=(0.0, "", 0))
        if longest[0] > 0:
            seconds, node, phase = longest
            said.append(f"the longest wait is at '{node}': {describe_seconds(seconds)} a visit {PHASES[phase]}")
        said += [
            f"breaker '{key}' opened {_times(queue.openings)}"
            for key, queue in self.measures.queues.items()
            if queue.openings
        ]
        bad = sum(self.measures.statuses.values()) - self.measures.statuses["completed"]
        if bad:
            share = bad / sum(self.measures.statuses.values())
            said.append(f"{bad:,} runs ({share:.2%}) did not complete")
        if self.unfinished and self.stopped_at is None:
            said.append(
                f"{self.unfinished:,} runs had not ended {describe_seconds(self.plan.drain)} after the last arrival"
            )
        return said

    def _capacity(self) -> str:
        backlog = f"the backlog grew to {self.measures.live.max_n:,} runs"
        if self.stopped_at is not None:
            backlog += f", all that max_live_runs allows, after {describe_seconds(self.stopped_at)}"
            backlog += ": the simulation ended there"
        over = self.overload
        rates = f"{self.arrival_rate:.3g} runs/s arrive, {self.throughput:.3g}/s end"
        if over is not None:
            busy = f"{over.name} ({over.what}) is used {over.utilisation or 0:.1%}"
            return f"arrivals exceed capacity: {rates}; {busy}; {backlog}"
        if self.stopped_at is not None:
            return f"more runs are live than allowed, though no limit is exhausted: {rates}; {backlog}"
        if (strain := self.strain) is not None:
            limit, since, seconds = strain
            since_when = f"for {describe_seconds(seconds)} from {describe_seconds(since)} on"
            while_it = f"{limit.name} ({limit.what}) is exhausted {since_when}"
            return f"arrivals exceed capacity for a while: {while_it}; {backlog}; on the whole {rates}"
        tightest = self.bottleneck()
        if tightest is None or tightest.utilisation is None:
            return f"capacity suffices: {rates}; no breaker limits concurrency or rate"
        return f"capacity suffices: {rates}; {tightest.name} ({tightest.what}) is used {tightest.utilisation:.1%}"


def _seconds(begin: Sample, end: Sample) -> float:
    return end.at - begin.at or math.inf  # at an instant nothing has a rate


def _use(limit: Limit) -> float:
    return limit.utilisation or 0.0


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
