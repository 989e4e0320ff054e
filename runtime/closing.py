"""How a manager ends: once, whoever asks for it, whoever gives up waiting, and also when nobody asks.

1. There is one closing of a manager, a task of its own: all who close wait for it, and who is cancelled cancels only
   their own wait.
2. A manager that nobody closes is closed when its loop shuts its async generators down, as `asyncio.run` does at its
   end: one of these is its. Runs in a journal that outlives the process are left there, as if it had been killed.
3. One that nobody holds any more, or whose loop was closed without that, is let go at once: its processes are killed.
4. 2 and 3 are its user's mistake, and warned of, unless it is the process's manager.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
import weakref
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.diagnostics import list_names
from playbill.model.messages import Cancel
from playbill.runtime.last_ends import await_ends, keep_journal_owned, park_all

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractContextManager

    from playbill.runtime.actor_system import ActorSystem
    from playbill.runtime.runs import Runs

logger = logging.getLogger("playbill")

__all__ = ["Closing", "Place", "place_of_caller"]

RECORDING_SECONDS: Final = 1.0
"""How long a retry or a fork that is being recorded has to be, so that it can be stopped, too."""
OURS: Final = "playbill."
"""What the names of our modules begin with."""


class Place(NamedTuple):
    """A line of a program."""

    file: str
    line: int


def place_of_caller() -> Place:
    """Return the innermost line under way that is not ours."""
    frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as warnings and logging do
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(OURS):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


class Closing:
    """The end of one manager.

    Args:
        system: What is to be closed.
        runs: Those that have not ended are cancelled.
        owner: The manager: let go once nobody holds it.
        place: Where it was made; None: nobody has to close it.
        parks: Whether runs that have not ended are left for another process instead of cancelled.
    """

    def __init__(
        self, system: ActorSystem, runs: Runs, owner: object, place: Place | None, *, parks: bool = False
    ) -> None:
        self._system = system
        self._parks = parks
        self._runs = runs
        self._owner = weakref.ref(owner)
        self._task: asyncio.Task[None] | None = None
        self._left: Left | None = None
        if not system.simulated:  # a simulation ends its managers itself
            let_go_left()
            self._left = Left(owner, system, place, _started(_closes_with_its_loop(weakref.ref(self))))
            OPEN.append(self._left)

    @property
    def has_begun(self) -> bool:
        """Whether somebody closes it, or has."""
        return self._task is not None

    @property
    def is_over(self) -> bool:
        """Whether all is closed."""
        return self._task is not None and self._task.done() and not self._task.cancelled()

    def check(self) -> None:
        """Refuse who cannot close it.

        Raises:
            RuntimeError: in a forked process, or on another loop while its own is open.
        """
        if not self.is_over:
            self._system.check_process()
            if not self._system.is_over:
                self._system.check_loop()

    async def rest(self) -> None:
        """Wait until no run is at work, then cancel what is paused; a handler of its own would wait for itself."""
        if not self._system.calls:
            await self._runs.rest()
            for run in list(self._runs.active.values()):
                run.actor.post(Cancel("shutdown", "the manager is closed while the run is paused"))

    async def close(self, grace: float | None) -> None:
        """Cancel live runs, wait for their ends, let everything go; a cancel ends this wait and nothing else."""
        if self._system.is_over:
            self.end()
        elif not self.is_over:
            await asyncio.shield(self._begin(grace))

    async def leave(self) -> None:
        """The same, and a cancel is raised when all is closed: who leaves a manager trusts that it is.

        But for its own handlers, which are stopped by a cancel.
        """
        if self._system.is_over or self._system.calls:
            await self.close(None)
            return
        cancelled: asyncio.CancelledError | None = None
        with _shielded():
            while not self.is_over:
                try:
                    await self.close(None)
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None:
            raise cancelled

    def end(self) -> None:
        """Let everything go although its loop is over."""
        if self._left is not None:
            self._left.let_go(warns=False)

    async def close_with_loop(self) -> None:
        """Close what nobody has closed, since the loop ends."""
        if self._left is None or self._left.is_over:
            return
        place = self._left.place
        self._parks = self._parks or self._system.parts.journal.is_durable
        try:
            await self.close(None)
        finally:
            warn_of(place)

    def _begin(self, grace: float | None) -> asyncio.Task[None]:
        self._runs.are_left = self._parks
        self._system.look_at_clock()
        if not self._parks:
            self._cancel_all(grace)
        if self._left is not None:
            self._left.place = None  # from here on it is closed, however long that takes
        if self._task is None or self._task.cancelled():  # before its first step; from then on it takes no cancel
            work = self._close(self._owner(), grace)
            self._task = asyncio.Task(work, loop=self._system.loop, name="playbill-closing")
        return self._task

    def _cancel_all(self, grace: float | None) -> None:
        runs = list(self._runs.active.values())
        ids = [*(run.id for run in runs), *(() if self._runs.passive is None else self._runs.passive.ids)]
        if ids and self._task is None and self._system.parts.journal.is_durable:
            names = list_names(ids, 10)
            logger.warning("the manager is closed, and cancels %s; on_exit='park' leaves runs to the next one", names)
        for run in runs:
            run.actor.post(Cancel("shutdown", "the manager is closed", grace))

    async def _close(self, _owner: object, grace: float | None) -> None:
        """Close all; its owner is held until then, so that nobody takes it for left behind."""
        if self._runs.recording:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(set(self._runs.recording), timeout=RECORDING_SECONDS)
        while self._runs.active:
            with suppress(asyncio.CancelledError):  # asyncio.run cancels all tasks at its end, and this one ends soon
                if self._parks:
                    await park_all(self._runs, self._system.parts.clock.now, grace)
                else:
                    await await_ends(self._runs)
        if self._parks:
            keep_journal_owned(self._system)
        if (passive := self._runs.passive) is not None:
            if not self._parks:
                await passive.end_all()
            passive.close()
        try:
            with suppress(asyncio.CancelledError):
                await self._system.close()
        finally:
            if self._left is not None:
                self._left.forget()


class Left:
    """What is left of a manager that nobody has closed, and how it is let go.

    Args:
        owner: The manager: all is let go once nobody holds it, or when the program ends.
        system: What was not closed.
        place: Where its manager was made; None: nobody is to be warned.
        generator: What its loop closes at its end.
    """

    def __init__(
        self, owner: object, system: ActorSystem, place: Place | None, generator: AsyncGenerator[None]
    ) -> None:
        self._finalizer = weakref.finalize(owner, self.let_go)
        self.place = place
        self._system = system
        self._generator = generator
        self._lock = threading.RLock()  # the collector may come by in the midst of it
        self.is_over = False
        """Whether all is closed or was let go."""

    @property
    def is_due(self) -> bool:
        """Whether its loop was closed, and it was not."""
        return self._system.loop.is_closed() and self._system.is_here

    def forget(self) -> bool:
        """Need nothing of this any more: it is closed; False: that was known."""
        with self._lock:
            was_over, self.is_over = self.is_over, True
        if was_over:
            return False
        OPEN.remove(self)
        self._finalizer.detach()
        with suppress(StopIteration, RuntimeError):  # should it be at work, it is its loop that ends, and it ends too
            self._generator.aclose().send(None)
        return True

    def let_go(self, *, warns: bool = True) -> None:
        """Let it go at once, in whatever thread the collector is at work; in a fork all is its parent's."""
        if not self._system.is_here or not self.forget():
            return
        try:
            if self._system.loop.is_running():
                self._system.loop.call_soon_threadsafe(self._system.end)
            else:
                self._system.end()
        finally:
            if warns:
                warn_of(self.place)


OPEN: Final[list[Left]] = []
"""What is to be let go should nobody close it."""


def let_go_left() -> None:
    """Let go what nobody has closed and whose loop is: its live runs, which pykka knows, would keep it for ever."""
    for left in tuple(OPEN):
        if left.is_due:
            try:
                left.let_go()
            except Exception:  # whoever happens to come by is not to blame
                logger.exception("what was left of a manager could not be let go")


def _shielded() -> AbstractContextManager[object]:
    """Keep cancel scopes of anyio's from cancelling a block; who has not imported that, which is slow, is in none."""
    anyio = sys.modules.get("anyio")
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)


async def _closes_with_its_loop(closing: weakref.ref[Closing]) -> AsyncGenerator[None]:
    """Wait for the end of the loop, which closes its generators then."""
    try:
        yield
    finally:
        if (left := closing()) is not None:
            await left.close_with_loop()


def _started(generator: AsyncGenerator[None]) -> AsyncGenerator[None]:
    """Return a generator that has taken its first step: only then the loop knows of it."""
    with suppress(StopIteration):
        generator.__anext__().send(None)
    return generator


def warn_of(place: Place | None) -> None:
    """Warn of a manager that was made here and never closed."""
    if place is not None:
        text = "was never closed: leave it by `async with`, or `await manager.close()`"
        warnings.warn_explicit(f"the PipelineRunManager made here {text}", ResourceWarning, place.file, place.line)
