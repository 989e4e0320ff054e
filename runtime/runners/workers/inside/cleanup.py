"""In a worker, after each attempt: puts back what a handler may have changed, and ends what it left running."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

from playbill.runtime.processes import linux
from playbill.runtime.runners.workers.inside.surroundings import ProcessSurroundings

if TYPE_CHECKING:
    from playbill.model.facts import Failure
    from playbill.runtime.runners.workers.inside.interrupts import Interrupts

__all__ = ["Cleanup"]

SWEEP_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.001
_SEED_BYTES: Final = 32
"""No handler draws so many numbers that more would tell; random.seed() reads 2.5 KB."""
_PAGE: Final = resource.getpagesize()


class Cleanup:
    """The state of a worker that every attempt shall find the same."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._attempts = 0
        self.max_attempts = self.max_resident_bytes = 0
        """After so many attempts, or with so much memory, the worker has to go; said by its host."""
        self._outputs = [(descriptor, fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)) for descriptor in (1, 2)]
        self.surroundings = ProcessSurroundings()
        self._make_streams()

    def settle(self) -> bool:
        """Finish an attempt before its result is told: nothing runs, all is written; True: the worker has to go."""
        self._attempts += 1
        self._flush()
        left_children = has_children()
        if left_children:
            kill_children()
        # Before the handlers of their signals are put back.
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        is_restored = self.surroundings.restore()
        worn_out = self._attempts >= self.max_attempts or self._is_large() or _is_crowded()
        return left_children or worn_out or not is_restored or _has_threads()

    def leave(self, failure: Failure | None) -> NoReturn:
        """End a process that a handler forked: it shall not work for the host beside us."""
        if failure is not None:
            with contextlib.suppress(Exception):  # the stream may be anything, and closed
                sys.stderr.write(failure.traceback)
        self._flush()
        os._exit(0 if failure is None else 1)

    def restore(self) -> None:
        """Put back what a handler may have changed, while the host takes its result."""
        for descriptor, kept in self._outputs:
            os.dup2(kept, descriptor)
        if self._streams_changed:
            self._make_streams()
        self._interrupts.install()
        if (random := sys.modules.get("random")) is not None:  # a handler's seed would decide what the next one draws
            random.seed(int.from_bytes(os.urandom(_SEED_BYTES)))

    def _is_large(self) -> bool:
        bound = self.max_resident_bytes
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < bound:  # the peak is cheaper to ask for
            return False
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 (after every attempt of a worker that was large)
            return int(file.read().split()[1]) * _PAGE > bound

    def _flush(self) -> None:
        stdout, stderr = self._stdout, self._stderr
        changed = sys.stdout is not stdout or sys.stderr is not stderr
        for stream in (sys.stdout, sys.stderr, stdout, stderr) if changed else (stdout, stderr):
            try:
                stream.flush()
            except BaseException:  # noqa: BLE001 (it may be anything, and closed)
                changed = True
        self._streams_changed = changed

    def _make_streams(self) -> None:
        self._streams_changed = False
        self._stdout: TextIO = _stream(1)
        self._stderr: TextIO = _stream(2)
        sys.stdout, sys.stderr = self._stdout, self._stderr


def _stream(descriptor: int) -> TextIO:
    """Return a stream that does not close its descriptor."""
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def has_children() -> bool:
    """Tell whether we have a child, dead or alive."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def kill_children() -> None:
    """Kill all descendants, level by level as they fall to us; those that do not die, our spawner will name."""
    until = time.monotonic() + SWEEP_SECONDS
    while has_children() and time.monotonic() < until:
        for pid in linux.children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            if not linux.reaped(pid):
                time.sleep(_LOOK_SECONDS)


def _is_crowded() -> bool:
    """Tell whether handlers left half of all descriptors open: a new one is the lowest that is free."""
    try:
        fcntl.fcntl(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2, fcntl.F_GETFD)
    except OSError:
        return False
    return True


def _has_threads() -> bool:
    """Tell whether a thread is left that executes Python: work that the handler's end did not end."""
    return len(sys._current_frames()) > 1  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented; sees all kinds
