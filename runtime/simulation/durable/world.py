"""A simulated world whose disk outlives its process: the process dies, and the next one goes on with what is kept.

The reference model judges a process as long as it is the first; of those that follow the promises judge all.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from playbill.model.errors import InternalError
from playbill.model.messages import Cancel, Pause, Resume
from playbill.runtime.faults.kinds import CancelRun, ClockSkew, ForceBreaker, JournalFault, PauseRun
from playbill.runtime.faults.world import force
from playbill.runtime.runners.attempt import Orphans
from playbill.runtime.runners.runner import RunRunner
from playbill.runtime.simulation.checks.violations import Crashed
from playbill.runtime.simulation.durable.disk import Disk
from playbill.runtime.simulation.durable.errands import Errand, Errands
from playbill.runtime.simulation.durable.journal import DiskJournal
from playbill.runtime.simulation.durable.points import CrashPoint
from playbill.runtime.simulation.durable.promises import Promises
from playbill.runtime.simulation.durable.watching import PromisedRunner, PromisedTimers, WatchedKeeper
from playbill.runtime.simulation.world import SimWorld
from playbill.runtime.world import unchanged

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Iterable
    from contextvars import Context

    from playbill.actors.ports import Keeper, Runner
    from playbill.actors.shell import Shell
    from playbill.model.events import Event
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.kinds import TimedFault
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.journals.sqlite.group import Group
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.simulation.checks.properties import Property
    from playbill.runtime.simulation.durable.points import Moment
    from playbill.runtime.simulation.virtual.loop import VirtualLoop
    from playbill.runtime.world import ManagerView, Parts

__all__ = ["DurableWorld", "Outage"]

LANE: Final = "disk"
"""The tape's lane for how long the disk takes."""
OUTAGE_LANE: Final = "outage"
"""The tape's lane for what comes between two processes."""
DISK_SECONDS: Final = (0.0, 0.001, 0.02)
"""What a write, or its acknowledgement, takes."""
OUTAGE_SECONDS: Final = (0.0, 1.0, 60.0, 3_600.0, 100_000.0)
STEP_SECONDS: Final = (0.0, 0.0, 0.0, -86_400.0, 86_400.0)
"""By how much somebody sets the clock while there is no process."""


class Outage(NamedTuple):
    """What comes between two processes."""

    seconds: float = 0.0
    """How long there is none."""
    clock_step: float = 0.0
    """By how many seconds somebody sets the clock meanwhile, forwards or back."""


class DurableWorld(SimWorld):
    """The world of one simulated process after the other, on one disk.

    Args:
        loop: that of the first.
        tape: decides everything.
        plan: faults and behaviours.
        policy: which mailbox is served next.
        properties: what the user says must hold.
        crashes: where processes die, besides as the plan says.
        traced: whether to keep what was delivered.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        tape: Tape,
        plan: FaultPlan,
        policy: str,
        properties: Iterable[Property] = (),
        crashes: Collection[CrashPoint] = (),
        *,
        traced: bool = False,
    ) -> None:
        super().__init__(loop, tape, plan, policy, properties, traced=traced)
        self.promises = Promises(self.report, self.time)
        self.disk = Disk(self.promises.kept)
        self.lives = 1
        """How many processes there were."""
        self._crashes = frozenset(crashes)
        self._numbers = count(1)
        self._errands = Errands(
            self._find, self.promises.is_over, self.promises.answered, self.injector.note, self.time
        )
        self._is_set_off = False

    def time(self) -> float:
        """Return virtual seconds."""
        return self.loop.time()

    # ---- the parts of a process -------------------------------------------------------------------------------

    @property
    def may_skew(self) -> bool:
        """Always: somebody may set the clock while there is no process."""
        return True

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts of a process, whose journal is on the disk."""
        parts = super().open(loop, view, wrap)
        journal = self.journal = DiskJournal(self.disk, loop, self, parts.clock.now().utc)
        return replace(parts, journal=journal, timers=PromisedTimers(parts.timers, self.promises), new_id=self.new_id)

    def new_id(self) -> str:
        """Return the id of a run for which nobody has chosen one."""
        return f"run-{next(self._numbers)}"

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Look at all that begin."""
        return PromisedRunner(super().runner(services, bindings, context), self.promises)

    def handlers(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run handlers themselves, and look at what they are told."""
        by_type = {name: self._watched(binding) for name, binding in bindings.by_type.items()}
        by_node = {name: self._watched(binding) for name, binding in bindings.by_node.items()}
        return RunRunner(services, replace(bindings, by_type=by_type, by_node=by_node), context)

    def _watched(self, binding: Any) -> Any:
        if not binding.on_loop:
            return binding
        handler, called = binding.handler, self.promises.called

        async def watched(node: Any, inputs: Any, context: Any) -> Any:
            called(context)
            return await handler(node, inputs, context)

        return replace(binding, handler=watched)

    # ---- its faults -------------------------------------------------------------------------------------------

    def set_off(self, loop: asyncio.AbstractEventLoop, view: ManagerView) -> None:
        """Let the faults happen that have a time of their own, and have not happened in a process before."""
        if not self._is_set_off:
            self._is_set_off = True
            for fault in self.injector.timed():
                self._errands.add(self._errand(fault))
        self._errands.go_on(loop)

    def _errand(self, fault: TimedFault) -> Errand:
        at = self.time() + fault.due
        if isinstance(fault, CancelRun):
            return Errand(at, Cancel("injected", "a fault plan says so", fault.grace), fault.kind)
        if isinstance(fault, PauseRun):
            return Errand(at, Pause(), fault.kind, then=Errand(fault.seconds, Resume()))
        if isinstance(fault, ClockSkew):
            return Errand(at, partial(self._set_clock, fault.seconds), fault.kind)
        if not isinstance(fault, ForceBreaker):
            raise InternalError(f"nobody does a {fault.kind} fault")
        closes = Errand(fault.seconds, partial(self._force, fault.breaker, "closed"))
        return Errand(at, partial(self._force, fault.breaker, fault.state), fault.kind, then=closes)

    def _set_clock(self, seconds: float) -> None:
        self.promises.steps(seconds)
        self._step_clock(seconds)
        if self.view is not None:
            self.view.clock_stepped(seconds)

    def _step_clock(self, seconds: float) -> None:
        self._skew.by += timedelta(seconds=seconds)

    def _force(self, key: str, state: str) -> None:
        if self.view is not None:
            force(self.view, key, state)

    def _find(self, run_id: str | None) -> Shell[Any] | None:
        runs = (run for run in self.runs() if not run.ended)
        return next((run for run in runs if run_id in {None, run.actor_urn}), None)

    # ---- the disk ---------------------------------------------------------------------------------------------

    def taken(self, event: Event) -> None:
        """Look at an event as it is recorded."""
        self.promises.taken(event)
        super().taken(event)

    def watching(self, keeper: Keeper) -> Keeper:
        """Return who hears in the place of a keeper what is kept."""
        return WatchedKeeper(keeper, self)

    def lateness(self, group: Group, fail: Callable[[str], None]) -> tuple[float, float]:
        """Draw how long a group takes to be kept, and to be acknowledged; a plan's faults make it longer."""
        choose, occasions = self.tape.choose, self.injector.events
        late = DISK_SECONDS[choose(LANE, len(DISK_SECONDS))]
        later = DISK_SECONDS[choose(LANE, len(DISK_SECONDS))]
        for _, event in group.events:
            if occasions.calm:
                occasions.calm -= 1
                continue
            fault: JournalFault | None = occasions.happens(event.type)
            if fault is not None:
                late += fault.seconds
                if fault.error is not None:
                    fail(fault.error)
        return late, later

    def dies(self, write: int, moment: Moment) -> bool:
        """Let the process die if this is one of the points where it shall."""
        point = CrashPoint(write, moment)
        if point not in self._crashes:
            return False
        self.injector.note("crash", str(point))
        self.loop.fail(Crashed(f"the process died {point}"))
        return True

    # ---- from one process to the next -------------------------------------------------------------------------

    def outage(self) -> Outage:
        """Draw what comes between this process and the next."""
        choose = self.tape.choose
        seconds = OUTAGE_SECONDS[choose(OUTAGE_LANE, len(OUTAGE_SECONDS))]
        return Outage(seconds, STEP_SECONDS[choose(OUTAGE_LANE, len(STEP_SECONDS))])

    def die(self) -> None:
        """Let the process be dead, and look at what was told of it; its loop is still there."""
        journal = self.journal
        self.lose()
        self.model.stop_judging()
        if isinstance(journal, DiskJournal):
            journal.die()
            self.promises.crashed(journal, self.disk)

    def revive(self, loop: VirtualLoop, clock_step: float) -> None:
        """Go on with the next process, which has this loop."""
        self._step_clock(clock_step)
        self.loop = self._elapsed.loop = loop
        loop.world = self
        self.view = self.mail = self.journal = None
        self.orphans = Orphans()
        self.lives += 1

    def rest(self) -> None:
        """Let nothing more be asked: the world ends."""
        self._errands.rest()
