"""Replays a recorded run in virtual time: the same actors, and takes in the place of handlers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playbill.model.events import EventType
from playbill.model.facts import Stopped
from playbill.model.messages import Cancel, Pause, Resume
from playbill.model.policies import StopPolicy
from playbill.runtime.faults.plan import FaultPlan
from playbill.runtime.faults.stand_in import StandIn
from playbill.runtime.faults.tape import SeededTape
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.simulation.reference.whole import WatchedRunner
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from playbill.runtime.simulation.whatif.played import Played
from playbill.runtime.simulation.whatif.takes import MIDDLE
from playbill.runtime.simulation.world import SimWorld

if TYPE_CHECKING:
    from contextvars import Context

    from playbill.actors.ports import Attempt, Receiver, Runner
    from playbill.model.definition import PipelineDefinition
    from playbill.model.events import Event
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.faults.plan import Behaviours
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.run import Run
    from playbill.runtime.runners.attempt import AttemptServices
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.simulation.whatif.takes import Script
    from playbill.runtime.simulation.whatif.timeline import Timeline


class Replay:
    """One replay.

    Args:
        definition: the pipeline, with its changed policies.
        recording: what happened.
        script: what each attempt does.
        behaviours: what attempts do that were not recorded.
        timeout: seconds for the run; None: the definition's.
    """

    def __init__(
        self,
        definition: PipelineDefinition,
        recording: Timeline,
        script: Script,
        behaviours: Behaviours,
        timeout: float | None,
    ) -> None:
        self._definition = definition
        self._recording = recording
        self._timeout = timeout
        self._loop = VirtualLoop()
        self._loop.world = ReplayWorld(self._loop, script, behaviours)

    def events(self) -> list[Event]:
        """Run it; return its events."""
        try:
            events: list[Event] = self._loop.run_until_complete(self._run())
        finally:
            self._loop.close()
        return events

    async def _run(self) -> list[Event]:
        trigger = self._recording.trigger_data
        policy = _stop_policy(self._definition, self._recording)
        async with PipelineRunManager(grace=policy.grace, kill_bound=policy.kill_bound) as manager:
            run = await manager.start_run(self._definition, trigger, timeout_seconds=self._timeout)
            self._control(run)
            await run.result()
            return [event async for event in run.events()]

    def _control(self, run: Run) -> None:
        """Cancel, pause and resume it as somebody did."""
        for control in self._recording.controls:
            message: Any = Pause() if control.kind is EventType.PIPELINE_RUN_PAUSED else Resume()
            if control.cause is not None:
                message = Cancel(control.cause.source, control.cause.reason, control.grace)
            self._loop.call_later(control.at, run.actor.post, message)


def _stop_policy(definition: PipelineDefinition, recording: Timeline) -> StopPolicy:
    """Return what the run was started with; of recordings that do not say, as far as an attempt shows it."""
    if recording.grace is not None and recording.kill_bound is not None:
        return StopPolicy(grace=recording.grace, kill_bound=recording.kill_bound)
    policy = StopPolicy()
    return StopPolicy(grace=_shown_grace(definition, recording, policy), kill_bound=policy.kill_bound)


def _shown_grace(definition: PipelineDefinition, recording: Timeline, policy: StopPolicy) -> float:
    """Return the grace that an attempt shows by outliving it; else the usual one."""
    for node in definition.nodes:
        track = recording.nodes.get(node.id)
        for attempt in track.attempts if track is not None and node.grace is None else ():
            how = None if attempt.receipt is None else attempt.receipt.how
            if how in {Stopped.KILLED, Stopped.ABANDONED}:
                bound = policy.kill_bound if how is Stopped.ABANDONED else 0.0
                return max(0.0, attempt.stopping_seconds - bound)
    return policy.grace


class ReplayWorld(SimWorld):
    """A simulated world in which takes are played."""

    def __init__(self, loop: VirtualLoop, script: Script, behaviours: Behaviours) -> None:
        super().__init__(loop, SeededTape(0), FaultPlan(behaviours=behaviours), "fifo")
        self.script = script

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Play takes."""
        inner = ReplayRunner(services.attempts, self.script, self.plan.behaviours, self.tape)
        return WatchedRunner(inner, self.model)


class ReplayRunner:
    """Begins attempts as they were recorded; no handler runs.

    Args:
        services: what attempts share.
        script: what each recorded attempt does.
        behaviours: what attempts do that were not recorded; none: as the script says.
        tape: draws what those do.
    """

    __slots__ = ("_behaviours", "_script", "_services", "_tape")

    def __init__(self, services: AttemptServices, script: Script, behaviours: Behaviours, tape: Tape) -> None:
        self._services = services
        self._script = script
        self._behaviours = behaviours
        self._tape = tape

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        behaviour = self._behaviours.of(plan.id, plan.type) or self._behaviours.default
        if behaviour is not None and self._script.recorded(plan.id, attempt) is None:
            stand_in = StandIn(run.run_id, plan.id, attempt, reply_to, replace(self._services, draw=lambda: MIDDLE))
            stand_in.start(behaviour, plan, self._tape)
            return stand_in
        take = self._script.take(plan.id, attempt)
        played = Played(run.run_id, plan.id, attempt, reply_to, replace(self._services, draw=lambda: take.jitter))
        played.play(take, plan)
        return played
