"""The virtual loop of a load: timers and callbacks without contexts of their own, since millions of them are made."""

from __future__ import annotations

import asyncio
from heapq import heappush
from typing import TYPE_CHECKING, Any, TypeVarTuple

from playbill.runtime.simulation.virtual.loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

Ts = TypeVarTuple("Ts")


class LightTimer(asyncio.TimerHandle):
    """A timer that runs its callback in whatever context there is: actors have no context variables."""

    __slots__ = ()

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...], loop: LoadLoop) -> None:
        # Not super().__init__: it copies the context and looks for debug mode, which costs more than the callback.
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._cancelled = False
        self._scheduled = False
        self._repr = self._source_traceback = None

    def _run(self) -> None:
        """Call it, and let go of it: who holds the timer that calls them is freed at once, not by the collector."""
        callback: Any = self._callback
        args = self._args
        self._callback = self._args = None  # type: ignore[assignment]
        try:
            callback(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 (as every handle does)
            text = f"Exception in callback {callback!r}"
            self._loop.call_exception_handler({"message": text, "exception": error, "handle": self})


class LoadLoop(VirtualLoop):
    """A virtual loop that makes light handles wherever nobody asks for a context."""

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback, now."""
        if context is not None:
            return super().call_soon(callback, *args, context=context)
        handle = LightTimer(self._now, callback, args, self)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback `delay` seconds from now."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a virtual time."""
        if context is not None:
            return super().call_at(when, callback, *args, context=context)
        handle = LightTimer(when, callback, args, self)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle
