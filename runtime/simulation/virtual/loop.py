"""An asyncio event loop in virtual time: when nothing is ready, time jumps to the next timer.

It does no input or output, starts no thread and reads no clock. Ready plain callbacks run in the order they were
asked for, as asyncio promises; which task takes its next step is a choice of the tape.

Source: the jumping clock of discrete-event simulation (SimPy `core.py`), ties broken by order of asking.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from collections import deque
from contextvars import copy_context
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from playbill.runtime.simulation.virtual.handles import VirtualHandle
from playbill.runtime.simulation.virtual.loop_base import LoopBase
from playbill.runtime.simulation.virtual.stuck import Deadlock, Livelock, waiting_tasks

if TYPE_CHECKING:
    from collections.abc import Callable
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


def is_task_step(handle: events.Handle) -> bool:
    """Tell whether a callback is the next step of a task."""
    callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001
    return getattr(callback, "__name__", None) in TASK_STEPS or type(callback).__name__ in TASK_STEPS


class VirtualLoop(LoopBase):
    """An event loop whose time is its own.

    Args:
        tape: chooses among tasks that are ready; None: in order.
        watch: looks for calls that leave the simulation.
        steps_bound: callbacks at one instant until it is a livelock.
        began: the virtual time at which it begins.
    """

    def __init__(
        self,
        tape: Tape | None = None,
        watch: EscapeWatch | None = None,
        *,
        steps_bound: int = STEPS_AT_ONE_INSTANT,
        began: float = 0.0,
    ) -> None:
        super().__init__()
        self.world: World | None = None
        """What managers on this loop are wired to; None: as on any loop (see runtime/world.py)."""
        self.jumped: Callable[[], None] | None = None
        """Called when nothing is ready, before time goes on."""
        self.describe: Callable[[], list[str]] | None = None
        """Gives lines on who waits, for a deadlock's text."""
        self.current: events.Handle | None = None
        """The callback that runs, or ran last."""
        self._tape = tape
        self._watch = watch
        self._steps_bound = steps_bound
        self._now = began
        self._count = 0
        self._steps_left = steps_bound
        self._ready: deque[events.Handle] = deque()
        self._timers: list[tuple[float, int, events.TimerHandle]] = []
        self._stopping = self._running = False
        self._fatal: BaseException | None = None

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
                raise self._take_fatal(self._fatal)

    def _take_fatal(self, fatal: BaseException) -> BaseException:
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

    def successor(self, seconds: float) -> VirtualLoop:
        """Return the loop of the next process, which begins so many seconds later."""
        return VirtualLoop(self._tape, self._watch, steps_bound=self._steps_bound, began=self._now + seconds)

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

    def __repr__(self) -> str:
        return f"<VirtualLoop t={self._now:g} ready={len(self._ready)} timers={len(self._timers)}>"
