"""What stands between a manager's actors and the world: made anew for each manager, by the loop it runs on.

A loop may bring surroundings of its own, as the simulation's does; nobody else has to know.
"""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from playbill.actors.ports import Timers
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.clocks.wheel import LoopTimers
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.runners.runner import RunnerServices, RunRunner

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from playbill.actors.ports import Dispatcher, Runner
    from playbill.actors.shell import Shell
    from playbill.runtime.breakers import Breakers
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.runners.bindings import Bindings


class OwnTimers(Timers, Protocol):
    """The timers of a manager, which ends them."""

    def close(self) -> None:
        """Forget all timers."""


class World(Protocol):
    """The parts of one manager that differ between the real world, a world with faults, and a simulated one."""

    @property
    def simulated(self) -> bool:
        """Whether time is virtual: there are no threads and no processes, and nobody watches the loop."""
        ...

    def clock(self, loop: asyncio.AbstractEventLoop) -> Clock:
        """Make the clock."""
        ...

    def dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Make what carries the mail."""
        ...

    def timers(self, loop: asyncio.AbstractEventLoop, post: Callable[[Any, Any], None]) -> OwnTimers:
        """Make what tells things later."""
        ...

    def journal(self, loop: asyncio.AbstractEventLoop) -> MemoryJournal:
        """Make what keeps events."""
        ...

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Make what executes the handlers of one run."""
        ...

    def draw(self) -> float:
        """Draw a number from [0, 1): the jitter of a back-off."""
        ...

    def new_id(self) -> str:
        """Make a run's id."""
        ...

    def wired(
        self, circuits: Breakers, runs: Callable[[], Iterable[Shell[Any]]], dead_letters: Callable[[], int]
    ) -> None:
        """Hear that all of it stands.

        Args:
            circuits: the breakers.
            runs: gives the supervisors of the active runs, oldest first.
            dead_letters: counts the messages that came too late.
        """


class RealWorld:
    """The surroundings of a manager on an ordinary loop."""

    simulated = False

    def clock(self, loop: asyncio.AbstractEventLoop) -> Clock:
        """Read the system's clock."""
        return SystemClock(loop)

    def dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Carry mail in the order it came."""
        return LoopDispatcher(loop, clock)

    def timers(self, loop: asyncio.AbstractEventLoop, post: Callable[[Any, Any], None]) -> OwnTimers:
        """Use the loop's timers."""
        return LoopTimers(loop, post)

    def journal(self, loop: asyncio.AbstractEventLoop) -> MemoryJournal:
        """Keep events in memory."""
        return MemoryJournal()

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run the handlers."""
        return RunRunner(services, bindings, context)

    def draw(self) -> float:
        """Draw a number from [0, 1)."""
        return random.random()  # noqa: S311 (spreads retries)

    def new_id(self) -> str:
        """Make a run's id that nobody else makes."""
        return uuid.uuid4().hex

    def wired(
        self, circuits: Breakers, runs: Callable[[], Iterable[Shell[Any]]], dead_letters: Callable[[], int]
    ) -> None:
        """Nothing to do."""


def world_of(loop: asyncio.AbstractEventLoop) -> World:
    """Return the surroundings that managers on `loop` are wired to."""
    return getattr(loop, "world", None) or RealWorld()
