"""An asyncio event loop in virtual time: when nothing is ready, time jumps to the next timer.

It does no input or output, starts no thread and reads no clock. Ready plain callbacks run in the order they were
asked for, as asyncio promises; which task takes its next step is a choice of the tape.

Source: the jumping clock of discrete-event simulation (SimPy `core.py`), ties broken by order of asking.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio import events
from collections import deque
from contextvars import copy_context
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, TypeVarTuple

from playbill.model.errors import PlaybillError
from playbill.runtime.simulation.virtual.handles import VirtualHandle
from playbill.runtime.simulation.virtual.stuck import Deadlock, Livelock, Unsupported, waiting_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
    from contextvars import Context

    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.simulation.virtual.escapes import EscapeWatch
    from playbill.runtime.world import World

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STEPS_AT_ONE_INSTANT: Final = 1_000_000
"""Callbacks without time going on, after which nothing but a livelock explains it."""
OVERTAKEN: Final = 8
"""By how many places, less one, a task's step may overtake."""
TASK_STEPS: Final = frozenset({"TaskStepMethWrapper", "task_wakeup", "__step", "__wakeup"})
"""What asyncio's tasks hand to `call_soon`: a nameless object of this class at first, later a method of this name."""


def _refusing(name: str) -> Any:
    """Return a method that ends the simulation."""

    def refuse(self: VirtualLoop, *_: Any, **__: Any) -> NoReturn:
        error = Unsupported(name)
        self.fail(error)
        raise error

    return refuse


def is_task_step(handle: events.Handle) -> bool:
    """Tell whether a callback is the next step of a task."""
    callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001
    return getattr(callback, "__name__", None) in TASK_STEPS or type(callback).__name__ in TASK_STEPS


class VirtualLoop(asyncio.AbstractEventLoop):
    """An event loop whose time is its own.

    Args:
        tape: chooses among tasks that are ready; None: in order.
        watch: looks for calls that leave the simulation.
        steps_bound: callbacks at one instant until it is a livelock.
    """

    def __init__(
        self, tape: Tape | None = None, watch: EscapeWatch | None = None, *, steps_bound: int = STEPS_AT_ONE_INSTANT
    ) -> None:
        self.world: World | None = None
        """What managers on this loop are wired to; None: as on any loop (see runtime/world.py)."""
        self.jumped: Callable[[], None] | None = None
        """Called when nothing is ready, before time goes on."""
        self.describe: Callable[[], list[str]] | None = None
        """Gives lines on who waits, for a deadlock's text."""
        self.current: events.Handle | None = None
        """The callback that runs, or ran last."""
        self.unhandled: list[dict[str, Any]] = []
        """What the exception handler was told."""
        self._tape = tape
        self._watch = watch
        self._steps_bound = steps_bound
        self._now = 0.0
        self._count = 0
        self._steps_left = steps_bound
        self._ready: deque[events.Handle] = deque()
        self._timers: list[tuple[float, int, events.TimerHandle]] = []
        self._stopping = self._running = self._closed = False
        self._fatal: BaseException | None = None
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._factory: Any = None
        self._asyncgens: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._debug = False

    # ---- running ----------------------------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run until `stop`.

        Raises:
            Deadlock: nothing is ready and no timer is set.
            Livelock: time does not go on.
        """
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if self._running or events._get_running_loop() is not None:  # noqa: SLF001 (a loop's own business)
            raise RuntimeError("Cannot run the event loop while another loop is running")
        hooks = sys.get_asyncgen_hooks()
        self._running = True
        sys.set_asyncgen_hooks(firstiter=self._asyncgens.add, finalizer=self._finalize)
        events._set_running_loop(self)  # noqa: SLF001
        try:
            self._turn()
        finally:
            self._running = self._stopping = False
            events._set_running_loop(None)  # noqa: SLF001
            sys.set_asyncgen_hooks(*hooks)

    def _turn(self) -> None:
        ready, watch, tape = self._ready, self._watch, self._tape
        while not self._stopping:
            if not ready:
                self._jump()
                continue
            self._steps_left -= 1
            if self._steps_left < 0:
                raise Livelock(self._steps_bound + 1, self._now, self._who())
            handle = self.current = ready.popleft() if tape is None or len(ready) == 1 else self._pick(tape)
            if handle._cancelled:  # noqa: SLF001 (as every loop does)
                continue
            if watch is None or not is_task_step(handle):
                handle._run()  # noqa: SLF001
            else:
                watch.enter()
                try:
                    handle._run()  # noqa: SLF001
                finally:
                    watch.leave()
            if self._fatal is not None:
                raise self._verdict(self._fatal)

    def _verdict(self, fatal: BaseException) -> BaseException:
        """Take the error that is to be raised; `_turn` must not hold it, its traceback would close a circle."""
        self._fatal = None
        return fatal

    def _pick(self, tape: Tape) -> events.Handle:
        """Take the next callback; a task's step may overtake."""
        ready = self._ready
        place = tape.choose("ready", min(len(ready), OVERTAKEN))
        if place:
            handle = ready[place]
            if is_task_step(handle):
                del ready[place]
                return handle
        return ready.popleft()

    def _jump(self) -> None:
        """Go on to the next timer."""
        if self.jumped is not None:
            self.jumped()
            if self._ready or self._stopping:
                return
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # noqa: SLF001
            heappop(timers)
        if not timers:
            raise Deadlock(self._now, self._who())
        when = timers[0][0]
        if when > self._now:
            self._now = when
            self._steps_left = self._steps_bound
        while timers and timers[0][0] <= self._now:
            self._ready.append(heappop(timers)[2])

    def fail(self, error: BaseException) -> None:
        """Let `run_forever` raise `error` after the callback at hand."""
        self._fatal = self._fatal or error

    def _who(self) -> list[str]:
        return [*waiting_tasks(self), *(self.describe() if self.describe is not None else ())]

    def run_until_complete(self, future: Any) -> Any:
        """Run until a future is done, and return its result."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        task = asyncio.ensure_future(future, loop=self)
        task.add_done_callback(self._done)
        try:
            self.run_forever()
        except BaseException:
            if task.done() and not task.cancelled():
                task.exception()
            raise
        finally:
            task.remove_done_callback(self._done)
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return task.result()

    def _done(self, _: object) -> None:
        self._stopping = True

    def stop(self) -> None:
        """Stop after the callback at hand."""
        self._stopping = True

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return self._running

    def is_closed(self) -> bool:
        """Tell whether it is closed."""
        return self._closed

    def close(self) -> None:
        """Forget all callbacks and timers."""
        self._closed = True
        for handle in (*self._ready, *(entry[2] for entry in self._timers)):
            handle.cancel()  # who holds the timer that calls them is freed at once
        self._ready.clear()
        self._timers.clear()

    def part(self) -> None:
        """Let go of the world around it."""
        self.world = self.jumped = self.describe = self.current = None

    # ---- time and callbacks -----------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual time, in seconds since the loop was made."""
        return self._now

    @property
    def pending(self) -> list[events.TimerHandle]:
        """The timers that are set."""
        return [entry[2] for entry in sorted(self._timers) if not entry[2].cancelled()]

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> events.Handle:
        """Run a callback, now."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = VirtualHandle(self._now, callback, args, self, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> events.TimerHandle:
        """Run a callback `delay` seconds from now."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        when = self._now + delay
        handle = VirtualHandle(when, callback, args, self, copy_context() if context is None else context)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> events.TimerHandle:
        """Run a callback at a virtual time."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = VirtualHandle(when, callback, args, self, copy_context() if context is None else context)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        """Leave a cancelled timer where it is: it is passed over when its time comes."""

    # ---- futures and tasks ------------------------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
        **more: Any,
    ) -> asyncio.Task[T]:
        """Make a task."""
        if self._factory is not None:
            task: asyncio.Task[T] = self._factory(self, coro, **({} if context is None else {"context": context}))
            if name is not None:
                task.set_name(name)
            return task
        return asyncio.Task(coro, loop=self, name=name, context=context, **more)

    def set_task_factory(self, factory: Any) -> None:
        """Make tasks by another's way."""
        self._factory = factory

    def get_task_factory(self) -> Any:
        """Return it."""
        return self._factory

    # ---- errors and ends --------------------------------------------------------------------------------------

    def set_exception_handler(self, handler: Any) -> None:
        """Hear of what nobody awaited."""
        self._handler = handler

    def get_exception_handler(self) -> Any:
        """Return who hears."""
        return self._handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep it; a simulation's end names it."""
        self.unhandled.append(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell of an error that nobody awaited; one of the simulation's own ends it."""
        error = context.get("exception")
        if isinstance(error, PlaybillError) and getattr(error, "ends_the_simulation", False):
            self.fail(error)
        elif self._handler is not None:
            self._handler(self, context)
        else:
            self.default_exception_handler(context)

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.discard(generator)
        if not self._closed:
            self.create_task(generator.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that are left."""
        for generator in list(self._asyncgens):
            await generator.aclose()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Nothing to do: it has no threads."""

    def get_debug(self) -> bool:
        """Tell whether it is in debug mode."""
        return self._debug

    def set_debug(self, enabled: bool) -> None:  # noqa: FBT001 (asyncio's signature)
        """Set the debug mode; nothing differs."""
        self._debug = enabled

    # ---- what leaves the simulation ---------------------------------------------------------------------------

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Take a handler that is never called: no signals come in."""

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget none."""
        return False

    create_connection: Any = _refusing("create_connection")
    create_server: Any = _refusing("create_server")
    create_datagram_endpoint: Any = _refusing("create_datagram_endpoint")
    create_unix_connection: Any = _refusing("create_unix_connection")
    create_unix_server: Any = _refusing("create_unix_server")
    getaddrinfo: Any = _refusing("getaddrinfo")
    getnameinfo: Any = _refusing("getnameinfo")
    sock_accept: Any = _refusing("sock_accept")
    sock_connect: Any = _refusing("sock_connect")
    sock_recv: Any = _refusing("sock_recv")
    sock_recv_into: Any = _refusing("sock_recv_into")
    sock_recvfrom_into: Any = _refusing("sock_recvfrom_into")
    set_default_executor: Any = _refusing("set_default_executor")
    sock_recvfrom: Any = _refusing("sock_recvfrom")
    sock_sendall: Any = _refusing("sock_sendall")
    sock_sendfile: Any = _refusing("sock_sendfile")
    sock_sendto: Any = _refusing("sock_sendto")
    sendfile: Any = _refusing("sendfile")
    start_tls: Any = _refusing("start_tls")
    connect_accepted_socket: Any = _refusing("connect_accepted_socket")
    connect_read_pipe: Any = _refusing("connect_read_pipe")
    connect_write_pipe: Any = _refusing("connect_write_pipe")
    subprocess_exec: Any = _refusing("subprocess_exec")
    subprocess_shell: Any = _refusing("subprocess_shell")
    add_reader: Any = _refusing("add_reader")
    remove_reader: Any = _refusing("remove_reader")
    add_writer: Any = _refusing("add_writer")
    remove_writer: Any = _refusing("remove_writer")
    run_in_executor: Any = _refusing("run_in_executor")

    def __repr__(self) -> str:
        return f"<VirtualLoop t={self._now:g} ready={len(self._ready)} timers={len(self._timers)}>"
