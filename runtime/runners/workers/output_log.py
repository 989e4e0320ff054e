"""What a handler's process writes, as lines of its log: bounded reads, bounded lines, a bounded amount."""

from __future__ import annotations

import logging
import os
import select
from typing import TYPE_CHECKING, Final, Protocol

from playbill.runtime.processes.line_splitter import LineSplitter

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from playbill.runtime.processes.line_splitter import OutputLine
    from playbill.runtime.processes.pipe import Pipe

__all__ = ["LEVELS", "OutputLog"]

LEVELS: Final = {"stdout": logging.INFO, "stderr": logging.WARNING}
"""What lines of an output are logged as."""
MAX_BYTES: Final = 1024 * 1024
"""Bytes that one attempt may log; the pipe is read on, so that the handler is not stopped by it."""
MAX_LINES: Final = 10_000
_SMALL_CHUNK: Final = 4 * 1024
"""What a turn of the loop may have to log."""
_LARGE_CHUNK: Final = 64 * 1024

_NOBODY: Final = logging.getLogger("playbill.worker")


class WriteLine(Protocol):
    """Takes a line of an output."""

    def __call__(self, output: str, text: str, *, cut: bool = False) -> None:
        """Log it; `cut`: its end is missing."""


class OutputLog:
    """Reads one output of one worker for as long as it lives."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pipe: Pipe,
        name: str,
        written: select.poll,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Read from a pipe until its end.

        Args:
            loop: Whose thread calls all methods.
            pipe: Closed in the end.
            name: The output's: stdout or stderr.
            written: Asked by others whether there is more to read.
            hide: Takes out of lines that belong to no attempt what nobody may see.
        """
        self._loop = loop
        self._pipe = pipe
        self._name = name
        self._hide = hide
        self._log: WriteLine = self._log_nowhere
        self._splitter = LineSplitter()
        self._has_read = False
        self._bytes = self._lines = self._left_out = 0
        self._written = written
        written.register(pipe.read, select.POLLIN)
        os.set_blocking(pipe.read, False)
        loop.add_reader(pipe.read, self.read)

    def begin(self, log: WriteLine) -> None:
        """Log to `log` from here on."""
        self._log = log
        if self._has_read:
            self._has_read = False
            self._splitter = LineSplitter()
            self._bytes = self._lines = self._left_out = 0

    def end(self) -> None:
        """Log the line that has no end, and how much was left out."""
        if self._has_read:
            self._line(self._splitter.end())
            if left_out := self._left_out + self._splitter.left_out:
                self._log(self._name, f"... {left_out:,} more bytes were written and left out of the log")
        self.begin(self._log_nowhere)

    def _log_nowhere(self, output: str, text: str, *, cut: bool = False) -> None:
        _NOBODY.log(LEVELS[output], "between attempts: %s", self._hide(text))

    def read(self) -> bool:
        """Read once; False: there is nothing now."""
        if self._pipe.read < 0:
            return False
        size = _LARGE_CHUNK if self._is_full else _SMALL_CHUNK
        try:
            data = os.read(self._pipe.read, size)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self._has_read = True
        self._feed(data)
        return True

    def close(self) -> None:
        """Stop reading and close the descriptor; what is unread is lost."""
        if self._pipe.read >= 0:
            self._loop.remove_reader(self._pipe.read)
            self._written.unregister(self._pipe.read)
            self._pipe.close()

    @property
    def _is_full(self) -> bool:
        return self._bytes >= MAX_BYTES or self._lines >= MAX_LINES

    def _feed(self, data: bytes) -> None:
        if self._is_full:
            self._left_out += len(data)
            return
        for line in self._splitter.feed(data):
            self._line(line)

    def _line(self, line: OutputLine) -> None:
        size = len(line.data)
        if not size:
            return
        if self._is_full:
            self._left_out += size + 1
            return
        self._bytes += size + 1
        self._lines += 1
        self._log(self._name, line.text, cut=line.cut)
