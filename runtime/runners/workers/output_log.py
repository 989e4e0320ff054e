"""What a handler's process writes, as lines of its log: bounded reads, bounded lines, a bounded amount."""

from __future__ import annotations

import logging
import os
import select
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from playbill.runtime.processes.pipe import Pipe

__all__ = ["OutputLog"]

LONGEST_LINE: Final = 16 * 1024
"""Bytes of a line that are logged; the rest of it counts as left out."""
MAX_BYTES: Final = 1024 * 1024
"""Bytes that one attempt may log; the pipe is read on, so that the handler is not stopped by it."""
MAX_LINES: Final = 10_000
_SMALL_CHUNK: Final = 4 * 1024
"""What a turn of the loop may have to log."""
_LARGE_CHUNK: Final = 64 * 1024

_NOBODY: Final = logging.getLogger("playbill.worker")


class OutputLog:
    """Reads one output of one worker for as long as it lives."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pipe: Pipe,
        level: int,
        written: select.poll,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Read from a pipe until its end.

        Args:
            loop: Whose thread calls all methods.
            pipe: Closed in the end.
            level: Of all lines.
            written: Asked by others whether there is more to read.
            hide: Takes out of lines that belong to no attempt what nobody may see.
        """
        self._loop = loop
        self._pipe = pipe
        self._level = level
        self._hide = hide
        self._log: Callable[[int, str], None] = self._log_nowhere
        self._rest = b""
        self._in_long_line = self._has_read = False
        self._bytes = self._lines = self._left_out = 0
        self._written = written
        written.register(pipe.read, select.POLLIN)
        os.set_blocking(pipe.read, False)
        loop.add_reader(pipe.read, self.read)

    def begin(self, log: Callable[[int, str], None]) -> None:
        """Log to `log(level, text)` from here on."""
        self._log = log
        if self._has_read:
            self._has_read = self._in_long_line = False
            self._rest = b""
            self._bytes = self._lines = self._left_out = 0

    def end(self) -> None:
        """Log the line that has no end, and how much was left out."""
        if self._has_read:
            if self._rest:
                self._line(self._rest)
            if self._left_out:
                text = f"... {self._left_out:,} more bytes were written and left out of the log"
                self._log(self._level, text)
        self.begin(self._log_nowhere)

    def _log_nowhere(self, level: int, text: str) -> None:
        _NOBODY.log(level, "between attempts: %s", self._hide(text))

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
        first, *lines = data.split(b"\n")
        if not lines:
            self._extend(first)
            return
        self._extend(first)
        self._line(self._rest)
        self._in_long_line = False
        for line in lines[:-1]:
            self._line(line)
        self._rest = b""
        self._extend(lines[-1])

    def _extend(self, data: bytes) -> None:
        """Add to the line that has no end yet, as long as it may grow."""
        if self._in_long_line:
            self._left_out += len(data)
            return
        room = LONGEST_LINE - len(self._rest)
        self._rest += data[:room]
        if len(data) > room:
            self._left_out += len(data) - room
            self._in_long_line = True

    def _line(self, line: bytes) -> None:
        if self._is_full:
            self._left_out += len(line) + 1
        elif line:
            self._bytes += len(line) + 1
            self._lines += 1
            self._log(self._level, line.decode("utf-8", "replace"))
        self._rest = b""
