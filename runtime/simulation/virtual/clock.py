"""The clock of a virtual loop: UTC begins at a fixed day, and goes on with the loop's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from playbill.model.facts import Now

if TYPE_CHECKING:
    import asyncio

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulation begins."""


class VirtualClock:
    """Reads a virtual loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self._read = Now(0.0, EPOCH)

    def now(self) -> Now:
        """Return virtual seconds and the UTC that stands for them."""
        seconds = self._time()
        if seconds != self._read.monotonic:
            self._read = Now(seconds, EPOCH + timedelta(seconds=seconds))
        return self._read
