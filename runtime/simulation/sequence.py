"""Draws a trace: as lines for a terminal, and as one HTML page with a lane for each actor."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from playbill.model.wording import clip
from playbill.runtime.reports import svg
from playbill.runtime.reports.page import page
from playbill.runtime.simulation.virtual.clock import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playbill.model.events import Event
    from playbill.runtime.faults.injector import Happening
    from playbill.runtime.simulation.trace import Delivery

LANE: Final = 170
ROW: Final = 26
MARGIN: Final = 90
HEAD: Final = 46
LONGEST: Final = 60
STYLE: Final = """
.wrong { color: var(--bad); font-weight: 600 } .drawing path { fill: var(--mark) }
.drawing .arrow { stroke: var(--mark); stroke-width: 1.5; marker-end: url(#tip) }
pre { background: color-mix(in srgb, var(--line) 40%, transparent); padding: .8rem; overflow-x: auto }
"""
TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
)


def text(trace: Sequence[Delivery], max_lines: int = 200) -> str:
    """Return the lines of a trace; of a long one the end."""
    return _the_last(trace, max_lines, "deliveries", str)


def describe_events(events: Sequence[Event], max_lines: int) -> str:
    """Return the last of the events as lines: when (by the run's own clock), what, of which node and attempt, why."""
    return _the_last(events, max_lines, "events", _describe_event)


def describe_faults(happened: Sequence[Happening], max_lines: int = 20) -> str:
    """Return which faults fired, when and where, as lines."""
    if not happened:
        return "no fault fired"
    return f"faults that fired:\n{_the_last(happened, max_lines, 'faults', str)}"


def _the_last(items: Sequence[Any], max_lines: int, what: str, line: Callable[[Any], str]) -> str:
    lines = [line(item) for item in items[-max_lines:]]
    if len(items) > max_lines:
        lines.insert(0, f"... {len(items) - max_lines} {what} before ...")
    return "\n".join(lines)


def _describe_event(event: Event) -> str:
    attempt = f"#{event.attempt}" if event.attempt else ""
    cause = event.data.get("cause")
    failure = event.data.get("failure") or (None if cause is None else cause.error)
    why = "" if failure is None else f"  {clip(str(failure), LONGEST)}"
    name = event.node_id or event.stream
    return f"{(event.at - EPOCH).total_seconds():12.3f}  {event.type}  {name}{attempt}{why}"


def html(title: str, wrong: str, replay: str, definition: str, trace: Sequence[Delivery]) -> str:
    """Return a page that shows what went wrong and the messages up to there.

    Args:
        title: the pipeline's name.
        wrong: the invariant and what broke it.
        replay: the command that plays it again.
        definition: the (shrunk) pipeline, as text.
        trace: its deliveries.
    """
    body = (
        f'<p class="wrong">{escape(wrong)}</p><p>Play it again:</p><pre>{escape(replay)}</pre>{_diagram(trace)}'
        f"<details><summary>The pipeline it was shrunk to</summary><pre>{escape(definition)}</pre></details>"
    )
    return page(title, body, STYLE)


def _diagram(trace: Sequence[Delivery]) -> str:
    names = list(dict.fromkeys(name for delivery in trace for name in (delivery.sender, delivery.to)))
    place = {name: MARGIN + LANE // 2 + index * LANE for index, name in enumerate(names)}
    width, height = MARGIN + LANE * len(names) + 240, HEAD + ROW * (len(trace) + 1)
    shapes = [TIP]
    for name, x in place.items():
        shapes += [svg.text(x, 20, name[-24:], "strong", centred=True), svg.line(x, 30, x, height - 10)]
    for index, delivery in enumerate(trace):
        shapes += _arrow(delivery, place, HEAD + ROW * index + 10)
    return svg.drawing(width, height, shapes)


def _arrow(delivery: Delivery, place: dict[str, int], y: int) -> Iterator[str]:
    start, end = place[delivery.sender], place[delivery.to]
    if start == end:
        start -= 30
    yield svg.text(4, y + 4, f"{delivery.at:.3f} s", "dim")
    yield svg.line(start, y, end, y, "arrow")
    states = "" if delivery.was == delivery.became else f" [{delivery.was} → {delivery.became}]"
    label = f"{clip(delivery.message, LONGEST).split('(')[0]}{states}"
    full = f"{delivery.message} [{delivery.was} -> {delivery.became}]"
    yield svg.text(max(start, end) + 6, y + 4, label, title=full)
