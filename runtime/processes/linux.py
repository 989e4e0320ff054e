"""What Linux offers to hold processes: subreapers, death signals, lifelines, and who is whose child.

Spawner and workers use it; it imports little, because the first command waits for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import sys
from typing import Final

__all__ = [
    "become_subreaper",
    "children",
    "die_with_parent",
    "has_exited",
    "opened_anew",
    "reaped",
    "session_of",
    "signal_group",
    "signal_with_pipe",
    "supported",
]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_STATE_FIELDS: Final = 4
"""state, parent, group, session: what follows the program's name in /proc/<pid>/stat."""


def supported() -> bool:
    """Tell whether this system offers it all: Linux with pidfds and lists of children."""
    thread = f"/proc/self/task/{os.getpid()}/children"
    return sys.platform == "linux" and hasattr(os, "pidfd_open") and os.path.exists(thread)  # noqa: PTH110 (see below)


def become_subreaper() -> None:
    """Adopt the descendants whose parents end; kept across exec, not inherited by children.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when `parent` ends; it must have one thread only, because it is the thread whose end counts."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def opened_anew(descriptor: int) -> int:
    """Return another open file of a pipe: a signal's receiver belongs to that, so each receiver needs one of its own.

    Raises:
        OSError: no descriptor is free.
    """
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def signal_with_pipe(own: int, receiver: int, number: int) -> None:
    """Have the kernel send a signal when the last writer of a pipe ends, for as long as its open file lives.

    No thread waits for it; neither a lock of the interpreter nor a stop of whoever holds the file can delay it.

    Args:
        own: As `opened_anew` gives it.
        receiver: A process; negative: its group.
        number: Of the signal.
    """
    fcntl.fcntl(own, fcntl.F_SETOWN, receiver)
    fcntl.fcntl(own, fcntl.F_SETSIG, number)
    fcntl.fcntl(own, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        if os.read(own, 1) == b"":  # it was closed before we asked
            os.kill(receiver, number)


def children() -> set[int]:
    """Return the ids of our children, zombies included; one that appears meanwhile may be missed."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208 (see below)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # noqa: SIM117 (one line cannot hold both)
            with open(f"/proc/self/task/{task}/children", "rb") as file:  # noqa: PTH123 (pathlib's import costs)
                found.update(map(int, file.read().split()))
    return found


def reaped(pid: int) -> bool:
    """Reap a child if it has exited; True as well when it is no child of ours any more."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def session_of(pid: int) -> int | None:
    """Return the session of a process; None: it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (pathlib's import costs)
            fields = file.read().rpartition(b")")[2].split(maxsplit=_STATE_FIELDS)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[3])


def signal_group(pid: int, number: int) -> None:
    """Signal the group of a process that is not reaped; or the process, which may not have made its group yet."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            os.kill(pid, number)


def has_exited(pidfd: int) -> bool:
    """Tell whether the process of a pidfd has exited."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _prctl(option: int, argument: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")
