"""Raises an exception in another thread, where it cannot leave a lock of everybody's held.

Such an exception comes between any two steps, so also between a lock's `acquire` and the `try` after it: in logging
that lock is the whole program's, and the next to log, the loop perhaps, stands still for ever. So:

1. A thread is struck only while a handler is on its stack, and no frame above the handler's own is in SHIELDED; but
   what an event loop of the handler's or a circuit breaker calls is its own: these hold no lock meanwhile.
2. Nor is it struck in a finalizer, `__del__` or a weak reference's callback: the interpreter swallows what is raised
   there, and the handler would go on.
3. Whoever strikes looks again a little later, as long as it may. Other libraries are struck wherever they are.

The weak spot: between the look and the strike the other thread may take some steps, if the system takes the processor
from this one just there.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

__all__ = ["LOOK_AGAIN_SECONDS", "may_strike", "strike"]

LOOK_AGAIN_SECONDS: Final = 0.002
"""Until a thread that could not be struck is looked at again."""
SHIELDED: Final = frozenset(
    {"threading", "logging", "queue", "concurrent", "asyncio", "importlib", "_frozen_importlib", "playbill"}
    | {"_frozen_importlib_external", "weakref", "_weakrefset"}
)
"""The packages in whose code nothing is raised: what they lock is shared by the whole program, or they finalize."""
LOCKLESS: Final = frozenset({"asyncio", "playbill"})
"""Those of them that hold no lock while they call other code: they are shielded only where they are innermost."""


def may_strike(frame: FrameType | None, caller: CodeType) -> bool:
    """Tell whether an exception may be raised in a thread.

    Args:
        frame: its innermost frame; None: it has ended.
        caller: the code of the function that calls handlers, and nothing else.
    """
    packages: list[str] = []
    while frame is not None and frame.f_code is not caller:
        if frame.f_code.co_name == "__del__":
            return False
        packages.append(str(frame.f_globals.get("__name__")).partition(".")[0])
        frame = frame.f_back
    # The last one is the handler's own, which may be of playbill's.
    innermost, between = packages[:1], packages[:-1]
    return (
        frame is not None
        and bool(packages)
        and (SHIELDED - LOCKLESS).isdisjoint(between)
        and (len(packages) == 1 or LOCKLESS.isdisjoint(innermost))
    )


def strike(thread: int, caller: CodeType, error: type[BaseException]) -> bool:
    """Set the exception that a thread finds raised, if it may be; tell whether it was."""
    import ctypes  # noqa: PLC0415 (only kills need it)

    where, raised = ctypes.c_ulong(thread), ctypes.py_object(error)
    set_error = ctypes.pythonapi.PyThreadState_SetAsyncExc
    time.sleep(0)  # a turn of our own begins, which is longer than a look and a strike
    frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented, for debuggers
    if not may_strike(frames.get(thread), caller):
        return False
    return bool(set_error(where, raised))
