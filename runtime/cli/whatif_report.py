"""What `playbill whatif` shows: each node's two timelines beside each other, what differs, what was assumed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from playbill.model.wording import describe_seconds
from playbill.runtime.reports.board import LOOKS
from playbill.runtime.simulation.whatif.comparison import critical_paths, is_same, pair_nodes, totals

if TYPE_CHECKING:
    from playbill.runtime.simulation.whatif.timeline import AttemptBar, Track
    from playbill.runtime.simulation.whatif.what_if import WhatIf

PIPE_WIDTH: Final = 140
"""Columns where nobody says how many there are."""
NARROWEST: Final = 12
FINE: Final = ("█", "green")
FAILED: Final = ("▓", "red")
STOPPED: Final = ("▒", "yellow")
WAITING: Final = ("·", "bright_black")
LEGEND: Final = (("completed", FINE), ("failed", FAILED), ("stopped", STOPPED), ("waiting", WAITING))


def show(found: WhatIf) -> None:
    """Print both runs."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    pairs = pair_nodes(found.definition, found.before, found.after)
    span = max(found.before.seconds, found.after.seconds)
    names = max((len(pair.node) for pair in pairs), default=0)
    width = max(NARROWEST, (console.width - min(names, 24) - 40) // 2)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("node", max_width=24, no_wrap=True)
    table.add_column(f"recorded, {describe_seconds(found.before.seconds)}", width=width, no_wrap=True)
    table.add_column(f"what if, {describe_seconds(found.after.seconds)}", width=width, no_wrap=True)
    table.add_column("what differs")
    for pair in pairs:
        symbol, colour = LOOKS.get(str(pair.after.status), ("-", ""))
        said = Text(f"{symbol} ", colour) + Text(", ".join(pair.differences), "bold")
        table.add_row(pair.node, bar(pair.before, span, width), bar(pair.after, span, width), said)
    runs = (found.before.whole, found.after.whole)
    table.add_row(Text("run", "bold"), *(bar(run, span, width) for run in runs), "")
    console.print(table)
    console.print(_legend(width, span))
    console.print()
    lines = totals(pairs, found.before, found.after) + critical_paths(found.definition, found.before, found.after)
    same = is_same(pairs, found.before, found.after)
    for line in [*lines, *(["same        nothing differs"] if same else [])]:
        console.print(Text(line))
    for assumption in found.assumptions:
        console.print(Text(f"assumed     {assumption}", "yellow"))


def bar(track: Track, span: float, width: int) -> Text:
    """Return the attempts of a node as a bar; a whole line of `width` stands for `span` seconds."""
    cells = [" "] * width
    styles: list[str] = [""] * width

    def paint(began: float, ended: float, look: tuple[str, str]) -> None:
        first = min(width - 1, int(began / span * width)) if span else 0
        last = max(first + 1, min(width, round(ended / span * width))) if span else 1
        cells[first:last] = look[0] * (last - first)
        styles[first:last] = [look[1]] * (last - first)

    for attempt, following in track.followed:
        if following is not None:
            paint(attempt.ended, following.began, WAITING)
        paint(attempt.began, attempt.ended, _look(attempt))
    text = Text()
    for cell, style in zip(cells, styles, strict=True):
        text.append(cell, style)
    return text


def _look(attempt: AttemptBar) -> tuple[str, str]:
    if attempt.failure is not None:
        return FAILED
    return STOPPED if attempt.is_cut else FINE


def _legend(width: int, span: float) -> Text:
    text = Text("one cell is " + describe_seconds(span / width) + ":", "bright_black")
    for name, (sign, colour) in LEGEND:
        text.append(f"  {sign * 2} ", colour).append(name, "bright_black")
    return text
