"""The first process of a worker or of a command, as the host holds it: signalled, followed, proven dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING, NamedTuple

from playbill.runtime.processes import linux

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ended", "Leader", "SpawnerDied"]

logger = logging.getLogger("playbill")


class SpawnerDied(ChildProcessError):
    """The spawner ended although nobody asked it to."""


class Ended(NamedTuple):
    """The end of a leader, after its sweep."""

    exit_code: int
    """Negative: the signal that killed it."""
    orphans: tuple[int, ...] = ()
    """Ids of processes that SIGKILL did not end in time."""
    spawner_died: bool = False


class Leader:
    """The first process of a worker or of a command."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pid: int, order_sweep: Callable[[int], None]) -> None:
        """Hold a process that was started and is not reaped; `order_sweep(pid)` asks the spawner to end it."""
        self.pid = pid
        self.exited: asyncio.Future[int] = loop.create_future()
        """Done with the exit code when it has exited; it is a zombie until `sweep`."""
        self.ended: asyncio.Future[Ended] = loop.create_future()
        """Done when nothing of it is left."""
        self._loop = loop
        self._order_sweep = order_sweep
        self._pidfd = os.pidfd_open(pid)
        self._is_swept = False

    def signal(self, number: int) -> None:
        """Signal its group; nothing once it is swept."""
        if not self._is_swept:
            linux.signal_group(self.pid, number)

    def signal_alone(self, number: int) -> None:
        """Signal it and nobody else of its group; nothing once it is swept."""
        if not self._is_swept:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def sweep(self) -> None:
        """Kill its group and all that left it; then it is ended."""
        if not self._is_swept:
            self.signal(signal.SIGKILL)
            self._is_swept = True
            self._order_sweep(self.pid)

    def exit(self, code: int) -> None:
        """Hear from the spawner that it has exited."""
        if not self.exited.done() and linux.has_exited(self._pidfd):
            self.exited.set_result(code)

    def end(self, ended: Ended) -> None:
        """Hear from the spawner that nothing of it is left."""
        self._is_swept = True
        if ended.orphans:
            logger.error("processes that SIGKILL does not end: %s", ", ".join(map(str, ended.orphans)))
        if not linux.has_exited(self._pidfd):
            self._loop.add_reader(self._pidfd, self.end, Ended(ended.exit_code))
            return
        self.exit(ended.exit_code)
        self._close()
        if not self.ended.done():
            self.ended.set_result(ended)

    def lose(self) -> None:
        """Hear that the spawner is gone: it takes its leaders along, and we their groups."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._is_swept = True
        self._loop.add_reader(self._pidfd, self.end, Ended(-signal.SIGKILL, spawner_died=True))

    def forget(self) -> None:
        """Let it go: the spawner has buried it, and whoever waits is cancelled."""
        self._is_swept = True
        self._close()
        self.exited.cancel()
        self.ended.cancel()

    def _close(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def __repr__(self) -> str:
        state = "ended" if self.ended.done() else "exited" if self.exited.done() else "running"
        return f"<Leader {self.pid} {state}>"
