"""World with faults: around any others, those of an ordinary loop or of the simulation."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from playbill.model.errors import DefinitionError
from playbill.model.messages import Cancel, Force, Pause, Resume
from playbill.runtime.faults.injector import Injector
from playbill.runtime.faults.kinds import CancelRun, ClockSkew, Crash, ForceBreaker, MessageDelay, PauseRun
from playbill.runtime.faults.ports import FaultyJournal, LateTimers, SkewedClock
from playbill.runtime.faults.runner import FaultyRunner
from playbill.runtime.faults.stand_in import StandInRunner, stand_in_of
from playbill.runtime.runners.runner import RunnerServices, RunRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from playbill.actors.ports import Dispatcher, Keeper, Runner
    from playbill.actors.shell import Shell
    from playbill.model.events import Event
    from playbill.model.plan import NodePlan
    from playbill.runtime.breakers import Breakers
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.behaviour import Behaviour
    from playbill.runtime.faults.kinds import TimedFault
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.world import OwnTimers, World


class FaultyWorld:
    """World whose parts may fail as a plan says."""

    injector: Injector
    circuits: Breakers
    skewed: SkewedClock

    def __init__(self, world: World, plan: FaultPlan, tape: Tape) -> None:
        self.inner = world
        self.simulated = world.simulated
        self.plan = plan
        self.tape = tape

    def draw(self) -> float:
        """Draw as the others do."""
        return self.inner.draw()

    def new_id(self) -> str:
        """Name runs as the others do."""
        return self.inner.new_id()

    def clock(self, loop: asyncio.AbstractEventLoop) -> Clock:
        """Make a clock that may jump.

        Raises:
            DefinitionError: the plan has faults that need a simulated world.
        """
        began = loop.time()
        self.loop = loop
        self.injector = Injector(self.plan, self.tape, lambda: loop.time() - began)
        if not self.simulated and (faults := [*self.plan.of(Crash), *self.plan.of(MessageDelay)]):
            text = (
                f"a {faults[0].kind} fault needs a simulated world: run the plan with `playbill sim` or leave it out"
            )
            raise DefinitionError.single("only-simulated", "faults", text)
        self.skewed = SkewedClock(self.inner.clock(loop))
        return self.skewed

    def dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Carry mail as the others do."""
        return self.inner.dispatcher(loop, clock)

    def timers(self, loop: asyncio.AbstractEventLoop, post: Callable[[Any, Any], None]) -> OwnTimers:
        """Make timers that may be late."""
        timers = self.inner.timers(loop, post)
        return LateTimers(timers, self.injector) if self.injector.timers.are_possible else timers

    def journal(self, loop: asyncio.AbstractEventLoop) -> MemoryJournal:
        """Make a journal that may be slow or sick."""
        self.ledger = FaultyJournal(loop, self.injector, self.taken, self.kept)
        return self.ledger

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run handlers, or what stands in for them, with the faults that hit them."""
        behaviours = self.plan.behaviours

        def behaviour_of(plan: NodePlan) -> Behaviour | None:
            if self.simulated:
                return stand_in_of(plan, behaviours, bindings)
            return behaviours.of(plan.id, plan.type)

        inner = StandInRunner(RunRunner(services, bindings, context), behaviour_of, services.attempts, self.tape)
        return FaultyRunner(inner, self.injector.attempts, services.attempts, self.tape)

    def taken(self, event: Event) -> None:
        """See an event that is recorded."""

    def kept(self, keeper: Keeper, seq: int) -> None:
        """Tell who waits that its events up to `seq` are kept."""
        keeper.kept(seq)

    def wired(
        self, circuits: Breakers, runs: Callable[[], Iterable[Shell[Any]]], dead_letters: Callable[[], int]
    ) -> None:
        """Set off what has a time of its own."""
        self.circuits = circuits
        self.runs = runs
        for fault in self.injector.timed():
            self.loop.call_later(fault.due, self._happen, fault)

    def _happen(self, fault: TimedFault) -> None:
        self.injector.fired[fault.kind] += 1
        if isinstance(fault, ClockSkew):
            self.skewed.skew += timedelta(seconds=fault.seconds)
        elif isinstance(fault, ForceBreaker):
            self._force(fault.breaker, fault.state, fault.seconds)
        elif (run := self.oldest_run()) is not None:
            if isinstance(fault, CancelRun):
                run.post(Cancel("injected", "a fault plan says so", fault.grace))
            elif isinstance(fault, PauseRun):
                run.post(Pause())
                self.loop.call_later(fault.seconds, run.post, Resume())

    def _force(self, key: str, state: str, seconds: float) -> None:
        actor = self.circuits.get(key)
        if actor is not None:
            actor.post(Force(state))
            if state != "closed":
                self.loop.call_later(seconds, self._force, key, "closed", 0.0)

    def oldest_run(self) -> Shell[Any] | None:
        """Return the supervisor of the oldest run that has not ended."""
        return next((run for run in self.runs() if not run.ended), None)
