"""Daemon threads of our own for plain functions, so that an abandoned one cannot hang the program's exit."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Final, NamedTuple, Protocol

from playbill.model.errors import NodeExecutionError
from playbill.runtime.runners.attempt import Identity

MAX_THREADS: Final = 64
"""Threads at work at once; abandoned ones are not counted, their places are given to new ones."""
REMEMBERED: Final = 64
"""Attempts that have left their threads and are remembered for the watchdog."""
MAX_ORPHANS: Final = 64
"""Abandoned attempts in threads until no new one may begin."""


class Stay(NamedTuple):
    """When which attempt was in which thread, in monotonic seconds."""

    who: Identity
    thread: int
    entered: float
    left: float | None
    """None: it is there still."""


class ThreadedAttempt(Protocol):
    """An attempt, as its pool sees it."""

    thread: int
    """The identifier of the thread it runs in; 0: none yet."""
    entered: float
    """When its handler's code was entered, in monotonic seconds."""

    @property
    def identity(self) -> Identity:
        """Whose attempt this is."""
        ...

    def execute(self) -> None:
        """Run the handler in the calling thread; never raises."""

    def refuse(self, error: Exception, at: float) -> None:
        """Answer with an error although nothing was begun."""

    def bring(self) -> None:
        """Tell its actor the result, once the pool knows that its thread is free."""


class ThreadPool:
    """Daemon threads that are made on demand and wait for work."""

    def __init__(self, max_threads: int = MAX_THREADS, max_orphans: int = MAX_ORPHANS) -> None:
        self.orphans = 0
        """Abandoned attempts whose threads have not ended."""
        self._max_orphans = max_orphans
        self.now = time.monotonic
        self._max_threads = max_threads
        self._threads = 0
        self._idle = 0
        self._lock = threading.Condition()
        self._waiting: deque[ThreadedAttempt] = deque()
        self._running: set[ThreadedAttempt] = set()
        self._left: deque[Stay] = deque(maxlen=REMEMBERED)
        self._closed = False

    def queue(self, attempt: ThreadedAttempt) -> None:
        """Give an attempt to an idle thread, or to a new one while there may be more; refuse it if none starts."""
        error = None
        with self._lock:
            self._waiting.append(attempt)
            if self._idle >= len(self._waiting):
                self._lock.notify()
            elif self._threads < self._max_threads and (error := self._spawn()) is not None:
                self._waiting.remove(attempt)
        if error is not None:
            attempt.refuse(error, self.now())

    def withdraw(self, attempt: ThreadedAttempt) -> None:
        """Let an attempt wait no more; nothing if it has a thread already."""
        with self._lock, contextlib.suppress(ValueError):
            self._waiting.remove(attempt)

    def refusal(self) -> NodeExecutionError | None:
        """Return why no attempt may begin: too many threads are lost to handlers that cannot be stopped."""
        if self.orphans < self._max_orphans:
            return None
        return NodeExecutionError(
            f"{self.orphans} abandoned handlers still hold their threads, and max_orphans is {self._max_orphans}: "
            "no handler may begin in a thread until one of them ends; run such handlers with isolation: process"
        )

    def replace(self, attempt: ThreadedAttempt) -> None:
        """Count the thread of an abandoned attempt no more, but as lost until it ends."""
        self.withdraw(attempt)
        error, refused = None, list[ThreadedAttempt]()
        with self._lock:
            if attempt in self._running:
                self._running.discard(attempt)
                self._threads -= 1
                self.orphans += 1
                if self._waiting and (error := self._spawn()) is not None and not self._threads:
                    refused = [*self._waiting]  # nobody is left who would take them
                    self._waiting.clear()
        if error is not None:
            for waiting in refused:
                waiting.refuse(error, self.now())

    def running(self) -> list[Stay]:
        """Return who is in a thread, and who was lately; from any thread."""
        with self._lock:
            there = [attempt for attempt in self._running if attempt.thread]
            return [Stay(one.identity, one.thread, one.entered, None) for one in there] + [*self._left]

    def close(self) -> None:
        """Let the idle threads end, and the others when their handlers do."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            self._lock.notify_all()

    def _spawn(self) -> NodeExecutionError | None:
        """Start a thread; return why the system does not let us."""
        try:
            threading.Thread(target=self._serve, name="playbill-handler", daemon=True).start()
        except (RuntimeError, MemoryError) as error:  # as `threading` says it
            return NodeExecutionError(
                f"no thread could be started for the handler ({error}; {self._threads} of the manager's run): raise"
                " the limit of the system or of its container, or let less run at once by max_concurrency"
            )
        self._threads += 1
        return None

    def _serve(self) -> None:
        while (attempt := self._next()) is not None:
            attempt.execute()
            was_lost = self._leave(attempt)
            attempt.bring()
            if was_lost:
                return

    def _leave(self, attempt: ThreadedAttempt) -> bool:
        """Take note that an attempt's handler has ended; tell if its thread was given up for lost."""
        stay = Stay(attempt.identity, attempt.thread, attempt.entered, self.now())
        with self._lock:
            self._left.append(stay)
            was_lost = attempt not in self._running
            if was_lost:
                self.orphans -= 1
            self._running.discard(attempt)
        return was_lost

    def _next(self) -> ThreadedAttempt | None:
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
