"""Runs nodes whose work is a program: asked by SIGTERM, killed by SIGKILL, ended when nothing of it is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from playbill.model.messages import Began, Heartbeat
from playbill.runtime.processes.leader import SpawnerDied
from playbill.runtime.processes.programs.program import Program
from playbill.runtime.runners.attempt import AttemptServices, HandlerAttempt
from playbill.runtime.runners.logs.program_output import ProgramOutput
from playbill.runtime.runners.outputs import check_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextvars import Context

    from playbill.actors.ports import Receiver
    from playbill.model.definition import PipelineNode
    from playbill.model.errors import NodeError
    from playbill.model.facts import Inputs, Permit
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.runners.program_pool import ProgramPool

__all__ = ["ProgramAttempt", "ProgramHandler", "ProgramOrder", "ProgramWork"]


class ProgramOrder(NamedTuple):
    """What to start."""

    argv: Sequence[str]
    cwd: str | None
    env: Mapping[str, str]
    stdin: bytes | None
    max_output_bytes: int
    """Kept of stdout and of stderr each."""


class ProgramWork(Protocol):
    """The work of one attempt, as its handler describes it."""

    @property
    def order(self) -> ProgramOrder:
        """What to start."""
        ...

    def output(self, exit_code: int, program: Program) -> dict[str, Any]:
        """Return what the attempt gives, once nothing of the program is left.

        Raises:
            NodeExecutionError: it did not do what it should.
        """
        ...

    def why_not(self, error: OSError | ValueError) -> NodeError:
        """Return the error of an attempt whose program could not be started, or was lost."""
        ...


class ProgramHandler:
    """Marks a function that does no work itself but describes a program, on the loop and at once."""

    def __init__(self, describe: Callable[[PipelineNode, Inputs, NodeContext], ProgramWork]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__
        self.__module__ = describe.__module__
        self.__qualname__ = describe.__qualname__

    def __call__(self, node: PipelineNode, inputs: Inputs, context: NodeContext) -> ProgramWork:
        """Return the work of an attempt.

        Raises:
            NodeConfigError: there can be no such program.
        """
        return self._describe(node, inputs, context)

    def __repr__(self) -> str:
        return f"<ProgramHandler {self.__module__}.{self.__qualname__}>"


class ProgramAttempt(HandlerAttempt):
    """An attempt that is a program."""

    _work: ProgramWork
    _program: Program | None = None
    _said: ProgramOutput | None = None
    """None: nobody keeps what it says."""
    _node: PipelineNode

    def __init__(
        self, run_id: str, node_id: str, number: int, reply_to: Receiver, services: AttemptServices, pool: ProgramPool
    ) -> None:
        super().__init__(run_id, node_id, number, reply_to, services)
        self._pool = pool

    def start(
        self,
        handler: Callable[..., ProgramWork],
        node: PipelineNode,
        inputs: Inputs,
        context: NodeContext,
        variables: Context,
    ) -> None:
        """Wait for a place; what can never be started is refused."""
        self._node = node
        try:
            self._work = variables.run(handler, node, inputs, context)
        except Exception as error:  # noqa: BLE001 (the attempt's, whatever it is)
            self.refuse(error, self.services.loop.time())
        else:
            self._pool.queue(self)

    # ---- told by the pool and the program ---------------------------------------------------------------------

    def begin(self) -> bool:
        """Start the program; False: the system could not."""
        if self.lines is not None:
            self._said = ProgramOutput(self.lines, self.redaction)
        try:
            argv, cwd, env, stdin, limit = self._work.order
            self._program = Program(
                argv, cwd=cwd, env=env, stdin=stdin, limit=limit, spawner=self._pool.spawner,
                on_start=self._began, on_output=self._hear,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            self.refuse(self._work.why_not(error), self.services.loop.time())
            return False
        self._program.ended.add_done_callback(self._ended)
        return True

    def _began(self) -> None:
        self.send(Began(self.number))

    def _hear(self, output: str, data: bytes) -> None:
        self.send(Heartbeat(self.number, None))
        if self._said is not None:
            self._said.feed(output, data)

    def _ended(self, ended: asyncio.Future[int]) -> None:
        """Answer: nothing of the program is left, or it was never born."""
        self._pool.leave(self)
        if self._said is not None:
            self._said.end()
        failure = output = None
        try:
            output = self._output(ended)
        except Exception as error:  # noqa: BLE001 (whatever it is, the attempt is answered)
            failure = self._failure(error)
        if self.asked:  # whatever it was, that says why it ended
            output = failure = None
        self._end(self.services.loop.time(), output, failure)

    def _output(self, ended: asyncio.Future[int]) -> dict[str, Any]:
        if self._program is None or ended.cancelled():
            raise self._work.why_not(SpawnerDied("the manager is closed"))
        error = ended.exception()
        if isinstance(error, (OSError, ValueError)):
            raise self._work.why_not(error) from error
        return check_output(self._work.output(ended.result(), self._program), self._node)

    # ---- told by the node's machine ---------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Send SIGTERM to the group; one that waits for its turn never gets it."""
        if self.ended or self.asked:
            return
        self.ask()
        if self._program is not None:
            self._program.terminate()
        else:
            self._pool.withdraw(self)
            self._end(self.services.loop.time(), None, None, begun=False)

    def kill(self) -> None:
        """Send SIGKILL to the group."""
        self.interrupt()
        if self._program is not None and not self.ended:
            self._program.kill()

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan; its place goes to another."""
        if not self.ended:
            self._pool.leave(self)
        super().abandon(release, permit)
