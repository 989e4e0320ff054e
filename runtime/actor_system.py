"""Wires a manager to its loop: implements the ports and hands them to the actors."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack, ExitStack
from contextvars import ContextVar, copy_context
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from playbill.actors.ports import Ports
from playbill.model.errors import DefinitionError
from playbill.model.events import LOOP
from playbill.model.machines.circuit_state import FORCED
from playbill.model.messages import ClockStepped, Force
from playbill.runtime.breakers import Breakers
from playbill.runtime.clocks.steps import StepWatch
from playbill.runtime.faults.tape import SeededTape
from playbill.runtime.handlers.agent import SIMULATE_AGENTS
from playbill.runtime.journal_choice import parts_with
from playbill.runtime.plain_ports import CountedDeadLetters, NullKeeper, NullRunner
from playbill.runtime.processes.linux import supported
from playbill.runtime.processes.main_module import imports_main
from playbill.runtime.processes.spawner_client import SpawnerClient
from playbill.runtime.redaction import Redaction
from playbill.runtime.runners.attempt import ON_LOOP, AttemptServices, OnLoop, Orphans
from playbill.runtime.runners.program_pool import ProgramPool
from playbill.runtime.runners.runner import RunnerServices
from playbill.runtime.runners.thread_pool import ThreadPool
from playbill.runtime.runners.workers.pool import ProcessPool
from playbill.runtime.watchdog import Watchdog
from playbill.runtime.world import ManagerView, world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playbill.actors.shell import Shell
    from playbill.actors.supervisor import SupervisorActor
    from playbill.model.definition import PipelineDefinition
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.settings import SystemSettings
    from playbill.runtime.world import World

logger = logging.getLogger("playbill")
WITHIN: ContextVar[ActorSystem | None] = ContextVar("WITHIN", default=None)
"""The system whose handler calls; None: no handler does."""
INHERITED: Final = "was inherited by a forked process, where its event loop does not run: make a new one there"


class ActorSystem:
    """Everything between one manager's actors and the world, on the loop that runs when it is made.

    Args:
        settings: what the manager was given.
        runs: gives the supervisors of the active runs, oldest first.

    Raises:
        RuntimeError: no asyncio loop runs here, or a worker imports the host's script.
        DefinitionError: the faults cannot happen in this world.
    """

    def __init__(self, settings: SystemSettings, runs: Callable[[], Sequence[SupervisorActor]]) -> None:
        self.loop = loop = _running_loop()
        _refuse_workers()
        self._process = os.getpid()
        self.clock_stepped: Callable[[float], None] | None = None
        """Hears by how many seconds the clock on the wall was set, besides the runs in memory."""
        self.shut: Callable[[], None] | None = None
        """Lets nobody in any more who asks from other processes; None: nobody can."""
        self._runs = runs
        self.dead_letters = CountedDeadLetters()
        self.orphans = Orphans()
        self.run_numbers = count()
        """Number the runs in the order of their starts."""
        self.breakers = Breakers(settings.policies)
        world = _with_faults(world_of(loop), settings.faults, loop)
        self.simulated = world.simulated
        self._simulate_agents = settings.simulate_agents or world.simulated
        view = ManagerView(self.breakers, runs, lambda: self.dead_letters.count, self._clock_stepped)
        parts = world.open(loop, view)
        self.parts = parts = parts_with(parts, settings.journal, fails=world.simulated or settings.faults is not None)
        self._threads = ThreadPool(max_orphans=settings.max_orphans)
        self._spawner: SpawnerClient | None = None
        self._processes: ProcessPool | None = None
        self._services = self._serve(settings)
        self._ports = Ports(parts.dispatcher, parts.timers, NullRunner(), parts.journal, self.dead_letters)
        self._steps = None if world.simulated else StepWatch(loop, parts.clock, self._clock_stepped)
        if settings.recovers:
            self.breakers.come_back(parts.journal.breaker_events, self._ports, parts.clock.now())

    def _serve(self, settings: SystemSettings) -> RunnerServices:
        """Return what runs handlers, in processes where there are such; and begin to watch the loop."""
        loop, parts, redaction = self.loop, self.parts, Redaction(settings.secrets.values())
        on_loop: OnLoop | None = None if self.simulated or settings.watchdog_seconds is None else {}
        self.watchdog = self._watch(settings, on_loop)
        if supported() and not self.simulated:
            self._spawner = spawner = SpawnerClient(loop, parts.journal.lock)
            self._processes = ProcessPool(
                loop, settings.resources, redaction, client=spawner, max_workers=settings.max_processes
            )
        programs = ProgramPool(self._spawner, settings.max_commands)
        loop_ends = self.leave_runs if parts.journal.is_durable and not self.simulated else None
        told = parts.tell_progress, parts.lines, loop_ends
        attempts = AttemptServices(loop, parts.dispatcher, self.orphans, parts.draw, on_loop, programs, *told)
        return RunnerServices(
            attempts, self._threads, settings.resources, settings.secrets, self._processes, redaction
        )

    def _watch(self, settings: SystemSettings, on_loop: OnLoop | None) -> Watchdog | None:
        limit, parts = settings.watchdog_seconds, self.parts
        if limit is None or on_loop is None:
            return None
        writer, threads = parts.journal.open(LOOP, NullKeeper()), self._threads.running
        interrupts = settings.watchdog_interrupts
        return Watchdog(self.loop, parts.clock, writer, on_loop, threads, limit, interrupts=interrupts)

    @property
    def is_over(self) -> bool:
        """Whether its loop is closed, or stayed behind when this process was forked."""
        return self.loop.is_closed() or not self.is_here

    @property
    def is_here(self) -> bool:
        """Whether it was made in this process, and not inherited by a fork."""
        return os.getpid() == self._process

    @property
    def calls(self) -> bool:
        """Whether it is one of its own handlers that calls."""
        return WITHIN.get() is self

    def check_process(self) -> None:
        """Refuse callers in forked processes.

        Raises:
            RuntimeError: its loop is not in this process.
        """
        if not self.is_here:
            raise RuntimeError(f"this manager {INHERITED}")

    def check_loop(self) -> None:
        """Refuse callers on other loops.

        Raises:
            RuntimeError: no asyncio loop runs here, or another one than its own.
        """
        self.check_process()
        if _running_loop() is not self.loop:
            raise RuntimeError("this manager belongs to another event loop: use BlockingManager from there")

    def ports_of_run(self, bindings: Bindings) -> Ports:
        """Return the ports of a run with these handlers, which are called in the context of who calls this."""
        context = copy_context()
        context.run(WITHIN.set, self)
        context.run(ON_LOOP.set, self._services.attempts.on_loop)
        context.run(SIMULATE_AGENTS.set, self._simulate_agents)
        return replace(self._ports, runner=self.parts.runner(self._services, bindings, context))

    def breakers_of(
        self, definition: PipelineDefinition, keys: frozenset[str], *, agree: bool = True
    ) -> dict[str, Shell[Any]]:
        """Return the breakers that a pipeline uses, by key; `agree` False: for a run from before, which takes any.

        Raises:
            DefinitionError: it wants another policy for a key than the pipeline that used the key first.
        """
        return self.breakers.of(definition, keys, self._ports, agree=agree)

    async def force(self, key: str, state: str) -> None:
        """Set a circuit, or all of a type, by hand.

        Raises:
            DefinitionError: nobody has used this key, or there is no such state to force.
        """
        found = self.breakers.find(key) if isinstance(cast("object", key), str) else None
        if found is None:
            raise DefinitionError.single("unknown-breaker", key, f"no pipeline has used breaker '{key}' yet")
        if state not in FORCED:
            text = f"breaker '{key}' cannot be forced to '{state}', only to {', '.join(FORCED)}"
            raise DefinitionError.single("unknown-state", key, text)
        actor, target = found
        await actor.actor_ref.ask(Force(state, target), block=False)

    def _clock_stepped(self, seconds: float) -> None:
        """Tell all runs that the clock on the wall was set, or that the machine slept."""
        if not self.simulated:
            logger.warning("the clock has gone %+.0f s: it was set, or the machine slept", seconds)
        for actor in self._runs():
            actor.post(ClockStepped(seconds))
        if self.clock_stepped is not None:
            self.clock_stepped(seconds)

    def look_at_clock(self) -> None:
        """Notice now, and not within 30 s, that the clock on the wall was set, or that the machine slept."""
        if self._steps is not None:
            self._steps.look()

    def leave_runs(self) -> None:
        """Record nothing more of any run: its loop ends, and the next owner of its journal goes on with it."""
        now = self.parts.clock.now()
        for actor in self._runs():
            actor.park(now)
            actor.leave()

    async def close(self) -> None:
        """Let everything go: processes are killed, other abandoned work stays an orphan.

        What fails in one part, or a cancel, keeps no other part open.
        """
        async with AsyncExitStack() as parts:  # the last one is the first to go
            parts.push_async_callback(self.parts.journal.aclose)
            for actor in self.breakers:
                parts.callback(actor.close)
            self._add_threads(parts)
            if self._processes is not None and self._spawner is not None:
                parts.callback(self._spawner.close)
                parts.push_async_callback(self._spawner.aclose)
                parts.callback(self._processes.close)
                parts.push_async_callback(self._processes.aclose)
            if self.shut is not None:
                parts.callback(self.shut)

    def end(self) -> None:
        """Let everything go at once and without its loop, which is closed or stands still: nobody hears of it."""
        with ExitStack() as parts:
            if self.parts.journal.is_durable:
                parts.callback(self.parts.journal.close)
            for actor in (*self.breakers, *self._runs()):
                parts.callback(actor.lose)
            self._add_threads(parts)
            if self._processes is not None and self._spawner is not None:
                parts.callback(self._spawner.close)
                parts.callback(self._processes.close)
            if self.shut is not None:
                parts.callback(self.shut)

    def _add_threads(self, parts: ExitStack | AsyncExitStack) -> None:
        parts.callback(self.parts.timers.close)
        if self._steps is not None:
            parts.callback(self._steps.close)
        parts.callback(self._threads.close)
        if self.watchdog is not None:
            parts.callback(self.watchdog.close)


def _with_faults(world: World, plan: FaultPlan | None, loop: asyncio.AbstractEventLoop) -> World:
    """Return the world with a manager's own faults around it, if it has any.

    Raises:
        DefinitionError: the world has faults of its own, or none of these.
    """
    if plan is None:
        return world
    if world.simulated:
        text = "a simulated manager has the faults of its simulation: give them to Simulation(faults=...)"
        raise DefinitionError.single("simulated-faults", "faults", text)
    from playbill.runtime.faults.world import FaultyWorld  # noqa: PLC0415 (few need it, and its import is slow)

    return FaultyWorld(world, plan, SeededTape(None), loop)


def _refuse_workers() -> None:
    if imports_main():
        raise RuntimeError(
            "this script is imported by a worker process, and would run its pipelines there again: "
            "put what starts them under `if __name__ == '__main__':`"
        )


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "playbill runs on asyncio, and no asyncio loop runs here: use `asyncio.run(...)`, "
            "`anyio.run(..., backend='asyncio')` (not trio), playbill.run or BlockingManager"
        ) from None
