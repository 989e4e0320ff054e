"""The handler of command nodes: says which program is to run without a shell, and what its end means."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import NodeConfigError, NodeError, NodeExecutionError
from playbill.model.plain_text import MAX_TEXT_BYTES
from playbill.model.sizes import MAX_BYTES, json_size
from playbill.model.trace_context import environment_with
from playbill.runtime.processes.exit_codes import signal_of
from playbill.runtime.processes.leader import SpawnerDied
from playbill.runtime.redaction import REDACTION
from playbill.runtime.runners.program import ProgramHandler, ProgramOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.configs import CommandConfig
    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs
    from playbill.runtime.processes.programs.capture import Capture
    from playbill.runtime.processes.programs.program import Program
    from playbill.runtime.runners.context import NodeContext

__all__ = ["command"]

_WRONG_COMMAND: Final = frozenset({
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOEXEC, errno.ELOOP,
    errno.ENAMETOOLONG, errno.E2BIG,
})  # fmt: skip
"""What the system says of a program that will not start next time either."""
_SHOWN_CHARACTERS: Final = 2000
_OUTPUT_BYTES: Final = MAX_BYTES - 1024
"""Of JSON, for both outputs: beside them stand their names and a number."""


@ProgramHandler
def command(node: PipelineNode, inputs: Inputs, context: NodeContext) -> Command:
    """Describe the program; its output counts as a heartbeat.

    Gives `stdout`, `stderr` (text) and `exit_code`; `truncated: true` when output was left out of the middle, over
    the config's bound or, as JSON, over that of a node's output. A failed one's error carries the same.

    Raises:
        NodeConfigError: There is no such directory.
    """
    config = cast("CommandConfig", context.config)
    if config.cwd is not None and not (config.cwd and Path(config.cwd).is_dir()):
        text = f"command '{config.argv[0]}' cannot start: its cwd '{config.cwd}' is not a directory"
        raise NodeConfigError(text)
    return Command(config, context.trace_context)


class Command:
    """The program of one attempt."""

    def __init__(self, config: CommandConfig, trace: Mapping[str, str] | None) -> None:
        self._config = config
        self._trace = trace
        self._redaction = REDACTION.get()

    @property
    def order(self) -> ProgramOrder:
        """What to start."""
        config = self._config
        stdin = None if config.stdin is None else config.stdin.encode()
        environment = environment_with(self._trace, os.environ, config.env)
        return ProgramOrder(config.argv, config.cwd, environment, stdin, config.max_output_bytes)

    def output(self, exit_code: int, program: Program) -> dict[str, Any]:
        """Return what the program said.

        Raises:
            NodeExecutionError: the exit code is not one of `ok_codes`.
        """
        stdout, stderr = program.stdout, program.stderr
        if exit_code in self._config.ok_codes:
            # Each may have half of the room, and what the other one leaves of its own.
            stdout.fit(_OUTPUT_BYTES - min(json_size(stderr.text()), _OUTPUT_BYTES // 2))
            stderr.fit(_OUTPUT_BYTES - json_size(stdout.text()))
            return self._said(exit_code, stdout, stderr)
        # Hidden before it is cut: of a secret that a cut goes through, less might be left than is known again.
        data = self._said(exit_code, stdout, stderr, self._redaction.hide)
        if max(json_size(data["stdout"]), json_size(data["stderr"])) > MAX_TEXT_BYTES:
            data["truncated"] = True
        raise NodeExecutionError(self._describe(exit_code, data["stderr"] or data["stdout"]), data=data)

    def _said(
        self, exit_code: int, stdout: Capture, stderr: Capture, change: Callable[[str], str] = str
    ) -> dict[str, Any]:
        texts = {"stdout": change(stdout.text()), "stderr": change(stderr.text())}
        if self._config.strip:
            texts = {name: text.rstrip("\n") for name, text in texts.items()}
        output = {**texts, "exit_code": exit_code}
        return output | {"truncated": True} if stdout.truncated or stderr.truncated else output

    def why_not(self, error: OSError | ValueError) -> NodeError:
        """Tell what keeps the program from starting: a wrong config, or a system without room."""
        name = self._config.argv[0]
        if isinstance(error, SpawnerDied):
            return NodeExecutionError(f"command '{name}' was lost: {error}")
        if isinstance(error, ValueError):
            return NodeConfigError(f"command '{name}' cannot start: {error}")
        text = f"command '{name}' cannot start: {os.strerror(error.errno) if error.errno else error}"
        if error.errno not in _WRONG_COMMAND:
            return NodeExecutionError(text)
        return NodeConfigError(f"{text}; name a program on PATH or give its whole path")

    def _describe(self, exit_code: int, said: str) -> str:
        killer = signal_of(exit_code)
        end = f"gave exit code {exit_code}" if killer is None else f"was ended by {killer}"
        tail = said.strip()[-_SHOWN_CHARACTERS:]
        allowed = ", ".join(map(str, self._config.ok_codes))
        return f"command '{self._config.argv[0]}' {end} (ok_codes: {allowed}): {tail or 'it said nothing'}"

    def __repr__(self) -> str:
        return f"<Command {self._config.argv[0]!r}>"
