"""The host's end of the spawner: starts it when it is first needed, orders processes from it, hears of their ends.

The host never forks, has no child but the spawner, and adopts nobody. A leader's id stays its own until the host has
ordered its sweep, so signals sent before that hit nobody else.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import secrets
import socket
import subprocess
import sys
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import anyio

from playbill.runtime.processes import packets
from playbill.runtime.processes.environment_mark import VARIABLE, kill_marked
from playbill.runtime.processes.leader import Leader, ProcessEnd, SpawnerDied
from playbill.runtime.processes.main_module import imports_main
from playbill.runtime.processes.pipe import Pipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SPAWNER", "SpawnerClient"]

logger = logging.getLogger("playbill")
SPAWNER: ContextVar[SpawnerClient | None] = ContextVar("SPAWNER", default=None)
"""The spawner that the handlers of a manager use; None: they start their programs themselves."""
_CLOSE_SECONDS: Final = 2.0
_MODULE: Final = "playbill.runtime.processes.spawner"


class SpawnerClient:
    """One host's spawner; all its methods are called on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lifeline: Pipe | None = None
        """Its writing end is open only here: its end kills the groups of all workers."""
        self._name = ""
        """What all processes of the running spawner carry in their environment."""
        self._numbers = 0
        self._ordered: dict[int, Leader] = {}
        """Those that are not born, by the numbers of their orders."""
        self._leaders: dict[int, Leader] = {}
        self._lost: set[Leader] = set()
        """Leaders of a spawner that died, until we see that they did, too."""
        self._unsent: collections.deque[tuple[packets.Message, list[int]]] = collections.deque()
        self._closed = False

    def __repr__(self) -> str:
        process = "no process" if self._process is None else f"process {self._process.pid}"
        return f"<SpawnerClient {process}, leaders={len(self._leaders)} starting={len(self._ordered)}>"

    @property
    def pid(self) -> int | None:
        """The spawner's process id; None: it does not run."""
        return None if self._process is None else self._process.pid

    def start_worker(self, module: str, task: int, stdout: int, stderr: int, started_mark: int) -> Leader:
        """Order a worker that has these descriptors; they stay the caller's, who may close them at once.

        Args:
            module: Whose `serve` the worker calls.
            task: Its socket to the host.
            stdout: Where it writes.
            stderr: The same.
            started_mark: The memory of its StartedMark.

        Returns:
            Its leader, who may be signalled at once; should it never be born, its futures tell why.

        Raises:
            OSError: the spawner cannot be started.
        """
        self._ready()
        self._numbers += 1
        return self._order(packets.WorkerOrder(self._numbers, module), [task, stdout, stderr, started_mark])

    def start_command(
        self, argv: Sequence[str], *, cwd: str | None, env: Mapping[str, str] | None, outputs: tuple[int, int],
        stdin: int | None = None,
    ) -> Leader:  # fmt: skip
        """Order a program; `stdin` and `outputs` (stdout, stderr) stay the caller's, who may close them at once.

        Args:
            argv: The program and its arguments.
            cwd: Where it runs; None: where we do now.
            env: Its whole environment; None: ours now.
            outputs: Its stdout and stderr.
            stdin: What it reads; None: nothing.

        Returns:
            Its leader, who may be signalled at once; should it never be born, its futures tell the system's OSError.

        Raises:
            OSError: the spawner cannot be started.
            ValueError: an argument holds a zero byte.
        """
        self._ready()
        environment = {**(os.environ if env is None else env), VARIABLE: self._name}
        if any("\0" in text for text in (*argv, cwd or "", *environment, *environment.values())):
            raise ValueError("embedded null byte")
        self._numbers += 1
        place = str(Path.cwd()) if cwd is None else cwd
        order = packets.CommandOrder(self._numbers, [*argv], place, environment, stdin is not None)
        return self._order(order, [*([] if stdin is None else [stdin]), *outputs])

    # ---- the wire ---------------------------------------------------------------------------------------------

    def _order(self, order: packets.WorkerOrder | packets.CommandOrder, descriptors: list[int]) -> Leader:
        leader = self._ordered[order.number] = Leader(self.loop, self._order_sweep)
        try:
            self._send(order, descriptors)
        except OSError:  # no descriptor or memory is free
            del self._ordered[order.number]
            raise
        return leader

    def _ready(self) -> None:
        if self._closed:
            raise SpawnerDied("the spawner's client is closed")
        self.start()

    def _order_sweep(self, pid: int) -> None:
        self._send(packets.SweepOrder(pid), [])

    def _send(self, message: packets.Message, descriptors: list[int]) -> None:
        if self._control is None:
            return
        if not self._unsent:
            try:
                packets.send(self._control, message, descriptors)
            except BlockingIOError:
                self.loop.add_writer(self._control.fileno(), self._send_more)
            except ConnectionError:  # it is dead: we shall read so
                return
            else:
                return
        self._unsent.append((message, packets.duplicates(descriptors)))

    def _send_more(self) -> None:
        while self._unsent and self._control is not None:
            message, descriptors = self._unsent[0]
            with contextlib.suppress(ConnectionError):
                try:
                    packets.send(self._control, message, descriptors)
                except BlockingIOError:
                    return
            self._drop_unsent()
        if self._control is not None:
            self.loop.remove_writer(self._control.fileno())

    def _drop_unsent(self) -> None:
        for descriptor in self._unsent.popleft()[1]:
            os.close(descriptor)

    def _receive(self) -> None:
        if self._control is None:
            return
        try:
            packet = packets.receive(self._control)
        except BlockingIOError:
            return
        if packet is None:
            self._lose()
        else:
            self._hear(packet[0])

    def _hear(self, report: packets.Message) -> None:
        match report:
            case packets.StartedReport(number, pid):
                leader = self._leaders[pid] = self._ordered.pop(number)
                leader.bear(pid)
            case packets.RefusedReport(number, code, text):
                self._ordered.pop(number).refuse(OSError(code, os.strerror(code)) if code else OSError(text))
            case packets.ExitedReport(pid, code):
                self._leaders[pid].exit(code)
            case packets.SweptReport(pid, code, orphans):
                self._leaders.pop(pid).end(ProcessEnd(code, tuple(orphans)))
            case _:
                raise RuntimeError(f"a spawner does not say {report!r}")

    # ---- its life ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the spawner, unless it runs; an order does so, too.

        Raises:
            OSError: the system has no room for it.
            RuntimeError: we are a worker that imports its host's script, which should not run there.
        """
        if self._control is not None:
            return
        if imports_main():
            raise RuntimeError("the main script is being imported: guard its end by `if __name__ == '__main__':`")
        self._name = secrets.token_hex(8)
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its, contextlib.ExitStack() as on_error:
            on_error.enter_context(ours)
            lifeline = on_error.enter_context(Pipe())
            self._process = self._execute(its.fileno(), lifeline.read)
            on_error.pop_all()
        lifeline.close_read()
        self._lifeline = lifeline
        ours.setblocking(False)  # noqa: FBT003 (its only argument)
        self._control = ours
        self.loop.add_reader(ours.fileno(), self._receive)

    def _execute(self, control: int, lifeline: int) -> subprocess.Popen[bytes]:
        path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 (as the interpreter does)
        call = f"from {_MODULE} import main; main({control}, {lifeline}, {os.getpid()})"
        flags = cast("list[str]", subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]  # noqa: SLF001
        return subprocess.Popen(
            [sys.executable, *flags, "-c", f"import sys; sys.path[:] = {path!r}; {call}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(control, lifeline),
            env={**os.environ, VARIABLE: self._name},
            start_new_session=True,
        )

    def _lose(self) -> None:
        """Know that the spawner has died: its leaders die with it, and the next order starts another."""
        self._disconnect()
        kill_marked(self._name)
        leaders, self._leaders = self._leaders, {}
        ordered, self._ordered = self._ordered, {}
        for leader in leaders.values():
            self._lost.add(leader)
            leader.ended.add_done_callback(partial(self._is_over, leader))
            leader.lose()
        for leader in ordered.values():
            leader.refuse(SpawnerDied("spawner died"))
        self._reap()

    def _is_over(self, leader: Leader, _: object) -> None:
        self._lost.discard(leader)

    def _disconnect(self) -> None:
        if self._control is None:
            return
        self.loop.remove_reader(self._control.fileno())
        self.loop.remove_writer(self._control.fileno())
        while self._unsent:
            self._drop_unsent()
        with contextlib.suppress(OSError):  # it is dead
            self._control.shutdown(socket.SHUT_RDWR)  # what the host forked may hold this end open
        self._control.close()
        self._control = None
        if self._lifeline is not None:
            self._lifeline.close()  # the kernel kills the groups of all workers

    def _reap(self) -> None:
        """Wait for the end of the spawner, which has nothing left to do; kill it after `_CLOSE_SECONDS`."""
        if self._process is not None:
            process, self._process = self._process, None
            try:
                process.wait(_CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """End everything: the spawner kills what it holds and ends; it is waited for, blocking, some milliseconds."""
        self._closed = True
        self._disconnect()
        for leader in (*self._ordered.values(), *self._leaders.values(), *self._lost):
            leader.forget()
        self._ordered.clear()
        self._leaders.clear()
        self._reap()

    async def aclose(self) -> None:
        """End everything as `close` does, without blocking the loop."""
        if (pid := self.pid) is not None:
            self._disconnect()
            descriptor = os.pidfd_open(pid)
            try:
                with anyio.move_on_after(_CLOSE_SECONDS) as patience:
                    await anyio.wait_readable(descriptor)
            finally:
                os.close(descriptor)
            if patience.cancelled_caught:
                logger.error("spawner %s does not end", pid)
        self.close()
