"""Runs async handlers: a task for each attempt, cancelled once to interrupt it and again and again to kill it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from playbill.runtime.runners.attempt import HandlerAttempt
from playbill.runtime.runners.outputs import check_output

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Context

    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs, Permit
    from playbill.runtime.runners.context import NodeContext

CANCEL_AGAIN_SECONDS: Final = 0.01
"""Between the cancels of a kill: on turns of the loop, so that a handler's `except` can run."""


class LoopAttempt(HandlerAttempt):
    """An attempt that is a task."""

    _entered = False
    task: asyncio.Task[None] | None = None
    _again: asyncio.TimerHandle | None = None

    def start(
        self,
        handler: Callable[..., Awaitable[Any]],
        node: PipelineNode,
        inputs: Inputs,
        context: NodeContext,
        variables: Context,
    ) -> None:
        """Begin, in a context of variables of its own."""
        # Not loop.create_task, which asks the loop's task factory: factories are for the host's tasks, an eager one
        # would run the handler here and now, inside the actors' `begin`; and its Python costs as much as the task.
        work = self._run(handler, node, inputs, context)
        services = self.services
        self.task = task = asyncio.Task(work, loop=services.loop, name=node.id, context=variables)
        if services.on_loop is not None:
            services.on_loop[task] = self

    async def _run(
        self,
        handler: Callable[..., Awaitable[Any]],
        node: PipelineNode,
        inputs: Inputs,
        context: NodeContext,
    ) -> None:
        self._entered = True
        output = failure = None
        try:
            output = check_output(await handler(node, inputs, context), node)
        except BaseException as error:  # noqa: BLE001 (asyncio would carry SystemExit out of the loop)
            if self.services.loop.is_closed():
                return  # an orphan that outlived its loop is collected: nobody is left to hear of it
            if self.asked_at is None and issubclass(type(error), asyncio.CancelledError):
                self._cancelled_by_others()
            failure = self._failure(error)
        if self._again is not None:
            self._again.cancel()
        if self.services.on_loop is None:  # what _leave does then, without its call
            self.task = None
        else:
            self._leave()
        self._end(self.services.loop.time(), output, failure)

    def _cancelled_by_others(self) -> None:
        """Tell if it is cancelled with all tasks there are: its loop ends, and it may be made again elsewhere."""
        tell, loop = self.services.loop_ends, self.services.loop
        if tell is not None and all(task.cancelling() for task in asyncio.all_tasks(loop)):
            tell()

    CALLER: Final = _run.__code__
    """What stands above it on a stack is a handler's code."""

    def _leave(self) -> None:
        """Have no task any more."""
        task, self.task = self.task, None
        if self.services.on_loop is not None and task is not None:
            del self.services.on_loop[task]

    def interrupt(self) -> None:
        """Cancel the task once; one that has not taken its first step never will."""
        self.ask()
        if self.task is None:
            return
        self.task.cancel()
        if not self._entered:
            self._leave()
            self._end(self.services.loop.time(), None, None, begun=False)

    def kill(self) -> None:
        """Cancel the task until it ends or is abandoned."""
        if self.ended or self.task is None:
            return
        self.interrupt()
        self._again = self.services.loop.call_later(CANCEL_AGAIN_SECONDS, self.kill)

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan, and cancel it no more."""
        if self._again is not None:
            self._again.cancel()
        super().abandon(release, permit)

    def send(self, message: Any) -> None:
        """Tell the node's actor something, from any thread; nothing once the attempt has ended."""
        dispatcher = self.services.dispatcher
        if not dispatcher.inside():  # a handler may have gone to a thread
            dispatcher.submit(self.send, message)
        else:
            super().send(message)
