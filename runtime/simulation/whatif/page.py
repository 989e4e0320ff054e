"""Draws two timelines as one HTML page: a Gantt chart with two lanes for each node, recorded and what if."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from playbill.model.wording import clip, describe_seconds
from playbill.runtime.reports import svg
from playbill.runtime.reports.page import page as framed
from playbill.runtime.simulation.whatif.comparison import NodePair, critical_paths, is_same, pair_nodes, totals

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
LONGEST_NAME: Final = 28
LONGEST_NOTE: Final = 64
LINE: Final = 14
STYLE: Final = """
:root { --fine: #3f9b5b; --cut: #d99a2b; --wait: #b9bec7 }
@media (prefers-color-scheme: dark) { :root { --fine: #57b877; --cut: #e3b04f; --wait: #565c66 } }
table { margin-bottom: 1rem } td { padding: 0 1.2rem .1rem 0 } .drawing .dim { font-size: 11px }
.drawing .differs { fill: var(--mark) }
.fine { fill: var(--fine) } .bad { fill: var(--bad) } .cut { fill: var(--cut) }
.drawing .wait { stroke: var(--wait); stroke-width: 2; stroke-dasharray: 2 3 }
"""


def page(title: str, found: WhatIf) -> str:
    """Return a page that shows both runs, what differs and what was assumed.

    Args:
        title: its heading.
        found: both runs.
    """
    pairs = pair_nodes(found.definition, found.before, found.after)
    lanes = [*pairs, NodePair(found.before.whole, found.after.whole)]
    lines = [
        *totals(pairs, found.before, found.after),
        *critical_paths(found.definition, found.before, found.after),
    ]
    rows = [line.replace("->", "→").split(maxsplit=1) for line in lines]
    if is_same(pairs, found.before, found.after):
        rows.append(["same", "nothing differs"])
    table = "".join(f"<tr><td>{escape(word)}</td><td>{escape(rest)}</td></tr>" for word, rest in rows)
    assumed = "".join(f"<li>{escape(str(assumption))}</li>" for assumption in found.assumptions)
    body = (
        f"<table>{table}</table>{_gantt(lanes, max(found.before.seconds, found.after.seconds))}"
        f"{f'<h2>Assumed</h2><ul>{assumed}</ul>' if assumed else '<p>Nothing was assumed.</p>'}"
    )
    return framed(title, body, STYLE)


def _gantt(pairs: Sequence[NodePair], span: float) -> str:
    names = LETTER * min(LONGEST_NAME, max((len(pair.node) for pair in pairs), default=0)) + 16
    left, bottom = names + LANES, HEAD + ROW * len(pairs)
    scale = CHART / span if span else 0.0
    width = left + CHART + NOTES
    shapes = [*_axis(left, scale, span, bottom)]
    for place, pair in enumerate(pairs):
        top = HEAD + ROW * place
        shapes.append(svg.line(0, top, width, top))
        shapes.append(svg.text(0, top + 27, clip(pair.node, LONGEST_NAME), "strong"))
        shapes += _lane("recorded", pair.before, names, left, scale, top + 6)
        shapes += _lane("what if", pair.after, names, left, scale, top + 10 + BAR)
        shapes += _notes(pair.differences, left + CHART + 16, top + ROW / 2 + 4)
    return svg.drawing(width, bottom + 30, [*shapes, *_legend(left, bottom + 14)])


def _notes(lines: Sequence[str], x: float, middle: float) -> Iterator[str]:
    """Write what differs, a line each, around a row's middle."""
    first = middle - LINE * (len(lines) - 1) / 2
    for place, line in enumerate(lines):
        yield svg.text(x, first + place * LINE, clip(line.replace("->", "→"), LONGEST_NOTE), "differs")


def _axis(left: float, scale: float, span: float, bottom: float) -> Iterator[str]:
    for seconds, label in svg.ticks(span):
        x = left + seconds * scale
        yield svg.line(x, HEAD - 8, x, bottom)
        yield svg.text(x, HEAD - 14, label, "dim", centred=True)


def _lane(label: str, track: Track, names: float, left: float, scale: float, top: float) -> Iterator[str]:
    yield svg.text(names, top + 11, label, "dim")
    if not track.attempts:
        yield svg.text(left + 4, top + 11, track.status.replace("_", " "), "dim")
    for attempt, following in track.followed:
        x, width = left + attempt.began * scale, max(2.0, attempt.seconds * scale)
        if following is not None:
            middle = top + BAR / 2
            yield svg.line(x + width, middle, left + following.began * scale, middle, "wait")
        yield svg.rect(x, top, width, BAR, _kind(attempt), _describe(track, attempt))


def _kind(attempt: AttemptBar) -> str:
    if attempt.failure is not None:
        return "bad"
    return "cut" if attempt.is_cut else "fine"


def _describe(track: Track, attempt: AttemptBar) -> str:
    how = "" if attempt.receipt is None else f", {attempt.receipt.how.replace('_', ' ')}"
    ended = attempt.failure or ("stopped" if attempt.is_cut else "completed")
    return f"{track.node}, attempt {attempt.number}: {ended}{how}; {describe_seconds(attempt.seconds)}"


def _legend(left: float, top: float) -> Iterator[str]:
    for place, (kind, name) in enumerate((("fine", "completed"), ("bad", "failed"), ("cut", "stopped"))):
        x = left + place * 92
        yield svg.rect(x, top - 9, 16, 10, kind)
        yield svg.text(x + 22, top, name, "dim")
    x = left + 276
    yield svg.line(x, top - 4, x + 16, top - 4, "wait")
    yield svg.text(x + 22, top, "waiting", "dim")
