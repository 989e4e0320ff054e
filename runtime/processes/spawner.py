"""The spawner: a small process with one thread that starts, holds and buries all workers and commands of a host.

1. It is a subreaper, and so is each leader (the first process of a worker or command): whoever loses its parent falls
   to its leader, and when that has died, to the spawner. A child of the spawner that is no leader is a stray.
2. A leader that has exited stays a zombie, so that its id names nobody else, until the host orders its sweep: then
   its group and all strays are killed, and `ended` is told once a look finds none; what does not die is named.
3. Until its sweep the session of an exited leader is spared: a command's children may finish their cleanup. All other
   strays are killed whenever they are seen.
4. When the host is gone, everything is killed and swept, and the spawner ends.
5. It loads no user's code; the module that workers run is named by the host and imported with the first of them,
   commands do not wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from playbill.runtime.processes import linux, packets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

__all__ = ["SWEEP_SECONDS", "main"]

SWEEP_SECONDS: Final = 0.5
"""How long a sweep may last before it names who does not die."""
_LOOK_SECONDS: Final = 0.005
"""Between two looks of a sweep; the end of a child wakes us before."""
_TASK: Final = 3
"""A worker's descriptor of its socket to the host."""
_STARTED_MARK: Final = 4
"""Its descriptor of the StartedMark's memory, which it shares with the host."""
_ABOVE_ALL: Final = 64
"""No descriptor of the spawner's is as high: it keeps a handful."""


class LeaderRecord:
    """What is known of a leader."""

    __slots__ = ("code", "exited", "sweep_until")

    def __init__(self) -> None:
        self.exited = False
        self.code = 0
        self.sweep_until: float | None = None
        """When its sweep gives up; None: not ordered yet."""


class Spawner:
    """Serves one host."""

    def __init__(self, control: socket.socket, lifeline: int) -> None:
        self._control = control
        self._lifeline = lifeline
        self._leaders: dict[int, LeaderRecord] = {}
        self._orphans: set[int] = set()
        """Strays that were named already."""
        self._host_is_gone = False
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()

    def serve(self, host: int | None) -> None:
        """Work until the host is gone; `host` is its pidfd, None when it has ended already."""
        for end in (self._wake, self._woken):
            end.setblocking(False)  # noqa: FBT003 (its only argument)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        # Handlers that do nothing, instead of SIG_IGN, which programs would inherit.
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _do_nothing)
        self._selector.register(self._woken, selectors.EVENT_READ, self._read_signals)
        self._selector.register(self._control, selectors.EVENT_READ, self._read_order)
        if host is None:
            return
        # The socket alone does not tell: what the host forked may hold its end for ever.
        self._selector.register(host, selectors.EVENT_READ, self._lose_host)
        while not self._host_is_gone or self._leaders:
            sweeping = any(leader.sweep_until is not None for leader in self._leaders.values())
            for key, _ in self._selector.select(_LOOK_SECONDS if sweeping else None):
                key.data()
            self._look()

    # ---- orders of the host -----------------------------------------------------------------------------------

    def _read_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    def _read_order(self) -> None:
        packet = packets.receive(self._control)
        if packet is None:
            self._lose_host()
            return
        order, descriptors = packet
        try:
            match order:
                case packets.SweepOrder():
                    self._sweep(order.pid)
                case packets.WorkerOrder() | packets.CommandOrder():
                    self._start(order, descriptors)
                case _:
                    raise RuntimeError(f"a host does not say {order!r}")
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _start(self, order: packets.WorkerOrder | packets.CommandOrder, descriptors: list[int]) -> None:
        try:
            if isinstance(order, packets.WorkerOrder):
                pid = self._fork(order.module, descriptors)
            else:
                pid = _execute(order, descriptors)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others shall not die of it)
            self._tell(packets.RefusedReport(order.number, getattr(error, "errno", None), str(error)))
        else:
            self._leaders[pid] = LeaderRecord()
            self._tell(packets.StartedReport(order.number, pid))

    def _tell(self, message: packets.Message) -> None:
        if not self._host_is_gone:
            try:
                packets.send(self._control, message)
            except OSError:
                self._lose_host()

    def _lose_host(self) -> None:
        if not self._host_is_gone:
            self._host_is_gone = True
            for key in [*self._selector.get_map().values()]:
                if key.fileobj is not self._woken:
                    self._selector.unregister(key.fileobj)
            for pid in self._leaders:
                self._sweep(pid)

    def _sweep(self, pid: int) -> None:
        linux.signal_group(pid, signal.SIGKILL)
        self._leaders[pid].sweep_until = time.monotonic() + SWEEP_SECONDS

    # ---- the dead ---------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """See who has exited, kill the strays, and tell whose sweep is over."""
        for pid, leader in self._leaders.items():
            if not leader.exited and (end := os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
                leader.exited = True
                leader.code = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
                self._tell(packets.ExitedReport(pid, leader.code))
        strays = self._kill_strays()
        now = time.monotonic()
        for pid, leader in [*self._leaders.items()]:
            until = leader.sweep_until
            if until is None or ((strays - self._orphans or not leader.exited) and now < until):
                continue
            self._bury(pid, leader, strays)

    def _bury(self, pid: int, leader: LeaderRecord, strays: set[int]) -> None:
        new = strays - self._orphans
        self._orphans |= new
        if not leader.exited:
            new.add(pid)
        linux.reaped(pid)
        del self._leaders[pid]
        self._tell(packets.SweptReport(pid, leader.code, sorted(new)))

    def _kill_strays(self) -> set[int]:
        """Kill and reap until a look finds none new; return those that are not dead yet."""
        while True:
            strays = {pid for pid in linux.children() if pid not in self._leaders and not self._spares(pid)}
            self._orphans &= strays
            for pid in strays:
                with contextlib.suppress(ProcessLookupError, PermissionError):  # another user's will be named
                    os.kill(pid, signal.SIGKILL)
            dead = {pid for pid in strays if linux.reaped(pid)}
            if not dead:
                return strays

    def _spares(self, pid: int) -> bool:
        session = linux.session_of(pid) if any(leader.exited for leader in self._leaders.values()) else None
        leader = self._leaders.get(session) if session is not None else None
        return leader is not None and leader.exited and leader.sweep_until is None

    # ---- the living -------------------------------------------------------------------------------------------

    def _fork(self, module: str, descriptors: Sequence[int]) -> int:
        serve = importlib.import_module(module).serve
        spawner = os.getpid()
        gc.freeze()  # a collection in the worker would copy all pages that it shares with us
        pid = os.fork()
        if pid == 0:
            try:
                self._become_worker(spawner, descriptors)
                serve(_TASK, _STARTED_MARK)
            except BaseException as error:  # noqa: BLE001 (nothing may run on as a second spawner)
                sys.excepthook(type(error), error, error.__traceback__)
            finally:
                os._exit(1)
        return pid

    def _become_worker(self, spawner: int, descriptors: Sequence[int]) -> None:
        """Keep the standard three, task socket, started mark and a lifeline; close all that is the spawner's."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        linux.become_subreaper()
        linux.die_with_parent(spawner)
        out_of_the_way = [
            fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE_ALL)
            for descriptor in (*descriptors, self._lifeline)
        ]
        task, stdout, stderr, started_mark, lifeline = out_of_the_way
        self._selector.close()
        for own in (self._control, self._wake, self._woken):
            own.detach()
        for source, target in ((stdout, 1), (stderr, 2)):
            os.dup2(source, target)
        os.dup2(task, _TASK, inheritable=False)
        os.dup2(started_mark, _STARTED_MARK, inheritable=False)
        os.closerange(_STARTED_MARK + 1, min(out_of_the_way))
        linux.die_with_pipe(lifeline)
        for descriptor in out_of_the_way:
            os.close(descriptor)


def _execute(order: packets.CommandOrder, descriptors: Sequence[int]) -> int:
    """Start a program as a leader.

    Raises:
        OSError: the system could not.
        ValueError: an argument holds what the system cannot take.
    """
    spawner = os.getpid()

    def prepare() -> None:
        linux.become_subreaper()
        linux.die_with_parent(spawner)

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


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Stand in for a signal's default action, which would end us."""


def main(control: int, lifeline: int, host: int) -> None:
    """Be the spawner of process `host`, which is at the other end of a socket and holds the end of a pipe."""
    linux.become_subreaper()
    for descriptor in (control, lifeline):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 (its only one)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what the host blocks concerns neither us nor its programs
    pidfd = os.pidfd_open(host) if os.getppid() == host else None
    Spawner(socket.socket(fileno=control), lifeline).serve(pidfd)
