"""The system's clock: monotonic time is the loop's, so that a loop with virtual time brings it along."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from playbill.model.facts import Now

if TYPE_CHECKING:
    import asyncio


class Clock(Protocol):
    """Reads both clocks at once."""

    def now(self) -> Now:
        """Return monotonic seconds and UTC."""
        ...


class SystemClock:
    """The clock of a real loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time

    def now(self) -> Now:
        """Return monotonic seconds and UTC."""
        return Now(self._time(), datetime.now(UTC))
