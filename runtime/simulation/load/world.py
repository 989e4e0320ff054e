"""The surroundings of a load: the faults' world in virtual time, where mail keeps its order and waits are seen."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.actors.node import NodeActor
from playbill.model.errors import DefinitionError
from playbill.model.messages import CONTROL, Parked, SlotWanted
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.faults.world import FaultyWorld
from playbill.runtime.simulation.load.measures import Phase
from playbill.runtime.simulation.load.runner import LoadRunner
from playbill.runtime.simulation.load.streams import LoadJournal, RunStream
from playbill.runtime.simulation.virtual.clock import VirtualClock
from playbill.runtime.world import RealWorld

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from contextvars import Context

    from playbill.actors.ports import Dispatcher, Receiver, Runner
    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.plan import Plan
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.behaviour import Behaviour
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.simulation.load.measures import Measures

UNFIT: Final = frozenset({"crash", "message_delay", "journal_slow", "journal_failing", "journal_full"})
"""Faults that a load has no place for: it has no journal, and does not choose the order of mail."""
SLOT: Final = int(Phase.SLOT)
BREAKER: Final = int(Phase.BREAKER)


class RandomTape:
    """Draws, and keeps nothing: a load is longer than any tape."""

    lanes: Mapping[str, Sequence[int]] = {}

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random  # noqa: S311 (no secret)

    def choose(self, lane: str, count: int) -> int:
        """Return one of 0..count-1."""
        return int(self._random() * count)

    def fraction(self, lane: str) -> float:
        """Return a number in [0, 1)."""
        return self._random()

    def chance(self, lane: str, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        return self._random() < probability


class LoadDispatcher(LoopDispatcher):
    """Carries mail as an ordinary loop's does, and sees who begins to wait."""

    def post(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, in its class's lane."""
        kind = cast("type[object]", type(message))
        if kind in CONTROL:
            if kind is Parked:
                parked(to)
            self._control.append((to, message))
        else:
            if kind is SlotWanted:
                stream_of(to).waits(message.node, SLOT)
            self._data.append((to, message))
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)


def parked(to: Any) -> None:
    """See a breaker let a node wait."""
    if isinstance(to, NodeActor) and not to.ended:
        stream_of(to.machine.supervisor).waits(to.machine.plan.id, BREAKER)


def stream_of(supervisor: Any) -> RunStream:
    """Return the stream of a run."""
    run: SupervisorActor = supervisor
    stream: RunStream = run.writer  # type: ignore[assignment]
    return stream


class LoadWorld(FaultyWorld):
    """The surroundings of a manager under load.

    Args:
        plan: behaviours, and such faults as a load can have.
        seed: of all choices but the arrivals'.
        measures: what sees all of it.
        runs_plan: of the pipeline whose runs are measured.
    """

    simulated = True

    def __init__(self, plan: FaultPlan, seed: int, measures: Measures, runs_plan: Plan) -> None:
        super().__init__(RealWorld(), plan, RandomTape(f"{seed}/world"))
        self.measures = measures
        self.runs_plan = runs_plan
        self.stand_ins: dict[str, Behaviour] = {}
        """Of the nodes whose attempts need no further look."""
        self._ids = 0

    def clock(self, loop: asyncio.AbstractEventLoop) -> Clock:
        """Make a clock of virtual time."""
        self.inner.clock = VirtualClock  # type: ignore[method-assign]
        skewed = super().clock(loop)
        return skewed if any(fault.fault == "clock_skew" for fault in self.plan.faults) else VirtualClock(loop)

    def dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Carry mail in the order it came."""
        return LoadDispatcher(loop, clock)

    def journal(self, loop: asyncio.AbstractEventLoop) -> MemoryJournal:
        """Measure events instead of keeping them."""
        return LoadJournal(self.measures, self.runs_plan, loop.time)

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run coroutines; stand in for the rest."""
        return LoadRunner(services, bindings, context, self)

    def draw(self) -> float:
        """Draw a number from [0, 1): the jitter of a back-off."""
        return self.tape.fraction("jitter")

    def new_id(self) -> str:
        """Count."""
        self._ids += 1
        return f"run-{self._ids}"


def check_faults(plan: FaultPlan) -> None:
    """Refuse faults that a load cannot have.

    Raises:
        DefinitionError: the plan has one of them; names the first.
    """
    for index, fault in enumerate(plan.faults):
        if fault.fault in UNFIT:
            text = (
                f"fault {index + 1}: '{fault.fault}' does not go with --load, which keeps no journal and carries mail"
                " in order: leave it out, or explore it with `playbill sim --faults` alone"
            )
            raise DefinitionError.single("unfit-fault", f"faults[{index}]", text)
    if plan.buggify:
        text = "buggify does not go with --load: leave it out, or explore it with `playbill sim --faults` alone"
        raise DefinitionError.single("unfit-fault", "buggify", text)
