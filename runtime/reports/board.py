"""What a terminal shows of a run: one line a node, kept up to date by the run's events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from playbill.model.events import Event, EventType
from playbill.model.facts import Receipt
from playbill.model.wording import clip, describe_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderResult

LOOKS: Final = {
    "running": ("●", "cyan"),
    "retrying": ("↻", "yellow"),
    "completed": ("✔", "green"),
    "failed": ("✘", "red"),
    "skipped": ("○", "bright_black"),
    "cancelled": ("■", "magenta"),
}
"""A node's state as a symbol and a colour."""
STATES: Final = {
    EventType.PIPELINE_NODE_STARTED: "running",
    EventType.PIPELINE_NODE_RETRYING: "retrying",
    EventType.PIPELINE_NODE_COMPLETED: "completed",
    EventType.PIPELINE_NODE_FAILED: "failed",
    EventType.PIPELINE_NODE_SKIPPED: "skipped",
    EventType.PIPELINE_NODE_CANCELLED: "cancelled",
}
LONGEST_NOTE: Final = 80


@dataclass(slots=True)
class NodeLine:
    """One node, as far as the events tell."""

    node: str
    state: str = "running"
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    note: str = ""

    def take(self, event: Event) -> None:
        """Go on by an event of the node."""
        self.state = STATES[event.type]
        self.attempts = max(self.attempts, event.attempt or 0)
        self.note = note_of(event)
        if self.state == "running":
            self.started = self.started or event.at
        elif self.state != "retrying":
            self.ended = event.at

    def seconds(self, now: datetime) -> float | None:
        """Return how long the node has taken."""
        return None if self.started is None else ((self.ended or now) - self.started).total_seconds()

    def cells(self, now: datetime) -> tuple[Text, Text, Text, Text, Text]:
        """Return the line as cells: symbol, node, duration, retries, note."""
        symbol, colour = LOOKS[self.state]
        seconds = self.seconds(now)
        retries = f"{self.attempts - 1} retr{'y' if self.attempts == 2 else 'ies'}" if self.attempts > 1 else ""  # noqa: PLR2004
        return (
            Text(symbol, colour),
            Text(self.node, "bold" if self.state == "running" else ""),
            Text("" if seconds is None else describe_seconds(seconds), "bright_black"),
            Text(retries, "yellow"),
            Text(self.note, colour if self.state in {"failed", "cancelled"} else "bright_black"),
        )


@dataclass
class Board:
    """All nodes of a run; renders as many lines as fit, the live ones first."""

    total: int
    """How many nodes the pipeline has."""
    lines: dict[str, NodeLine] = field(default_factory=dict[str, NodeLine])

    def take(self, event: Event) -> NodeLine | None:
        """Go on by an event; return its node's line, if it is about a node."""
        if event.node_id is None or event.type not in STATES:
            return None
        line = self.lines.setdefault(event.node_id, NodeLine(event.node_id))
        line.take(event)
        return line

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(3, (options.height or console.height) - 2)
        yield self.table(self._choose(room))
        yield Text(self.summary(), "bright_black")

    def table(self, lines: Iterable[NodeLine]) -> Table:
        """Return these lines as a table."""
        now = datetime.now(UTC)
        table = Table.grid(padding=(0, 1))
        for _ in range(5):
            table.add_column(no_wrap=True)
        for line in lines:
            table.add_row(*line.cells(now))
        return table

    def summary(self) -> str:
        """Return how many nodes are in which state."""
        counts: dict[str, int] = {}
        for line in self.lines.values():
            counts[line.state] = counts.get(line.state, 0) + 1
        waiting = self.total - len(self.lines)
        parts = [f"{count} {state}" for state, count in counts.items()]
        return ", ".join([*parts, f"{waiting} waiting"] if waiting else parts)

    def _choose(self, room: int) -> list[NodeLine]:
        lines = list(self.lines.values())
        if len(lines) <= room:
            return lines
        live = [line for line in lines if line.ended is None][:room]
        ended = [line for line in lines if line.ended is not None]
        kept = {line.node for line in [*live, *ended[len(ended) - (room - len(live)) :]]}
        return [line for line in lines if line.node in kept]


def note_of(event: Event) -> str:
    """Return what an event has to say beyond its type: its error, its receipt."""
    failure, receipt = event.data.get("failure"), event.data.get("receipt")
    parts = [str(failure).splitlines()[0]] if failure is not None else []
    if isinstance(receipt, Receipt):
        parts.append(f"{receipt.how} after {receipt.ms:.0f} ms")
    text = "; ".join(parts)
    return clip(text, LONGEST_NOTE)
