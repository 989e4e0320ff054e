"""Runs handlers in processes: asked by SIGTERM, killed by SIGKILL, ended when the kernel says so."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any, cast

from playbill.model.errors import HandlerKilled
from playbill.model.facts import Failure
from playbill.model.failures import failure_of
from playbill.model.frozen import freeze
from playbill.model.messages import Began, Heartbeat
from playbill.runtime.processes.exit_codes import signal_of
from playbill.runtime.runners.attempt import AttemptServices, HandlerAttempt
from playbill.runtime.runners.logs.node_log import NodeLog, output_logger
from playbill.runtime.runners.workers.limits import Limits, reached_by_death
from playbill.runtime.runners.workers.output_log import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from playbill.actors.ports import Receiver
    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs, Output, Permit
    from playbill.runtime.processes.leader import ProcessEnd
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.runners.workers.packing import PackedAttempt
    from playbill.runtime.runners.workers.pool import ProcessPool
    from playbill.runtime.runners.workers.worker_client import WorkerClient

__all__ = ["ProcessAttempt"]


class ProcessAttempt(HandlerAttempt):
    """An attempt in a worker."""

    packed: PackedAttempt | None = None
    """None: it has not been started."""
    _worker: WorkerClient | None = None
    _killed = _was_lost = False
    _began = 0.0
    _context: NodeContext

    def __init__(
        self,
        run_id: str,
        node: PipelineNode,
        number: int,
        reply_to: Receiver,
        services: AttemptServices,
        pool: ProcessPool,
        limits: Limits | None = None,
    ) -> None:
        """Take the node as it is defined: that is kept and sent to each worker once, what is rendered is not."""
        super().__init__(run_id, node.id, number, reply_to, services)
        self._defined = node
        self._pool = pool
        self._limits = limits

    def start(
        self,
        handler: Callable[..., Any],
        node: PipelineNode,
        inputs: Inputs,
        context: NodeContext,
        variables: Context,
    ) -> None:
        """Queue for a worker; what cannot be handed to one is refused. Variables stay in their process."""
        self._context = context
        try:
            self.packed = self._pool.packer.pack(handler, self._defined, node.config, inputs, context, self._limits)
        except BaseException as error:  # noqa: BLE001 (to pickle is to run users' code, which may raise anything)
            self.refuse(error, self._pool.now())
        else:
            self._pool.queue(self)

    # ---- told by the node's machine ---------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Send SIGTERM to the group; one that has no worker yet never gets one."""
        if self.ended or self.asked:
            return
        self.ask()
        if self._worker is not None:
            self._worker.interrupt()
        else:
            self._pool.withdraw(self)
            self._end(self._pool.now(), None, None, begun=False)

    def kill(self) -> None:
        """Send SIGKILL to the group."""
        self.interrupt()
        if self._worker is not None and not self.ended:
            self._killed = True
            self._worker.kill()

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan; its worker's place goes to another."""
        if self._worker is not None and not self.ended:
            self._pool.replace(self._worker)
        super().abandon(release, permit)

    # ---- told by the worker -----------------------------------------------------------------------------------

    def take(self, worker: WorkerClient) -> None:
        """Belong to a worker, which is told of interruptions and kills from here on."""
        self._worker = worker

    def begin(self) -> None:
        """Tell the node's actor that the handler begins: timeouts count from here."""
        self._began = self._pool.now()
        self.send(Began(self.number))

    def beat(self, progress: Any) -> None:
        """Tell the node's actor of a heartbeat."""
        self.send(Heartbeat(self.number, progress))

    def log(self, level: int, text: str, *, shown: bool) -> None:
        """Keep a line that the process logged; log it in the name of its node, if its own logger would."""
        if shown:
            self._context.log.log(level, "%s", text)
        elif (lines := self.lines) is not None and lines.has_room:
            lines.log(level, self.hide(text), shown=False)

    def write(self, output: str, text: str, *, cut: bool = False) -> None:
        """Keep a line that the process wrote to an output; log it by a logger of its own, so that a host may show it.

        Args:
            output: stdout or stderr.
            text: the line.
            cut: whether its end is missing.
        """
        level, lines = LEVELS[output], self.lines
        kept, shown = lines is not None and lines.has_room, output_logger.isEnabledFor(level)
        if not (kept or shown):
            return
        text = self.redaction.hide_cut(text) if cut else self.hide(text)
        if lines is not None:
            lines.add(output, text, cut=cut)
        if shown:
            NodeLog(self._context.log.extra or {}, str, target=output_logger).log(level, "%s", text)

    def finish(self, ended: float, output: Any, failure: list[Any] | None, *, begun: bool = True) -> None:
        """Answer with the result.

        Args:
            ended: When the handler did, in monotonic seconds.
            output: What it gave.
            failure: A Failure's fields, in their order.
            begun: Whether the handler's code was entered.
        """
        self._worker = None
        known: Failure | None = None
        kept: Output | None = None
        if failure is not None:
            known = self._checked(_failure_from(failure))
        elif output is not None:
            kept = freeze(output, self.node_id)
        nothing, now = kept is None and known is None, self._pool.now()
        at = ended if self._began <= ended <= now else now
        self._end(at, kept, known, begun=begun or not nothing)

    def lose(self, end: ProcessEnd | OSError, *, begun: bool, why: str = "") -> None:
        """Answer without a result: the worker is gone, and nothing of it left; or wait for another one, once.

        Args:
            end: How its process ended, or why it could not be started.
            begun: Whether the handler's code was entered.
            why: What is known beside that.
        """
        self._worker = None
        now = self._pool.now()
        if self._killed:
            self._end(now, None, None, begun=begun)
        elif why:
            self._end(now, None, self._checked(failure_of(HandlerKilled(why))))
        elif isinstance(end, OSError):
            self._end(now, None, failure_of(HandlerKilled(f"no process could be started for it: {end}")))
        elif self.asked and (not begun or end.exit_code == -signal.SIGTERM):
            self._end(now, None, None, begun=begun)
        elif not begun and not self._was_lost:
            self._was_lost = True
            self._pool.queue(self)
        else:
            self._end(now, None, failure_of(HandlerKilled(self._why(end))))

    def _why(self, end: ProcessEnd) -> str:
        if end.spawner_died:
            return "worker lost: spawner died"
        code = end.exit_code
        if text := reached_by_death(self._limits, code, self._pool.now() - self._began):
            return text
        killer = signal_of(code)
        return f"its process ended with exit code {code}" if killer is None else f"its process died of {killer}"


def _failure_from(fields: list[Any]) -> Failure:
    """Return a Failure of its fields as a worker tells them, which need not be any."""
    if [type(field) for field in fields[:3]] == [str, str, bool]:
        with contextlib.suppress(TypeError):  # of other fields than a Failure has
            return Failure(*map(_as_tuple, fields))
    return failure_of(HandlerKilled("its process told of a failure that is none"))


def _as_tuple(field: Any) -> Any:
    """Give back what JSON knows as lists only."""
    return tuple(cast("list[object]", field)) if isinstance(field, list) else field
