"""A world with faults: around any other, that of an ordinary loop or of the simulation."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from playbill.model.errors import DefinitionError, InternalError
from playbill.model.messages import Cancel, Force, Pause, Resume
from playbill.runtime.faults.injector import Injector
from playbill.runtime.faults.kinds import (
    ActorFails,
    CancelRun,
    ClockSkew,
    Crash,
    ForceBreaker,
    MessageDelay,
    PauseRun,
)
from playbill.runtime.faults.ports import FaultyJournal, LateTimers, Skew, SkewedClock
from playbill.runtime.faults.runner import FaultyRunner
from playbill.runtime.faults.stand_in import AGENT, StandInRunner, stand_in_of
from playbill.runtime.runners.runner import RunRunner
from playbill.runtime.world import Parts, unchanged

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

    from playbill.actors.ports import Keeper, Runner
    from playbill.actors.shell import Shell
    from playbill.model.events import Event
    from playbill.model.plan import NodePlan
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.behaviour import Behaviour
    from playbill.runtime.faults.kinds import TimedFault
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.world import ManagerView, World


class Elapsed:
    """Tells the seconds since a world began; it does not know the world, which knows it."""

    __slots__ = ("_began", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        """The one that tells the time now."""
        self._began = loop.time()

    def __call__(self) -> float:  # noqa: D102 (the class says it)
        return self.loop.time() - self._began


class FaultyWorld:
    """A world whose parts may fail as a plan says.

    Args:
        inner: the world as it would be.
        plan: what shall go wrong.
        tape: decides what does.
        loop: the one its manager is on.

    Raises:
        DefinitionError: the plan has faults or properties that need a simulated world.
    """

    def __init__(self, inner: World, plan: FaultPlan, tape: Tape, loop: asyncio.AbstractEventLoop) -> None:
        self._elapsed = Elapsed(loop)
        self.simulated = inner.simulated
        self.plan = plan
        self.tape = tape
        self.injector = Injector(plan, tape, self._elapsed)
        self._inner = inner
        self._skew = Skew()
        if not self.simulated:
            check_needs_no_simulation(plan)

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts, with faults around them; set off those that have a time of their own."""
        if self.may_skew:
            parts = self._inner.open(loop, view, lambda clock: SkewedClock(wrap(clock), self._skew))
        else:
            parts = self._inner.open(loop, view, wrap)
        timers = LateTimers(parts.timers, self.injector) if self.injector.timers.are_possible else parts.timers
        self.set_off(loop, view)
        journal = FaultyJournal(loop, self.injector, self.taken, self.kept)
        return Parts(parts.clock, parts.dispatcher, timers, journal, self.runner, parts.draw, parts.new_id)

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run handlers, or what stands in for them, with the faults that hit them."""
        behaviours = self.plan.behaviours
        known = self.plan.stand_ins_of(bindings)

        def behaviour_of(plan: NodePlan) -> Behaviour | None:
            if not self.simulated:
                return behaviours.of(plan.id, plan.type)
            if plan.id in known:
                return known[plan.id]
            found = stand_in_of(plan, behaviours, bindings, services.resources)
            if plan.type != AGENT:  # whose stand-in depends on who is registered now
                known[plan.id] = found
            return found

        handlers = self.handlers(services, bindings, context)
        inner = StandInRunner(handlers, behaviour_of, services.attempts, self.tape)
        return FaultyRunner(inner, self.injector.attempts, services.attempts, self.tape)

    def handlers(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run handlers themselves."""
        return RunRunner(services, bindings, context)

    @property
    def may_skew(self) -> bool:
        """Whether UTC may be off some time."""
        return bool(self.plan.of(ClockSkew))

    def set_off(self, loop: asyncio.AbstractEventLoop, view: ManagerView) -> None:
        """Let the faults happen that have a time of their own."""
        for fault in self.injector.timed():
            loop.call_later(fault.due, self._happen, fault, loop, view)

    def taken(self, event: Event) -> None:
        """See an event that is recorded."""

    def kept(self, keeper: Keeper, seq: int) -> None:
        """Tell who waits that its events up to `seq` are kept."""
        keeper.kept(seq)

    def _happen(self, fault: TimedFault, loop: asyncio.AbstractEventLoop, view: ManagerView) -> None:
        self.injector.note(fault.kind, _subject_of(fault))
        if isinstance(fault, ClockSkew):
            self._skew.by += timedelta(seconds=fault.seconds)
            if self.simulated:  # else somebody looks
                view.clock_stepped(fault.seconds)
        elif isinstance(fault, ForceBreaker):
            if force(view, fault.breaker, fault.state) and fault.state != "closed":
                loop.call_later(fault.seconds, force, view, fault.breaker, "closed")
        elif isinstance(fault, CancelRun | PauseRun):
            if (run := oldest_run(view)) is not None:
                _stop_or_pause(fault, run, loop)
        else:
            raise InternalError(f"nobody does a {fault.kind} fault")


def check_needs_no_simulation(plan: FaultPlan) -> None:
    """Refuse what only a simulated world can do.

    Raises:
        DefinitionError: the plan has it; names the first.
    """
    if faults := [*plan.of(Crash), *plan.of(ActorFails), *plan.of(MessageDelay)]:
        what, where = f"a {faults[0].kind} fault", "faults"
    elif plan.properties:
        what, where = f"property '{plan.properties[0].name}'", "properties"
    else:
        return
    text = f"{what} needs a simulated world: run the plan with `playbill sim` or leave it out"
    raise DefinitionError.single("only-simulated", where, text)


def _subject_of(fault: TimedFault) -> str:
    """Return what a fault with a time of its own is about, for people."""
    if isinstance(fault, ForceBreaker):
        return fault.breaker
    return f"{fault.seconds:+g} s" if isinstance(fault, ClockSkew) else ""


def _stop_or_pause(fault: CancelRun | PauseRun, run: Shell[Any], loop: asyncio.AbstractEventLoop) -> None:
    if isinstance(fault, CancelRun):
        run.post(Cancel("injected", "a fault plan says so", fault.grace))
    else:
        run.post(Pause())
        loop.call_later(fault.seconds, run.post, Resume())


def force(view: ManagerView, key: str, state: str) -> bool:
    """Set a circuit, or all of a type, by hand; False: nobody has used it yet."""
    found = view.breakers.find(key)
    if found is not None:
        actor, target = found
        actor.post(Force(state, target))
    return found is not None


def oldest_run(view: ManagerView) -> Shell[Any] | None:
    """Return the supervisor of the oldest run that has not ended."""
    return next((run for run in view.runs() if not run.ended), None)
