"""A program in a process group of its own, followed on the loop until nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Final

from playbill.runtime.handlers.capture import Capture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

__all__ = ["Child"]

DRAIN_SECONDS: Final = 0.25
"""How long a pipe is still read after the group was killed: who left the group may hold it still."""
_CHUNK: Final = 64 * 1024


class Child:
    """A program, its process group and its pipes.

    The leader stays a zombie until `ended` (where there are pidfds), so its id cannot name a stranger's group
    while we send signals. When it has exited, what is left of its group is killed at once; after `terminate`
    that may finish its own cleanup first, as long as it holds the pipes or until `kill`. What called setsid
    has left the group: it is not followed.
    """

    ended: asyncio.Future[int]
    """Done with the exit code (negative: the signal) when the leader is reaped and its group killed."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        limit: int = 256 * 1024,
        on_output: Callable[[], object] = lambda: None,
    ) -> None:
        """Start the program; call on the running loop.

        Args:
            argv: The program and its arguments.
            cwd: Where it runs; None: where we do.
            env: Its whole environment; None: ours.
            stdin: What it reads; None: nothing.
            limit: How many bytes are kept of stdout and of stderr each.
            on_output: Called whenever it has written something.

        Raises:
            OSError: The system could not start it.
            ValueError: An argument holds what the system cannot take, such as a zero byte.
        """
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        self.stdout, self.stderr = Capture(limit), Capture(limit)
        self._on_output = on_output
        self._exited = self._stopping = False
        self._process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._outputs: set[IO[bytes]] = set()
        self._unwritten = memoryview(stdin or b"")
        self._drain: asyncio.TimerHandle | None = None
        try:
            self._follow()
        except BaseException:  # a process that nobody follows would be left behind
            self._finish()
            raise

    def __repr__(self) -> str:
        state = "ended" if self.ended.done() else "exited" if self._exited else "running"
        return f"<Child {self._process.pid} {state}>"

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

    def _follow(self) -> None:
        for stream, capture in ((self._process.stdout, self.stdout), (self._process.stderr, self.stderr)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._outputs.add(stream)
                self._loop.add_reader(stream.fileno(), self._read, stream, capture)
        if stdin := self._process.stdin:
            os.set_blocking(stdin.fileno(), False)
            self._loop.add_writer(stdin.fileno(), self._write, stdin)
        _watch(self._process, self._loop, self._leader_exited)

    def _read(self, stream: IO[bytes], capture: Capture) -> None:
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if data:
            capture.feed(data)
            self._on_output()
        else:
            self._close_output(stream)
            if self._exited and not self._outputs:
                self._finish()

    def _write(self, stdin: IO[bytes]) -> None:
        try:
            self._unwritten = self._unwritten[os.write(stdin.fileno(), self._unwritten[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want more
            self._unwritten = self._unwritten[:0]
        if not self._unwritten:
            self._close_stdin()

    def _leader_exited(self) -> None:
        self._exited = True
        if not self._outputs:
            self._finish()
        elif not self._stopping:
            self._sweep()

    def _sweep(self) -> None:
        if self._drain is None and not self.ended.done():
            self._signal(signal.SIGKILL)
            self._drain = self._loop.call_later(DRAIN_SECONDS, self._finish)

    def _finish(self) -> None:
        if self.ended.done():
            return
        if self._drain is not None:
            self._drain.cancel()
        self._signal(signal.SIGKILL)
        for stream in tuple(self._outputs):
            self._close_output(stream)
        self._close_stdin()
        self.ended.set_result(self._process.wait())  # it has exited: this only reaps it

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.done():
            # Nothing of it is left to signal; macOS says EPERM of a group of zombies.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _close_output(self, stream: IO[bytes]) -> None:
        self._outputs.discard(stream)
        self._loop.remove_reader(stream.fileno())
        stream.close()

    def _close_stdin(self) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed:
            self._loop.remove_writer(stdin.fileno())
            stdin.close()


def _watch(process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, exited: Callable[[], object]) -> None:
    """Call `exited` on the loop once the process has exited; with a pidfd it is left unreaped."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, an old kernel, or no descriptor free
        name = f"playbill-wait-{process.pid}"
        threading.Thread(target=_wait, args=(process, loop, exited), daemon=True, name=name).start()
        return

    def ready() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        exited()

    loop.add_reader(descriptor, ready)


def _wait(process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, exited: Callable[[], object]) -> None:
    process.wait()
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(exited)
