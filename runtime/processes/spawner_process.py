"""The spawner's process, as its parent holds it: started, kept going, let go, reaped.

Who stops it (a command may: `kill -STOP $PPID`) stops nobody else: a thread that waits for such stops continues it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from typing import Final, cast

from playbill.runtime.processes.environment_mark import VARIABLE, kill_marked
from playbill.runtime.processes.pipe import Pipe

__all__ = ["CLOSE_SECONDS", "SpawnerProcess"]

CLOSE_SECONDS: Final = 2.0
_MODULE: Final = "playbill.runtime.processes.spawner"


class SpawnerProcess:
    """A spawner that was started."""

    def __init__(self, inherited: int | None = None) -> None:
        """Start it.

        Args:
            inherited: a descriptor that it holds, and nobody whom it starts, for as long as it lives.

        Raises:
            OSError: the system has no room for it.
        """
        self.name = secrets.token_hex(8)
        """What all its processes carry in their environment."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its, contextlib.ExitStack() as on_error:
            on_error.enter_context(ours)
            lifeline = on_error.enter_context(Pipe())
            self._process = _execute(self.name, its.fileno(), lifeline.read, inherited)
            on_error.callback(self._kill)
            self._watching = _keep_going(self._process.pid)
            on_error.pop_all()
        lifeline.close_read()
        self._lifeline = lifeline
        """Its writing end is open only here: its end kills the groups of all workers and commands."""
        ours.setblocking(False)  # noqa: FBT003 (its only argument)
        self.control = ours
        """The socket of its orders and reports."""

    def __repr__(self) -> str:
        return f"<SpawnerProcess {self.pid}>"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def disconnect(self) -> None:
        """Let it end: it does when socket and lifeline are closed, with all that it holds."""
        with contextlib.suppress(OSError):  # it is dead
            self.control.shutdown(socket.SHUT_RDWR)  # what the host forked may hold this end open
        self.control.close()
        self._lifeline.close()  # the kernel kills all groups, and continues the spawner

    def reap(self) -> None:
        """Wait for its end, once it is disconnected; kill it after `CLOSE_SECONDS`."""
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
        self._watching.join()

    def kill_marked(self) -> None:
        """Kill what it left behind, as far as the system lets us look for it.

        Raises:
            OSError: no descriptor is free.
        """
        kill_marked(self.name)

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _execute(name: str, control: int, lifeline: int, inherited: int | None) -> subprocess.Popen[bytes]:
    path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 (as the interpreter does)
    call = f"from {_MODULE} import main; main({control}, {lifeline}, {os.getpid()}, {inherited})"
    flags = cast("list[str]", subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]  # noqa: SLF001
    return subprocess.Popen(
        [sys.executable, *flags, "-c", f"import sys; sys.path[:] = {path!r}; {call}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(control, lifeline) if inherited is None else (control, lifeline, inherited),
        env={**os.environ, VARIABLE: name},
        start_new_session=True,
    )


def _keep_going(pid: int) -> threading.Thread:
    """Continue a child whenever it is stopped, in a thread that ends with it.

    Raises:
        OSError: there is no room for a descriptor or a thread.
    """
    pidfd = os.pidfd_open(pid)
    watching = threading.Thread(target=_continue, args=(pidfd,), name="playbill-spawner", daemon=True)
    try:
        watching.start()
    except RuntimeError as error:  # as `threading` says it
        os.close(pidfd)
        raise OSError(errno.EAGAIN, f"{os.strerror(errno.EAGAIN)}: {error}") from error
    return watching


def _continue(pidfd: int) -> None:
    waits_for = os.WSTOPPED | os.WEXITED | os.WNOWAIT
    with contextlib.suppress(OSError):  # it is reaped
        while (seen := os.waitid(os.P_PIDFD, pidfd, waits_for)) and seen.si_code == os.CLD_STOPPED:
            signal.pidfd_send_signal(pidfd, signal.SIGCONT)
    os.close(pidfd)
