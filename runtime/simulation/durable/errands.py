"""What users ask of runs while a plan says so: pauses, resumes, cancels; asked again in the next process if need be.

Who was not answered does not know whether it was done. So each is asked until it is answered, as careful users do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from playbill.actors.futures import ActorDeadError
from playbill.model.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.actors.shell import Shell

__all__ = ["Errand", "Errands"]

LOOK_AGAIN_SECONDS: Final = 0.5


@dataclass(slots=True, eq=False)
class Errand:
    """Something that is to be done at a time."""

    at: float
    """Virtual seconds."""
    message: object
    """What a run is asked; or what is called, without a run."""
    kind: str = ""
    """Of the fault that it is; noted once. Empty: it is none of its own."""
    run_id: str | None = None
    """Which run; None: the oldest at that time."""
    then: Errand | None = None
    """What comes after it, so many seconds later as its `at` says."""


class Errands:
    """The errands of one simulated world.

    Args:
        find: gives the run of an id, or the oldest; None: it is not there, or not yet.
        is_over: tells whether a run has ended, or cannot go on.
        answered: is told of each answer that it was done.
        note: is told of each fault that happens.
        time: tells virtual seconds.
    """

    def __init__(
        self,
        find: Callable[[str | None], Shell[Any] | None],
        is_over: Callable[[str], bool],
        answered: Callable[[str, object], None],
        note: Callable[[str], None],
        time: Callable[[], float],
    ) -> None:
        self._find = find
        self._is_over = is_over
        self._answered = answered
        self._note = note
        self._time = time
        self._open: list[Errand] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, errand: Errand) -> None:
        """Have something done, now or later."""
        self._open.append(errand)

    def go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do in this process what is yet to be done."""
        self._tasks = set()
        for errand in list(self._open):
            self._set_off(errand, loop)

    def _set_off(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(max(0.0, errand.at - self._time()), self._begin, errand, loop)

    def _begin(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        if errand not in self._open:
            return  # the world ends
        message = errand.message
        if errand.kind:
            self._note(errand.kind)
            errand.kind = ""
        if callable(message):
            message()
            self._done(errand, loop)
            return
        task = asyncio.Task(self._ask(errand, loop), loop=loop, name=f"errand {type(message).__name__}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        """Ask a run until it has answered, or is over."""
        while not await self._is_answered(errand):  # noqa: ASYNC110 (nobody tells when a run is taken up)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        self._done(errand, loop)

    async def _is_answered(self, errand: Errand) -> bool:
        """Ask once; tell whether there is nothing more to ask."""
        run = self._find(errand.run_id)
        if run is None:
            if errand.run_id is not None and not self._is_over(errand.run_id):
                return False  # it is yet to be taken up
            errand.then = None
            return True
        errand.run_id = run.actor_urn
        try:
            if await run.actor_ref.ask(errand.message, block=False):
                self._answered(errand.run_id, errand.message)
        except ActorDeadError:
            return True  # it has ended before it was told
        except JournalError:
            return False  # it is in force, and may be forgotten in a crash
        return True

    def _done(self, errand: Errand, loop: asyncio.AbstractEventLoop) -> None:
        self._open.remove(errand)
        then = errand.then
        if then is not None:
            then.at += self._time()
            then.run_id = errand.run_id
            self._open.append(then)
            self._set_off(then, loop)

    def rest(self) -> None:
        """Ask nothing more: the world ends."""
        self._open.clear()
        for task in self._tasks:
            task.cancel()
