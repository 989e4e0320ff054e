"""The virtual loop's handles: what asyncio's are, with less to remember."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context


class VirtualHandle(asyncio.TimerHandle):
    """A callback, due at `when`."""

    __slots__ = ()
    _repr = _source_traceback = None
    _scheduled = False

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> None:
        # Not super().__init__: it looks for debug mode and copies a context, which costs more than many a callback.
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        """Let it never be called."""
        self._cancelled = True
        self._callback = self._args = None  # type: ignore[assignment]

    def _run(self) -> None:
        """Call it, and let go of it: who holds the timer that calls them is freed at once, not by the collector."""
        callback: Any = self._callback
        args = self._args
        self._callback = self._args = None  # type: ignore[assignment]
        try:
            self._context.run(callback, *args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 (as every handle does)
            text = f"Exception in callback {callback!r}"
            self._loop.call_exception_handler({"message": text, "exception": error, "handle": self})
