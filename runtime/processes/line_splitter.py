"""Cuts what a process writes into lines, of which none is longer than a bound; pure."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["LONGEST_LINE", "LineSplitter", "OutputLine"]

LONGEST_LINE: Final = 16 * 1024
"""Bytes of a line that are kept of it; the rest counts as left out."""


class OutputLine(NamedTuple):
    """A line without its end; it may be empty."""

    data: bytes
    cut: bool
    """Whether it was longer."""

    @property
    def text(self) -> str:
        """What it says; what is not UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace")


class LineSplitter:
    """One output of one process; holds the line that has no end yet."""

    __slots__ = ("_is_cut", "_rest", "left_out")

    def __init__(self) -> None:
        self._rest = b""
        self._is_cut = False
        self.left_out = 0
        """Bytes of lines that were too long."""

    def feed(self, data: bytes) -> list[OutputLine]:
        """Return the lines that end in the next bytes of the stream."""
        found: list[OutputLine] = []
        *ends, rest = data.split(b"\n")
        for part in ends:
            self._extend(part)
            found.append(self.end())
        self._extend(rest)
        return found

    def end(self) -> OutputLine:
        """Return the line that has no end: there will be none."""
        line = OutputLine(self._rest, self._is_cut)
        self._rest, self._is_cut = b"", False
        return line

    def _extend(self, data: bytes) -> None:
        room = LONGEST_LINE - len(self._rest)
        self._rest += data[:room]
        if len(data) > room:
            self.left_out += len(data) - room
            self._is_cut = True

    def __repr__(self) -> str:
        return f"<LineSplitter {len(self._rest)} bytes without an end, {self.left_out} left out>"
