"""The host's end of the spawner: starts it when it is first needed, orders processes from it, hears of their ends.

The host never forks, has no child but the spawner, and adopts nobody. A leader's id stays its own until the host has
ordered its sweep, so signals sent before that hit nobody else.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playbill.runtime.processes import packets
from playbill.runtime.processes.environment_mark import VARIABLE
from playbill.runtime.processes.leader import Leader, ProcessEnd, SpawnerDied
from playbill.runtime.processes.main_module import imports_main
from playbill.runtime.processes.spawner_process import CLOSE_SECONDS, SpawnerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SpawnerClient"]

logger = logging.getLogger("playbill")
_NO_ROOM_YET: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})
"""What the system says of a message that it may take a little later."""


class SpawnerClient:
    """One host's spawner; all its methods are called on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inherited: int | None = None) -> None:
        """Start nothing yet; `inherited` is what each spawner holds, see SpawnerProcess."""
        self.loop = loop
        self._inherited = inherited
        self._spawner: SpawnerProcess | None = None
        self._numbers = 0
        self._ordered: dict[int, Leader] = {}
        """Those that are not born, by the numbers of their orders."""
        self._leaders: dict[int, Leader] = {}
        self._lost: set[Leader] = set()
        """Leaders of a spawner that died, until we see that they did, too."""
        self._unsent: collections.deque[tuple[packets.Message, list[int]]] = collections.deque()
        self._closed = False

    def __repr__(self) -> str:
        process = "no process" if self._spawner is None else f"process {self._spawner.pid}"
        return f"<SpawnerClient {process}, leaders={len(self._leaders)} starting={len(self._ordered)}>"

    @property
    def pid(self) -> int | None:
        """The spawner's process id; None: it does not run."""
        return None if self._spawner is None else self._spawner.pid

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
        stdin: int | None = None, on_start: Callable[[], object] = lambda: None,
    ) -> Leader:  # fmt: skip
        """Order a program; `stdin` and `outputs` (stdout, stderr) stay the caller's, who may close them at once.

        Args:
            argv: The program and its arguments.
            cwd: Where it runs; None: where we do now.
            env: Its whole environment; None: ours now.
            outputs: Its stdout and stderr.
            stdin: What it reads; None: nothing.
            on_start: Called when it is started.

        Returns:
            Its leader, who may be signalled at once; should it never be born, its futures tell the system's OSError.

        Raises:
            OSError: the spawner cannot be started.
            ValueError: an argument holds a zero byte.
        """
        name = self._ready().name
        environment = {**(os.environ if env is None else env), VARIABLE: name}
        if any("\0" in text for text in (*argv, cwd or "", *environment, *environment.values())):
            raise ValueError("embedded null byte")
        self._numbers += 1
        place = str(Path.cwd()) if cwd is None else cwd
        order = packets.CommandOrder(self._numbers, [*argv], place, environment, stdin is not None)
        return self._order(order, [*([] if stdin is None else [stdin]), *outputs], on_start)

    # ---- the wire ---------------------------------------------------------------------------------------------

    def _order(
        self,
        order: packets.WorkerOrder | packets.CommandOrder,
        descriptors: list[int],
        on_start: Callable[[], object] = lambda: None,
    ) -> Leader:
        leader = self._ordered[order.number] = Leader(self.loop, self._order_sweep, on_start)
        try:
            self._send(order, descriptors)
        except OSError:  # no descriptor or memory is free
            del self._ordered[order.number]
            raise
        return leader

    def _ready(self) -> SpawnerProcess:
        if self._closed:
            raise SpawnerDied("the spawner's client is closed")
        return self.start()

    def _order_sweep(self, pid: int) -> None:
        self._send(packets.SweepOrder(pid), [])

    def _send(self, message: packets.Message, descriptors: list[int]) -> None:
        spawner = self._spawner
        if spawner is None or (not self._unsent and self._is_sent(spawner, message, descriptors)):
            return
        self._unsent.append((message, packets.duplicates(descriptors)))
        self.loop.add_writer(spawner.control.fileno(), self._send_more)

    def _is_sent(self, spawner: SpawnerProcess, message: packets.Message, descriptors: list[int]) -> bool:
        """Send a message; False: there is no room for it yet.

        Raises:
            OSError: it cannot be sent.
        """
        try:
            packets.send(spawner.control, message, descriptors)
        except ConnectionError:
            return True  # it is dead: we shall read so
        except OSError as error:
            if error.errno not in _NO_ROOM_YET:
                raise
            return False
        return True

    def _send_more(self) -> None:
        spawner = self._spawner
        while self._unsent and spawner is not None:
            message, descriptors = self._unsent[0]
            try:
                if not self._is_sent(spawner, message, descriptors):
                    return
            except OSError as error:
                self._answer(message, error)
            self._drop_unsent()
        if spawner is not None:
            self.loop.remove_writer(spawner.control.fileno())

    def _answer(self, message: packets.Message, error: OSError) -> None:
        """Refuse an order that cannot be sent."""
        if isinstance(message, packets.WorkerOrder | packets.CommandOrder):
            self._ordered.pop(message.number).refuse(error)

    def _drop_unsent(self) -> None:
        for descriptor in self._unsent.popleft()[1]:
            os.close(descriptor)

    def _receive(self) -> None:
        if self._spawner is None:
            return
        try:
            packet = packets.receive(self._spawner.control)
        except BlockingIOError:
            return
        if packet is None:
            self._lose()
            return
        try:
            self._hear(packet[0])
        except Exception:  # who waits for this report or a later one shall not wait for ever
            logger.exception("a report of the spawner is not understood: it is replaced")
            self._lose()

    def _hear(self, report: packets.Message | packets.Truncated) -> None:
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

    def start(self) -> SpawnerProcess:
        """Start the spawner, unless it runs; an order does so, too.

        Raises:
            OSError: the system has no room for it.
            RuntimeError: we are a worker that imports its host's script, which should not run there.
        """
        if self._spawner is None:
            if imports_main():
                raise RuntimeError("the main script is being imported: guard its end by `if __name__ == '__main__':`")
            self._spawner = SpawnerProcess(self._inherited)
            self.loop.add_reader(self._spawner.control.fileno(), self._receive)
        return self._spawner

    def _lose(self) -> None:
        """Know that the spawner has died: its leaders die with it, and the next order starts another."""
        spawner = self._disconnect()
        if spawner is None:
            return
        try:
            spawner.kill_marked()
        except OSError as error:  # each leader is killed all the same, and all who wait have to hear
            logger.error("what spawner %s left behind cannot be looked for: %s", spawner.pid, error)  # noqa: TRY400
        leaders, self._leaders = self._leaders, {}
        ordered, self._ordered = self._ordered, {}
        for leader in leaders.values():
            self._lost.add(leader)
            leader.ended.add_done_callback(partial(self._is_over, leader))
            leader.lose()
        for leader in ordered.values():
            leader.refuse(SpawnerDied("spawner died"))
        spawner.reap()

    def _is_over(self, leader: Leader, _: object) -> None:
        self._lost.discard(leader)

    def _disconnect(self) -> SpawnerProcess | None:
        """Let the spawner go, and return it: it has to be reaped."""
        spawner, self._spawner = self._spawner, None
        if spawner is not None:
            self.loop.remove_reader(spawner.control.fileno())
            self.loop.remove_writer(spawner.control.fileno())
            while self._unsent:
                self._drop_unsent()
            spawner.disconnect()
        return spawner

    def close(self) -> None:
        """End everything: the spawner kills what it holds and ends; it is waited for, blocking, some milliseconds."""
        self._finish(self._disconnect())

    def _finish(self, spawner: SpawnerProcess | None) -> None:
        self._closed = True
        for leader in (*self._ordered.values(), *self._leaders.values(), *self._lost):
            leader.forget()
        self._ordered.clear()
        self._leaders.clear()
        if spawner is not None:
            spawner.reap()

    async def aclose(self) -> None:
        """End everything as `close` does, without blocking the loop."""
        spawner = self._disconnect()
        try:
            if spawner is not None:
                with contextlib.suppress(OSError):  # no descriptor is free: then it blocks
                    await _until_exited(os.pidfd_open(spawner.pid), spawner)
        finally:  # a cancel shortens the wait, and leaves nobody behind
            self._finish(spawner)


async def _until_exited(descriptor: int, spawner: SpawnerProcess) -> None:
    import anyio  # noqa: PLC0415 (its backend is slow to import, and most managers start no process)

    try:
        with anyio.move_on_after(CLOSE_SECONDS) as patience:
            await anyio.wait_readable(descriptor)
    finally:
        os.close(descriptor)
    if patience.cancelled_caught:
        logger.error("%r does not end", spawner)
