"""Notices that the clock on the wall was set, or that the machine slept, which stops the other clock alone.

They are compared every 30 s; where they have parted, those who wait for a moment of the wall's are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from playbill.runtime.clocks.system import Clock

__all__ = ["STEP_SECONDS", "StepWatch"]

LOOK_SECONDS: Final = 30.0
STEP_SECONDS: Final = 1.0
"""Less is a clock that is being corrected."""


class StepWatch:
    """Compares the two clocks of a loop.

    Args:
        loop: where it looks every 30 s.
        clock: reads both.
        tell: is told by how many seconds the wall's has gone ahead of the other one, or fallen behind.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, tell: Callable[[float], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._tell = tell
        self._apart = self._difference()
        self._timer = loop.call_later(LOOK_SECONDS, self._look_on)

    def look(self) -> None:
        """Compare them now."""
        apart = self._difference()
        step = apart - self._apart
        if abs(step) >= STEP_SECONDS:
            self._apart = apart
            self._tell(step)

    def _difference(self) -> float:
        now = self._clock.now()
        return now.utc.timestamp() - now.monotonic

    def _look_on(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look_on)
        self.look()

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()
