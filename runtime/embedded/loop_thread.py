"""A manager on a loop in a thread of its own, asked by other threads: nobody waits for a loop that has ended."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import CancelledError, Future
from inspect import CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any, Final, TypeVar

from playbill.model.wording import describe_seconds
from playbill.runtime.actor_system import INHERITED
from playbill.runtime.embedded.private_loop import PrivateLoop
from playbill.runtime.manager import PipelineRunManager

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from playbill.runtime.options import ManagerOptions

T = TypeVar("T")
CLOSED: Final = "this BlockingManager is closed: make a new one, and use it inside `with`"


class LoopThread:
    """A manager in a thread of its own, from its beginning to its end.

    Who asks is entered in a list, and what is left on it when the loop has ended is answered then: nobody waits for a
    loop that is no more.

    Args:
        options: those of PipelineRunManager.

    Raises:
        DefinitionError: an option is wrong.
    """

    def __init__(self, options: ManagerOptions) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._asked: dict[Future[Any], Coroutine[Any, Any, Any]] = {}
        self.is_open = True
        self._stop = asyncio.Event()
        self._loop = PrivateLoop()
        self._ready: Future[PipelineRunManager] = Future()
        self._thread = threading.Thread(target=self._serve, args=(options,), name="playbill", daemon=True)
        self._thread.start()
        try:
            self.manager = self._ready.result()
        except BaseException:
            self.is_open = False
            raise

    def check(self) -> None:
        """Refuse who cannot be answered.

        Raises:
            RuntimeError: it is closed, or in another process.
        """
        if os.getpid() != self._process:
            raise RuntimeError(f"this BlockingManager {INHERITED}")
        if not self.is_open:
            raise RuntimeError(CLOSED)

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None) -> T:
        """Run `work` on the loop and wait for it, at most `timeout` seconds."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this thread runs the manager's loop and cannot wait for it: use the async manager")
        future = self._ask(work)
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.done():  # it is what the work has raised
                raise
            future.cancel()
            raise TimeoutError(f"not done after {describe_seconds(timeout or 0)}") from None
        except CancelledError:  # the loop has ended
            raise RuntimeError(CLOSED) from None
        except BaseException:  # who waits no more, as after a Ctrl-C, wants no answer
            future.cancel()
            raise
        finally:
            self._asked.pop(future, None)

    def _ask(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            if not self.is_open or self._loop.loop.is_closed():
                work.close()
                raise RuntimeError(CLOSED)
            future = asyncio.run_coroutine_threadsafe(work, self._loop.loop)
            self._asked[future] = work
            return future

    def leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the manager and wait for the end of the thread; in a fork there is nothing of it."""
        if os.getpid() != self._process:
            return
        try:
            if self.is_open:
                self.call(self._leave(kind, error, trace), None)
        finally:
            if threading.current_thread() is not self._thread:
                self._thread.join()

    async def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.manager.__aexit__(kind, error, trace)
        finally:
            self._stop.set()

    def _serve(self, options: ManagerOptions) -> None:
        try:
            self._loop.run(self._live(options))
        finally:
            try:
                self._loop.close()
            finally:
                self._turn_away()

    def _turn_away(self) -> None:
        """Answer all who wait for a loop that has ended."""
        with self._lock:
            self.is_open = False
            asked = dict(self._asked)
        for future, work in asked.items():
            future.cancel()  # those that are done already take no second answer
            if getcoroutinestate(work) == CORO_CREATED:
                work.close()
        if not self._ready.done():
            self._ready.set_exception(RuntimeError(CLOSED))

    async def _live(self, options: ManagerOptions) -> None:
        try:
            manager = PipelineRunManager(**options)
            manager.place = None  # should the loop end without us, whoever asks is told so
            await manager.__aenter__()
        except BaseException as error:  # noqa: BLE001 (goes to the thread that waits)
            self._ready.set_exception(error)
            return
        self._ready.set_result(manager)
        await self._stop.wait()
