"""The shapes that drawings are made of, as SVG: all that users wrote is escaped here; lengths are pixels."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from playbill.model.wording import describe_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["drawing", "line", "rect", "text", "ticks"]

STEPS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 10_800,
)  # fmt: skip
"""Seconds between two ticks that a reader can count in."""
MAX_TICKS: Final = 8


def drawing(width: float, height: float, shapes: Iterable[str]) -> str:
    """Return shapes as one picture that scrolls where the page is narrower."""
    size = f'width="{_number(width)}" height="{_number(height)}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" {size} role="img">'
    return f'<div class="wide">{svg}{"".join(shapes)}</svg></div>'


def text(x: float, y: float, said: str, look: str = "", *, centred: bool = False, title: str = "") -> str:
    """Return a line of text.

    Args:
        x: its left end, or its middle if it is centred.
        y: its base line.
        said: what it says.
        look: its class.
        centred: around `x`, not after it.
        title: what is shown when it is pointed at.
    """
    anchor = ' text-anchor="middle"' if centred else ""
    return f'<text{_class(look)} x="{_number(x)}" y="{_number(y)}"{anchor}>{escape(said)}{_title(title)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, look: str = "") -> str:
    """Return a straight line from one point to the other; `look` is its class."""
    start, end = f'x1="{_number(x1)}" y1="{_number(y1)}"', f'x2="{_number(x2)}" y2="{_number(y2)}"'
    return f"<line{_class(look)} {start} {end}/>"


def rect(x: float, y: float, width: float, height: float, look: str = "", title: str = "") -> str:
    """Return a box with its left upper corner at `x`, `y`; `look` is its class, `title` is shown when pointed at."""
    place, size = f'x="{_number(x)}" y="{_number(y)}"', f'width="{_number(width)}" height="{_number(height)}"'
    return f'<rect{_class(look)} {place} {size} rx="2">{_title(title)}</rect>'


def ticks(span: float) -> list[tuple[float, str]]:
    """Return the places on an axis of `span` seconds where a reader looks for a number, and their labels."""
    step = next((step for step in STEPS if span / step <= MAX_TICKS), span / MAX_TICKS) or 1
    return [
        (number * step, describe_seconds(number * step) if number else "0") for number in range(int(span / step) + 1)
    ]


def _class(look: str) -> str:
    return f' class="{look}"' if look else ""


def _title(said: str) -> str:
    return f"<title>{escape(said)}</title>" if said else ""


def _number(length: float) -> str:
    """Write a length to a tenth of a pixel."""
    return f"{length:.1f}".removesuffix(".0")
