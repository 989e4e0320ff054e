"""A program in a process group of its own, followed on the loop until nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final, Protocol

from playbill.runtime.processes.pipe import Pipe
from playbill.runtime.processes.programs.capture import Capture
from playbill.runtime.processes.programs.own_leader import OwnLeader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from playbill.runtime.processes.leader import ProcessEnd
    from playbill.runtime.processes.spawner_client import SpawnerClient

__all__ = ["Program"]

DRAIN_SECONDS: Final = 0.25
"""How long a pipe is still read after the sweep: a process that nobody could kill may hold it still."""
_CHUNK: Final = 64 * 1024


class ProcessHandle(Protocol):
    """The process of a program: a spawner's leader, or one that we started ourselves."""

    exited: asyncio.Future[int]
    ended: asyncio.Future[ProcessEnd]

    def signal(self, number: int) -> None:
        """Signal its group; nothing once it is swept."""

    def sweep(self) -> None:
        """Kill what is left of it; then it is ended."""


class Program:
    """A program, its process group and its pipes.

    When the leader has exited, what is left of it is killed at once; after `terminate` that may finish its own
    cleanup first, as long as it holds the pipes or until `kill`. With a spawner what called setsid is swept, too;
    without one it has left the group and is not followed.
    """

    ended: asyncio.Future[int]
    """Done with the exit code (negative: the signal) when nothing of it is left; or with the OSError why a spawner
    could not start it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        limit: int = 256 * 1024,
        on_start: Callable[[], object] = lambda: None,
        on_output: Callable[[str, bytes], object] = lambda _output, _data: None,
        spawner: SpawnerClient | None = None,
    ) -> None:
        """Start the program; call on the running loop.

        Args:
            argv: The program and its arguments.
            cwd: Where it runs; None: where we do.
            env: Its whole environment; None: ours.
            stdin: What it reads; None: nothing.
            limit: How many bytes are kept of stdout and of stderr each.
            on_start: Called once it is started; with a spawner that is later.
            on_output: Called whenever it has written something, with the output's name and what it is.
            spawner: Who starts it; None: we do.

        Raises:
            OSError: The system could not start it; with a spawner that may become known later, by `ended`.
            ValueError: An argument holds what the system cannot take, such as a zero byte.
        """
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        self.stdout, self.stderr = Capture(limit), Capture(limit)
        self._on_output = on_output
        self._stopping = False
        self._outputs: set[Pipe] = set()
        """Those that are not read to their end."""
        self._stdin: Pipe | None = None
        """None: all is written, or nothing was to be."""
        self._unwritten = memoryview(stdin or b"")
        self._drain: asyncio.TimerHandle | None = None
        with contextlib.ExitStack() as on_error:
            outputs = on_error.enter_context(Pipe()), on_error.enter_context(Pipe())
            inputs = None if stdin is None else on_error.enter_context(Pipe())
            self._process = self._start(argv, cwd, env, inputs, outputs, spawner, on_start)
            on_error.pop_all()
        self._process.exited.add_done_callback(self._leader_exited)
        self._process.ended.add_done_callback(self._leader_ended)
        self._follow(inputs, outputs)

    def __repr__(self) -> str:
        state = "ended" if self.ended.done() else "exited" if self._exited else "running"
        return f"<Program {self._process} {state}>"

    @property
    def _exited(self) -> bool:
        return self._process.exited.done()

    def terminate(self) -> None:
        """Ask the group to end."""
        self._stopping = True
        self._process.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the group, whatever it does."""
        self._stopping = False
        if self._exited:
            self._sweep()
        else:
            self._process.signal(signal.SIGKILL)

    # ---- its process ------------------------------------------------------------------------------------------

    def _start(
        self,
        argv: Sequence[str],
        cwd: str | None,
        env: Mapping[str, str] | None,
        inputs: Pipe | None,
        outputs: tuple[Pipe, Pipe],
        spawner: SpawnerClient | None,
        on_start: Callable[[], object],
    ) -> ProcessHandle:
        stdin = None if inputs is None else inputs.read
        writes = outputs[0].write, outputs[1].write
        if spawner is None:
            leader = OwnLeader(argv, cwd=cwd, env=env, stdin=stdin, outputs=writes)
            on_start()
            return leader
        return spawner.start_command(argv, cwd=cwd, env=env, stdin=stdin, outputs=writes, on_start=on_start)

    def _leader_exited(self, exited: asyncio.Future[int]) -> None:
        if not self._outputs or not self._stopping:
            self._sweep()

    def _sweep(self) -> None:
        if self._drain is None and not self.ended.done():
            self._process.sweep()
            self._drain = self._loop.call_later(DRAIN_SECONDS, self._close)

    def _leader_ended(self, ended: asyncio.Future[ProcessEnd]) -> None:
        if ended.cancelled() or ended.exception() is not None:  # there is nobody who will write more
            self._close()
        else:
            self._finish()

    def _finish(self) -> None:
        """End, once nothing is left of the process and all of its output is read."""
        ended = self._process.ended
        if not ended.done() or self._outputs or self.ended.done():
            return
        if self._drain is not None:
            self._drain.cancel()
        self._close_stdin()
        if ended.cancelled():
            self.ended.cancel()
        elif (error := ended.exception()) is not None:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(ended.result().exit_code)

    # ---- its pipes --------------------------------------------------------------------------------------------

    def _follow(self, inputs: Pipe | None, outputs: tuple[Pipe, Pipe]) -> None:
        """Let go of the program's ends, and read and write at ours."""
        captures = {"stdout": self.stdout, "stderr": self.stderr}
        for pipe, (name, capture) in zip(outputs, captures.items(), strict=True):
            pipe.close_write()
            os.set_blocking(pipe.read, False)
            self._outputs.add(pipe)
            self._loop.add_reader(pipe.read, self._read, pipe, name, capture)
        if inputs is not None:
            inputs.close_read()
            os.set_blocking(inputs.write, False)
            self._stdin = inputs
            self._loop.add_writer(inputs.write, self._write, inputs)

    def _read(self, pipe: Pipe, name: str, capture: Capture) -> None:
        try:
            data = os.read(pipe.read, _CHUNK)
        except BlockingIOError:
            return
        if data:
            capture.feed(data)
            self._on_output(name, data)
            return
        self._close_output(pipe)
        if self._exited and not self._outputs:
            self._sweep()
            self._finish()

    def _write(self, pipe: Pipe) -> None:
        try:
            self._unwritten = self._unwritten[os.write(pipe.write, self._unwritten[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want more
            self._unwritten = self._unwritten[:0]
        if not self._unwritten:
            self._close_stdin()

    def _close(self) -> None:
        """Read no more, and end if nothing is left of the process."""
        for pipe in tuple(self._outputs):
            self._close_output(pipe)
        self._close_stdin()
        self._finish()

    def _close_output(self, pipe: Pipe) -> None:
        self._outputs.discard(pipe)
        self._loop.remove_reader(pipe.read)
        pipe.close()

    def _close_stdin(self) -> None:
        if self._stdin is not None:
            self._loop.remove_writer(self._stdin.write)
            self._stdin.close()
            self._stdin = None
