"""The world of a load: that of the faults in virtual time, where mail keeps its order and waits are seen."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.actors.node import NodeActor
from playbill.model.errors import DefinitionError
from playbill.model.messages import CONTROL, Parked, SlotWanted
from playbill.model.plan import Kind
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.faults.kinds import AttemptFault, Crash, JournalFault, MessageDelay
from playbill.runtime.faults.stand_in import StandInRunner, stand_in_of
from playbill.runtime.faults.world import FaultyWorld
from playbill.runtime.simulation.load.measures import Phase
from playbill.runtime.simulation.load.streams import LoadJournal, RunStream
from playbill.runtime.simulation.virtual.world import VirtualWorld
from playbill.runtime.world import unchanged

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextvars import Context

    from playbill.actors.ports import Receiver, Runner
    from playbill.actors.supervisor import SupervisorActor
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.faults.behaviour import Behaviour
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.simulation.load.measures import Measures
    from playbill.runtime.simulation.virtual.loop import VirtualLoop
    from playbill.runtime.world import ManagerView, Parts

UNFIT: Final = (Crash, MessageDelay, JournalFault)
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
                note_parked(to)
            self._control.append((to, message))
        else:
            self._data.append((to, message))
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)

    def call(self, to: Receiver, message: Any) -> Any:
        """Have `to` receive `message` now."""
        if type(message) is SlotWanted:
            stream_of(to).waits(message.node, SLOT)
        return super().call(to, message)


def note_parked(to: Receiver) -> None:
    """See a breaker let a node wait."""
    if isinstance(to, NodeActor) and not to.ended:
        stream_of(to.machine.supervisor).waits(to.machine.plan.id, BREAKER)


def stream_of(supervisor: Any) -> RunStream:
    """Return the stream of a run."""
    run: SupervisorActor = supervisor
    stream: RunStream = run.writer  # type: ignore[assignment]
    return stream


class LoadWorld(FaultyWorld):
    """The world of a manager under load.

    Args:
        loop: the one it is on.
        plan: behaviours, and such faults as a load can have.
        seed: of all choices but the arrivals'.
        measures: what sees all of it.
        compiled: the pipeline whose runs are measured.
        resources: what its handlers find.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        plan: FaultPlan,
        seed: int,
        measures: Measures,
        compiled: CompiledPipeline,
        resources: Mapping[str, Any],
    ) -> None:
        tape = RandomTape(f"{seed}/world")
        super().__init__(VirtualWorld(tape, LoadDispatcher), plan, tape, loop)
        self._measures = measures
        self._compiled = compiled
        self._spared = dict(_spared(plan, compiled, resources))

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts; events are measured instead of kept."""
        journal = LoadJournal(self._measures, self._compiled.plan, loop.time)
        return replace(super().open(loop, view, wrap), journal=journal)

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Stand in at once for the nodes that no fault may hit; else do as the faults' world does."""
        spared, inner = self._spared, super().runner(services, bindings, context)
        return StandInRunner(inner, lambda plan: spared.get(plan.id), services.attempts, self.tape)


def _spared(
    plan: FaultPlan, compiled: CompiledPipeline, resources: Mapping[str, Any]
) -> Iterator[tuple[str, Behaviour]]:
    """Yield the nodes that never run their handler and that no fault may hit, and how they behave."""
    faults = plan.of(AttemptFault)
    for node in compiled.plan.nodes.values():
        if node.kind is Kind.HANDLER and not any(fault.may_hit(node.id, node.type) for fault in faults):
            behaviour = stand_in_of(node, plan.behaviours, compiled.bindings, resources)
            if behaviour is not None:
                yield node.id, behaviour


def check_faults(plan: FaultPlan) -> None:
    """Refuse faults that a load cannot have.

    Raises:
        DefinitionError: the plan has one of them; names the first.
    """
    for index, fault in enumerate(plan.faults):
        if isinstance(fault, UNFIT):
            text = (
                f"fault {index + 1}: '{fault.fault}' does not go with --load, which keeps no journal and carries mail"
                " in order: leave it out, or explore it with `playbill sim --faults` alone"
            )
            raise DefinitionError.single("unfit-fault", f"faults[{index}]", text)
    if plan.buggify:
        text = "buggify does not go with --load: leave it out, or explore it with `playbill sim --faults` alone"
        raise DefinitionError.single("unfit-fault", "buggify", text)
