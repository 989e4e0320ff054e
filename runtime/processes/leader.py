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

__all__ = ["Leader", "ProcessEnd", "SpawnerDied"]

logger = logging.getLogger("playbill")


class SpawnerDied(ChildProcessError):
    """The spawner ended although nobody asked it to."""


class ProcessEnd(NamedTuple):
    """The end of a leader, after its sweep."""

    exit_code: int
    """Negative: the signal that killed it."""
    orphans: tuple[int, ...] = ()
    """Ids of processes that SIGKILL did not end in time."""
    spawner_died: bool = False


class Leader:
    """The first process of a worker or of a command: ordered, born, exited, ended; or refused."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        order_sweep: Callable[[int], None],
        on_start: Callable[[], object] = lambda: None,
    ) -> None:
        """Stand for a process that was ordered.

        Args:
            loop: The host's.
            order_sweep: Called with its id, to ask the spawner to end it once it has exited.
            on_start: Called when it is born.
        """
        self.pid = 0
        """Its id, which names nobody else until its sweep; 0: it is not born."""
        self.exited: asyncio.Future[int] = loop.create_future()
        """Done with the exit code when it has exited; it is a zombie until `sweep`. Or with the OSError why it could
        not be started."""
        self.ended: asyncio.Future[ProcessEnd] = loop.create_future()
        """Done when nothing of it is left; or with the same OSError."""
        self._loop = loop
        self._order_sweep = order_sweep
        self._on_start = on_start
        self._pidfd = -1
        self._queued_signal = 0
        """What its group gets when it is born."""
        self._is_swept = False

    # ---- told by its owner ------------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        """Signal its group, as soon as it is born; nothing once it is swept."""
        if self._is_swept:
            return
        if self.pid:
            linux.signal_group(self.pid, number)
        elif self._queued_signal != signal.SIGKILL:
            self._queued_signal = number

    def signal_alone(self, number: int) -> None:
        """Signal it and nobody else of its group; nothing before it is born, nor once it is swept."""
        if self.pid and not self._is_swept:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def sweep(self) -> None:
        """Kill its group and all that left it; then it is ended. Only once it has exited."""
        if not self._is_swept:
            self.signal(signal.SIGKILL)
            self._is_swept = True
            self._order_sweep(self.pid)

    # ---- told by the spawner's client -------------------------------------------------------------------------

    def bear(self, pid: int) -> None:
        """Be process `pid`, which was started and is not reaped."""
        self.pid = pid
        if self._queued_signal:
            self.signal(self._queued_signal)
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError as error:  # no descriptor is free: then the spawner's word has to do
            logger.warning("process %s is followed by the spawner only: %s", pid, error)
        self._on_start()

    def refuse(self, error: OSError) -> None:
        """Never be born, because of an error."""
        self._is_swept = True
        for future in (self.exited, self.ended):
            future.set_exception(error)
        self.exited.exception()  # whoever waits for the end hears it; nobody has to wait for both

    def exit(self, code: int) -> None:
        """Have exited with a code."""
        if not self.exited.done() and self._has_exited():
            self.exited.set_result(code)

    def end(self, end: ProcessEnd) -> None:
        """Be ended: nothing of it is left."""
        self._is_swept = True
        if end.orphans:
            logger.error("processes that SIGKILL does not end: %s", ", ".join(map(str, end.orphans)))
        if not self._has_exited():
            self._loop.add_reader(self._pidfd, self.end, ProcessEnd(end.exit_code))
            return
        self.exit(end.exit_code)
        self._close()
        if not self.ended.done():
            self.ended.set_result(end)

    def lose(self) -> None:
        """Lose the spawner, which takes its leaders along; we take their groups."""
        linux.signal_group(self.pid, signal.SIGKILL)
        self._is_swept = True
        end = ProcessEnd(-signal.SIGKILL, spawner_died=True)
        if self._pidfd < 0:
            self.end(end)
        else:
            self._loop.add_reader(self._pidfd, self.end, end)

    def forget(self) -> None:
        """Let it go: the spawner has buried it, and whoever waits is cancelled; of a closed loop nobody does."""
        self._is_swept = True
        self._close()
        if not self._loop.is_closed():
            self.exited.cancel()
            self.ended.cancel()

    def _has_exited(self) -> bool:
        return self._pidfd < 0 or linux.has_exited(self._pidfd)

    def _close(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def __repr__(self) -> str:
        if not self.pid:
            return "<Leader starting>"
        state = "ended" if self.ended.done() else "exited" if self.exited.done() else "running"
        return f"<Leader {self.pid} {state}>"
