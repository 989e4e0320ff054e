"""How a board's lines fill a terminal: ids, times and symbols keep their place, only messages shrink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cut_middle", "rows"]

ELLIPSIS: Final = "…"
NARROW: Final = 80
"""Cells of a line below which retries are said by a sign."""
LONGEST_BAR: Final = 20
SHORTEST_BAR: Final = 5
PERCENT: Final = 5
"""Cells of ` 100%`."""


def rows(lines: Sequence[tuple[tuple[Text, ...], float | None]], width: int) -> list[Text]:
    """Return lines, of cells and how much is done, each at most `width` cells wide.

    The cells are symbol, node, duration, retries and note; of a node's id the middle is left out when it would take
    more than half the width.
    """
    if width < NARROW:
        lines = [((*cells[:3], _short(cells[3]), cells[4]), fraction) for cells, fraction in lines]
    names = [cut_middle(cells[1].plain, width // 2) for cells, _ in lines]
    columns = [max(map(cell_len, names), default=0)]
    columns += [max((cells[place].cell_len for cells, _ in lines), default=0) for place in (2, 3)]
    drawn: list[Text] = []
    for name, ((symbol, node, duration, retries, note), fraction) in zip(names, lines, strict=True):
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append_text(symbol).append(f" {_padded(name, columns[0])} ", node.style)
        line.append(" " * (columns[1] - duration.cell_len)).append_text(duration)
        if columns[2]:
            line.append(" ").append_text(retries).append(" " * (columns[2] - retries.cell_len))
        line.append(" ")
        if fraction is not None:
            line.append_text(_bar(fraction, width - line.cell_len - 1 - note.cell_len)).append(" ")
        line.append_text(note)
        line.rstrip()
        line.truncate(width, overflow="ellipsis")
        drawn.append(line)
    return drawn


def _short(retries: Text) -> Text:
    """Return `2 retries` in two cells."""
    return Text(f"{retries.plain.split()[0]}↻", retries.style) if retries.plain else retries


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _bar(fraction: float, room: int) -> Text:
    """Return a bar and its percents; the percents alone where there is no room."""
    length = min(LONGEST_BAR, room - PERCENT)
    percents = f"{int(fraction * 100):>3}%"
    if length < SHORTEST_BAR:
        return Text(percents, "cyan")
    full = int(fraction * length)
    return Text.assemble(("━" * full, "cyan"), ("─" * (length - full), "bright_black"), (f" {percents}", "cyan"))


def cut_middle(text: str, width: int) -> str:
    """Return a text of at most so many cells; what is left out of its middle is an ellipsis."""
    if cell_len(text) <= width:
        return text
    head, tail = _fitting(text, (width - 1) // 2), _fitting(text[::-1], width // 2)[::-1]
    return f"{head}{ELLIPSIS}{tail}"


def _fitting(text: str, width: int) -> str:
    """Return the longest beginning that has at most so many cells."""
    taken = 0
    for place, character in enumerate(text):
        taken += cell_len(character)
        if taken > width:
            return text[:place]
    return text
