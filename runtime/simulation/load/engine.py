"""Runs a load: lets runs of one pipeline arrive in virtual time, with the real actors, and measures them."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any, Final, Unpack

from playbill.model.plan import Kind
from playbill.runtime.faults.plan import FaultPlan
from playbill.runtime.faults.stand_in import stand_in_of
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.simulation.load.arrivals import arrivals, check_recorded, trigger_data_of
from playbill.runtime.simulation.load.loop import LoadLoop
from playbill.runtime.simulation.load.measures import Measures
from playbill.runtime.simulation.load.outcome import LoadOutcome
from playbill.runtime.simulation.load.world import LoadWorld, check_faults
from playbill.runtime.simulation.virtual.escapes import EscapeWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.options import SimulatedOptions
    from playbill.runtime.simulation.load.measures import Sample
    from playbill.runtime.simulation.load.plan import LoadPlan

SAMPLES: Final = 240
"""How many looks at a load are kept, evenly over its time; up to twice as many meanwhile."""
FINER: Final = 64
"""It begins with so many times more looks, of which it drops every other again and again: it may end early."""
COLLECTED: Final = (50_000, 20, 50)
"""The collector's thresholds meanwhile: what a run leaves behind holds no circles."""


def simulate_load(
    definition: PipelineDefinition,
    plan: LoadPlan,
    *,
    trigger_data: Mapping[str, Any] | None = None,
    faults: FaultPlan | None = None,
    allow: Collection[str] | None = (),
    report: Callable[[float, Measures], None] | None = None,
    **options: Unpack[SimulatedOptions],
) -> LoadOutcome:
    """Let runs arrive as the plan says, in virtual time, and return what was measured.

    The plan's `sweep` is left alone: see `sweep`.

    Args:
        definition: the pipeline; its breakers, rates and max_concurrency are the limits.
        plan: what arrives.
        trigger_data: what runs are started with whose source says nothing.
        faults: behaviours and faults.
        allow: calls that handlers may make although they leave the simulation; None: do not look.
        report: told the virtual seconds and the measures, now and then.
        options: those of PipelineRunManager.

    Raises:
        DefinitionError: pipeline, plan or faults are wrong.
        Escape: a handler asked the real world for something.
    """
    load = _Load(definition, plan, faults or FaultPlan(), options)
    load.watch(allow)
    return load.run(trigger_data or {}, report)


def check_load(definition: PipelineDefinition, plan: LoadPlan, faults: FaultPlan | None = None) -> None:
    """Find what is wrong with a load before it runs.

    Raises:
        DefinitionError: pipeline, plan or faults are wrong.
    """
    _Load(definition, plan, faults or FaultPlan(), {})


class _Load:
    """One load, from the first arrival to the last end."""

    def __init__(
        self, definition: PipelineDefinition, plan: LoadPlan, faults: FaultPlan, options: SimulatedOptions
    ) -> None:
        self.definition = definition
        self.plan = plan
        self.faults = faults.joined(FaultPlan(behaviours=plan.behaviours))
        self.faults.check(definition)
        check_faults(self.faults)
        check_recorded(plan)
        self.resources = options.get("resources") or {}
        settings: SimulatedOptions = {**options, "keep_runs": 0}
        self.manager = PipelineRunManager(**settings)
        self.compiled = self.manager.compiler.of(definition)
        self.measures = Measures(plan.warm_up)
        self.measures.watch(self.compiled.plan)
        self.stopped_at: float | None = None
        """When there were too many runs."""
        self.at_warm_up: Sample | None = None
        self._tick, self._stride = 0, 1
        self._watch: EscapeWatch | None = None
        self._report: Callable[[float, Measures], None] | None = None

    def watch(self, allow: Collection[str] | None) -> None:
        """Look for what leaves the simulation, if a handler really runs: looking costs time."""
        behaviours, bindings, resources = self.faults.behaviours, self.compiled.bindings, self.resources
        runs = any(
            node.kind is Kind.HANDLER and stand_in_of(node, behaviours, bindings, resources) is None
            for node in self.compiled.plan.nodes.values()
        )
        if runs and allow is not None:
            self._watch = EscapeWatch(allow)

    def run(self, trigger_data: Mapping[str, Any], report: Callable[[float, Measures], None] | None) -> LoadOutcome:
        """Let all runs arrive and end; return what was measured."""
        self._report = report
        began, threshold = time.perf_counter(), gc.get_threshold()
        gc.set_threshold(*COLLECTED)
        self.loop = LoadLoop(None, self._watch)
        self.loop.world = LoadWorld(
            self.loop, self.faults, self.plan.seed, self.measures, self.compiled, self.resources
        )
        try:
            self.loop.run_until_complete(self._all(trigger_data_of(self.plan, trigger_data)))
            self._look()
        finally:
            self.loop.close()
            gc.set_threshold(*threshold)
        return self._outcome(time.perf_counter() - began)

    def _look(self) -> None:
        if self._watch is not None and self._watch.escapes:
            raise self._watch.escapes[0]
        for context in self.loop.unhandled:
            if "handle" in context and isinstance(context.get("exception"), BaseException):
                raise context["exception"]

    async def _all(self, data: list[Mapping[str, Any]]) -> None:
        plan, measures = self.plan, self.measures
        async with self.manager:
            self._sample()
            if plan.warm_up:
                self.loop.call_at(plan.warm_up, self._warm)
            await self._arrive(data)
            if self.stopped_at is None:
                await self._until(plan.span)
            self.at_end = measures.look(self.loop.time())
            measures.samples.append(self.at_end)
            if self.stopped_at is None:
                await self._drain()
            self.unfinished = measures.live.n
            measures.closed = True
            await self.manager.close(0.0)

    async def _arrive(self, data: list[Mapping[str, Any]]) -> None:
        """Start each run when its time has come."""
        live, max_live, start = self.measures.live, self.plan.max_live_runs, self.manager.start_run
        for at, source in arrivals(self.plan):
            await self._until(at)
            if live.n >= max_live:
                self.stopped_at = self.loop.time()
                return
            await start(self.definition, data[source])

    async def _until(self, at: float) -> None:
        seconds = at - self.loop.time()
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def _drain(self) -> None:
        """Wait for the runs that are there, for a bounded time."""
        over = self.measures.idle = asyncio.Event()
        bound = self.loop.call_later(self.plan.drain, over.set)
        if self.measures.live.n:
            await over.wait()
        bound.cancel()
        self.measures.idle = None

    def _warm(self) -> None:
        if self.stopped_at is None:
            self.at_warm_up = self.measures.look(self.loop.time())

    def _sample(self) -> None:
        """Look at everything, and again after a while; with too many looks, keep every other."""
        if self.stopped_at is not None or self.loop.time() >= self.plan.span:
            return
        samples = self.measures.samples
        samples.append(self.measures.look(self.loop.time()))
        if len(samples) == 2 * SAMPLES:
            del samples[1::2]
            self._stride *= 2
            self._tick -= self._tick % self._stride
        self._tick += self._stride
        self.loop.call_at(self._tick * self.plan.span / (SAMPLES * FINER), self._sample)
        self._look()
        if self._report is not None:
            self._report(self.loop.time(), self.measures)

    def _outcome(self, wall_seconds: float) -> LoadOutcome:
        return LoadOutcome(
            definition=self.definition,
            plan=self.plan,
            measures=self.measures,
            begin=self.at_warm_up or self.measures.samples[0],
            end=self.at_end,
            unfinished=self.unfinished,
            stopped_at=self.stopped_at,
            wall_seconds=wall_seconds,
        )
