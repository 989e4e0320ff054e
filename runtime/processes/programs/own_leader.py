"""A program that we start ourselves, where there is no spawner: its group is followed, who leaves it is not."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from playbill.runtime.processes.leader import ProcessEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["OwnLeader"]


class OwnLeader:
    """A process that is our child.

    It stays a zombie until `sweep` (where there are pidfds), so its id cannot name a stranger's group while we send
    signals.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None,
        env: Mapping[str, str] | None,
        stdin: int | None,
        outputs: tuple[int, int],
    ) -> None:
        """Start a program on the running loop; the descriptors stay the caller's.

        Raises:
            OSError: The system could not start it.
            ValueError: An argument holds what the system cannot take, such as a zero byte.
        """
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[ProcessEnd] = loop.create_future()
        self._process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=True,
        )
        try:
            _watch(self._process, loop, self._exit)
        except RuntimeError as error:  # as `threading` says it
            self._process.kill()
            self._process.wait()
            raise OSError(errno.EAGAIN, f"{os.strerror(errno.EAGAIN)}: {error}") from error

    def __repr__(self) -> str:
        return f"<OwnLeader {self._process.pid}>"

    def signal(self, number: int) -> None:
        """Signal its group; nothing once it is swept."""
        if not self.ended.done():
            # Nothing of it is left to signal; macOS says EPERM of a group of zombies.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def sweep(self) -> None:
        """Kill its group; only once it has exited."""
        if not self.ended.done():
            self.signal(signal.SIGKILL)
            self.ended.set_result(ProcessEnd(self._process.wait()))  # it has exited: this only reaps it

    def _exit(self) -> None:
        if not self.exited.done():
            self.exited.set_result(0)


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
