"""What a thread reports to a loop: heard on the loop, or by who blocks it to wait for the thread."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["ThreadReports"]


class ThreadReports:
    """Reports in their order, each heard once.

    Args:
        loop: where they are heard.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reports: list[Callable[[], None]] = []
        self._news = threading.Event()
        self._is_awaited = False
        """Whether somebody blocks the loop to wait for a report."""

    def put(self, report: Callable[[], None]) -> None:
        """Have a report heard; from the thread."""
        self._reports.append(report)
        if self._is_awaited:
            self._news.set()
        with suppress(RuntimeError):  # the loop is closed: whoever waits hears it
            self._loop.call_soon_threadsafe(self.hear)

    def hear(self) -> None:
        """Hear what was reported."""
        while self._reports:
            self._reports.pop(0)()

    def attend(self) -> None:
        """Hear what was reported, and wait for the rest by `wait`."""
        self._is_awaited = True
        self.hear()  # what came before the thread knew that somebody waits

    def wait(self, seconds: float) -> None:
        """Wait for a report, while the loop stands still, and hear it."""
        self._news.wait(seconds)
        self._news.clear()
        self.hear()
