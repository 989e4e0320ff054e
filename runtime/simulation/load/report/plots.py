"""The plots of a load's report: SVG whose colours are the page's, so that light and dark both read."""
# matplotlib's own types are partial:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import DefinitionError
from playbill.model.wording import describe_seconds
from playbill.runtime.simulation.load.estimates import GAMMA
from playbill.runtime.simulation.load.measures import PHASES, Phase

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from playbill.runtime.simulation.load.outcome import LoadOutcome, NodeShare
    from playbill.runtime.simulation.load.sweep import Point

__all__ = ["Plot", "check_matplotlib", "plots", "sweep_plot"]

Plot = tuple[str, str]
"""A title that says what is to be seen, and an SVG."""
FG, DIM, GRID, BG = "#010203", "#010204", "#010205", "#010206"
COLOURS: Final = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216")
VARIABLES: Final = {FG: "--fg", DIM: "--dim", GRID: "--line", BG: "--bg"} | {
    colour: f"--c{index}" for index, colour in enumerate(COLOURS, 1)
}
"""Stand-ins that matplotlib draws with -> the page's variables."""
BY_PHASE: Final = {Phase.WORKING: 0, Phase.SLOT: 2, Phase.BREAKER: 1, Phase.BACKING_OFF: 3}
METADATA: Final = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
WIDTH: Final = 8.2
MAX_BARS: Final = 24
MAX_LINES: Final = len(COLOURS)


def plots(outcome: LoadOutcome) -> list[Plot]:
    """Return the plots of one load.

    Raises:
        DefinitionError: matplotlib is not installed; says how to.
    """
    with _style():
        found = [_over_time(outcome), _time_spent(outcome), _distribution(outcome)]
        if outcome.bottleneck() is not None:
            found.insert(1, _utilisation(outcome))
    return found


def check_matplotlib() -> None:
    """Find out before a long simulation that its plots cannot be drawn.

    Raises:
        DefinitionError: matplotlib is not installed; says how to.
    """
    try:
        import_module("matplotlib")
    except ImportError as error:
        text = (
            "the HTML report needs matplotlib, which is not installed: pip install playbill[sim], or leave out --html"
        )
        raise DefinitionError.single("no-matplotlib", "--html", text) from error


@contextmanager
def _style() -> Generator[None]:
    """Draw with the stand-ins' colours."""
    check_matplotlib()
    import matplotlib as mpl  # noqa: PLC0415 (see check_matplotlib)

    style: Any = {
        "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10, "text.color": FG,
        "axes.labelcolor": FG, "axes.edgecolor": DIM, "xtick.color": DIM, "ytick.color": DIM,
        "xtick.labelcolor": FG, "ytick.labelcolor": FG, "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.8, "axes.axisbelow": True,
        "legend.frameon": False, "axes.facecolor": "none", "figure.facecolor": "none",
    }  # fmt: skip
    with mpl.rc_context(style):
        yield


def _figure(height: float, rows: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure  # noqa: PLC0415 (optional, and slow to import)

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)
    return figure, [row[0] for row in axes]


def _svg(figure: Figure, salt: str) -> str:
    import matplotlib as mpl  # noqa: PLC0415 (see _figure)

    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = METADATA.sub("", drawn.getvalue())
    for stand_in, variable in VARIABLES.items():
        text = text.replace(stand_in, f"var({variable})")
    return text[text.index("<svg") :]


def _unit(seconds: float) -> tuple[float, str]:
    """Return what to divide seconds by for an axis, and the unit's name."""
    for size, name in ((2 * 86400, "days"), (2 * 3600, "h"), (2 * 60, "min")):
        if seconds >= size:
            return size / 2, name
    return 1.0, "s"


# ---- one load --------------------------------------------------------------------------------------------------


def _over_time(outcome: LoadOutcome) -> Plot:
    samples, most = outcome.measures.samples, outcome.measures.live.max_n
    size, unit = _unit(outcome.end.at)
    figure, (above, below) = _figure(4.4, 2)
    pairs = [(one, two) for one, two in pairwise(samples) if two.at > one.at]
    at = [two.at / size for _, two in pairs]
    for label, name, colour in (("arrive", "arrived", 0), ("end", "ended", 1)):
        rates = [(getattr(two, name) - getattr(one, name)) / (two.at - one.at) for one, two in pairs]
        above.step(at, rates, where="pre", color=COLOURS[colour], label=label, linewidth=1.2)
    above.set_ylabel("runs per s")
    above.set_ylim(bottom=0)
    above.legend(loc="upper right", ncols=2)
    means = [(two.live_area - one.live_area) / (two.at - one.at) for one, two in pairs]
    below.fill_between(at, means, step="pre", color=COLOURS[0], alpha=0.25, linewidth=0)
    below.step(at, means, where="pre", color=COLOURS[0], linewidth=1.2)
    below.set_ylabel("runs at once (mean)")
    below.set_ylim(bottom=0)
    below.set_xlabel(f"virtual time ({unit})")
    _mark_warm_up((above, below), outcome, size)
    title = f"Never more than {most:,} runs at once" if outcome.suffices else f"The backlog grows to {most:,} runs"
    return title, _svg(figure, "time")


def _mark_warm_up(axes: Sequence[Axes], outcome: LoadOutcome, size: float) -> None:
    if outcome.plan.warm_up:
        for each in axes:
            each.axvspan(0, outcome.plan.warm_up / size, color=GRID, alpha=0.6, linewidth=0)
        place = ("data", "axes fraction")
        axes[-1].annotate(" warm-up", (0, 0.97), xycoords=place, va="top", color=DIM, fontsize=9)


def _utilisation(outcome: LoadOutcome) -> Plot:
    size, unit = _unit(outcome.end.at)
    figure, (axes,) = _figure(3.0)
    rated = [limit for limit in outcome.limits() if limit.utilisation is not None and limit.shared]
    rated.sort(key=lambda limit: -(limit.utilisation or 0))
    shown = {(limit.name, limit.what): list[float]() for limit in rated[:MAX_LINES]}
    at: list[float] = []
    for one, two in pairwise(outcome.measures.samples):
        if two.at > one.at:
            at.append(two.at / size)
            for limit in outcome.limits(one, two):
                if (limit.name, limit.what) in shown:
                    shown[limit.name, limit.what].append(100 * (limit.utilisation or 0))
    for index, ((name, what), values) in enumerate(shown.items()):
        axes.step(at, values, where="pre", color=COLOURS[index], linewidth=1.2, label=f"{name} ({what})")
    axes.axhline(100, color=DIM, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_ylim(0, 109)
    axes.set_ylabel("used (% of capacity)")
    axes.set_xlabel(f"virtual time ({unit})")
    _mark_warm_up((axes,), outcome, size)
    figure.legend(loc="outside lower left", ncols=2)
    tightest = rated[0]
    title = f"The tightest limit is {tightest.name} ({tightest.what}): {tightest.utilisation or 0:.0%} used"
    return title, _svg(figure, "use")


def _time_spent(outcome: LoadOutcome) -> Plot:
    shares = sorted(outcome.nodes(), key=lambda share: -sum(share.seconds))[:MAX_BARS]
    shares.sort(key=lambda share: list(outcome.measures.nodes).index(share.meter.id), reverse=True)
    size, unit = _scale(max((sum(share.seconds) for share in shares), default=1.0))
    figure, (axes,) = _figure(1.1 + 0.3 * len(shares))
    names = [share.meter.id for share in shares]
    begin = [0.0 for _ in shares]
    for phase, colour in BY_PHASE.items():
        lengths = [share.seconds[phase] / size for share in shares]
        if any(lengths):
            axes.barh(names, lengths, left=begin, color=COLOURS[colour], label=PHASES[phase], height=0.68)
        begin = [left + length for left, length in zip(begin, lengths, strict=True)]
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"mean time of a visit ({unit})")
    if any(sum(share.seconds) for share in shares):
        figure.legend(loc="outside upper left", ncols=4)
    return _where(shares), _svg(figure, "spent")


def _where(shares: Sequence[NodeShare]) -> str:
    waits = [(sum(share.seconds[:2]), share) for share in shares]
    longest, at = max(waits, key=lambda wait: wait[0], default=(0.0, None))
    if at is None or longest <= 0:
        return "No node waits: all the time is work"
    visit = describe_seconds(sum(at.seconds))
    return f"'{at.meter.id}' waits longest: {describe_seconds(longest)} of its {visit} a visit"


def _scale(seconds: float) -> tuple[float, str]:
    return (0.001, "ms") if seconds < 1 else _unit(seconds)


def _distribution(outcome: LoadOutcome) -> Plot:
    response = outcome.measures.response
    figure, (axes,) = _figure(3.0)
    size, unit = _scale(response.quantile(0.5) or 1.0)
    left = response.count - response.none
    at, share = list[float](), list[float]()
    for bucket in sorted(response.buckets):
        at.append(GAMMA ** (bucket - 1) / size)
        share.append(100 * left / response.count)
        left -= response.buckets[bucket]
    axes.plot(at, share, color=COLOURS[0], linewidth=1.6)
    if at:
        axes.set_xscale("log")
        axes.set_yscale("log")
    for part, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        place = response.quantile(part)
        if place > 0:
            axes.plot([place / size], [100 * (1 - part)], "o", color=COLOURS[1], markersize=5)
            text = f" {name} {describe_seconds(place)}"
            axes.annotate(
                text, (place / size, 100 * (1 - part)), va="bottom", xytext=(3, 2), textcoords="offset points"
            )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(f"response of a run ({unit})")
    axes.set_ylabel("slower than this (% of runs)")
    if not response.count:
        return "No run completed", _svg(figure, "response")
    return f"19 of 20 runs end within {describe_seconds(response.quantile(0.95))}", _svg(figure, "response")


# ---- a sweep ---------------------------------------------------------------------------------------------------


def sweep_plot(path: str, points: Sequence[Point]) -> Plot:
    """Return the plot of a sweep: response and throughput by value; hollow where capacity was exceeded.

    Raises:
        DefinitionError: matplotlib is not installed; says how to.
    """
    with _style():
        return _enough(path, points), _sweep(path, points)


def _sweep(path: str, points: Sequence[Point]) -> str:
    figure, (above, below) = _figure(5.0, 2)
    place = list(range(len(points)))
    size, unit = _scale(min((p.outcome.measures.response.quantile(0.5) or 1.0 for p in points), default=1.0))
    for index, (part, name) in enumerate(((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))):
        values = [point.outcome.measures.response.quantile(part) / size or None for point in points]
        _line(above, place, values, points, index, name)
    above.set_yscale("log")
    above.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    above.set_ylabel(f"response ({unit})")
    above.legend(loc="upper right", ncols=3)
    _line(below, place, [point.outcome.arrival_rate for point in points], (), 3, "arrive")
    _line(below, place, [point.outcome.throughput for point in points], points, 4, "end")
    below.set_ylim(bottom=0)
    below.set_ylabel("runs per s")
    below.set_xlabel(f"{path}   (hollow: arrivals exceed capacity)")
    below.set_xticks(place, [str(point.value) for point in points])
    below.legend(loc="lower right", ncols=2)
    return _svg(figure, "sweep")


def _line(
    axes: Axes, place: list[int], values: Sequence[float | None], points: Sequence[Point], colour: int, name: str
) -> None:
    drawn: Any = [float("nan") if value is None else value for value in values]
    axes.plot(place, drawn, color=COLOURS[colour], linewidth=1.4, label=name, marker="o" if points else None)
    for index, point in enumerate(points):
        if not point.outcome.suffices:
            axes.plot([index], drawn[index], "o", color=COLOURS[colour], markerfacecolor=BG)


def _enough(path: str, points: Sequence[Point]) -> str:
    fits = [str(point.value) for point in points if point.outcome.suffices]
    if not fits:
        return f"No value of {path} keeps up with what arrives"
    if len(fits) == len(points):
        return f"Every value of {path} keeps up with what arrives"
    return f"{path} keeps up with what arrives at {', '.join(fits)}"
