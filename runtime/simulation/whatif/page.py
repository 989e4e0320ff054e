"""Draws two timelines as one HTML page: a Gantt chart with two lanes for each node, recorded and what if."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from playbill.model.wording import clip, describe_seconds
from playbill.runtime.simulation.whatif.comparison import NodePair, is_same, pair_nodes, totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playbill.runtime.simulation.whatif.timeline import AttemptBar, Track
    from playbill.runtime.simulation.whatif.what_if import WhatIf

CHART: Final = 640
BAR: Final = 14
ROW: Final = 2 * BAR + 18
HEAD: Final = 34
LETTER: Final = 7.2
"""Width of a character of a name, at most."""
LANES: Final = 64
"""Room for the words recorded and what if."""
NOTES: Final = 380
TICKS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 10_800,
)  # fmt: skip
MAX_TICKS: Final = 8
LONGEST_NAME: Final = 28
LONGEST_NOTE: Final = 64
LINE: Final = 14
STYLE: Final = """
:root { color-scheme: light dark; --fg: #1c1f24; --bg: #fdfdfc; --dim: #767b84; --line: #e1e3e8; --fine: #3f9b5b;
  --bad: #d0453e; --cut: #d99a2b; --wait: #b9bec7; --mark: #2f6fde }
@media (prefers-color-scheme: dark) { :root { --fg: #e4e6ea; --bg: #16181c; --dim: #8d939d; --line: #2c3037;
  --fine: #57b877; --bad: #f0716a; --cut: #e3b04f; --wait: #565c66; --mark: #7aa7ff } }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); margin: 2rem; max-width: 80rem }
h1 { font-size: 1.3rem; margin-bottom: .3rem } h2 { font-size: 1rem; margin: 1.2rem 0 .3rem }
table { border-collapse: collapse } td { padding: 0 1.2rem .1rem 0 } .chart { overflow-x: auto; margin-top: 1rem }
svg text { font: 12px system-ui, sans-serif; fill: var(--fg) } svg .dim { fill: var(--dim); font-size: 11px }
svg .name { font-weight: 600 } svg .differs { fill: var(--mark) } svg line { stroke: var(--line) }
.fine { fill: var(--fine) } .bad { fill: var(--bad) } .cut { fill: var(--cut) }
.wait { stroke: var(--wait); stroke-width: 2; stroke-dasharray: 2 3 }
"""


def page(title: str, found: WhatIf) -> str:
    """Return a page that shows both runs, what differs and what was assumed.

    Args:
        title: its heading.
        found: both runs.
    """
    pairs = pair_nodes(found.definition, found.before, found.after)
    lanes = [*pairs, NodePair(found.before.whole, found.after.whole)]
    rows = [line.replace("->", "→").split(maxsplit=1) for line in totals(pairs, found.before, found.after)]
    if is_same(pairs, found.before, found.after):
        rows.append(["same", "nothing differs"])
    told = "".join(f"<tr><td>{escape(word)}</td><td>{escape(rest)}</td></tr>" for word, rest in rows)
    assumed = "".join(f"<li>{escape(str(assumption))}</li>" for assumption in found.assumptions)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><table>{told}</table>"
        f'<div class="chart">{"".join(_svg(lanes, max(found.before.seconds, found.after.seconds)))}</div>'
        + (f"<h2>Assumed</h2><ul>{assumed}</ul>" if assumed else "<p>Nothing was assumed.</p>")
        + "</html>"
    )


def _svg(pairs: Sequence[NodePair], span: float) -> Iterator[str]:
    names = LETTER * min(LONGEST_NAME, max((len(pair.node) for pair in pairs), default=0)) + 16
    left, height = names + LANES, HEAD + ROW * len(pairs) + 30
    scale = CHART / span if span else 0.0
    width = left + CHART + NOTES
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img">'
    yield from _axis(left, scale, span, HEAD + ROW * len(pairs))
    for place, pair in enumerate(pairs):
        top = HEAD + ROW * place
        yield f'<line x1="0" y1="{top}" x2="{width:.0f}" y2="{top}"/>'
        yield f'<text class="name" x="0" y="{top + 27}">{_short(pair.node, LONGEST_NAME)}</text>'
        yield from _lane("recorded", pair.before, names, left, scale, top + 6)
        yield from _lane("what if", pair.after, names, left, scale, top + 10 + BAR)
        yield from _notes(pair.differences, left + CHART + 16, top + ROW / 2 + 4)
    yield from _legend(left, HEAD + ROW * len(pairs) + 14)
    yield "</svg>"


def _notes(lines: Sequence[str], x: float, middle: float) -> Iterator[str]:
    """Write what differs, a line each, around a row's middle."""
    first = middle - LINE * (len(lines) - 1) / 2
    for place, line in enumerate(lines):
        text = _short(line.replace("->", "→"), LONGEST_NOTE)
        yield f'<text class="differs" x="{x:.1f}" y="{first + place * LINE:.1f}">{text}</text>'


def _axis(left: float, scale: float, span: float, bottom: float) -> Iterator[str]:
    step = next((tick for tick in TICKS if span / tick <= MAX_TICKS), span / MAX_TICKS) or 1
    for number in range(int(span / step) + 1):
        x = left + number * step * scale
        yield f'<line x1="{x:.1f}" y1="{HEAD - 8}" x2="{x:.1f}" y2="{bottom}"/>'
        label = "0" if not number else describe_seconds(number * step)
        yield f'<text class="dim" x="{x:.1f}" y="{HEAD - 14}" text-anchor="middle">{label}</text>'


def _lane(label: str, track: Track, names: float, left: float, scale: float, top: float) -> Iterator[str]:
    yield f'<text class="dim" x="{names:.1f}" y="{top + 11}">{label}</text>'
    if not track.attempts:
        yield f'<text class="dim" x="{left + 4:.1f}" y="{top + 11}">{track.status.replace("_", " ")}</text>'
    for attempt, following in track.followed:
        x, width = left + attempt.began * scale, max(2.0, attempt.seconds * scale)
        if following is not None:
            middle, end = top + BAR / 2, left + following.began * scale
            yield f'<line class="wait" x1="{x + width:.1f}" y1="{middle}" x2="{end:.1f}" y2="{middle}"/>'
        yield f'<rect class="{_kind(attempt)}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2">'
        yield f"<title>{escape(_told(track, attempt))}</title></rect>"


def _kind(attempt: AttemptBar) -> str:
    if attempt.failure is not None:
        return "bad"
    return "cut" if attempt.is_cut else "fine"


def _told(track: Track, attempt: AttemptBar) -> str:
    how = "" if attempt.receipt is None else f", {attempt.receipt.how.replace('_', ' ')}"
    ended = attempt.failure or ("stopped" if attempt.is_cut else "completed")
    return f"{track.node}, attempt {attempt.number}: {ended}{how}; {describe_seconds(attempt.seconds)}"


def _legend(left: float, top: float) -> Iterator[str]:
    for place, (kind, name) in enumerate((("fine", "completed"), ("bad", "failed"), ("cut", "stopped"))):
        x = left + place * 92
        yield f'<rect class="{kind}" x="{x:.1f}" y="{top - 9}" width="16" height="10" rx="2"/>'
        yield f'<text class="dim" x="{x + 22:.1f}" y="{top}">{name}</text>'
    x = left + 276
    yield f'<line class="wait" x1="{x:.1f}" y1="{top - 4}" x2="{x + 16:.1f}" y2="{top - 4}"/>'
    yield f'<text class="dim" x="{x + 22:.1f}" y="{top}">waiting</text>'


def _short(text: str, most: int) -> str:
    return escape(clip(text, most))
