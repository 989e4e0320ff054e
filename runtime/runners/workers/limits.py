"""What one attempt in a process may use; only soft limits are moved, and put back after it.

1. CPU seconds, memory and descriptors count what the attempt adds to what its worker uses already.
2. The kernel ends a worker over its CPU or wall seconds by a signal, which tells the host the limit. Memory and
   descriptors over the limit are errors in the handler; uncaught, they are named as the limit, too.
3. A handler may block or ignore that signal: a little later it is SIGKILL, and the time that has passed names the
   limit.
4. Limits are those of the process: what a handler starts has them for itself, counted anew.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import resource
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from playbill.runtime.runners.workers.inside.kernel_timer import killed_after

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Fields", "Limits", "limited", "reached_by_death", "reached_by_error"]

Fields: TypeAlias = "tuple[float | None, int | None, int | None, float | None]"
_PATIENCE_SECONDS: Final = 0.25
"""After the signal that a limit sends, until SIGKILL."""
_PAGE: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one attempt; None: none."""

    cpu_seconds: float | None = None
    """Rounded up to whole seconds, as the kernel counts them."""
    memory_bytes: int | None = None
    """Address space, which is more than what is resident."""
    open_files: int | None = None
    wall_seconds: float | None = None
    """Unlike a timeout without grace, and kept by the kernel even while the host is stopped."""

    def fields(self) -> Fields:
        """Return them as plain data."""
        return self.cpu_seconds, self.memory_bytes, self.open_files, self.wall_seconds


def said(name: str, value: float) -> str:
    """Return the text that names a limit that was reached."""
    return f"limit {name} of {value:,} reached" if isinstance(value, int) else f"limit {name} of {value:g} reached"


def reached_by_death(limits: Limits | None, exit_code: int, seconds: float) -> str | None:
    """Tell which limit explains a worker's death, so many seconds after its handler began; None: none does."""
    if limits is None:
        return None
    cpu, memory, _, wall = limits.fields()
    killed = exit_code == -signal.SIGKILL
    if wall is not None and (exit_code == -signal.SIGALRM or (killed and seconds >= wall)):
        return said("wall_seconds", wall)
    if cpu is not None and (exit_code == -signal.SIGXCPU or (killed and seconds >= cpu)):
        return said("cpu_seconds", cpu)
    if exit_code == -signal.SIGABRT and memory is not None:  # an allocator that takes no for an end
        return said("memory_bytes", memory)
    return None


def reached_by_error(limits: Limits | None, error: BaseException) -> str | None:
    """Tell which limit explains what a handler raised; None: none does."""
    if limits is None:
        return None
    if isinstance(error, MemoryError) and limits.memory_bytes is not None:
        return said("memory_bytes", limits.memory_bytes)
    if isinstance(error, OSError) and error.errno == errno.EMFILE and limits.open_files is not None:
        return said("open_files", limits.open_files)
    return None


@contextlib.contextmanager
def limited(limits: Limits) -> Generator[None]:
    """Run a block within limits."""
    cpu, memory, files, wall = limits.fields()
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
            most = math.ceil(_cpu_seconds() + cpu)
            lower(resource.RLIMIT_CPU, most)
            left = most - _cpu_seconds() + _PATIENCE_SECONDS
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
