"""A timer of the kernel's that kills our process: no handler can block, ignore or forget the signal it sends."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["killed_after"]


class _Event(ctypes.Structure):
    """sigevent: which signal; 0 in `notify` says to send one."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Spec(ctypes.Structure):
    """itimerspec: seconds and nanoseconds of the interval, and of the first time."""

    _fields_ = (("interval", ctypes.c_long * 2), ("first", ctypes.c_long * 2))


@contextlib.contextmanager
def killed_after(seconds: float, clock: int = time.CLOCK_MONOTONIC) -> Generator[None]:
    """Be killed by SIGKILL unless a block ends within so many seconds of a clock; children are not.

    Raises:
        OSError: the system has no timer left.
    """
    library, timer = _library(), ctypes.c_void_p()
    event = _Event(signal=signal.SIGKILL)
    if library.timer_create(clock, ctypes.byref(event), ctypes.byref(timer)) != 0:
        raise _error("timer_create")
    try:
        whole, part = divmod(max(seconds, 1e-9), 1)
        spec = _Spec(first=(int(whole), int(part * 1e9)))
        if library.timer_settime(timer, 0, ctypes.byref(spec), None) != 0:
            raise _error("timer_settime")
        yield
    finally:
        library.timer_delete(timer)


def _error(call: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{call}: {os.strerror(code)}")


@functools.cache
def _library() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "timer_create") else ctypes.CDLL("librt.so.1", use_errno=True)
