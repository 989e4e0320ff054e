"""What stands between a manager's actors and the world: opened once for each manager, by the loop it runs on.

A loop may bring a world of its own, as the simulation's does; nobody else has to know.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from playbill.actors.ports import Timers
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.clocks.wheel import LoopTimers
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.journals.progress import teller_of
from playbill.runtime.runners.logs.line_keeper import LineKeeper
from playbill.runtime.runners.runner import RunRunner

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from playbill.actors.ports import Dispatcher, Runner
    from playbill.actors.shell import Shell
    from playbill.runtime.breakers import Breakers
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.runners.attempt import Identity
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices


class OwnTimers(Timers, Protocol):
    """The timers of a manager, which ends them."""

    def close(self) -> None:
        """Forget all timers."""


class MakeRunner(Protocol):
    """Makes what executes the handlers of one run."""

    def __call__(self, services: RunnerServices, bindings: Bindings, context: Context, /) -> Runner:
        """Return the runner of a run whose handlers are called in `context`."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a manager's actors are built on."""

    clock: Clock
    dispatcher: Dispatcher
    timers: OwnTimers
    journal: MemoryJournal
    runner: MakeRunner
    draw: Callable[[], float]
    """Draws a number from [0, 1): the jitter of a back-off."""
    new_id: Callable[[], str]
    """Makes a run's id."""

    @property
    def tell_progress(self) -> Callable[[Identity, Any], None]:
        """Tells those who listen to a run what one of its handlers says of its progress."""
        return teller_of(self.journal.streams, self.clock)

    @property
    def lines(self) -> LineKeeper:
        """Keeps what handlers log, and what their programs and processes write."""
        return LineKeeper(self.journal, self.clock)


@dataclass(frozen=True, slots=True)
class ManagerView:
    """What a world may look at while the manager works."""

    breakers: Breakers
    runs: Callable[[], Iterable[Shell[Any]]]
    """Gives the supervisors of the active runs, oldest first."""
    dead_letters: Callable[[], int]
    """Counts the messages that came too late."""
    clock_stepped: Callable[[float], None]
    """Tells the runs by how many seconds the clock on the wall was set."""


def unchanged(clock: Clock) -> Clock:
    """Return a clock as it is."""
    return clock


class World(Protocol):
    """Where a manager's actors live: the real world, one with faults, or a simulated one."""

    @property
    def simulated(self) -> bool:
        """Whether time is virtual: there are no threads and no processes, and nobody watches the loop."""
        ...

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts of one manager.

        Args:
            loop: the one that runs.
            view: what may be looked at from the loop's next turn on.
            wrap: what is to stand around the clock.

        Raises:
            DefinitionError: this world cannot be as it is wanted; names why.
        """
        ...


class RealWorld:
    """The world of a manager on an ordinary loop."""

    simulated = False

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts: the system's clock, mail in the order it came, events in memory, users' handlers."""
        clock = wrap(SystemClock(loop))
        dispatcher = LoopDispatcher(loop, clock)
        timers = LoopTimers(loop, dispatcher.post)
        return Parts(clock, dispatcher, timers, MemoryJournal(), RunRunner, random.random, unique_id)


def unique_id() -> str:
    """Return a new id for a run."""
    return uuid.uuid4().hex


def world_of(loop: asyncio.AbstractEventLoop) -> World:
    """Return the world of the managers on `loop`."""
    return getattr(loop, "world", None) or RealWorld()
