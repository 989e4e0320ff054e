"""Runs plain functions: in daemon threads of our own, so that an abandoned one cannot hang the program's exit."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from playbill.model.errors import NodeExecutionError
from playbill.model.messages import Began
from playbill.runtime.runners.attempt import AttemptServices, HandlerAttempt, Identity
from playbill.runtime.runners.context import Over
from playbill.runtime.runners.outputs import checked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Context

    from playbill.actors.ports import Dispatcher, Receiver
    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Failure, Inputs, Output
    from playbill.runtime.runners.context import NodeContext

MAX_THREADS: Final = 64
"""Threads at work at once; abandoned ones are not counted, their places are given to new ones."""
REMEMBERED: Final = 64
"""Attempts that have left their threads and are remembered for the watchdog."""
MAX_ORPHANS: Final = 64
"""Abandoned attempts in threads until no new one may begin."""

EVAL_CHECKS: Final = 100
"""Turns of an empty loop, at each of which the interpreter looks for an exception set by another thread."""


class Killed(BaseException):
    """What a killed thread finds raised in its handler."""


class Stay(NamedTuple):
    """When which attempt was in which thread, in monotonic seconds."""

    who: Identity
    thread: int
    entered: float
    left: float | None
    """None: it is there still."""


class ThreadAttempt(HandlerAttempt):
    """An attempt in a thread.

    `_inside` is true only while the handler's code runs, and changes under the lock that a kill takes: so a late
    exception never hits the pool's own code.
    """

    def __init__(self, number: int, reply_to: Receiver, services: AttemptServices) -> None:
        super().__init__(number, reply_to, services)
        self._pool = services.pool
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._started = self._inside = self._killed = False
        self.thread = 0
        """The identifier of the thread it runs in; 0: none yet."""
        self.entered = 0.0
        self._work: Callable[[], Output] | None = None

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
        self._work = lambda: checked(variables.run(handler, node, inputs, context), node)
        self._pool.queue(self)

    # ---- in the thread ----------------------------------------------------------------------------------------

    def execute(self) -> None:
        """Run the handler and bring the result home."""
        with self._lock:
            if self.asked:
                return
            self._started = True
        self.send(Began(self.number))
        try:
            result = self._outcome()
        except Killed:  # it came after the handler had ended, before the lock was taken
            self._leave()
            result = (None, None)
        self._pool.dispatcher.submit(self._bring, (self._pool.now(), *result))

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
        """Wait in the thread; raises CancelledError as soon as the attempt is asked to end."""
        if self._wake.wait(seconds):
            raise asyncio.CancelledError
        return Over()

    def send(self, message: Any) -> None:
        """Tell the node's actor something, from the thread."""
        self._pool.dispatcher.submit(self._post, message)

    # ---- on the actors' thread --------------------------------------------------------------------------------

    def _post(self, message: Any) -> None:
        self.services.post(self.reply_to, message)

    def _bring(self, result: tuple[float, Output | None, Failure | None]) -> None:
        self._end(*result)

    def interrupt(self) -> None:
        """Set `context.cancelled`; one that has no thread yet never gets one."""
        with self._lock:
            self.asked = True
            waits = not self._started
        self._wake.set()
        if waits:
            self._end(self._pool.now(), None, None)

    def kill(self) -> None:
        """Raise Killed in the handler's code; it comes as soon as the thread executes Python again."""
        self.interrupt()
        with self._lock:
            if self._inside and not self._killed and not _traced():
                self._killed = True
                _raise_in(self.thread, Killed)

    def abandon(self, release: Any, permit: Any) -> None:
        """Keep it as an orphan; its thread's place goes to another."""
        if not self.ended:
            self._pool.replace(self)
        super().abandon(release, permit)


class ThreadPool:
    """Daemon threads that are made on demand and wait for work."""

    def __init__(self, dispatcher: Dispatcher, most: int = MAX_THREADS, max_orphans: int = MAX_ORPHANS) -> None:
        self.dispatcher = dispatcher
        self.orphans = 0
        """Abandoned attempts whose threads have not ended."""
        self._max_orphans = max_orphans
        self.now = time.monotonic
        self._most = most
        self._threads = 0
        self._idle = 0
        self._lock = threading.Condition()
        self._waiting: deque[ThreadAttempt] = deque()
        self._running: set[ThreadAttempt] = set()
        self._left: deque[Stay] = deque(maxlen=REMEMBERED)
        self._closed = False

    def queue(self, attempt: ThreadAttempt) -> None:
        """Give an attempt to an idle thread, or to a new one while there may be more."""
        with self._lock:
            self._waiting.append(attempt)
            if self._idle >= len(self._waiting):
                self._lock.notify()
            elif self._threads < self._most:
                self._spawn()

    def refusal(self) -> NodeExecutionError | None:
        """Return why no attempt may begin: too many threads are lost to handlers that cannot be stopped."""
        if self.orphans < self._max_orphans:
            return None
        return NodeExecutionError(
            f"{self.orphans} abandoned handlers still hold their threads, and max_orphans is {self._max_orphans}: "
            "no handler may begin in a thread until one of them ends; run such handlers with isolation: process"
        )

    def replace(self, attempt: ThreadAttempt) -> None:
        """Count the thread of an abandoned attempt no more, but as lost until it ends."""
        with self._lock:
            if attempt in self._running:
                self._running.discard(attempt)
                self._threads -= 1
                self.orphans += 1
                if self._waiting:
                    self._spawn()

    def running(self) -> list[Stay]:
        """Return who is in a thread, and who was lately; from any thread."""
        with self._lock:
            there = [attempt for attempt in self._running if attempt.thread]
            return [Stay(one.identity, one.thread, one.entered, None) for one in there] + [*self._left]

    def close(self) -> None:
        """Let the idle threads end, and the others when their handlers do."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()

    def _spawn(self) -> None:
        self._threads += 1
        threading.Thread(target=self._serve, name="playbill-handler", daemon=True).start()

    def _serve(self) -> None:
        while (attempt := self._next()) is not None:
            attempt.execute()
            stay = Stay(attempt.identity, attempt.thread, attempt.entered, self.now())
            with self._lock:
                self._left.append(stay)
                if attempt not in self._running:
                    self.orphans -= 1
                    return
                self._running.discard(attempt)

    def _next(self) -> ThreadAttempt | None:
        with self._lock:
            while not self._waiting:
                if self._closed:
                    self._threads -= 1
                    return None
                self._idle += 1
                self._lock.wait()
                self._idle -= 1
            attempt = self._waiting.popleft()
            self._running.add(attempt)
            return attempt

    def __repr__(self) -> str:
        return f"<ThreadPool threads={self._threads} idle={self._idle} waiting={len(self._waiting)}>"


def _traced() -> bool:
    """Tell whether a debugger or a coverage tool makes a kill too dangerous.

    While an exception is on its way to a thread that sleeps, traced threads of CPython 3.11 hang. An attempt that
    cannot be killed for this reason is abandoned.
    """
    return sys.version_info < (3, 12) and (sys.gettrace() or threading.gettrace()) is not None


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Set the exception that a thread finds raised."""
    import ctypes  # noqa: PLC0415 (only kills need it)

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
