"""Draws a trace: as lines for a terminal, and as one HTML page with a lane for each actor."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playbill.runtime.simulation.trace import Delivery

LANE: Final = 170
ROW: Final = 26
MARGIN: Final = 90
HEAD: Final = 46
LONGEST: Final = 60
STYLE: Final = """
:root { color-scheme: light dark; --fg: #1c1f24; --bg: #fdfdfc; --dim: #8a8f98; --line: #d9dce1; --mark: #2f6fde;
  --bad: #c2302b }
@media (prefers-color-scheme: dark) { :root { --fg: #e4e6ea; --bg: #16181c; --dim: #868c96; --line: #34383f;
  --mark: #7aa7ff; --bad: #ff7a70 } }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); margin: 2rem }
h1 { font-size: 1.3rem } .wrong { color: var(--bad); font-weight: 600 } .diagram { overflow-x: auto }
pre { background: color-mix(in srgb, var(--line) 40%, transparent); padding: .8rem; overflow-x: auto }
svg text { font: 12px system-ui, sans-serif; fill: var(--fg) } svg .dim { fill: var(--dim) }
svg line { stroke: var(--line) } svg .arrow { stroke: var(--mark); stroke-width: 1.5; marker-end: url(#tip) }
svg .head { font-weight: 600 } svg path { fill: var(--mark) }
"""


def text(trace: Sequence[Delivery], most: int = 200) -> str:
    """Return the lines of a trace; of a long one the end."""
    lines = [str(delivery) for delivery in trace[-most:]]
    if len(trace) > most:
        lines.insert(0, f"... {len(trace) - most} deliveries before ...")
    return "\n".join(lines)


def html(title: str, wrong: str, replay: str, definition: str, trace: Sequence[Delivery]) -> str:
    """Return a page that shows what went wrong and the messages up to there.

    Args:
        title: the pipeline's name.
        wrong: the invariant and what broke it.
        replay: the command that plays it again.
        definition: the (shrunk) pipeline, as text.
        trace: its deliveries.
    """
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f'<h1>{escape(title)}</h1><p class="wrong">{escape(wrong)}</p>'
        f"<p>Play it again:</p><pre>{escape(replay)}</pre>"
        f'<div class="diagram">{"".join(_svg(trace))}</div>'
        f"<details><summary>The pipeline it was shrunk to</summary><pre>{escape(definition)}</pre></details></html>"
    )


def _svg(trace: Sequence[Delivery]) -> Iterator[str]:
    names = list(dict.fromkeys(name for delivery in trace for name in (delivery.sender, delivery.to)))
    place = {name: MARGIN + LANE // 2 + index * LANE for index, name in enumerate(names)}
    width, height = MARGIN + LANE * len(names) + 240, HEAD + ROW * (len(trace) + 1)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">'
    yield '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    yield '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
    for name, x in place.items():
        yield f'<text class="head" x="{x}" y="20" text-anchor="middle">{escape(name[-24:])}</text>'
        yield f'<line x1="{x}" y1="30" x2="{x}" y2="{height - 10}"/>'
    for index, delivery in enumerate(trace):
        yield from _arrow(delivery, place, HEAD + ROW * index + 10)
    yield "</svg>"


def _arrow(delivery: Delivery, place: dict[str, int], y: int) -> Iterator[str]:
    start, end = place[delivery.sender], place[delivery.to]
    label = clip(delivery.message, LONGEST)
    if start == end:
        start -= 30
    yield f'<text class="dim" x="4" y="{y + 4}">{delivery.at:.3f} s</text>'
    yield f'<line class="arrow" x1="{start}" y1="{y}" x2="{end}" y2="{y}"/>'
    states = "" if delivery.was == delivery.became else f" [{delivery.was} → {delivery.became}]"
    full = escape(f"{delivery.message} [{delivery.was} -> {delivery.became}]")
    x = max(start, end) + 6
    yield f'<text x="{x}" y="{y + 4}">{escape(label.split("(")[0])}{escape(states)}<title>{full}</title></text>'
