"""In a worker: turns SIGTERM into one CancelledError for each attempt, raised in the handler's code only.

1. Only inside an attempt, and once: what comes between attempts does nothing.
2. Our own code on the handler's stack (sending a frame) is shielded by `with interrupts:`, and the error is raised
   behind it.
3. A handler on a loop is cancelled there, as a task.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

__all__ = ["Interrupts"]

_BARE: Final[Any] = importlib.import_module("_signal")
"""What is below `signal`, which makes enums of its results: 15 us after every attempt."""


class Interrupts:
    """The interruptions of one worker."""

    def __init__(self) -> None:
        self.asked = False
        """Whether the attempt was asked to end."""
        self._own_handler = self._signalled
        self._main_thread = threading.main_thread().ident
        self._inside = self._struck = self._is_postponed = False
        self._shields = 0
        self._cancel: Callable[[], object] | None = None

    def __enter__(self) -> None:
        """Hold an interruption back until the end of a block; it is only ever raised in the main thread."""
        if threading.get_ident() == self._main_thread:
            self._shields += 1

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if threading.get_ident() == self._main_thread:
            self._shields -= 1
            if self._is_postponed and not self._shields:
                self._is_postponed = False
                raise asyncio.CancelledError

    def install(self) -> None:
        """Take SIGTERM, whatever a handler did to it."""
        _BARE.signal(signal.SIGTERM, self._own_handler)
        _BARE.pthread_sigmask(signal.SIG_SETMASK, ())

    def disown(self) -> None:
        """In a process that a handler forked: SIGTERM is none of ours."""
        if signal.getsignal(signal.SIGTERM) == self._own_handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def enter(self) -> None:
        """Begin an attempt: from here on a CancelledError may be raised anywhere."""
        self.asked = self._struck = self._is_postponed = False
        self._inside = True

    def leave(self) -> None:
        """End the attempt: from here on nothing is raised."""
        self._inside = False

    def strike(self) -> None:
        """Interrupt the attempt, once."""
        if self._struck or not self._inside:
            return
        self.asked = self._struck = True
        if self._cancel is not None:
            self._cancel()
        elif self._shields:
            self._is_postponed = True
        else:
            raise asyncio.CancelledError

    @contextlib.contextmanager
    def to_task(self) -> Generator[None]:
        """Within a block of a coroutine, interrupt by cancelling its task."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be cancelled")
        # From a signal handler: the loop may be waiting, and its wake-up is what the threadsafe call sends.
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._is_postponed:
            self._is_postponed = False
            task.cancel()
        try:
            yield
        finally:
            self._cancel = None

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.strike()
