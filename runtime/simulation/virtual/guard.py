"""The guard: ends a simulation that stands still in real time, because a handler computes or blocks for ever."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from playbill.runtime.simulation.virtual.stuck import Blocked

if TYPE_CHECKING:
    from types import FrameType

    from playbill.runtime.simulation.virtual.loop import VirtualLoop

REAL_SECONDS: Final = 10.0
"""How long one callback may take on a real clock."""


class Guard:
    """Watches one loop after the other while it is entered; entered again within, it goes on.

    It uses the alarm signal, so it does nothing off the main thread or where somebody else uses that signal.
    """

    def __init__(self, loop: VirtualLoop | None = None, seconds: float = REAL_SECONDS) -> None:
        self.loop = loop
        """The one that runs now."""
        self._seconds = seconds
        self._depth = 0
        self._seen: object = None
        self._armed = False

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth > 1:
            return self
        on_main = threading.current_thread() is threading.main_thread()
        if on_main and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
            self._armed = True
            self._seen = None
            signal.signal(signal.SIGALRM, self._rung)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)
        return self

    def _rung(self, _: int, frame: FrameType | None) -> None:
        current = None if self.loop is None else self.loop.current
        if current is None or current is not self._seen or frame is None:
            self._seen = current
            return
        error = Blocked(self._seconds, f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        if self.loop is not None:
            self.loop.fail(error)
        raise error

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._armed and not self._depth:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
