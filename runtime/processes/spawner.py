"""The spawner: a small process with one thread that starts, holds and buries all workers and commands of a host.

1. It is a subreaper, and so is each leader (the first process of a worker or command): whoever loses its parent falls
   to its leader, and when that has died, to the spawner. A child of the spawner that is no leader is a stray.
2. A leader that has exited stays a zombie, so that its id names nobody else, until the host orders its sweep: then
   its group and all strays are killed, and `ended` is told once a look finds none; what does not die is named.
3. Until its sweep the session of an exited leader is spared: a command's children may finish their cleanup. All other
   strays are killed whenever they are seen.
4. When the host is gone, the kernel kills the groups of all leaders, whatever the spawner does, and continues it
   should it be stopped; then it kills and sweeps what is left, and ends.
5. Each order is answered. What the system has no room for is refused, and a few descriptors stay free for the rest.
6. It loads no user's code; the module that workers run is named by the host and imported with the first of them,
   commands do not wait for it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import selectors
import signal
import socket
import time
from typing import TYPE_CHECKING, Final

from playbill.runtime.processes import births, linux, packets

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["SWEEP_SECONDS", "main"]

SWEEP_SECONDS: Final = 0.5
"""How long a sweep may last before it names who does not die."""
_LOOK_SECONDS: Final = 0.005
"""Between two looks of a sweep; the end of a child wakes us before."""
_RESERVE: Final = 8
"""Descriptors that stay free, for starting programs and for looking who is whose child."""


class LeaderRecord:
    """What is known of a leader."""

    __slots__ = ("code", "exited", "lifeline", "sweep_until")

    def __init__(self, lifeline: int | None = None) -> None:
        self.lifeline = lifeline
        """What has the kernel kill its group when the host is gone; None: it holds one of its own."""
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
        # Handlers that do nothing, instead of SIG_IGN, which programs would inherit. A command may signal its parent.
        for number in births.CATCHABLE:
            signal.signal(number, _do_nothing)
        self._selector.register(self._woken, selectors.EVENT_READ, self._read_signals)
        self._selector.register(self._control, selectors.EVENT_READ, self._read_order)
        if host is None:
            return
        # The socket alone does not tell: what the host forked may hold its end for ever.
        self._selector.register(host, selectors.EVENT_READ, self._lose_host)
        has_seen = True
        while not self._host_is_gone or self._leaders:
            sweeping = any(leader.sweep_until is not None for leader in self._leaders.values())
            for key, _ in self._selector.select(_LOOK_SECONDS if sweeping or not has_seen else None):
                key.data()
            try:
                self._look()
                has_seen = True
            except OSError:  # the system has no room for a look: it may have in a moment
                has_seen = False

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
                case packets.Truncated():
                    self._refuse(order.number, _none_is_free())
                case _:
                    raise RuntimeError(f"a host does not say {order!r}")
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _start(self, order: packets.WorkerOrder | packets.CommandOrder, descriptors: list[int]) -> None:
        try:
            _check_reserve(descriptors)
            if isinstance(order, packets.WorkerOrder):
                pid, record = births.start_worker(order, descriptors, self._lifeline), LeaderRecord()
            else:
                pid, lifeline = births.start_program(order, descriptors, self._lifeline)
                record = LeaderRecord(lifeline)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others shall not die of it)
            self._refuse(order.number, error)
        else:
            self._leaders[pid] = record
            self._tell(packets.StartedReport(order.number, pid))

    def _refuse(self, number: int, error: Exception) -> None:
        code = error.errno if isinstance(error, OSError) else None
        self._tell(packets.RefusedReport(number, code, str(error)))

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
        if leader.lifeline is not None:  # before its id may name others
            os.close(leader.lifeline)
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


def _check_reserve(descriptors: list[int]) -> None:
    """Refuse an order when hardly a descriptor is left: the lowest free ones are taken, so a high one shows it.

    Raises:
        OSError: it is so.
    """
    if max(descriptors) + _RESERVE >= resource.getrlimit(resource.RLIMIT_NOFILE)[0]:
        raise _none_is_free()


def _none_is_free() -> OSError:
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Stand in for a signal's default action, which would end us."""


def main(control: int, lifeline: int, host: int, inherited: int | None = None) -> None:
    """Be the spawner of process `host`, which is at the other end of a socket and holds the end of a pipe.

    A descriptor may be `inherited` that says what `host` owns: it is owned until the last of its processes is buried.
    """
    linux.become_subreaper()
    for descriptor in (control, lifeline, inherited):
        if descriptor is not None:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 (its only one)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what the host blocks concerns neither us nor its programs
    linux.signal_with_pipe(linux.opened_anew(lifeline), os.getpid(), signal.SIGCONT)
    pidfd = os.pidfd_open(host) if os.getppid() == host else None
    Spawner(socket.socket(fileno=control), lifeline).serve(pidfd)
