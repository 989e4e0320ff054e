"""A worker as its host sees it: one attempt at a time goes out as a frame, and what comes back is told to it.

1. A worker can be given an attempt before its process is there: the frame waits in the socket.
2. A result counts once all that the attempt wrote before it is in the log; of a worker that was killed or has to
   go, once it is seen dead: threads of the handler may run on until then.
3. A worker without a result ends its attempt only when it is dead, verified, and its group swept: `over`.
4. It has a handler only once it says so: an import may have failed. Who says what no worker says is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from playbill.runtime.processes.leader import ProcessEnd, SpawnerDied
from playbill.runtime.processes.pipe import Pipe
from playbill.runtime.runners.workers import frames, packing
from playbill.runtime.runners.workers.output_log import OutputLog
from playbill.runtime.runners.workers.started_mark import StartedMark, shared_memory
from playbill.runtime.runners.workers.task_socket import TaskSocket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from playbill.runtime.processes.spawner_client import SpawnerClient
    from playbill.runtime.runners.workers.packing import PackedAttempt

__all__ = ["Assigned", "WorkerClient"]

_MODULE: Final = "playbill.runtime.runners.workers.inside.worker"
"""What the spawner imports with the first worker: it knows nothing of runners."""
AGAIN_SECONDS: Final = 0.1
"""Between the first SIGTERM and the second."""
_LAST_READS: Final = 64
"""Reads of an output after the end: more than a pipe holds, fewer than who still holds it may write."""


class Assigned(Protocol):
    """An attempt, as its worker sees it."""

    packed: PackedAttempt | None

    def take(self, worker: WorkerClient) -> None:
        """Belong to a worker."""

    def begin(self) -> None:
        """Know that the handler begins."""

    def beat(self, progress: Any) -> None:
        """Take a heartbeat."""

    def log(self, level: int, text: str, *, shown: bool) -> None:
        """Keep a line, and log it if it is shown."""

    def write(self, output: str, text: str, *, cut: bool = False) -> None:
        """Log a line that it wrote to an output; `cut`: its end is missing."""

    def finish(self, ended: float, output: Any, failure: list[Any] | None, *, begun: bool = True) -> None:
        """Take the result; `ended` is when the handler did, in monotonic seconds, `failure` a Failure's fields."""

    def lose(self, end: ProcessEnd | OSError, *, begun: bool, why: str = "") -> None:
        """Know that the worker is gone without a result, whether the handler's code was entered, and why if known."""


class WorkerClient:
    """One worker's sockets, pipes and process."""

    def __init__(
        self,
        client: SpawnerClient,
        resources: Mapping[str, Any],
        introduction: bytes,
        free: Callable[[WorkerClient], None],
        over: Callable[[WorkerClient], None],
        hide: Callable[[str], str],
    ) -> None:
        """Order the process.

        Args:
            client: Whose spawner shall start it.
            resources: What handlers may ask for.
            introduction: Its first frame.
            free: Called when it has done an attempt; it may be given another unless it `leaves`.
            over: Called when nothing of it is left.
            hide: Takes out of what it writes between attempts what nobody may see.

        Raises:
            OSError: no descriptor is free, or the spawner cannot be started.
        """
        self._loop = client.loop
        self._resources = resources
        self._free = free
        self._over = over
        self.path = [*sys.path]
        """Where it looks for modules."""
        self.attempt: Assigned | None = None
        self.leaves = False
        """It ends by itself, or was told to."""
        self._serial = 0
        self._is_killed = self._is_closed = False
        self._broken = ""
        """What it said that no worker says."""
        self._again: asyncio.TimerHandle | None = None
        self._known: set[int] = set()
        self._result: frames.DoneFrame | None = None
        self._written = select.poll()
        """Tells whether a read of an output would give something now."""
        self._start(client, hide)
        self._task.send(introduction)

    def __repr__(self) -> str:
        return f"<WorkerClient {self.leader} {'idle' if self.attempt is None else 'busy'}>"

    def run(self, attempt: Assigned) -> None:
        """Begin an attempt; only while it has none."""
        packed = attempt.packed
        if packed is None:
            raise RuntimeError("an attempt that is not packed cannot run")
        self.attempt = attempt
        self._serial += 1
        for output in self._outputs:
            output.begin(attempt.write)
        known = packed.handler.number in self._known
        self._task.send(packing.running(self._serial, packed, known=known))
        if known:  # else it has to be imported first, and the worker tells when it is
            attempt.begin()

    def interrupt(self) -> None:
        """Cancel the attempt: before its handler begins by a frame, then by SIGTERM to the group, and once more.

        The interpreter may have looked for signals just before it entered a call that waits: then the first one
        wakes nobody up.
        """
        self._task.send(frames.to_worker(frames.CancelFrame(self._serial)))
        self.leader.signal(signal.SIGTERM)
        self._again = self._loop.call_later(AGAIN_SECONDS, self._interrupt_again)

    def _interrupt_again(self) -> None:
        if not self._is_killed:
            self.leader.signal_alone(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the group, unless the result is there already."""
        if self._result is None:
            self._is_killed = self.leaves = True
            self.leader.signal(signal.SIGKILL)

    def dismiss(self) -> None:
        """Let it end: it does when the socket is closed."""
        self.leaves = True
        self._task.close()

    def close(self) -> None:
        """Let go of all descriptors."""
        self._is_closed = True
        self._calm()
        self._task.close()
        self._started_mark.close()
        for output in self._outputs:
            output.close()

    # ---- its process ------------------------------------------------------------------------------------------

    def _start(self, client: SpawnerClient, hide: Callable[[str], str]) -> None:
        ours, its = socket.socketpair()
        with its, contextlib.ExitStack() as on_error, contextlib.ExitStack() as at_once:
            on_error.enter_context(ours)
            stdout, stderr = on_error.enter_context(Pipe()), on_error.enter_context(Pipe())
            memory = shared_memory()
            at_once.callback(os.close, memory)
            self._started_mark = StartedMark(memory)
            on_error.callback(self._started_mark.close)
            self.leader = client.start_worker(_MODULE, its.fileno(), stdout.write, stderr.write, memory)
            on_error.pop_all()
        self._task = TaskSocket(self._loop, ours, self._hear, self._hung_up)
        for pipe in (stdout, stderr):
            pipe.close_write()
        self._outputs = (
            OutputLog(self._loop, stdout, "stdout", self._written, hide),
            OutputLog(self._loop, stderr, "stderr", self._written, hide),
        )
        self.leader.exited.add_done_callback(lambda _: self.leader.sweep())
        self.leader.ended.add_done_callback(self._ended)

    def _ended(self, ended: asyncio.Future[ProcessEnd]) -> None:
        if ended.cancelled():
            return
        error = ended.exception()
        if isinstance(error, SpawnerDied):
            self._end(ProcessEnd(0, spawner_died=True))
        elif isinstance(error, OSError):
            self._end(error)
        else:
            self._end(ended.result())

    def _end(self, end: ProcessEnd | OSError) -> None:
        """Take what it still said, then end its attempt and itself."""
        if self._is_closed:  # nobody listens any more
            return
        self.leaves = True
        while self._task.receive():
            pass
        for output in self._outputs:
            for _ in range(_LAST_READS):
                if not output.read():
                    break
        if self.attempt is not None:
            if self._result is None:
                attempt = self._release()
                attempt.lose(end, begun=self._started_mark.serial == self._serial, why=self._broken)
            else:
                self._deliver()
        self.close()
        self._over(self)

    # ---- what it says ----------------------------------------------------------------------------------------

    def _hung_up(self, error: frames.BrokenFrame | None) -> None:
        """Kill it, unless it shall go: it has closed its end, is dead, or talks nonsense."""
        if error is not None:
            self._broken = str(error)
        if error is not None or not self.leaves:
            self.leaves = True
            self.leader.signal(signal.SIGKILL)

    def _hear(self, message: frames.ToHost) -> None:
        if isinstance(message, frames.AskFrame):
            self._task.send(packing.answer(self._resources, message.name))
            return
        attempt = self.attempt
        if attempt is None or message.serial != self._serial:  # a thread of a handler that has returned
            return
        match message:
            case frames.DoneFrame():
                self._result = message
                if message.leaves:
                    self.leaves = True
                    self.leader.signal(signal.SIGKILL)  # its main thread may never get to it
                elif not self._is_killed:
                    self._drain()
            case frames.BeganFrame():
                if attempt.packed is not None:
                    self._known.add(attempt.packed.handler.number)
                attempt.begin()
            case frames.BeatFrame():
                attempt.beat(message.progress)
            case frames.LogFrame():
                attempt.log(message.level, message.text, shown=message.shown)

    def _drain(self, turns: int = _LAST_READS) -> None:
        """Log what was written before the result, a little on each turn; then deliver."""
        if self._result is None or self._broken:
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
            begun = self._started_mark.serial == self._serial
            attempt = self._release()
            self._free(self)  # first: whoever waits for a worker begins while the result goes its way
            attempt.finish(result.ended, result.output, result.failure, begun=begun)

    def _release(self) -> Assigned:
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
