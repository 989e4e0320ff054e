"""Catches all that a process writes to its terminal while a board is drawn there, and hands it on in whole lines.

It works on descriptors, so that nobody escapes it: a logging handler that was made before, C code, a child. A thread
reads, since a handler on the loop that writes much would wait for the loop for ever; it draws, too, so that nobody
else writes to the terminal at that time. What is left is handed on before `close` returns.

Weak: whoever holds a descriptor of ours after the end, as a child may, finds nobody reading it.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["TerminalCapture"]

TICK_SECONDS: Final = 0.1
CHUNK: Final = 64 * 1024
LONGEST_LINE: Final = 64 * 1024
"""Characters of a line that is handed on although it has no end yet."""


class TerminalCapture:
    """Stands in for some of this process's descriptors until it is closed.

    Args:
        numbers: the descriptors, which are one terminal.
        show: takes whole lines, without the last one's end.
        tick: called ten times a second with the line that has no end yet.
    """

    def __init__(self, numbers: Iterable[int], show: Callable[[str], None], tick: Callable[[str], None]) -> None:
        self._show = show
        self._tick = tick
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._read, write = os.pipe()
        self._stopped, self._stop = os.pipe()
        _flush()
        self._kept = {number: os.dup(number) for number in numbers}
        for number in self._kept:
            os.dup2(write, number)
        os.close(write)
        self._thread = threading.Thread(target=self._serve, name="playbill board", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the descriptors back, and hand on all that was written until now."""
        _flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)
        os.close(self._stop)
        self._thread.join()
        os.close(self._read)
        os.close(self._stopped)
        if self._rest:
            self._hand_on(self._rest)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        due = time.monotonic()
        while True:
            ready = [number for number, _ in poll.poll(max(0.0, due - time.monotonic()) * 1000)]
            data = os.read(self._read, CHUNK) if self._read in ready else b""
            if data:
                self._feed(data)
            elif self._read in ready:  # whoever could write has gone
                poll.unregister(self._read)
            if self._stopped in ready and not data:
                return
            if time.monotonic() >= due:
                with contextlib.suppress(OSError):  # the terminal has gone; what is written must still be read
                    self._tick(self._rest)
                due = time.monotonic() + TICK_SECONDS

    def _feed(self, data: bytes) -> None:
        whole, newline, self._rest = (self._rest + self._decoder.decode(data)).rpartition("\n")
        if newline:
            self._hand_on(whole)
        if len(self._rest) > LONGEST_LINE:
            self._hand_on(self._rest)
            self._rest = ""

    def _hand_on(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._show(text)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
