"""How functions of users are called: which belong on the loop, and a daemon thread for the others."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["called_by", "in_daemon_thread", "is_async", "is_generator"]

T = TypeVar("T")


def called_by(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what is in partials and static methods."""
    while isinstance(function, functools.partial | staticmethod):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return function


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether a call gives a coroutine: of an `async def`, a partial of one, or an async `__call__`."""
    return any(map(inspect.iscoroutinefunction, _codes(function)))


def is_generator(function: Callable[..., Any]) -> bool:
    """Tell whether a call only makes a generator, sync or async."""
    return any(inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code) for code in _codes(function))


def _codes(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    inner = called_by(function)
    return inner, type(inner).__call__


async def in_daemon_thread(function: Callable[..., T], *args: object) -> T:
    """Call a function in a thread that cannot hang the interpreter's exit.

    A thread cannot be interrupted, and a stop shall not be claimed that did not happen: cancelled, it raises once
    the thread has ended. Until then the attempt is alive; given up on, it is named an orphan.

    Raises:
        BaseException: Whatever the function raised.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()

    def end(value: T | None, error: BaseException | None) -> None:
        if not ended.done():
            ended.set_result((value, error))

    def work() -> None:
        value: T | None = None
        failure: BaseException | None = None
        try:
            value = function(*args)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(end, value, failure)

    run = contextvars.copy_context().run
    name = f"playbill-{getattr(function, '__qualname__', type(function).__name__)}"
    threading.Thread(target=run, args=(work,), daemon=True, name=name).start()
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.wait({ended})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    value, failure = ended.result()
    if failure is not None:
        raise failure
    return value  # type: ignore[return-value]  # no failure: it is what the function gave
