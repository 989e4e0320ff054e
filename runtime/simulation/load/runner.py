"""Begins the attempts of a load: stand-ins at once where no fault may hit, else as the faults' runner does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.runtime.faults.stand_in import StandIn
from playbill.runtime.faults.world import SILENT, FaultyRunner, needs_stand_in

if TYPE_CHECKING:
    from contextvars import Context

    from playbill.actors.ports import Attempt
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.faults.behaviour import Behaviour
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.simulation.load.world import LoadWorld


class LoadRunner(FaultyRunner):
    """Begins attempts without asking again what a node is."""

    __slots__ = ("_stand_ins", "_tape")

    def __init__(self, services: RunnerServices, bindings: Bindings, context: Context, world: LoadWorld) -> None:
        super().__init__(services, bindings, context, world)
        self._stand_ins = world.stand_ins
        self._tape = world.tape

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Any) -> Attempt:
        """Begin an attempt."""
        behaviour = self._stand_ins.get(plan.id)
        if behaviour is None:
            return super().begin(run, plan, attempt, inputs, reply_to)
        held = StandIn(run.run_id, plan.id, attempt, reply_to, self._services)
        held.start(behaviour, plan.node, self._tape, threaded=plan.threaded)
        return held


def stand_ins_of(world: LoadWorld, nodes: list[NodePlan], bindings: Bindings) -> dict[str, Behaviour]:
    """Return how the nodes behave that never run their handler and that no fault may hit."""
    told = world.plan.behaviours
    found: dict[str, Behaviour] = {}
    for plan in nodes:
        behaviour = told.of(plan.id, plan.type)
        if behaviour is None and needs_stand_in(plan.node, bindings):
            behaviour = told.default or SILENT
        if behaviour is not None and not any(
            fault.node in {None, plan.id} and fault.type in {None, plan.type} for fault in world.plan.faults
        ):
            found[plan.id] = behaviour
    return found
