"""The errors of a simulation that cannot go on: who waits for what, and what left it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from playbill.model.errors import PlaybillError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SimulationError(PlaybillError):
    """A simulation that ended without an answer."""

    ends_the_simulation: ClassVar[bool] = True


class Deadlock(SimulationError):
    """Nothing is ready, no timer is set, and somebody waits."""

    def __init__(self, now: float, waiting: Iterable[str]) -> None:
        self.waiting = list(waiting)
        super().__init__(
            f"deadlock at {now:g} s: nothing is ready and no timer is set; these wait:{_list(self.waiting)}"
        )


class Livelock(SimulationError):
    """Callbacks run and run, and time does not go on."""

    def __init__(self, steps: int, now: float, waiting: Iterable[str]) -> None:
        self.waiting = list(waiting)
        super().__init__(
            f"livelock at {now:g} s: {steps:,} callbacks ran and time did not go on; there are:{_list(self.waiting)}"
        )


class Unsupported(SimulationError):
    """The loop was asked for what only the real world has."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"loop.{what}() leaves the simulation: it has no sockets, processes or threads; declare a behaviour for "
            "the node (or fake the client it calls)"
        )


class Blocked(SimulationError):
    """A handler kept the simulation from going on for too long, on a real clock."""

    def __init__(self, seconds: float, place: str) -> None:
        super().__init__(
            f"the simulation stood still for {seconds:g} s of real time at {place}: a handler that computes or "
            "blocks there cannot be simulated; declare a behaviour for its node"
        )


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Yield a line for each task that is not done: its name and where it waits."""
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        stack = task.get_stack(limit=1)
        place = "not begun"
        inner = task.get_coro()
        while (awaited := getattr(inner, "cr_await", None)) is not None and hasattr(awaited, "cr_frame"):
            inner = awaited
        frame = getattr(inner, "cr_frame", None) or (stack[0] if stack else None)
        if frame is not None:
            code = frame.f_code
            place = f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
        yield f"task {task.get_name()!r} at {place}"


def _list(lines: list[str]) -> str:
    return "".join(f"\n  {line}" for line in lines) or " nobody"
