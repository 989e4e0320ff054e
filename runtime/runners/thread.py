"""Runs plain functions in threads of the pool: interrupted by a flag, killed by an exception set from outside."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from playbill.model.failures import UNTOLD
from playbill.model.messages import Began
from playbill.runtime.runners.attempt import AttemptServices, HandlerAttempt
from playbill.runtime.runners.context import Over
from playbill.runtime.runners.outputs import check_output
from playbill.runtime.runners.strike import LOOK_AGAIN_SECONDS, strike

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Context

    from playbill.actors.ports import Receiver
    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Failure, Inputs, Output, Permit
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.runners.thread_pool import ThreadPool

EVAL_CHECKS: Final = 100
"""Turns of an empty loop, at each of which the interpreter looks for an exception set by another thread."""


class Killed(BaseException):
    """What a killed thread finds raised in its handler."""


class ThreadAttempt(HandlerAttempt):
    """An attempt in a thread.

    `_inside` is true only while the handler's code runs, and changes under the lock that a kill takes: so a late
    exception never hits the pool's own code.
    """

    def __init__(
        self,
        run_id: str,
        node_id: str,
        number: int,
        reply_to: Receiver,
        services: AttemptServices,
        pool: ThreadPool,
    ) -> None:
        super().__init__(run_id, node_id, number, reply_to, services)
        self._pool = pool
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._started = self._inside = self._killed = self._given_up = self._is_doomed = False
        self.thread = 0
        """The identifier of the thread it runs in; 0: none yet."""
        self.entered = 0.0
        self._work: Callable[[], Output] | None = None
        self._result: tuple[float, Output | None, Failure | None] | None = None
        """When it ended, and with what."""

    def start(
        self,
        handler: Callable[..., Any],
        node: PipelineNode,
        inputs: Inputs,
        context: NodeContext,
        variables: Context,
    ) -> None:
        """Queue for a thread."""
        if refusal := self._pool.refusal():
            self.refuse(refusal, self._pool.now())
            return
        call = partial(variables.run, handler, node, inputs, context)
        self._work = lambda: check_output(call_handler(call), node)
        self._pool.queue(self)

    # ---- in the thread ----------------------------------------------------------------------------------------

    def execute(self) -> None:
        """Run the handler; the result is brought home by `bring`."""
        with self._lock:
            if self.asked:
                return
            self._started = True
        self.send(Began(self.number))
        try:
            output, failure = self._outcome()
        except Killed:  # it came after the handler had ended, before the lock was taken
            self._leave()
            output = failure = None
        except BaseException:  # noqa: BLE001 (of ours: the thread is the pool's, and somebody waits for an answer)
            output, failure = None, UNTOLD
        self._result = (self._pool.now(), output, failure)

    def bring(self) -> None:
        """Bring the result home; of an attempt that never ran there is none."""
        if self._result is not None:
            self.services.dispatcher.submit(self._take, self._result)

    def _outcome(self) -> tuple[Output | None, Failure | None]:
        work, self._work = self._work, None
        output = failure = None
        try:
            self._enter()
            try:
                output = work() if work is not None else None
            finally:
                self._leave()
        except Killed:
            raise
        except BaseException as error:  # noqa: BLE001 (a thread's SystemExit is the attempt's, not the pool's)
            failure = self._failure(error)
        return output, failure

    def _enter(self) -> None:
        with self._lock:
            self.thread, self.entered = threading.get_ident(), self._pool.now()
            self._inside = True

    def _leave(self) -> None:
        """Leave the handler's code; a kill that is still on its way surfaces here and goes no further.

        It is not taken back by PyThreadState_SetAsyncExc(thread, NULL): CPython 3.11 then never lowers the flag that
        it raised, which slows every thread and, under a tracer, stops it for ever.
        """
        with self._lock:
            self._inside = False
        if self._killed:
            with contextlib.suppress(Killed):
                for _ in range(EVAL_CHECKS):
                    pass

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many seconds in the thread.

        Raises:
            CancelledError: the attempt was asked to end.
        """
        if self._wake.wait(seconds):
            raise asyncio.CancelledError
        return Over()

    def send(self, message: Any) -> None:
        """Tell the node's actor something, from the thread; one that could not be struck elsewhere ends here."""
        self.services.dispatcher.submit(self._post, message)
        with self._lock:
            struck = self._is_doomed and self._inside and threading.get_ident() == self.thread
            self._killed = self._killed or struck
        if struck:
            raise Killed

    # ---- on the actors' thread --------------------------------------------------------------------------------

    def _take(self, result: tuple[float, Output | None, Failure | None]) -> None:
        self._end(*result)

    def interrupt(self) -> None:
        """Set `context.cancelled`; one that has no thread yet never gets one."""
        with self._lock:
            self.ask()
            waits = not self._started
        self._wake.set()
        if waits:
            self._pool.withdraw(self)
            self._end(self._pool.now(), None, None, begun=False)

    def kill(self) -> None:
        """Raise Killed in the handler's code; it comes as soon as the thread executes Python again.

        While that holds a lock of everybody's, look again and again, until it ends or is abandoned.
        """
        self.interrupt()
        with self._lock:
            if self._inside and not self._killed and not _is_traced():
                self._killed = strike(self.thread, CALLER, Killed)
            shielded = self._is_doomed = self._inside and not self._killed
        if shielded and not self._given_up:
            self.services.loop.call_later(LOOK_AGAIN_SECONDS, self.kill)

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan; its thread's place goes to another."""
        self._given_up = True
        if not self.ended:
            self._pool.replace(self)
        super().abandon(release, permit)


def _is_traced() -> bool:
    """Tell whether a debugger or a coverage tool makes a kill too dangerous.

    While an exception is on its way to a thread that sleeps, traced threads of CPython 3.11 hang. An attempt that
    cannot be killed for this reason is abandoned.
    """
    return sys.version_info < (3, 12) and (sys.gettrace() or threading.gettrace()) is not None


def call_handler(call: Callable[[], Any]) -> Any:
    """Call a handler, and nothing else: what stands above this on a stack is its code."""
    return call()


CALLER: Final = call_handler.__code__
