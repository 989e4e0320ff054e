"""The terminal while a run's board is drawn at its lower end: what others write there scrolls by above it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from playbill.runtime.cli.terminal.capture import TerminalCapture
from playbill.runtime.cli.terminal.streams import ERRORS

if TYPE_CHECKING:
    from playbill.runtime.reports.board import Board

__all__ = ["Screen"]

DEFAULT_SIZE: Final = (80, 25)
"""Of a terminal that does not say it."""
SETTINGS: Final = ("COLUMNS", "LINES")
"""What a user may say instead."""


class Screen:
    """Draws a board on the terminal of standard error, until it is closed."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._file = open(os.dup(2), "w", encoding=sys.stderr.encoding, errors=ERRORS)  # noqa: SIM115, PTH123 (kept)
        self._console = Console(file=self._file, force_terminal=True, highlight=False)
        self._live = Live(
            board,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        # Standard output goes above the board if it is the same terminal, else its own way.
        self._capture: TerminalCapture | None = TerminalCapture(
            [2, 1] if _is_same_terminal() else [2], self._say, self._draw
        )

    def close(self) -> None:
        """Take the board away; all that was written is above it."""
        if self._capture is None:
            return
        capture, self._capture = self._capture, None
        capture.close()
        self._live.stop()

    def end(self, last: Text) -> None:
        """Leave all lines of the board behind, and `last`."""
        self.close()
        self._fit()
        for line in self._board.table(self._board.lines.values(), self._console.width):
            self._console.print(line, soft_wrap=True)
        self._console.print(last, soft_wrap=True)

    def _say(self, text: str) -> None:
        """Print what somebody wrote, with its colours, above the board."""
        self._fit()
        self._console.print(Text.from_ansi(text), soft_wrap=True)

    def _draw(self, rest: str) -> None:
        """Draw the board; above it what a line without an end has so far."""
        self._fit()
        begun = [Text.from_ansi(rest, no_wrap=True, overflow="ellipsis")] if rest else []
        self._live.update(Group(*begun, self._board), refresh=True)

    def _fit(self) -> None:
        """Take the terminal's size, which may change; rich would look for it where a pipe is now."""
        try:
            measured = tuple(os.get_terminal_size(self._file.fileno()))
        except OSError:
            measured = (0, 0)
        said = [int(text) if (text := os.environ.get(name, "")).isdecimal() else 0 for name in SETTINGS]
        columns, lines = (
            one or other or default for one, other, default in zip(said, measured, DEFAULT_SIZE, strict=True)
        )
        self._console.size = ConsoleDimensions(columns, lines)


def _is_same_terminal() -> bool:
    """Tell whether both outputs are one terminal."""
    return os.isatty(1) and os.path.sameopenfile(1, 2)
