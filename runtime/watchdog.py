"""The watchdog: a thread that sees the loop blocked, names who blocks it, and may interrupt it.

Rules:

1. It asks the loop for a sign of life; a loop that gives none within the limit is blocked. An idle loop is woken
   a few times per limit, at no other cost.
2. The culprit is the attempt whose task takes its step just then, with its stack; or, where the watchdog itself could
   not run, the threads in which handlers run or just ran: one of them held the interpreter's lock in a C call.
3. It is logged at once, from the watchdog's thread, and becomes an event (`loop.blocked`) when the loop goes on.
4. If it may, it raises Interrupted in the culprit: once for each block, only while that still keeps the loop, and its
   handler holds no lock of everybody's (runners/strike.py).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.events import LOOP, Event, EventType
from playbill.runtime.runners.coroutine import LoopAttempt
from playbill.runtime.runners.strike import LOOK_AGAIN_SECONDS, strike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from playbill.actors.ports import Writer
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.runners.attempt import Identity, OnLoop
    from playbill.runtime.runners.thread_pool import Stay

logger = logging.getLogger("playbill")
LOOKS: Final = 4
"""How often the loop is looked at within the limit."""
STACK_LINES: Final = 12


class Interrupted(BaseException):
    """What a handler that blocks the loop finds raised."""

    def __str__(self) -> str:
        return "it blocked the event loop, and the watchdog interrupted it"


class Culprit(NamedTuple):
    """Who blocks the loop, as far as a look tells."""

    who: Identity | None
    stack: str

    def __str__(self) -> str:
        return "no handler that can be named" if self.who is None else str(self.who)


class Watchdog:
    """Watches the loop it was made on.

    Args:
        loop: which is running.
        clock: tells when.
        writer: keeps the events.
        on_loop: the attempts on the loop, by their tasks.
        threads: tells which attempts are or were in threads.
        limit: seconds without a sign of life until the loop is blocked.
        interrupts: whether it may interrupt the culprit.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        writer: Writer,
        on_loop: OnLoop,
        threads: Callable[[], Iterable[Stay]],
        limit: float,
        *,
        interrupts: bool = False,
    ) -> None:
        self.blocked = 0
        """How often the loop was blocked."""
        self._loop = loop
        self._clock = clock
        self._writer = writer
        self._attempts = on_loop
        self._threads = threads
        self._limit = limit
        self._interrupts = interrupts
        self._loop_thread = threading.get_ident()
        self._alive = threading.Event()
        self._alive.set()
        self._closing = threading.Event()
        self._seq = 0
        threading.Thread(target=self._watch, name="playbill-watchdog", daemon=True).start()

    def close(self) -> None:
        """End the watching thread; a block under way becomes no event."""
        self._closing.set()
        self._alive.set()

    # ---- in the watchdog's thread -----------------------------------------------------------------------------

    def _watch(self) -> None:
        goes_on = True
        while goes_on and not self._closing.is_set():
            try:
                goes_on = self._watch_once()
            except Exception:  # a look that fails shall not be the last one
                logger.exception("the watchdog could not look at the event loop")
                self._alive.set()

    def _watch_once(self) -> bool:
        """Wait for one sign of life, and tell if it is late; False: there will be none any more."""
        began = time.monotonic()
        self._closing.wait(self._limit / LOOKS)
        culprit = self._overslept(began)
        if culprit is None:
            self._alive.clear()
            if self._closing.is_set() or not self._submit(self._alive.set):
                return False
            culprit = self._wait(began)
        if culprit is not None and not self._closing.is_set():
            self._alive.wait()
            self._submit(self._record, culprit, time.monotonic() - began)
        return True

    def _overslept(self, began: float) -> Culprit | None:
        """Return who kept even this thread from running, if anybody did."""
        if time.monotonic() - began < self._limit:
            return None
        culprit = self._look(since=began)
        self._tell(culprit, "kept the interpreter's lock in a C call (or the process stood still)")
        return culprit

    def _wait(self, began: float) -> Culprit | None:
        """Wait for the sign of life; return who kept it back for longer than the limit."""
        while not self._alive.wait(self._limit / LOOKS):
            if time.monotonic() - began >= self._limit:
                culprit = self._look()
                self._tell(culprit, "blocks the event loop")
                if self._interrupts:
                    self._interrupt(culprit)
                return culprit
        return self._overslept(began)

    def _tell(self, culprit: Culprit, what: str) -> None:
        self.blocked += 1
        logger.warning("%s %s for more than %g s:\n%s", culprit, what, self._limit, culprit.stack)

    def _look(self, *, since: float | None = None) -> Culprit:
        """Look at the loop's thread; with `since` also at those in which handlers were for long enough since then."""
        frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented, for debuggers
        on_loop = self._on_loop()
        suspects = [] if on_loop is None else [(on_loop, _stack(frames.get(self._loop_thread)))]
        if since is not None:
            for stay in self._threads():
                left = time.monotonic() if stay.left is None else stay.left
                if left - max(since, stay.entered) >= self._limit / 2:
                    stack = "(it has returned since)" if stay.left else _stack(frames.get(stay.thread))
                    suspects.append((stay.who, stack))
        if not suspects:
            return Culprit(None, _stack(frames.get(self._loop_thread)))
        stacks = "\n".join(f"{who}\n{stack}" for who, stack in suspects)
        return Culprit(suspects[0][0] if len(suspects) == 1 else None, stacks)

    def _on_loop(self) -> Identity | None:
        """Return whose task takes its step; None: nobody's, or that of no attempt."""
        task = asyncio.current_task(self._loop)
        attempt = None if task is None else self._attempts.get(task)
        return None if attempt is None else attempt.identity

    def _interrupt(self, culprit: Culprit) -> None:
        """Raise Interrupted in the loop's thread, as soon as that may be and as long as the culprit keeps it."""
        while culprit.who is not None and not self._alive.is_set() and self._on_loop() == culprit.who:
            if strike(self._loop_thread, LoopAttempt.CALLER, Interrupted):
                return
            self._alive.wait(LOOK_AGAIN_SECONDS)

    def _submit(self, call: Callable[..., object], *arguments: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed
            return False
        return True

    # ---- on the loop ------------------------------------------------------------------------------------------

    def _record(self, culprit: Culprit, seconds: float) -> None:
        if self._closing.is_set():
            return
        self._seq += 1
        run_id, node_id, attempt = culprit.who or (None, None, None)
        data = {"run_id": run_id, "seconds": seconds, "stack": culprit.stack}
        at = self._clock.now().utc
        event = Event(EventType.LOOP_BLOCKED, LOOP, self._seq, at, node_id, attempt, data)
        self._writer.append(event)

    def __repr__(self) -> str:
        return f"<Watchdog limit={self._limit:g} blocked={self.blocked}>"


def _stack(frame: FrameType | None) -> str:
    """Return the innermost lines of a stack."""
    if frame is None:
        return "(no stack)"
    return "".join(traceback.format_stack(frame)[-STACK_LINES:]).rstrip()
