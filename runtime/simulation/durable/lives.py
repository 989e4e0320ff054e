"""The simulated process, and those after it: each has a loop and a manager of its own, in one world and one time.

1. A process dies at once: its loop is closed, so that nothing of it runs any more: no mail is delivered, no timer
   fires. Its coroutines are closed when the simulation ends; what their `finally` does then reaches nobody.
2. The next process has a new loop, which begins as the outage is over, and a new manager of the same options.
3. Whoever drives the simulation asks the next process again for what the last one has not answered.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from playbill.model.errors import DefinitionError, RunSetAside
from playbill.model.fields import is_seconds
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.recovery.obstacles import MAX_CRASHES
from playbill.runtime.simulation.checks.names import TAKEN_UP
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.durable.points import check_points
from playbill.runtime.simulation.durable.world import DurableWorld
from playbill.runtime.simulation.leftovers import close_coroutines
from playbill.runtime.simulation.world import SimWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.options import SimulatedOptions
    from playbill.runtime.simulation.checks.properties import Property
    from playbill.runtime.simulation.virtual.escapes import EscapeWatch
    from playbill.runtime.simulation.virtual.guard import Guard
    from playbill.runtime.simulation.virtual.loop import VirtualLoop

__all__ = ["Lives", "world_on"]

T = TypeVar("T")


def world_on(
    loop: VirtualLoop,
    tape: Tape,
    plan: FaultPlan,
    policy: str,
    properties: Iterable[Property],
    crashes: Iterable[tuple[int, str]] | None,
    *,
    traced: bool,
) -> SimWorld:
    """Return the world on a loop: one with a disk, if it is said where processes die.

    Raises:
        DefinitionError: a crash point is none.
    """
    if crashes is None:
        return SimWorld(loop, tape, plan, policy, properties, traced=traced)
    return DurableWorld(loop, tape, plan, policy, properties, check_points(crashes), traced=traced)


class Lives:
    """The process that lives now.

    Args:
        loop: that of the first.
        world: what all live in.
        guard: ends one that stands still in real time.
        watch: looks for calls that leave the simulation.
        manager: that of the first.
        options: those of its manager, for the next.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        world: SimWorld,
        guard: Guard,
        watch: EscapeWatch | None,
        manager: PipelineRunManager,
        options: SimulatedOptions,
    ) -> None:
        self.loop = loop
        self.world = world
        self.guard = guard
        self.watch = watch
        self.manager = manager
        self._options = options
        self._dead: list[asyncio.Task[Any]] = []
        """The tasks of the processes that have died."""
        guard.loop = loop
        loop.world = world

    @property
    def durable(self) -> DurableWorld | None:
        """The world, if it has a disk that outlives its process."""
        return self.world if isinstance(self.world, DurableWorld) else None

    @property
    def lives(self) -> int:
        """How many processes there were, with the one that lives now."""
        return 1 if self.durable is None else self.durable.lives

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the simulated process, to its end.

        Raises:
            Violation: an invariant, ours or yours, does not hold.
            Crashed: the process has died, as a fault plan or a crash point says; with a disk the next one is there.
            Deadlock: it waits for what will never come. Livelock: time does not go on.
            Escape: a handler asked the real world for something. Blocked: one keeps the thread for seconds.
        """
        try:
            with self.guard:
                result: T = self.loop.run_until_complete(work)
        except Crashed:
            self._look()
            if (durable := self.durable) is not None:
                self._next_life(durable, *durable.outage())
            raise
        except RunSetAside as error:
            self._look_at(error)
            raise
        self._look()
        return result

    def _look(self) -> None:
        if self.watch is not None and self.watch.escapes:
            raise self.watch.escapes[0]
        for violation in self.world.violations:
            raise violation

    def surviving(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do some work in a process; begin it anew in the next, if that dies and its disk is there."""
        while True:
            try:
                return self.call(self._with_manager(work))
            except Crashed:
                if self.durable is None:
                    raise

    async def _with_manager(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        await self.manager.__aenter__()
        return await work()

    def crash(self, outage: float = 0.0, clock_step: float = 0.0) -> None:
        """Kill the simulated process: the next one finds what is on the disk, and its runs go on.

        Args:
            outage: seconds until there is another.
            clock_step: by how many seconds somebody sets its clock meanwhile, forwards or back.

        Raises:
            DefinitionError: nothing of this simulation would be left.
            Violation: somebody was told what is not on the disk.
        """
        if (durable := self.durable) is None:
            text = "nothing of this simulation outlives its process: give it a disk, as in Simulation(crashes=())"
            raise DefinitionError.single("no-disk", "crashes", text)
        if not is_seconds(outage):
            raise ValueError(f"an outage is a number of seconds, 0 or more, not {outage!r:.60}")
        self.world.injector.note("crash")
        self._next_life(durable, outage, clock_step)

    def _next_life(self, world: DurableWorld, outage: float, clock_step: float) -> None:
        world.die()
        old = self.loop
        self._dead += asyncio.all_tasks(old)
        old.close()
        self.loop = old.successor(outage)
        self.guard.loop = self.loop
        world.revive(self.loop, clock_step)
        options = self._options.copy()
        options["types"] = ()  # the compiler knows them
        compiler, self.manager = self.manager.compiler, PipelineRunManager(**options)
        self.manager.compiler = compiler
        self._look()

    def _look_at(self, error: RunSetAside) -> None:
        """Look at a run that does not go on: only very many crashes are a reason.

        Raises:
            Violation: there were fewer.
        """
        if self.durable is not None and self.lives <= MAX_CRASHES:
            raise Violation(TAKEN_UP, str(error), self.loop.time()) from error

    def let_go(self, remaining: Iterable[asyncio.Task[Any]] | None) -> None:
        """Close the loop, and the coroutines that are left on it; None: all that are not done."""
        tasks = asyncio.all_tasks(self.loop) if remaining is None else remaining
        self.loop.close()
        close_coroutines([*tasks, *self._dead])
