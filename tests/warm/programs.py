"""Starts Python programs in the time of a fork, for tests that ask what a program does, and not how it is started.

`Popen` and `run` are those of `subprocess`, for `[sys.executable, "-m", ...]`, `-c` or a script alone: the program is
a process of its own, with its own streams, folder, environment and signals, and ends as an interpreter ends; but it
comes from a server that has imported playbill before. Whoever tests what is imported when, whose child a program is,
or what an interpreter is told by options and `PYTHON...` variables, takes `subprocess` itself.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.warm.server import END

__all__ = ["Popen", "close", "run"]

ROOT = Path(__file__).resolve().parents[2]
AS_IT_STARTED = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
"""What a program may have of its own although Python reads it before it starts."""

UNTOUCHED = (True, None, None, None, -1, False, -1)
"""Signals, ids, mask and groups of a program of which nothing is said."""


class Server:
    """The process that becomes the programs."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.warm.server", str(theirs.fileno())]
        environment = {name: value for name, value in os.environ.items() if name not in AS_IT_STARTED}
        with theirs:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()])
        self.environment = of_python(environment)

    def start(self, order: Mapping[str, Any], streams: Sequence[int]) -> tuple[int, int]:
        """Have it become a program; return its id, and the descriptor from which its end will be read."""
        if of_python(order["environment"]) != self.environment:
            raise ValueError("a PYTHON... variable of its own is read as Python starts: take `subprocess`")
        ends, told = os.pipe()
        try:
            socket.send_fds(self.control, [json.dumps(order).encode()], [*streams, told])
        finally:
            os.close(told)
        pid = os.read(ends, END.size)
        if not pid:
            os.close(ends)
            raise RuntimeError("the server of warm programs has ended")
        return END.unpack(pid)[0], ends


def of_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Python reads as it starts, but for what is done again for each program."""
    names = [name for name in environment if name.startswith("PYTHON") and name not in AS_IT_STARTED]
    return {name: environment[name] for name in names}


@cache
def _server() -> Server:
    return Server()


def close() -> None:
    """End the server, if there is one; programs go on."""
    if _server.cache_info().currsize:
        server = _server()
        _server.cache_clear()
        server.control.close()
        server.process.wait(30)


class Popen(subprocess.Popen[str]):
    """A program that the server has become."""

    _ends = -1
    """The descriptor that tells its end; below 0: it has been told."""

    def _execute_child(self, args: Sequence[str], *how: Any) -> None:
        _, preexec_fn, _, pass_fds, folder, environment, _, _, shell, *pipes = how[:15]
        executable, *arguments = map(os.fspath, args)
        if executable != sys.executable or preexec_fn or pass_fds or shell or how[15:] != UNTOUCHED:
            raise ValueError(f"only a Python program without more is started warm: {args}")
        order = {
            "arguments": arguments,
            "folder": os.fspath(folder or Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
        }
        streams = [place if end < 0 else end for place, end in enumerate((pipes[0], pipes[3], pipes[5]))]
        try:
            self.pid, self._ends = _server().start(order, streams)
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        self._child_created = True

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._ends], [], [], 0)[0]:
            return 0, 0
        told = os.read(self._ends, END.size)
        os.close(self._ends)
        return self.pid, END.unpack(told)[0] if told else signal.SIGKILL  # the server has gone, and tells nothing

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode


def run(
    args: Sequence[str | Path],
    *,
    input: str | None = None,  # noqa: A002 (as `subprocess` calls it)
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `subprocess.run` does."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    if capture_output:
        options["stdout"] = options["stderr"] = subprocess.PIPE
    with Popen(args, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done
