"""The tables of a load's report, as data: what a terminal and a page both show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from playbill.model.wording import describe_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbill.runtime.simulation.load.estimates import Estimate, Quantiles
    from playbill.runtime.simulation.load.outcome import Limit, LoadOutcome, NodeShare
    from playbill.runtime.simulation.load.sweep import Point

__all__ = ["Table", "facts", "headline", "sweep_table", "tables"]

NONE: Final = "-"
SHARES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts; the first column names what the row is about, the others are aligned right."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def headline(outcome: LoadOutcome) -> str:
    """Return what was simulated, in one line."""
    plan, end = outcome.plan, outcome.end
    speed = outcome.wall_seconds / max(1, outcome.measures.arrived) * 1e6
    runs = f"{outcome.measures.arrived:,} runs in {describe_seconds(end.at)} of virtual time"
    took = f"took {describe_seconds(outcome.wall_seconds)}, {speed:,.0f} us a run"
    return f"{outcome.definition.name}: {runs}, seed {plan.seed}; {took}"


def facts(outcome: LoadOutcome) -> list[tuple[str, str]]:
    """Return what there is to say of the runs, by name."""
    measures = outcome.measures
    ends = "  ".join(f"{status} {count:,}" for status, count in measures.statuses.most_common())
    measured = f", {measures.measured:,} of them measured" if outcome.plan.warm_up else ""
    percentiles = "  ".join(
        f"p{share * 100:.0f} {text}" for share, text in zip(SHARES, _percentiles(measures.response), strict=True)
    )
    return [
        ("arrived", f"{measures.arrived:,} runs, {outcome.arrival_rate:.4g}/s{measured}"),
        ("ended", f"{ends or 'none'}  unfinished {outcome.unfinished:,};  {outcome.throughput:.4g}/s"),
        ("response", f"mean {describe_estimate(measures.mean_response.estimate())}  {percentiles}"),
        ("at once", f"mean {outcome.mean_live:,.4g}, most {measures.live.max_n:,} runs"),
    ]


def tables(outcome: LoadOutcome) -> list[Table]:
    """Return the tables of one load."""
    shares = outcome.nodes()
    return [
        Table(
            "Response of nodes: from ready to ended",
            ("node", "visits", "failed", "retries", "mean, 95 % CI", "p50", "p95", "p99", "longest"),
            [_response(share) for share in shares],
        ),
        Table(
            "Where the time goes: means of a visit",
            ("node", "working", "for a slot", "for the breaker", "backing off", "wait, 95 % CI", "wait p95", "queue"),
            [_time(share) for share in shares],
        ),
        Table(
            "Limits",
            ("limit", "capacity", "used", "utilisation", "waiting", "most", "openings", "open"),
            [_limit(limit) for limit in outcome.limits()],
        ),
    ]


def _response(share: NodeShare) -> tuple[str, ...]:
    meter = share.meter
    return (
        meter.id,
        f"{sum(meter.ended.values()):,}",
        f"{meter.ended['failed']:,}",
        f"{meter.retries:,}",
        describe_estimate(meter.mean_response.estimate()),
        *_percentiles(meter.response),
        describe_seconds(meter.response.highest) if meter.response.count else NONE,
    )


def _time(share: NodeShare) -> tuple[str, ...]:
    meter = share.meter
    slot, breaker, working, backing_off = (describe_seconds(seconds) for seconds in share.seconds)
    waits = meter.wait
    return (
        meter.id, working, slot, breaker, backing_off,
        describe_estimate(meter.mean_wait.estimate()),
        describe_seconds(waits.quantile(0.95)) if waits.count else NONE,
        f"{share.number[0] + share.number[1]:.3g}",
    )  # fmt: skip


def _limit(limit: Limit) -> tuple[str, ...]:
    return (
        limit.name,
        limit.what,
        f"{limit.used:.3g}",
        NONE if limit.utilisation is None else f"{limit.utilisation:.1%}",
        f"{limit.waiting:.3g}",
        NONE if limit.max_waiting is None else f"{limit.max_waiting:,}",
        f"{limit.openings:,}",
        f"{limit.open_share:.1%}" if limit.openings else NONE,
    )


def sweep_table(path: str, points: Sequence[Point]) -> Table:
    """Return the table of a sweep: a row a value."""
    columns = ("value", "arrive/s", "end/s", "response, 95 % CI", "p50", "p95", "p99", "tightest limit", "capacity")
    return Table(f"Sweep of {path}", columns, [_point(point) for point in points])


def _point(point: Point) -> tuple[str, ...]:
    outcome = point.outcome
    tightest = outcome.bottleneck()
    used = NONE if tightest is None else f"{tightest.name} {tightest.utilisation or 0:.1%}"
    response = outcome.measures.response
    return (
        str(point.value),
        f"{outcome.arrival_rate:.4g}",
        f"{outcome.throughput:.4g}",
        describe_estimate(outcome.measures.mean_response.estimate()),
        *_percentiles(response),
        used,
        verdict(outcome),
    )


def verdict(outcome: LoadOutcome) -> str:
    """Return in two words whether the capacity was enough."""
    if outcome.overload is not None:
        return f"exceeded: backlog {outcome.measures.live.max_n:,}"
    if outcome.stopped_at is not None:
        return "too many runs"
    return "suffices" if (strain := outcome.strain) is None else f"exceeded for {describe_seconds(strain[2])}"


def describe_estimate(estimate: Estimate) -> str:
    """Write a mean and its interval, in the unit of the mean."""
    mean, half = estimate.mean, estimate.half
    if not estimate.count:
        return NONE
    if half is None or mean == 0:
        return describe_seconds(mean) if mean == 0 else f"{describe_seconds(mean)} (n {estimate.count})"
    number, unit = describe_seconds(mean).split()
    half *= float(number) / mean
    return f"{number} ± {float(f'{half:.2g}') if half > 1e-6 * mean else 0:g} {unit}"


def _percentiles(values: Quantiles) -> tuple[str, ...]:
    return tuple(describe_seconds(values.quantile(share)) if values.count else NONE for share in SHARES)
