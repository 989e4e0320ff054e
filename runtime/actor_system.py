"""Wires a manager to its loop: implements the ports and hands them to the actors."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from playbill.actors.ports import Ports, Receiver, Runner
from playbill.model.errors import DefinitionError
from playbill.model.machines.breaker_state import FORCED
from playbill.runtime.breakers import Breakers
from playbill.runtime.faults.tape import SeededTape
from playbill.runtime.processes.linux import supported
from playbill.runtime.processes.main_module import imports_main
from playbill.runtime.processes.spawner_client import SPAWNER, SpawnerClient
from playbill.runtime.runners.attempt import AttemptServices, Orphans
from playbill.runtime.runners.runner import RunnerServices
from playbill.runtime.runners.thread_pool import MAX_ORPHANS, ThreadPool
from playbill.runtime.runners.workers.pool import ProcessPool
from playbill.runtime.watchdog import STREAM, Watchdog
from playbill.runtime.world import world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context

    from playbill.actors.shell import Shell
    from playbill.model.facts import Inputs
    from playbill.model.messages import Force
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.world import World

logger = logging.getLogger("playbill")


class CountedDeadLetters:
    """Counts mail that came too late for anybody."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, actor: str, message: object) -> None:
        """Count a message."""
        self.count += 1
        logger.debug("dead letter to %s: %r", actor, message)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a manager may use, and how long it is patient."""

    max_orphans: int = MAX_ORPHANS
    """Abandoned attempts in threads until no new one may begin."""
    watchdog_seconds: float | None = 1.0
    """For how long the loop may be blocked before somebody says so; None: nobody looks."""
    watchdog_interrupts: bool = False
    """Whether what blocks the loop is interrupted."""
    max_processes: int | None = None
    """Handlers in processes at once; None: twice the processors."""


class ActorSystem:
    """Everything between one manager's actors and the world; made when a loop is there."""

    def __init__(
        self,
        resources: Mapping[str, Any],
        secrets: Mapping[str, str],
        policies: Mapping[str, BreakerPolicy],
        faults: FaultPlan | None = None,
        bounds: Bounds = Bounds(),
    ) -> None:
        self._faults = faults
        self._bounds = bounds
        self._resources = resources
        self._secrets = secrets
        self._policies = policies
        self.dead_letters = CountedDeadLetters()
        self.orphans = Orphans()
        self.wired = False
        self.watchdog: Watchdog | None = None
        self._spawner: SpawnerClient | None = None
        self._processes: ProcessPool | None = None
        self._loop: asyncio.AbstractEventLoop

    def wire(self, runs: Callable[[], Iterable[Shell[Any]]]) -> None:
        """Bind to the running loop, once; `runs` gives the supervisors of the active runs.

        Raises:
            RuntimeError: no asyncio loop runs here, or another one than before.
        """
        loop = _running_loop()
        if self.wired:
            if loop is not self._loop:
                raise RuntimeError("this manager belongs to another event loop: use BlockingManager from there")
            return
        if imports_main():
            raise RuntimeError(
                "this script is imported by a worker process, and would run its pipelines there again: "
                "put what starts them under `if __name__ == '__main__':`"
            )
        self._loop = loop
        self.world = world = self._faulty(world_of(loop))
        clock = world.clock(loop)
        self._dispatcher = world.dispatcher(loop, clock)
        self._timers = world.timers(loop, self._dispatcher.post)
        self.journal = world.journal(loop)
        self._pool = ThreadPool(max_orphans=self._bounds.max_orphans)
        resources, secrets = self._resources, self._secrets
        if supported() and not world.simulated:
            self._spawner = SpawnerClient(loop)
            self._processes = ProcessPool(
                loop, resources, client=self._spawner, max_workers=self._bounds.max_processes
            )
        attempts = AttemptServices(loop, self._dispatcher, self.orphans, world.draw)
        self.services = RunnerServices(attempts, self._pool, resources, secrets, self._processes)
        self.breakers = Breakers(self.ports(NullRunner()), self._policies)
        self.wired = True
        world.wired(self.breakers, runs, lambda: self.dead_letters.count)
        if not world.simulated:
            self.watchdog = self._watch(clock)

    def _watch(self, clock: Clock) -> Watchdog | None:
        limit, interrupts = self._bounds.watchdog_seconds, self._bounds.watchdog_interrupts
        if limit is None:
            return None
        writer = self.journal.open(STREAM, NullKeeper())
        tasks = self.services.attempts.on_loop
        return Watchdog(self._loop, clock, writer, tasks, self._pool.running, limit, interrupts=interrupts)

    def _faulty(self, world: World) -> World:
        """Return the surroundings, with the manager's own faults around them if it has any."""
        if self._faults is None:
            return world
        from playbill.runtime.faults.world import FaultyWorld  # noqa: PLC0415 (few need it, and its import is slow)

        return FaultyWorld(world, self._faults, SeededTape(None))

    @property
    def is_over(self) -> bool:
        """Whether the loop it was bound to is closed."""
        return self.wired and self._loop.is_closed()

    def ports(self, runner: Runner) -> Ports:
        """Return the ports for actors whose handlers `runner` executes."""
        return Ports(self._dispatcher, self._timers, runner, self.journal, self.dead_letters)

    async def force(self, key: str, message: Force) -> None:
        """Set a breaker by hand.

        Raises:
            DefinitionError: nobody has used this key, or there is no such state to force.
        """
        actor = self.breakers.get(key)
        if actor is None:
            raise DefinitionError.single("unknown-breaker", key, f"no pipeline has used breaker '{key}' yet")
        if message.state not in FORCED:
            text = f"breaker '{key}' cannot be forced to '{message.state}', only to {', '.join(FORCED)}"
            raise DefinitionError.single("unknown-state", key, text)
        await actor.actor_ref.ask(message, block=False)

    def context(self) -> Context:
        """Return the context in which the handlers of a run are called: its starter's, and who starts programs."""
        context = copy_context()
        if self._spawner is not None:
            context.run(SPAWNER.set, self._spawner)
        return context

    async def close(self) -> None:
        """Let everything go: processes are killed, other abandoned work stays an orphan."""
        if not self.wired:
            return
        if self._processes is not None and self._spawner is not None:
            await self._processes.aclose()
            await self._spawner.aclose()
        self.breakers.close()
        self._timers.close()
        self._pool.close()
        if self.watchdog is not None:
            self.watchdog.close()
        self.journal.close()


class NullKeeper:
    """Keeps a stream for which nobody waits."""

    def kept(self, seq: int) -> None:
        """Nobody waits."""

    def failed(self, error: str) -> None:
        """Nobody waits."""


class NullRunner:
    """Stands where actors without handlers, breakers, are wired."""

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> NoReturn:
        """Refuse."""
        raise NotImplementedError("breakers run no handlers")


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "playbill runs on asyncio, and no asyncio loop runs here: use `asyncio.run(...)`, "
            "`anyio.run(..., backend='asyncio')` (not trio), playbill.run or BlockingManager"
        ) from None
