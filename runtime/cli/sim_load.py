"""What `playbill sim --load` does: simulates a stream of arrivals, prints the report, writes the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from playbill.model.wording import describe_seconds
from playbill.runtime.cli.progress import ProgressBar
from playbill.runtime.definitions.files import write
from playbill.runtime.simulation.load.engine import simulate_load
from playbill.runtime.simulation.load.plan import load_load_plan
from playbill.runtime.simulation.load.report.tables import facts, headline, sweep_table, tables
from playbill.runtime.simulation.load.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from playbill.runtime.simulation.load.measures import Measures
    from playbill.runtime.simulation.load.outcome import LoadOutcome
    from playbill.runtime.simulation.load.plan import LoadPlan
    from playbill.runtime.simulation.load.report.tables import Table
    from playbill.runtime.simulation.load.sweep import Point
    from playbill.runtime.simulation.study import Study

WIDTH: Final = 140
"""Characters of a line where there is no terminal that says."""


def study_load(study: Study, load: Path, html: Path | None, jobs: int) -> int:
    """Simulate the load that a file says; return 0, or 1 if arrivals exceed capacity (of a sweep: at each value)."""
    plan = load_load_plan(load)
    if study.faults.properties:
        text = f"property '{study.faults.properties[0].name}' and the like are judged over seeds, not under --load"
        sys.stderr.write(f"{text}\n")
    if html is not None:
        from playbill.runtime.simulation.load.report.plots import check_matplotlib  # noqa: PLC0415 (only for --html)

        check_matplotlib()
    if plan.sweep:
        return _sweep(study, plan, html, jobs)
    with ProgressBar(plan.span) as bar:

        def show_progress(seconds: float, measures: Measures) -> None:
            simulated = f"{describe_seconds(seconds)} simulated"
            bar.show(seconds, f"{simulated}, {measures.arrived:,} runs, {measures.live.n:,} live")

        outcome = simulate_load(
            study.definition,
            plan,
            trigger_data=study.trigger_data,
            faults=study.faults,
            allow=study.allow,
            report=show_progress,
            **study.options,
        )
    show(outcome, _console())
    _show_assumed(study, _console())
    if html is not None:
        from playbill.runtime.simulation.load.report.page import page  # noqa: PLC0415 (imports matplotlib)

        write(html, page(outcome))
    _say_drawn(html)
    return int(_fails(outcome))


def _sweep(study: Study, plan: LoadPlan, html: Path | None, jobs: int) -> int:
    (path, values), *_ = plan.sweep.items()
    with ProgressBar(len(values)) as bar:
        points = sweep(
            study.definition,
            plan,
            jobs=jobs,
            trigger_data=study.trigger_data,
            faults=study.faults,
            allow=study.allow,
            report=lambda points: bar.show(points, "values"),
        )
    show_sweep(path, points, _console())
    _show_assumed(study, _console())
    if html is not None:
        from playbill.runtime.simulation.load.report.page import sweep_page  # noqa: PLC0415 (imports matplotlib)

        write(html, sweep_page(path, points))
    _say_drawn(html)
    return int(all(_fails(point.outcome) for point in points))


def _fails(outcome: LoadOutcome) -> bool:
    return outcome.overload is not None or outcome.stopped_at is not None


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def _say_drawn(html: Path | None) -> None:
    if html is not None:
        sys.stdout.write(f"drawn      {html}\n")


def show(outcome: LoadOutcome, console: Console) -> None:
    """Print the report of one load."""
    lead, *more = outcome.findings()
    console.print(Text(headline(outcome)))
    console.print(Text(lead, style="bold green" if outcome.suffices else "bold red"))
    for each in more:
        console.print(Text(f"- {each}"))
    console.print()
    for name, text in facts(outcome):
        console.print(Text(f"{name:10} {text}"))
    for table in tables(outcome):
        console.print(_draw(table))


def _show_assumed(study: Study, console: Console) -> None:
    """Say which durations were made up: the verdict is worth no more than they are."""
    for text in study.assumed():
        console.print(
            Text(f"\nassumed    {text}; declare how long it takes (`behaviours:` in a plan)"), soft_wrap=True
        )


def show_sweep(path: str, points: Sequence[Point], console: Console) -> None:
    """Print the report of a sweep."""
    console.print(Text(headline(points[0].outcome)) if len(points) == 1 else Text(points[0].outcome.definition.name))
    console.print(_draw(sweep_table(path, points)))
    for point in points:
        console.print(Text(f"{path} = {point.value}: {'; '.join(point.outcome.findings())}"))


def _draw(table: Table) -> RichTable:
    drawn = RichTable(title=f"\n{table.title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(table.columns):
        drawn.add_column(column, justify="right" if index else "left", style="" if index else "cyan", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn
