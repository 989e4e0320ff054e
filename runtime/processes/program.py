"""A program in a process group of its own, followed on the loop until nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final, Protocol

from playbill.runtime.processes.capture import Capture
from playbill.runtime.processes.own_leader import OwnLeader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from playbill.runtime.processes.leader import Ended, Leader
    from playbill.runtime.processes.spawner_client import SpawnerClient

__all__ = ["Program"]

DRAIN_SECONDS: Final = 0.25
"""How long a pipe is still read after the sweep: a process that nobody could kill may hold it still."""
_CHUNK: Final = 64 * 1024


class Held(Protocol):
    """The process of a program: a spawner's leader, or one that we started ourselves."""

    exited: asyncio.Future[int]
    ended: asyncio.Future[Ended]

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
        on_output: Callable[[], object] = lambda: None,
        spawner: SpawnerClient | None = None,
    ) -> None:
        """Start the program; call on the running loop.

        Args:
            argv: The program and its arguments.
            cwd: Where it runs; None: where we do.
            env: Its whole environment; None: ours.
            stdin: What it reads; None: nothing.
            limit: How many bytes are kept of stdout and of stderr each.
            on_output: Called whenever it has written something.
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
        self._wanted_signal = 0
        """What its group shall get when it is there."""
        self._held: Held | None = None
        self._outputs: set[int] = set()
        self._stdin: int | None = None
        self._unwritten = memoryview(stdin or b"")
        self._drain: asyncio.TimerHandle | None = None
        with contextlib.ExitStack() as on_error, contextlib.ExitStack() as at_once:
            pipes: list[tuple[int, int]] = []
            for _ in range(2 if stdin is None else 3):
                pipe = os.pipe()
                on_error.callback(os.close, pipe[len(pipes) == 2])  # noqa: PLR2004 (of stdin we keep the writing end)
                at_once.callback(os.close, pipe[len(pipes) != 2])  # noqa: PLR2004 (see above)
                pipes.append(pipe)
            outputs = pipes[0][1], pipes[1][1]
            read = None if stdin is None else pipes[2][0]
            if spawner is None:
                self._hold(OwnLeader(argv, cwd=cwd, env=env, stdin=read, outputs=outputs))
            else:
                ordered = spawner.command(argv, cwd=cwd, env=env, stdin=read, outputs=outputs)
                ordered.add_done_callback(self._started)
            on_error.pop_all()
        self._follow([pipe[index == 2] for index, pipe in enumerate(pipes)])  # noqa: PLR2004 (see above)

    def __repr__(self) -> str:
        state = "ended" if self.ended.done() else "exited" if self._exited else "running"
        return f"<Program {self._held} {state}>"

    @property
    def _exited(self) -> bool:
        return self._held is not None and self._held.exited.done()

    def terminate(self) -> None:
        """Ask the group to end."""
        self._stopping = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the group, whatever it does."""
        self._stopping = False
        if self._exited:
            self._sweep()
        else:
            self._signal(signal.SIGKILL)

    # ---- its process ------------------------------------------------------------------------------------------

    def _started(self, ordered: asyncio.Future[Leader]) -> None:
        if ordered.cancelled():
            self._close()
            self.ended.cancel()
            return
        if (error := ordered.exception()) is not None:
            self._close()
            self.ended.set_exception(error)
            return
        self._hold(ordered.result())
        if self._wanted_signal:
            self._signal(self._wanted_signal)

    def _hold(self, held: Held) -> None:
        self._held = held
        held.exited.add_done_callback(self._leader_exited)
        held.ended.add_done_callback(self._finish)

    def _leader_exited(self, exited: asyncio.Future[int]) -> None:
        if not self._outputs or not self._stopping:
            self._sweep()

    def _sweep(self) -> None:
        if self._drain is None and self._held is not None and not self.ended.done():
            self._held.sweep()
            self._drain = self._loop.call_later(DRAIN_SECONDS, self._close)

    def _finish(self, _: object = None) -> None:
        """End, once nothing is left of the process and all of its output is read."""
        held = self._held
        if held is None or not held.ended.done() or self._outputs or self.ended.done():
            return
        if self._drain is not None:
            self._drain.cancel()
        self._close_stdin()
        if held.ended.cancelled():
            self.ended.cancel()
        else:
            self.ended.set_result(held.ended.result().exit_code)

    def _signal(self, number: int) -> None:
        if self._held is not None:
            self._held.signal(number)
        elif self._wanted_signal != signal.SIGKILL:
            self._wanted_signal = number

    # ---- its pipes --------------------------------------------------------------------------------------------

    def _follow(self, descriptors: Sequence[int]) -> None:
        stdout, stderr, *stdin = descriptors
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)
        for descriptor, capture in ((stdout, self.stdout), (stderr, self.stderr)):
            self._outputs.add(descriptor)
            self._loop.add_reader(descriptor, self._read, descriptor, capture)
        for descriptor in stdin:
            self._stdin = descriptor
            self._loop.add_writer(descriptor, self._write, descriptor)

    def _read(self, descriptor: int, capture: Capture) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if data:
            capture.feed(data)
            self._on_output()
            return
        self._close_output(descriptor)
        if self._exited and not self._outputs:
            self._sweep()
            self._finish()

    def _write(self, descriptor: int) -> None:
        try:
            self._unwritten = self._unwritten[os.write(descriptor, self._unwritten[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want more
            self._unwritten = self._unwritten[:0]
        if not self._unwritten:
            self._close_stdin()

    def _close(self) -> None:
        """Read no more."""
        for descriptor in tuple(self._outputs):
            self._close_output(descriptor)
        self._close_stdin()
        self._finish()

    def _close_output(self, descriptor: int) -> None:
        self._outputs.discard(descriptor)
        self._loop.remove_reader(descriptor)
        os.close(descriptor)

    def _close_stdin(self) -> None:
        if self._stdin is not None:
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = None
