"""A worker as its host sees it: one attempt at a time goes out as a frame, and what comes back is told to it.

1. A worker can be given an attempt before its process is there: the frame waits in the socket.
2. A result counts once all that the attempt wrote before it is in the log; of a worker that was killed or has to
   go, once it is seen dead: threads of the handler may run on until then.
3. A worker without a result ends its attempt only when it is dead, verified, and its group swept: `over`.
"""

from __future__ import annotations

import contextlib
import logging
import marshal
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol

from playbill.runtime.processes.leader import Ended, SpawnerDied
from playbill.runtime.runners.workers import frames, packing
from playbill.runtime.runners.workers.output_log import OutputLog
from playbill.runtime.runners.workers.started_mark import StartedMark, shared

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from playbill.runtime.processes.leader import Leader
    from playbill.runtime.processes.spawner_client import SpawnerClient
    from playbill.runtime.runners.workers.packing import Order

__all__ = ["Assigned", "WorkerClient"]

_CHUNK: Final = 64 * 1024
AGAIN_SECONDS: Final = 0.1
"""Between the first SIGTERM and the second."""
_LAST_READS: Final = 64
"""Reads of an output after the end: more than a pipe holds, fewer than who still holds it may write."""


class Assigned(Protocol):
    """An attempt, as its worker sees it."""

    order: Order | None

    def take(self, worker: WorkerClient) -> None:
        """Hear which worker it has."""

    def begin(self) -> None:
        """Hear that the handler begins."""

    def beat(self, progress: Any) -> None:
        """Hear a heartbeat."""

    def log(self, level: int, text: str) -> None:
        """Log a line."""

    def finish(self, ended: float, output: Any, failure: tuple[Any, ...] | None) -> None:
        """Take the result."""

    def lose(self, ended: Ended | OSError, *, begun: bool) -> None:
        """Hear that the worker is gone without a result, and whether the handler's code was entered."""


class WorkerClient:
    """One worker's sockets, pipes and process."""

    def __init__(
        self,
        client: SpawnerClient,
        resources: Mapping[str, Any],
        introduction: bytes,
        free: Callable[[WorkerClient], None],
        over: Callable[[WorkerClient], None],
    ) -> None:
        """Order the process.

        Args:
            client: Whose spawner shall start it.
            resources: What handlers may ask for.
            introduction: Its first frame.
            free: Called when it has done an attempt; it may be given another unless it `leaves`.
            over: Called when nothing of it is left.

        Raises:
            OSError: no descriptor is free, or the spawner cannot be started.
        """
        self._loop = client.loop
        self._resources = resources
        self._free = free
        self._over = over
        self.attempt: Assigned | None = None
        self.leaves = False
        """It ends by itself, or was told to."""
        self._serial = 0
        self._leader: Leader | None = None
        self._is_killed = self._is_closed = False
        self._again: asyncio.TimerHandle | None = None
        self._wanted_signal = 0
        """What its group shall get when it is there."""
        self._known: set[int] = set()
        self._reader = frames.Reader()
        self._unsent = bytearray()
        self._result: tuple[float, Any, tuple[Any, ...] | None] | None = None
        self._outputs: tuple[OutputLog, ...] = ()
        self._written = select.poll()
        """Tells whether a read of an output would give something now."""
        self._start(client)
        self._send(introduction)

    def __repr__(self) -> str:
        place = "starting" if self._leader is None else repr(self._leader)
        return f"<WorkerClient {place} {'idle' if self.attempt is None else 'busy'}>"

    @property
    def leader(self) -> Leader | None:
        """Its process; None: it is being started."""
        return self._leader

    def run(self, attempt: Assigned) -> None:
        """Begin an attempt; only while it has none."""
        order = attempt.order
        if order is None:
            raise RuntimeError("an attempt without an order cannot run")
        self.attempt = attempt
        self._serial += 1
        for output in self._outputs:
            output.begin(attempt.log)
        number = order.job.number
        known = number in self._known
        self._send(packing.running(self._serial, order, known=known))
        if known:
            attempt.begin()
        else:  # it has to be imported first, and the worker tells when it is
            self._known.add(number)

    def interrupt(self) -> None:
        """Cancel the attempt: before its handler begins by a frame, then by SIGTERM to the group, and once more.

        The interpreter may have looked for signals just before it entered a call that waits: then the first one
        wakes nobody up.
        """
        self._send(packing.cancelling(self._serial))
        self._signal(signal.SIGTERM)
        self._again = self._loop.call_later(AGAIN_SECONDS, self._interrupt_again)

    def _interrupt_again(self) -> None:
        if self._leader is not None and not self._is_killed:
            self._leader.signal_alone(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the group, unless the result is there already."""
        if self._result is None:
            self._is_killed = self.leaves = True
            self._signal(signal.SIGKILL)

    def dismiss(self) -> None:
        """Let it end: it does when the socket is closed."""
        self.leaves = True
        self._close_task()

    def close(self) -> None:
        """Let go of all descriptors."""
        self._is_closed = True
        self._calm()
        self._close_task()
        self._mark.close()
        for output in self._outputs:
            output.close()

    # ---- its process ------------------------------------------------------------------------------------------

    def _start(self, client: SpawnerClient) -> None:
        ours, its = socket.socketpair()
        with contextlib.ExitStack() as on_error, contextlib.ExitStack() as at_once:
            on_error.callback(ours.close)
            at_once.callback(its.close)
            pipes: list[tuple[int, int]] = []
            for _ in range(2):
                pipe = os.pipe()
                on_error.callback(os.close, pipe[0])
                at_once.callback(os.close, pipe[1])
                pipes.append(pipe)
            memory = shared()
            at_once.callback(os.close, memory)
            self._mark = StartedMark(memory)
            on_error.callback(self._mark.close)
            ordered = client.worker(its.fileno(), pipes[0][1], pipes[1][1], memory)
            on_error.pop_all()
        ours.setblocking(False)  # noqa: FBT003 (its only argument)
        self._task: socket.socket | None = ours
        self._loop.add_reader(ours.fileno(), self._receive)
        levels = (logging.INFO, logging.WARNING)
        self._outputs = tuple(
            OutputLog(self._loop, pipe[0], level, self._written) for pipe, level in zip(pipes, levels, strict=True)
        )
        ordered.add_done_callback(self._started)

    def _started(self, ordered: asyncio.Future[Leader]) -> None:
        if ordered.cancelled():
            return
        if (error := ordered.exception()) is not None:
            refusal = error if isinstance(error, OSError) else OSError(str(error))
            self._end(Ended(0, spawner_died=True) if isinstance(error, SpawnerDied) else refusal)
            return
        self._leader = leader = ordered.result()
        leader.exited.add_done_callback(lambda _: leader.sweep())
        leader.ended.add_done_callback(self._ended)
        if self._wanted_signal:
            leader.signal(self._wanted_signal)

    def _signal(self, number: int) -> None:
        if self._leader is None:
            self._wanted_signal = max(number, self._wanted_signal, key=lambda wanted: wanted == signal.SIGKILL)
        else:
            self._leader.signal(number)

    def _ended(self, ended: asyncio.Future[Ended]) -> None:
        if not ended.cancelled():
            self._end(ended.result())

    def _end(self, ended: Ended | OSError) -> None:
        """Take what it still said, then end its attempt and itself."""
        if self._is_closed:  # nobody listens any more
            return
        self.leaves = True
        while self._receive():
            pass
        for output in self._outputs:
            for _ in range(_LAST_READS):
                if not output.read():
                    break
        if self.attempt is not None:
            if self._result is None:
                attempt = self._released()
                attempt.lose(ended, begun=self._mark.serial == self._serial)
            else:
                self._deliver()
        self.close()
        self._over(self)

    # ---- the wire ---------------------------------------------------------------------------------------------

    def _send(self, frame: bytes) -> None:
        if self._task is None:
            return
        if not self._unsent:
            try:
                sent = self._task.send(frame)
            except BlockingIOError:
                sent = 0
            except ConnectionError:  # it is dead: we shall hear so
                return
            if sent == len(frame):
                return
            frame = frame[sent:]
            self._loop.add_writer(self._task.fileno(), self._send_more)
        self._unsent += frame

    def _send_more(self) -> None:
        if self._task is None:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                del self._unsent[: self._task.send(self._unsent)]
            except ConnectionError:
                self._unsent.clear()
        if not self._unsent:
            self._loop.remove_writer(self._task.fileno())

    def _receive(self) -> bool:
        """Read once; False: there is nothing now."""
        if self._task is None:
            return False
        try:
            data = self._task.recv(_CHUNK)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self._close_task()
            if not self.leaves:  # it has closed its end, or is dead
                self._signal(signal.SIGKILL)
            return False
        for frame in self._reader.feed(data):
            self._hear(*marshal.loads(frame))  # noqa: S302 (from our own program)
        return True

    def _hear(self, what: str, *said: Any) -> None:
        attempt = self.attempt
        if what == frames.ASK:
            self._send(packing.answer(self._resources, said[0]))
        elif attempt is None or said[0] != self._serial:
            pass  # a thread of a handler that has returned
        elif what == frames.DONE:
            _, ended, output, failure, leaves = said
            self._result = ended, output, failure
            if leaves:
                self.leaves = True
                self._signal(signal.SIGKILL)  # its main thread may never get to it
            elif not self._is_killed:
                self._drain()
        elif what == frames.BEGAN:
            attempt.begin()
        elif what == frames.BEAT:
            attempt.beat(said[1])
        else:
            attempt.log(said[1], said[2])

    def _drain(self, turns: int = _LAST_READS) -> None:
        """Log what was written before the result, a little on each turn; then deliver."""
        if self._result is None:
            return
        if turns and self._written.poll(0):
            for output in self._outputs:
                output.read()
            self._loop.call_soon(self._drain, turns - 1)
        else:
            self._deliver()

    def _deliver(self) -> None:
        if self._result is not None:
            result, self._result = self._result, None
            attempt = self._released()
            self._free(self)  # first: whoever waits for a worker begins while the result goes its way
            attempt.finish(*result)

    def _released(self) -> Assigned:
        attempt = self.attempt
        if attempt is None:
            raise RuntimeError("a worker without an attempt has nothing to release")
        for output in self._outputs:
            output.end()
        self._calm()
        self.attempt = None
        return attempt

    def _calm(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _close_task(self) -> None:
        if self._task is not None:
            self._loop.remove_reader(self._task.fileno())
            self._loop.remove_writer(self._task.fileno())
            with contextlib.suppress(OSError):  # it is dead
                self._task.shutdown(socket.SHUT_RDWR)  # what the host forked may hold this end open
            self._task.close()
            self._task = None
            self._unsent.clear()
