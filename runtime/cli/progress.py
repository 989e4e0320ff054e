"""Progress, on standard error, since outputs have the other: a run's board or plain lines, and a bar for counts."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from playbill.model.facts import RunStatus
from playbill.model.wording import describe_seconds
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.reports.board import Board
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.progress import NodeProgress
    from playbill.model.results import RunResult

DUMB: Final = {"", "dumb", "unknown"}
"""What terminals are called that cannot go back to a line."""


def progress_of(definition: PipelineDefinition, grace: float) -> PlainProgress:
    """Return what shows a run of `definition`, whose nodes have `grace` seconds at a stop."""
    board = Board(definition, grace, encoding=sys.stderr.encoding)
    draws = sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in DUMB
    return LiveProgress(board) if draws else PlainProgress(board)


class PlainProgress:
    """One line for each thing that happens to a node.

    Args:
        board: what is known of the run.
        prefix: before each line, where there are several runs.
    """

    def __init__(self, board: Board, prefix: str = "") -> None:
        self.board = board
        self._prefix = prefix

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Plain lines leave nothing open."""

    def take(self, item: Event | NodeProgress) -> None:
        """Write the line of a node that an event changed, and that the run is stopped."""
        stop, now = self.board.stop, datetime.now(UTC)
        line = self.board.take(item)
        if line is not None and line.state == "running":
            again = f" (attempt {line.attempts})" if line.attempts > 1 else ""
            self._say(f"started   {printable(line.node)}{again}")
        elif line is not None:
            self._say(f"{line.state:<10}{' '.join(filter(None, line.words(now)))}")
        if self.board.stop is not None and self.board.stop is not stop:
            self._say(self.board.stop.describe(now))

    def end(self, result: RunResult) -> None:
        """Show how the run ended."""
        self._say(summary(self.board, result))

    def _say(self, text: str) -> None:
        complain("\n".join(f"{self._prefix}{line}" for line in text.splitlines()))


class LiveProgress(PlainProgress):
    """One line a node, redrawn in place; what is written meanwhile goes above it."""

    def __enter__(self) -> Self:
        from playbill.runtime.cli.terminal.screen import Screen  # noqa: PLC0415 (slow to import, and only terminals need it)

        self._screen = Screen(self.board)
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.close()

    def take(self, item: Event | NodeProgress) -> None:
        """Show it, with the next redraw."""
        self.board.take(item)

    def end(self, result: RunResult) -> None:
        """Leave all lines behind, and how the run ended."""
        from rich.text import Text  # noqa: PLC0415 (see Screen)

        colour = "green" if result.status is RunStatus.COMPLETED else "red"
        self._screen.end(Text(summary(self.board, result), colour))


class ProgressBar:
    """A bar of how much of a total is done, on a terminal; nothing elsewhere."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 (slow, and only terminals need it)
            from rich.progress import Progress  # noqa: PLC0415

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self

    def show(self, done: float, text: str) -> None:
        """Show how much is done, and what there is to say of it."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def summary(board: Board, result: RunResult) -> str:
    """Return the last line: status, time, counts; and why, if the run did not complete."""
    took = ""
    if result.started_at is not None and result.ended_at is not None:
        took = f" in {describe_seconds((result.ended_at - result.started_at).total_seconds())}"
    lines = [f"{result.status}{took}: {board.summary()}"]
    if result.cause is not None and result.error is not None:
        place = f"node '{result.cause.node}': " if result.cause.node else ""
        lines.append(f"{place}{result.error}")
    elif result.status is RunStatus.TIMEOUT and result.cause is not None:
        lines.append(f"its timeout of {describe_seconds(result.cause.seconds)} is over (timeout, or --timeout)")
    elif result.cause is not None:
        lines.append(f"{result.cause.source}{f': {result.cause.reason}' if result.cause.reason else ''}")
    if result.orphans:
        lines.append(f"orphans, which could not be stopped: {', '.join(result.orphans)}")
    return "\n".join(lines)
