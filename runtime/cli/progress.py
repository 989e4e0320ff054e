"""Progress, on standard error, since outputs have the other: a run's board or plain lines, and a bar for counts."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from playbill.model.facts import RunStatus
from playbill.model.wording import describe_seconds
from playbill.runtime.reports.board import Board

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.results import RunResult


def progress_of(definition: PipelineDefinition) -> PlainProgress:
    """Return what shows a run of `definition`."""
    board = Board(len(definition.nodes))
    return LiveProgress(board) if sys.stderr.isatty() else PlainProgress(board)


class PlainProgress:
    """One line for each thing that happens to a node."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Plain lines leave nothing open."""

    def take(self, event: Event) -> None:
        """Write the line of a node that an event changed."""
        line = self.board.take(event)
        if line is not None and line.state == "running":
            _write(f"started   {line.node}{f' (attempt {line.attempts})' if line.attempts > 1 else ''}")
        elif line is not None:
            cells = [cell.plain for cell in line.cells(datetime.now(UTC))]
            _write(f"{line.state:<10}{' '.join(filter(None, cells[1:]))}")

    def end(self, result: RunResult) -> None:
        """Show how the run ended."""
        _write(summary(self.board, result))


class LiveProgress(PlainProgress):
    """One line a node, redrawn in place."""

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 (slow, and only terminals need it)
        from rich.live import Live  # noqa: PLC0415

        self._console = Console(stderr=True)
        self._stack = ExitStack()
        live = Live(self.board, console=self._console, refresh_per_second=10, transient=True)
        self._stack.enter_context(live)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, event: Event) -> None:
        """Show an event, with the next redraw."""
        self.board.take(event)

    def end(self, result: RunResult) -> None:
        """Leave all lines behind, and how the run ended."""
        self._stack.close()
        self._console.print(self.board.table(self.board.lines.values()))
        colour = "green" if result.status is RunStatus.COMPLETED else "red"
        self._console.print(summary(self.board, result), style=colour, highlight=False, markup=False)


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
    elif result.cause is not None:
        lines.append(f"{result.cause.source}{f': {result.cause.reason}' if result.cause.reason else ''}")
    if result.orphans:
        lines.append(f"orphans, which could not be stopped: {', '.join(result.orphans)}")
    return "\n".join(lines)


def _write(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
