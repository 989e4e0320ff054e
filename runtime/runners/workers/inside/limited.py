"""In a worker: keeps one attempt within its limits; only soft limits are moved, and put back after it.

1. CPU seconds, memory and descriptors count what the attempt adds to what its worker uses already.
2. The kernel ends a worker over its CPU or wall seconds by a signal, which tells the host the limit. Memory and
   descriptors over the limit are errors in the handler.
3. A handler may block or ignore that signal: a little later it is SIGKILL.
4. Limits are those of the process: what a handler starts has them for itself, counted anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import resource
import signal
import time
from typing import TYPE_CHECKING, Final

from playbill.runtime.runners.workers.inside.kernel_timer import killed_after

if TYPE_CHECKING:
    from collections.abc import Generator

    from playbill.runtime.runners.workers.limits import Limits

__all__ = ["limited"]

_PATIENCE_SECONDS: Final = 0.25
"""After the signal that a limit sends, until SIGKILL."""
_PAGE: Final = resource.getpagesize()


@contextlib.contextmanager
def limited(limits: Limits) -> Generator[None]:
    """Run a block within limits."""
    cpu, memory, files, wall = limits.cpu_seconds, limits.memory_bytes, limits.open_files, limits.wall_seconds
    before: list[tuple[int, tuple[int, int]]] = []

    def lower(which: int, soft: int) -> None:
        old = resource.getrlimit(which)
        before.append((which, old))
        hard = old[1]
        resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))

    killers = contextlib.ExitStack()
    try:
        if cpu is not None:
            lower(resource.RLIMIT_CORE, 0)  # its death is no crash
            until = math.ceil(_cpu_seconds() + cpu)
            lower(resource.RLIMIT_CPU, until)
            left = until - _cpu_seconds() + _PATIENCE_SECONDS
            killers.enter_context(killed_after(left, time.CLOCK_PROCESS_CPUTIME_ID))
        if files is not None:
            lower(resource.RLIMIT_NOFILE, _with_free_descriptors(files))
        if wall is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, wall)
            killers.enter_context(killed_after(wall + _PATIENCE_SECONDS))
        if memory is not None:
            lower(resource.RLIMIT_AS, _address_space() + memory)
        yield
    finally:
        killers.close()
        for which, old in reversed(before):
            resource.setrlimit(which, old)
        if wall is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _address_space() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 (once per attempt: the plain call is enough)
        return int(file.read().split()[0]) * _PAGE


def _with_free_descriptors(count: int) -> int:
    """Return the limit below which exactly `count` descriptors are free."""
    number = 0
    while count > 0:
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            count -= 1
        number += 1
    return number
