"""Finds what a dead spawner left behind: all that it started carry its name in their environment.

The last resort: a living spawner finds its strays by kinship, which nobody can shed. A mark in the environment is
shed by a program that starts others with an environment of its own.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import Final

__all__ = ["VARIABLE", "kill_marked"]

VARIABLE: Final = "PLAYBILL_SPAWNER"
_SWEEP_SECONDS: Final = 0.5


def kill_marked(name: str) -> None:
    """Kill all processes that carry a spawner's name, until a look finds none; blocks for some milliseconds."""
    entry = f"{VARIABLE}={name}".encode()
    until = time.monotonic() + _SWEEP_SECONDS
    while (found := _carriers(entry)) and time.monotonic() < until:
        for pid in found:
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                _kill(pid, until)


def _kill(pid: int, until: float) -> None:
    """Kill a process and wait for its end: its environment is gone before its files are closed."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # none is free: then nobody waits
        os.kill(pid, signal.SIGKILL)
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, until - time.monotonic()) * 1000)
    finally:
        os.close(descriptor)


def _carriers(entry: bytes) -> list[int]:
    """Return the ids of the processes whose environment has an entry."""
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if entry in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
    return found
