"""What one attempt in a process may use, and which of it explains how the attempt ended."""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass

__all__ = ["Limits", "reached_by_death", "reached_by_error"]


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


def _describe(name: str, value: float) -> str:
    """Return the text that names a limit that was reached."""
    return f"limit {name} of {value:,} reached" if isinstance(value, int) else f"limit {name} of {value:g} reached"


def reached_by_death(limits: Limits | None, exit_code: int, seconds: float) -> str | None:
    """Tell which limit explains a worker's death, so many seconds after its handler began; None: none does."""
    if limits is None:
        return None
    cpu, memory, wall = limits.cpu_seconds, limits.memory_bytes, limits.wall_seconds
    killed = exit_code == -signal.SIGKILL
    if wall is not None and (exit_code == -signal.SIGALRM or (killed and seconds >= wall)):
        return _describe("wall_seconds", wall)
    if cpu is not None and (exit_code == -signal.SIGXCPU or (killed and seconds >= cpu)):
        return _describe("cpu_seconds", cpu)
    if exit_code == -signal.SIGABRT and memory is not None:  # an allocator that takes no for an end
        return _describe("memory_bytes", memory)
    return None


def reached_by_error(limits: Limits | None, error: BaseException) -> str | None:
    """Tell which limit explains what a handler raised; None: none does."""
    if limits is None:
        return None
    if isinstance(error, MemoryError) and limits.memory_bytes is not None:
        return _describe("memory_bytes", limits.memory_bytes)
    if isinstance(error, OSError) and error.errno == errno.EMFILE and limits.open_files is not None:
        return _describe("open_files", limits.open_files)
    return None
