"""The handler of command nodes: runs a program without a shell, and leaves nothing of it behind."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.runtime.processes.exit_codes import signal_of
from playbill.runtime.processes.leader import SpawnerDied
from playbill.runtime.processes.program import Program
from playbill.runtime.processes.spawner_client import SPAWNER

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from playbill.model.configs import CommandConfig
    from playbill.model.definition import PipelineNode
    from playbill.runtime.runners.context import NodeContext

__all__ = ["command"]

_WRONG_COMMAND: Final = frozenset({
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOEXEC, errno.ELOOP,
    errno.ENAMETOOLONG, errno.E2BIG,
})  # fmt: skip
"""What the system says of a program that will not start next time either."""
_SHOWN_CHARACTERS: Final = 2000


async def command(
    node: PipelineNode,
    inputs: Mapping[str, Mapping[str, Any]],
    context: NodeContext,
) -> dict[str, Any]:
    """Run the program; its output counts as a heartbeat.

    A first cancel sends SIGTERM to its process group, any further one SIGKILL. The cancel is passed on only
    once the leader is reaped: a process that even SIGKILL does not end keeps this handler waiting, and so is
    an orphan of its run instead of a forgotten one.

    Returns:
        `stdout`, `stderr` (text) and `exit_code`; `truncated: true` when output over the config's bound was
        left out of the middle.

    Raises:
        NodeConfigError: There is no such program or directory.
        NodeExecutionError: The exit code is not one of `ok_codes`, or the system had no room for a process.
    """
    config = cast("CommandConfig", context.config)
    with _startable(config):
        child = _start(config, context)
        await _outlast(child)
        exit_code = child.ended.result()
    stdout, stderr = child.stdout.text(), child.stderr.text()
    if exit_code not in config.ok_codes:
        raise NodeExecutionError(_failure(config, exit_code, stderr or stdout))
    output = {"stdout": stdout, "stderr": stderr, "exit_code": exit_code}
    return output | {"truncated": True} if child.stdout.truncated or child.stderr.truncated else output


async def _outlast(child: Program) -> None:
    """Wait for the child's end through all cancels, each a signal to it; then raise the first of them."""
    cancelled: asyncio.CancelledError | None = None
    try:
        while not child.ended.done():
            try:
                await asyncio.wait([child.ended])
            except asyncio.CancelledError as error:
                if cancelled is None:
                    cancelled = error
                    child.terminate()
                else:
                    child.kill()
        if cancelled is not None:
            if not child.ended.cancelled():
                child.ended.exception()  # whatever it is, the cancel says why it ended
            raise cancelled
    finally:
        child.kill()  # for whatever else ends a coroutine; nothing once it has ended


def _start(config: CommandConfig, context: NodeContext) -> Program:
    if config.cwd is not None and not Path(config.cwd).is_dir():
        text = f"command '{config.argv[0]}' cannot start: its cwd '{config.cwd}' is not a directory"
        raise NodeConfigError(text)
    return Program(
        config.argv,
        cwd=config.cwd,
        env={**os.environ, **config.env},
        stdin=None if config.stdin is None else config.stdin.encode(),
        limit=config.max_output_bytes,
        on_output=context.heartbeat,
        spawner=SPAWNER.get(),
    )


@contextlib.contextmanager
def _startable(config: CommandConfig) -> Generator[None]:
    """Tell what keeps a program from starting: a wrong config, or a system without room."""
    program = config.argv[0]
    try:
        yield
    except SpawnerDied as error:
        raise NodeExecutionError(f"command '{program}' was lost: {error}") from error
    except ValueError as error:
        raise NodeConfigError(f"command '{program}' cannot start: {error}") from error
    except OSError as error:
        text = f"command '{program}' cannot start: {os.strerror(error.errno) if error.errno else error}"
        if error.errno not in _WRONG_COMMAND:
            raise NodeExecutionError(text) from error
        raise NodeConfigError(f"{text}; name a program on PATH or give its whole path") from error


def _failure(config: CommandConfig, exit_code: int, said: str) -> str:
    killer = signal_of(exit_code)
    end = f"gave exit code {exit_code}" if killer is None else f"was ended by {killer}"
    tail = said.strip()[-_SHOWN_CHARACTERS:]
    allowed = ", ".join(map(str, config.ok_codes))
    return f"command '{config.argv[0]}' {end} (ok_codes: {allowed}): {tail or 'it said nothing'}"
