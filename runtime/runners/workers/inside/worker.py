"""A worker: executes attempts of one host, one after the other, in a process that can be killed.

1. It is forked by the spawner, leads a session and a group of its own, and ends with its host, in any case.
2. A handler runs in the main thread, an async one on a loop of its own; SIGTERM raises CancelledError in it once.
3. A process that the handler forks is no worker: where the handler's code ends in it, it ends.
4. What a handler leaves behind (children, closed outputs, changed surroundings) is cleaned up before its result is
   sent; what cannot be cleaned up (threads, much memory, a lowered priority) ends the worker with the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import multiprocessing.process
import multiprocessing.spawn
import os
import pickle
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import astuple

from playbill.model.errors import HandlerKilled, NodeConfigError
from playbill.model.failures import failure_of
from playbill.model.frozen import copied, thaw
from playbill.model.plain_text import repr_of
from playbill.runtime.processes.environment_mark import VARIABLE
from playbill.runtime.redaction import NO_SECRETS
from playbill.runtime.runners.calling import is_async
from playbill.runtime.runners.context import NodeContext
from playbill.runtime.runners.outputs import check_output
from playbill.runtime.runners.workers import frames
from playbill.runtime.runners.workers.inside.channel import Channel
from playbill.runtime.runners.workers.inside.cleanup import Cleanup
from playbill.runtime.runners.workers.inside.handle import AttemptHandle, ForwardedLog, Resources
from playbill.runtime.runners.workers.inside.interrupts import Interrupts
from playbill.runtime.runners.workers.inside.limited import limited
from playbill.runtime.runners.workers.limits import reached_by_error
from playbill.runtime.runners.workers.origin import check_origin
from playbill.runtime.runners.workers.started_mark import StartedMark

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Failure
    from playbill.runtime.runners.workers.limits import Limits

__all__ = ["serve"]

_UNLIMITED: Final = contextlib.nullcontext()


class Worker:
    """Serves one host."""

    def __init__(self, task: int, started_mark: StartedMark) -> None:
        """Serve the host at the other end of a socket's descriptor, `task`."""
        self._started_mark = started_mark
        self._interrupts = Interrupts()
        self._interrupts.install()
        self._channel = Channel(task, self._interrupts)
        self._upkeep = Cleanup(self._interrupts)
        self._log = ForwardedLog(self._channel)
        self._handlers: dict[int, tuple[Callable[..., Any], bool, PipelineNode]] = {}
        """By the host's numbers: the handler, whether it runs on a loop, and its node."""
        self._main: dict[str, Any] | None = None
        """How to import the main module; None: it is imported."""
        self._resources = Resources(self._channel, ())
        self._redaction = NO_SECRETS
        self._is_forked = False
        os.register_at_fork(after_in_child=self._disown)

    def _disown(self) -> None:
        self._is_forked = True
        self._interrupts.disown()
        self._channel.disown()

    def serve(self) -> None:
        """Execute attempts until the host closes its end, or the worker has to go."""
        leaves = False
        while not leaves:
            message = self._channel.next()
            if isinstance(message, frames.RunFrame):
                leaves = self._execute(message)
            elif isinstance(message, frames.InitFrame):
                self._begin(message)

    def _execute(self, run: frames.RunFrame) -> bool:
        """Execute one attempt and tell its result; True: the worker has to go."""
        output, failure, whole = self._outcome(run)
        if self._is_forked:
            self._upkeep.leave(failure)
        ended = time.monotonic()
        leaves = self._upkeep.settle() or not whole
        done = frames.DoneFrame(run.serial, ended, output, _fields(failure), leaves)
        try:
            self._channel.send(done)
        except ValueError as error:
            failure = failure_of(NodeConfigError(f"its result cannot be told: {error}"))
            self._channel.send(done._replace(output=None, failure=_fields(failure)))
        self._upkeep.restore()
        return leaves

    def _begin(self, init: frames.InitFrame) -> None:
        """Find modules and files as the host does."""
        self._main = init.main_module
        self._upkeep.max_attempts, self._upkeep.max_resident_bytes = init.max_attempts, init.max_resident_bytes
        sys.path[:] = init.path
        os.chdir(init.home)
        own = os.environ[VARIABLE]
        os.environ.clear()
        os.environ.update({**init.environment, VARIABLE: own})
        self._resources = Resources(self._channel, init.resources)
        self._redaction = init.redaction

    def _outcome(self, run: frames.RunFrame) -> tuple[Any, Failure | None, bool]:
        """Execute one attempt: its output, its failure, and whether no import failed or was broken off."""
        output: Any = None
        raised: BaseException | None = None
        whole = False
        try:
            self._interrupts.enter()
            try:
                if not self._channel.is_cancelled(run.serial):
                    work = self._prepare(run)
                    whole = True
                    if run.handler is not None:
                        self._upkeep.surroundings.note()
                    self._started_mark.set(run.serial)
                    if run.handler is not None:  # of one that we had, the host knows that it begins at once
                        self._channel.send(frames.BeganFrame(run.serial))
                    output = work()
                whole = True
            except BaseException as error:  # noqa: BLE001 (a handler's SystemExit is not the worker's)
                raised = error
            self._interrupts.leave()
        except asyncio.CancelledError:  # it came beside the handler's code
            self._interrupts.leave()
        # Only now, for its text is a user's code, too, which no interruption shall break off.
        return output, None if raised is None else self._failure(raised), whole

    def _prepare(self, run: frames.RunFrame) -> Callable[[], Any]:
        """Load handler and arguments; return the handler's call."""
        try:
            if run.needs_main and self._main is not None:
                self._import_main()
            if run.handler is not None:
                handler, node, origin = pickle.loads(run.handler)  # noqa: S301 (from our own host)
                check_origin(handler, origin)
                self._handlers[run.handler_number] = (handler, is_async(handler), node)
            handler, on_loop, node = self._handlers[run.handler_number]
            given: frames.AttemptArguments = pickle.loads(run.arguments)  # noqa: S301 (the same)
        except BaseException as error:  # a module may raise SystemExit
            if isinstance(error, NodeConfigError) and not self._interrupts.asked:
                raise
            if self._interrupts.asked:  # whatever an import has made of the interruption
                raise asyncio.CancelledError from error
            raise NodeConfigError(f"its handler cannot be loaded in a process: {repr_of(error)}") from error
        self._log.begin(run.serial, f"{given.run_id}/{node.id}#{given.attempt}: ", given.log_level)
        handle = AttemptHandle(self._channel, self._interrupts, run.serial, given.attempt, on_loop=on_loop)
        # A copy: the next attempt finds it as it was.
        node = node.with_config(copied(node.config) if given.node_config is None else given.node_config)
        config = node.config if given.config is None else given.config
        context = NodeContext(
            handle,
            handle.number,
            given.run_id,
            node.id,
            given.trigger_data,
            config,
            self._resources,
            given.first_run,
            given.trace,
        )
        return lambda: self._call(handler, node, given.inputs, context, given.limits, on_loop=on_loop)

    def _call(
        self,
        handler: Callable[..., Any],
        node: PipelineNode,
        inputs: Any,
        context: NodeContext,
        limits: Limits | None,
        *,
        on_loop: bool,
    ) -> dict[str, Any]:
        try:
            with _UNLIMITED if limits is None else limited(limits):
                call = self._on_loop if on_loop else _plainly
                result = contextvars.copy_context().run(call, handler, node, inputs, context)
        except (MemoryError, OSError) as error:
            if text := reached_by_error(limits, error):
                raise HandlerKilled(text) from error
            raise
        plain: dict[str, Any] = thaw(check_output(result, node))
        return plain

    def _on_loop(self, handler: Callable[..., Any], *arguments: Any) -> Any:
        async def main() -> Any:
            with self._interrupts.to_task():
                return await _plainly(handler, *arguments)

        with self._interrupts:  # a loop half made or half closed would stay behind
            return asyncio.run(main())

    def _import_main(self) -> None:
        """Import the host's main module under another name, as multiprocessing does."""
        process: Any = multiprocessing.process.current_process()
        process._inheriting = True  # noqa: SLF001 (which says: a script without a guard is being imported)
        try:
            multiprocessing.spawn.prepare(self._main or {})
        finally:
            del process._inheriting  # noqa: SLF001
        self._main = None

    def _failure(self, error: BaseException) -> Failure | None:
        """Return what went wrong as plain data; None for the interruption that was asked for."""
        if self._interrupts.asked and issubclass(type(error), asyncio.CancelledError):
            return None
        return failure_of(error, traceback=True, hide=self._redaction.hide)


def _plainly(handler: Callable[..., Any], *arguments: Any) -> Any:
    """Call a handler whose context of numbers is its own, too: a copy of variables shares it."""
    if (decimal := sys.modules.get("decimal")) is not None:
        decimal.setcontext(decimal.getcontext().copy())
    return handler(*arguments)


def _fields(failure: Failure | None) -> list[Any] | None:
    return None if failure is None else list(astuple(failure))


def serve(task: int, started_mark: int) -> None:
    """Be a worker of the host at the other end of a socket and of a StartedMark; never returns.

    Args:
        task: The socket's descriptor.
        started_mark: That of the mark's memory.
    """
    logging.raiseExceptions = False  # the host may be gone
    mark = StartedMark(started_mark)
    os.close(started_mark)
    Worker(task, mark).serve()
    os._exit(0)  # no exit handlers, no waiting for threads
