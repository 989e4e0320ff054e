"""How lists of runs fill a terminal: what people copy and compare keeps its place, long names lose their middle."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

from msgspec import Struct
from msgspec.structs import asdict
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from playbill.model.wording import describe_seconds
from playbill.runtime.cli.runs.stored import Standing
from playbill.runtime.reports.board_lines import cut_middle
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playbill.runtime.journals.index import RunRow

__all__ = [
    "columns",
    "console",
    "describe_duration",
    "describe_moment",
    "look_of",
    "plain",
    "short_id",
    "way_out",
    "write_json",
]

PIPE_WIDTH: Final = 10_000
"""Columns where nobody says how many there are: nothing is left out."""
OURS: Final = 32
"""Characters of an id of ours, which are hexadecimal digits."""
SHORT_ID: Final = 12
LOOKS: Final = {
    "pending": ("●", "cyan"),
    "running": ("●", "cyan"),
    "paused": ("○", "yellow"),
    "completed": ("✔", "green"),
    "failed": ("✘", "red"),
    "cancelled": ("■", "magenta"),
    "timeout": ("✘", "red"),
}
"""A run's status as a symbol and a colour."""
LOOKS_OF_LEFT: Final = {
    Standing.LEFT: ("interrupted", "↻", "yellow"),
    Standing.LATER: ("later", "◌", "yellow"),
}
"""The same, and what it is called, of a run that nobody is at."""


def look_of(status: str, standing: Standing) -> tuple[str, str, str]:
    """Return how a run's status is called, its symbol and its colour.

    Args:
        status: as its journal has it.
        standing: whether anybody is at it.
    """
    if status != "paused" and standing in LOOKS_OF_LEFT:
        return LOOKS_OF_LEFT[standing]
    return status, *LOOKS[status]


def short_id(run_id: str) -> str:
    """Return an id as it may be shown: of one of ours the beginning, which is enough to find it."""
    is_ours = len(run_id) == OURS and run_id.isalnum()
    return printable(run_id[:SHORT_ID] if is_ours else run_id, sys.stdout.encoding or "utf-8")


def way_out(run_id: str, standing: Standing) -> str:
    """Tell what may be done with a run that nobody is at."""
    why = "nobody has begun it yet" if standing is Standing.LATER else "its process has gone"
    return f"{why}: `playbill recover {short_id(run_id)}`"


def console() -> Console:
    """Return what prints to standard output: as wide as the terminal, with colours on one alone."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def columns(rows: Sequence[Sequence[Text]], width: int, least: Mapping[int, int]) -> list[Text]:
    """Return rows as lines of a table.

    Args:
        rows: of cells.
        width: of a line, in cells.
        least: which columns give way if it is too narrow, in this order, and the cells that each keeps.
    """
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    for column, keeps in least.items():
        over = sum(widths) + 2 * (len(widths) - 1) - width
        if over > 0:
            widths[column] = max(min(keeps, widths[column]), widths[column] - over)
    lines: list[Text] = []
    for row in rows:
        line = Text(no_wrap=True, overflow="ellipsis")
        for cell, size in zip(row, widths, strict=True):
            shown = cut_middle(cell.plain, size)
            line.append(shown, cell.style).append(" " * (size - cell_len(shown) + 2))
        line.rstrip()
        lines.append(line)
    return lines


def describe_moment(at: datetime | None, *, short: bool = False) -> str:
    """Return a moment as people here write it; short: without its year and its seconds."""
    if at is None:
        return ""
    return at.astimezone().strftime("%m-%d %H:%M" if short else "%Y-%m-%d %H:%M:%S")


def describe_duration(row: RunRow, standing: Standing) -> str:
    """Return how long a run has taken until now; of one that was left nobody knows."""
    if row.started_at is None or standing is not Standing.HELD:
        return ""
    return describe_seconds(max(0.0, ((row.ended_at or datetime.now(UTC)) - row.started_at).total_seconds()))


def plain(value: Struct) -> dict[str, Any]:
    """Return a value's fields as JSON has them, moments as all our JSON writes them."""
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in asdict(value).items()}


def write_json(value: Any, output: TextIO | None = None) -> None:
    """Write a value as JSON to a stream; None: standard output."""
    (output or sys.stdout).write(f"{json.dumps(value, indent=2)}\n")
