"""World with faults: around any others, those of an ordinary loop or of the simulation."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import DefinitionError
from playbill.model.messages import Cancel, Force, Pause, Resume
from playbill.model.plan import BUILT_IN
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending
from playbill.runtime.faults.injector import Injector
from playbill.runtime.faults.ports import FaultyJournal, LateTimers, SkewedClock
from playbill.runtime.faults.stand_in import Delayed, StandIn, Stubborn
from playbill.runtime.runners.runner import RunnerServices, RunRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from playbill.actors.ports import Attempt, Dispatcher, Keeper, Receiver, Runner
    from playbill.actors.shell import Shell
    from playbill.model.definition import PipelineNode
    from playbill.model.events import Event
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.breakers import Breakers
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.plan import Fault, FaultPlan
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.world import OwnTimers, World

HANGS: Final = Behaviour(outcomes=(Ending(hangs=True),))
GARBAGE: Final = Behaviour(output={"garbage": object()})
OUTSIDE: Final = frozenset({"command", "action"})
"""Built-in types whose coroutines start processes or open sockets."""
ONLY_SIMULATED: Final = ("crash", "message_delay")


class FaultyWorld:
    """World whose parts may fail as a plan says."""

    simulated = False
    injector: Injector
    circuits: Breakers
    skewed: SkewedClock

    def __init__(self, world: World, plan: FaultPlan, tape: Tape) -> None:
        self.inner = world
        self.simulated = type(self).simulated or world.simulated
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
        if not self.simulated:
            for kind in ONLY_SIMULATED:
                if self.plan.by_kind.get(kind):
                    text = f"a {kind} fault needs a simulated world: run the plan with `playbill sim` or leave it out"
                    raise DefinitionError.single("only-simulated", "faults", text)
        self.skewed = SkewedClock(self.inner.clock(loop))
        return self.skewed

    def dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Carry mail as the others do."""
        return self.inner.dispatcher(loop, clock)

    def timers(self, loop: asyncio.AbstractEventLoop, post: Callable[[Any, Any], None]) -> OwnTimers:
        """Make timers that may be late."""
        timers = self.inner.timers(loop, post)
        if self.plan.by_kind.get("timer_late") or self.plan.buggify:
            return LateTimers(timers, self.injector)
        return timers

    def journal(self, loop: asyncio.AbstractEventLoop) -> MemoryJournal:
        """Make a journal that may be slow or sick."""
        self.ledger = FaultyJournal(loop, self.injector, self.taken, self.kept)
        return self.ledger

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run handlers, or what stands in for them."""
        return FaultyRunner(services, bindings, context, self)

    def taken(self, event: Event) -> None:
        """See an event that is recorded."""

    def kept(self, keeper: Keeper, seq: int) -> None:
        """Tell who waits that its events up to `seq` are kept."""
        keeper.kept(seq)

    def begun(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> None:
        """See an attempt begin."""

    def wired(
        self, circuits: Breakers, runs: Callable[[], Iterable[Shell[Any]]], dead_letters: Callable[[], int]
    ) -> None:
        """Set off what has a time of its own."""
        self.circuits = circuits
        self.runs = runs
        for fault in self.injector.timed():
            at = fault.after if fault.at is None else fault.at
            self.loop.call_later(at, self._happen, fault)

    def _happen(self, fault: Fault) -> None:
        self.injector.fired[fault.fault] += 1
        if fault.fault == "clock_skew":
            self.skewed.skew += timedelta(seconds=fault.seconds)
        elif fault.fault == "breaker":
            self._force(fault.breaker or "", fault.state, fault.seconds)
        else:
            run = self.oldest_run()
            if run is not None and fault.fault == "cancel":
                run.post(Cancel("injected", "a fault plan says so", fault.grace))
            elif run is not None:
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


class FaultyRunner(RunRunner):
    """Begins attempts: the handlers', or stand-ins', with the faults that hit them."""

    __slots__ = ("_world",)

    def __init__(self, services: RunnerServices, bindings: Bindings, context: Context, world: FaultyWorld) -> None:
        super().__init__(services, bindings, context)
        self._world = world

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Any) -> Attempt:
        """Begin an attempt."""
        world = self._world
        world.begun(run, plan, attempt, inputs, reply_to)
        fault = world.injector.attempts.happens(plan.id, plan.type, attempt)
        behaviour = world.plan.behaviours.of(plan.id, plan.type)
        if behaviour is None and world.simulated and needs_stand_in(plan.node, self._bindings):
            behaviour = world.plan.behaviours.default or SILENT
        if fault is None:
            return self._begin(behaviour, run, plan, attempt, inputs, reply_to)
        return self._begin_faulty(fault, behaviour, run, plan, attempt, inputs, reply_to)

    def _begin(
        self, behaviour: Behaviour | None, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Any
    ) -> Attempt:
        if behaviour is None:
            return super().begin(run, plan, attempt, inputs, reply_to)
        held = StandIn(run.run_id, plan.id, attempt, reply_to, self._services)
        held.start(behaviour, plan.node, self._world.tape, threaded=plan.threaded)
        return held

    def _begin_faulty(
        self,
        fault: Fault,
        behaviour: Behaviour | None,
        run: RunFacts,
        plan: NodePlan,
        attempt: int,
        inputs: Inputs,
        reply_to: Any,
    ) -> Attempt:
        loop = self._world.loop

        def begin(instead: Behaviour | None = behaviour) -> Attempt:
            return self._begin(instead, run, plan, attempt, inputs, reply_to)

        match fault.fault:
            case "raise":
                return begin(fault.failing)
            case "hang" | "garbage":
                return begin(HANGS if fault.fault == "hang" else GARBAGE)
            case "lost":
                lost = StandIn(run.run_id, plan.id, attempt, reply_to, self._services)
                lost.start(HANGS, plan.node, self._world.tape, threaded=plan.threaded)
                loop.call_later(fault.seconds, lost.lose, "injected: its worker is lost")
                return lost
            case "slow":
                delayed = Delayed(run.run_id, plan.id, attempt, reply_to, self._services)
                delayed.start(begin, fault.seconds)
                return delayed
            case "late":
                return Stubborn(begin(), loop, fault.seconds, kill=True)
            case _:
                return Stubborn(begin(), loop, None, kill=fault.kill)


SILENT: Final = Behaviour(duration=Duration(uniform=(0.0, 2.0)))
"""What is assumed of handlers that cannot run simulated and about which nothing was declared."""


def needs_stand_in(node: PipelineNode, bindings: Bindings) -> bool:
    """Tell whether a handler cannot run simulated: in a thread or a process, or a coroutine that goes outside."""
    if node.type in BUILT_IN:
        return False
    return node.type in OUTSIDE or node.id in bindings.isolated or not bindings.of(node).on_loop
