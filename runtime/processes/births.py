"""How the spawner starts leaders: workers are forked, programs executed; both die with it and its host."""

from __future__ import annotations

import fcntl
import gc
import importlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from playbill.runtime.processes import linux

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playbill.runtime.processes import packets

__all__ = ["CATCHABLE", "start_program", "start_worker"]

_TASK: Final = 3
"""A worker's descriptor of its socket to the host."""
_STARTED_MARK: Final = 4
"""Its descriptor of the StartedMark's memory, which it shares with the host."""
CATCHABLE: Final = frozenset(signal.valid_signals()) - {
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
    signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS,
}  # fmt: skip
"""Signals that the spawner takes and does nothing; the others cannot be taken, or tell of a fault of its own."""
_IGNORED: Final = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that the interpreter ignores: so does a worker."""


def start_worker(order: packets.WorkerOrder, descriptors: Sequence[int], lifeline: int) -> int:
    """Fork a worker; return its id.

    Args:
        order: Names the module that it serves.
        descriptors: Its task socket, stdout, stderr and started mark.
        lifeline: The pipe that ends with the host.

    Raises:
        OSError: the system has no room for a process.
    """
    serve = importlib.import_module(order.module).serve
    spawner = os.getpid()
    gc.freeze()  # a collection in the worker would copy all pages that it shares with us
    pid = os.fork()
    if pid == 0:
        try:
            _become_worker(spawner, descriptors, lifeline)
            serve(_TASK, _STARTED_MARK)
        except BaseException as error:  # noqa: BLE001 (nothing may run on as a second spawner)
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            os._exit(1)
    return pid


def _become_worker(spawner: int, descriptors: Sequence[int], lifeline: int) -> None:
    """Keep the standard three, task socket, started mark and a lifeline; close all that is the spawner's."""
    signal.set_wakeup_fd(-1)
    for number in CATCHABLE - {signal.SIGTERM}:  # which does nothing until the worker takes it
        signal.signal(number, signal.SIG_IGN if number in _IGNORED else signal.SIG_DFL)
    os.setsid()
    linux.become_subreaper()
    linux.die_with_parent(spawner)
    first_free = _STARTED_MARK + 1
    own = fcntl.fcntl(linux.opened_anew(lifeline), fcntl.F_DUPFD_CLOEXEC, first_free)
    linux.signal_with_pipe(own, -os.getpgrp(), signal.SIGKILL)
    task, stdout, stderr, started_mark = (
        fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, first_free) for descriptor in descriptors
    )
    last = max(map(int, os.listdir("/proc/self/fd")))  # noqa: PTH208 (pathlib's import costs)
    for source, target in ((stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    os.dup2(task, _TASK, inheritable=False)
    os.dup2(started_mark, _STARTED_MARK, inheritable=False)
    os.closerange(first_free, own)
    os.closerange(own + 1, last + 1)


def start_program(order: packets.CommandOrder, descriptors: Sequence[int], lifeline: int) -> tuple[int, int]:
    """Start a program; return its id, and what, while it is open, has the kernel kill its group with the host.

    Args:
        order: The program.
        descriptors: Its stdin, if it has one, stdout and stderr.
        lifeline: The pipe that ends with the host.

    Raises:
        OSError: the system could not.
        ValueError: an argument holds what the system cannot take.
    """
    spawner = os.getpid()

    def prepare() -> None:
        linux.become_subreaper()
        linux.die_with_parent(spawner)

    own = linux.opened_anew(lifeline)
    try:
        pid = _popen(order, descriptors, prepare)
        linux.signal_with_pipe(own, -pid, signal.SIGKILL)
    except BaseException:
        os.close(own)
        raise
    return pid, own


def _popen(order: packets.CommandOrder, descriptors: Sequence[int], prepare: Callable[[], None]) -> int:
    *stdin, stdout, stderr = descriptors
    process = subprocess.Popen(
        order.argv,
        cwd=order.cwd,
        env=order.environment,
        stdin=stdin[0] if order.has_stdin else subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=prepare,  # noqa: PLW1509 (there are no threads)
    )
    process.returncode = 0  # the object would reap what the host may still want to signal
    return process.pid
