"""What a terminal shows of a run: one line a node, kept up to date by the run's events, and how it is stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Final

from playbill.model.events import TERMINAL, Event, EventType
from playbill.model.facts import Receipt, RunStatus
from playbill.model.progress import NodeProgress
from playbill.model.wording import clip, describe_seconds
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from playbill.model.definition import PipelineDefinition

LOOKS: Final = {
    "queued": ("◌", "yellow"),
    "running": ("●", "cyan"),
    "retrying": ("↻", "yellow"),
    "interrupted": ("◌", "magenta"),
    "completed": ("✔", "green"),
    "failed": ("✘", "red"),
    "skipped": ("○", "bright_black"),
    "cancelled": ("■", "magenta"),
}
"""A node's state as a symbol and a colour."""
STATES: Final = {
    EventType.PIPELINE_NODE_WAITING: "queued",
    EventType.PIPELINE_NODE_STARTED: "running",
    EventType.PIPELINE_NODE_RETRYING: "retrying",
    EventType.PIPELINE_NODE_INTERRUPTED: "interrupted",
    EventType.PIPELINE_NODE_COMPLETED: "completed",
    EventType.PIPELINE_NODE_FAILED: "failed",
    EventType.PIPELINE_NODE_SKIPPED: "skipped",
    EventType.PIPELINE_NODE_CANCELLED: "cancelled",
}
LONGEST_NOTE: Final = 80


@dataclass(slots=True)
class NodeLine:
    """One node, as far as the events tell.

    An attempt is lost in a crash (the run's next owner says so), or interrupted, as it was ended so that its run
    could be left: neither is charged to the node's retries; see model/past.py, rule 2.
    """

    node: str
    state: str = "running"
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    crashed: int = 0
    """So many of them were lost in crashes."""
    interrupted: int = 0
    """So many were ended as the run was left."""
    followed: int = 0
    """So many of both had a successor."""
    note: str = ""
    fraction: float | None = None
    """How much of its work is done, as its handler says."""

    def take(self, event: Event) -> None:
        """Go on by an event of the node."""
        self.state = STATES[event.type]
        self.note = note_of(event)
        self.fraction = None
        if self.state == "queued":
            return
        self.attempts = max(self.attempts, event.attempt or 0)
        if self.state == "running":
            self.started = self.started or event.at
            self.followed = self.crashed + self.interrupted
        elif self.state == "interrupted":
            self.interrupted += 1
        elif self.state != "retrying":
            self.ended = event.at

    def hear(self, said: NodeProgress) -> None:
        """Show what its handler says of its progress, while it works."""
        if self.state == "running" and said.attempt == self.attempts:
            self.fraction = said.fraction
            self.note = note_of_progress(said)

    def seconds(self, now: datetime) -> float | None:
        """Return how long the node has taken."""
        return None if self.started is None else ((self.ended or now) - self.started).total_seconds()

    def words(self, now: datetime, encoding: str = "utf-8") -> tuple[str, str, str, str]:
        """Return the line as words: node, duration, retries, note."""
        seconds = self.seconds(now)
        count = self.attempts - 1 - self.followed
        retries = f"{count} retr{'y' if count == 1 else 'ies'}" if count > 0 else ""
        duration = "" if seconds is None else describe_seconds(seconds)
        note = "; ".join(filter(None, [*self._lost(), printable(self.note, encoding)]))
        return printable(self.node, encoding), duration, retries, note

    def _lost(self) -> list[str]:
        told = (
            (self.crashed, "lost in a crash", "lost in crashes"),
            (self.interrupted, "interrupted", "interrupted"),
        )
        return [
            f"{count} attempt{'' if count == 1 else 's'} {one if count == 1 else several}"
            for count, one, several in told
            if count and not (one == "interrupted" and self.state == one and count == 1)
        ]

    def cells(self, now: datetime, encoding: str = "utf-8") -> tuple[Text, Text, Text, Text, Text]:
        """Return the line as cells: symbol, node, duration, retries, note."""
        from rich.text import Text  # noqa: PLC0415 (slow, and plain lines have no cells)

        symbol, colour = LOOKS[self.state]
        node, duration, retries, note = self.words(now, encoding)
        return (
            Text(symbol, colour),
            Text(node, "bold" if self.state == "running" else ""),
            Text(duration, "bright_black"),
            Text(retries, "yellow"),
            Text(note, colour if self.state in {"failed", "cancelled", "interrupted"} else "bright_black"),
        )


@dataclass(slots=True)
class StopNotice:
    """A run that is being stopped."""

    at: datetime
    grace: float
    why: str

    def describe(self, now: datetime) -> str:
        """Return how far it is."""
        left = self.grace - (now - self.at).total_seconds()
        if left <= 0:
            return f"{self.why}killing ..."
        return f"{self.why}stopping, {ceil(left)} s of grace left; Ctrl-C kills"


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass
class Board:
    """All nodes of a run; renders as many lines as fit, the live ones first.

    It may be drawn in a thread while events come in another.
    """

    definition: PipelineDefinition
    grace: float = 5.0
    """Seconds that the nodes have at a stop that have none of their own."""
    lines: dict[str, NodeLine] = field(default_factory=dict[str, NodeLine])
    stop: StopNotice | None = None
    """None: nobody stops it."""
    is_parked: bool = False
    """Whether its last owner left the run in good order."""
    encoding: str = "utf-8"
    """What its terminal can show."""
    clock: Callable[[], datetime] = _utc

    def take(self, item: Event | NodeProgress) -> NodeLine | None:
        """Go on by an event, or by progress; return its node's line, if it is about a node's state."""
        if isinstance(item, NodeProgress):
            if item.node_id in self.lines:
                self.lines[item.node_id].hear(item)
            return None
        if item.type is EventType.PIPELINE_RUN_CANCEL_REQUESTED:
            self.stop = self._stop_of(item)
        if item.type in TERMINAL:
            self._settle(item)
        if item.type is EventType.PIPELINE_RUN_PARKED:
            self.is_parked = True
        if item.type is EventType.PIPELINE_RUN_RECOVERED:
            self._lose(item)
        if item.node_id is None or item.type not in STATES:
            return None
        line = self.lines.setdefault(item.node_id, NodeLine(item.node_id))
        line.take(item)
        if self.stop is None and line.state == "failed" and self._stops_all(item):
            self.stop = StopNotice(item.at, self._grace_of_live(None), f"node '{printable(line.node)}' failed: ")
        return line

    def _lose(self, event: Event) -> None:
        """Count the attempts that were running as the run lost its owner."""
        for node in event.data["attempts"]:
            if (line := self.lines.get(node)) is not None:
                line.crashed += not self.is_parked
                line.interrupted += self.is_parked
        self.is_parked = False

    def _settle(self, event: Event) -> None:
        """End what was under way in a run that was cancelled while nobody had it at work."""
        for line in self.lines.values():
            if line.ended is None:
                line.state, line.note, line.ended = "cancelled", "", event.at

    def _stop_of(self, event: Event) -> StopNotice:
        cause, grace = event.data["cause"], event.data.get("grace")
        why = f"timeout after {describe_seconds(cause.seconds)}: " if cause.status is RunStatus.TIMEOUT else ""
        return StopNotice(event.at, self._grace_of_live(grace), why)

    def _stops_all(self, event: Event) -> bool:
        return self.definition.on_failure == "stop" and not event.data.get("handled")

    def _grace_of_live(self, explicit: float | None) -> float:
        """Return the longest grace of the nodes that are at work."""
        live = {line.node for line in self.lines.values() if line.ended is None}
        own = [node.grace for node in self.definition.nodes if node.id in live]
        if explicit is None:
            return max((self.grace if grace is None else grace for grace in own), default=0.0)
        return max((explicit if grace is None else min(explicit, grace) for grace in own), default=explicit)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text  # noqa: PLC0415 (see NodeLine)

        room = max(3, (options.height or console.height) - 3)
        yield from self.table(self._choose(room), options.max_width)
        stop = self.stop
        if stop is not None:
            yield Text(stop.describe(self.clock()), "bold yellow", no_wrap=True, overflow="ellipsis")
        yield Text(self.summary(), "bright_black", no_wrap=True, overflow="ellipsis")

    def table(self, lines: Iterable[NodeLine], width: int) -> list[Text]:
        """Return these lines as a table that is `width` cells wide."""
        from playbill.runtime.reports.board_lines import rows  # noqa: PLC0415 (as rich.text above)

        now = self.clock()
        return rows([(line.cells(now, self.encoding), line.fraction) for line in lines], width)

    def summary(self) -> str:
        """Return how many nodes are in which state."""
        counts: dict[str, int] = {}
        for line in list(self.lines.values()):
            counts[line.state] = counts.get(line.state, 0) + 1
        waiting = len(self.definition.nodes) - sum(counts.values())
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
    """Return what an event has to say beyond its type: its error, its receipt, what a node waits for."""
    if event.type is EventType.PIPELINE_NODE_WAITING:
        key = event.data["key"]
        return "waits for one of the run's slots" if key is None else f"waits for a permit of {key}"
    failure, receipt = event.data.get("failure"), event.data.get("receipt")
    parts = [str(failure).splitlines()[0]] if failure is not None else []
    if "reused_from" in event.data:
        parts.append(f"as in {event.data['reused_from']}")
    if isinstance(receipt, Receipt):
        parts.append(f"{receipt.how} after {receipt.ms:.0f} ms")
    text = "; ".join(parts)
    return clip(text, LONGEST_NOTE)


def note_of_progress(said: NodeProgress) -> str:
    """Return progress in words: a text's last line, how many of how many, or whatever it is."""
    progress = said.progress
    if said.fraction is not None and isinstance(progress, dict):
        return f"{progress['done']}/{progress['of']}"
    if said.fraction is not None:
        return ""
    text = progress if isinstance(progress, str) else str(progress)
    return clip(next(reversed(text.splitlines()), ""), LONGEST_NOTE)
