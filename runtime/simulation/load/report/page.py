"""The report of a load as one HTML page: findings, plots and tables, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from playbill.runtime.reports.page import page as framed
from playbill.runtime.simulation.load.report.plots import plots, sweep_plot
from playbill.runtime.simulation.load.report.tables import facts, headline, sweep_table, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from playbill.runtime.simulation.load.outcome import LoadOutcome
    from playbill.runtime.simulation.load.report.plots import Plot
    from playbill.runtime.simulation.load.report.tables import Table
    from playbill.runtime.simulation.load.sweep import Point

__all__ = ["page", "sweep_page"]

STYLE: Final = """
:root { --c1: #2f6fde; --c2: #d9662b; --c3: #8a5cc2; --c4: #b59a1c; --c5: #1f8a70; --c6: #c2407e }
@media (prefers-color-scheme: dark) { :root { --c1: #7aa7ff; --c2: #ff9a5c; --c3: #c09af0; --c4: #e3c94a;
  --c5: #4fc9a8; --c6: #ff85b8 } }
body { max-width: 66rem } .lead { font-size: 1.1rem; font-weight: 600; color: var(--good) }
.lead.bad { color: var(--bad) } table { font-size: .85rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { font-weight: 600; color: var(--dim) }
figure { margin: 0 } figure svg { width: 100%; height: auto }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem } dt { color: var(--dim) }
dd { margin: 0 }
"""


def page(outcome: LoadOutcome) -> str:
    """Return the page of one load."""
    return framed(outcome.definition.name, "".join(_parts(outcome)), STYLE)


def sweep_page(path: str, points: Sequence[Point]) -> str:
    """Return the page of a sweep: all values together, then each by itself."""
    name = points[0].outcome.definition.name
    title, svg = sweep_plot(path, points)
    parts = [f'<p class="lead">{escape(title)}</p><figure>{svg}</figure>', _table(sweep_table(path, points))]
    for point in points:
        inner = "".join(_tables(point.outcome))
        words = escape(point.outcome.findings()[0])
        parts.append(
            f"<details><summary>{escape(path)} = {escape(str(point.value))}: {words}</summary>{inner}</details>"
        )
    return framed(f"{name}: sweep of {path}", "".join(parts), STYLE)


def _parts(outcome: LoadOutcome) -> Iterable[str]:
    lead, *more = outcome.findings()
    yield f'<p class="lead{"" if outcome.suffices else " bad"}">{escape(lead[0].upper() + lead[1:])}</p>'
    if more:
        yield f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in more)}</ul>"
    yield from map(_plot, plots(outcome))
    yield from _tables(outcome)
    yield f'<p class="dim">{escape(headline(outcome))}</p>'


def _plot(plot: Plot) -> str:
    title, svg = plot
    return f"<h2>{escape(title)}</h2><figure>{svg}</figure>"


def _tables(outcome: LoadOutcome) -> Iterable[str]:
    yield "<h2>Runs</h2><dl>"
    yield "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts(outcome))
    yield "</dl>"
    yield from map(_table, tables(outcome))


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f'<h2>{escape(table.title)}</h2><div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
