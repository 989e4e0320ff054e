"""Wires a manager to its loop: implements the ports and hands them to the actors."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NoReturn

from playbill.actors.ports import Ports, Receiver, Runner
from playbill.model.errors import DefinitionError
from playbill.model.machines.breaker_table import FORCED
from playbill.runtime.circuits import Circuits
from playbill.runtime.faults.world import FaultyWorld
from playbill.runtime.handlers.attempt import Bench, Orphans
from playbill.runtime.handlers.in_thread import ThreadPool
from playbill.runtime.surroundings import surroundings_of
from playbill.runtime.tape import SeededTape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from playbill.actors.shell import Shell
    from playbill.model.facts import Inputs
    from playbill.model.messages import Force
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.policies import BreakerPolicy
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.surroundings import Surroundings

logger = logging.getLogger("playbill")


class CountedDeadLetters:
    """Counts mail that came too late for anybody."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, actor: str, message: object) -> None:
        """Count a message."""
        self.count += 1
        logger.debug("dead letter to %s: %r", actor, message)


class Wiring:
    """Everything between one manager's actors and the world; made when a loop is there."""

    def __init__(
        self,
        resources: Mapping[str, Any],
        secrets: Mapping[str, str],
        policies: Mapping[str, BreakerPolicy],
        faults: FaultPlan | None = None,
    ) -> None:
        self._faults = faults
        self._resources = resources
        self._secrets = secrets
        self._policies = policies
        self.dead_letters = CountedDeadLetters()
        self.orphans = Orphans()
        self.wired = False
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
        self._loop = loop
        self.world = world = self._faulty(surroundings_of(loop))
        self._dispatcher = world.dispatcher(loop, world.clock(loop))
        self._timers = world.timers(loop, self._dispatcher.post)
        self.journal = world.journal(loop)
        self._pool = ThreadPool(self._dispatcher)
        post, resources, secrets = self._dispatcher.post, self._resources, self._secrets
        self.bench = Bench(loop, post, self._pool, self.orphans, resources, secrets, world.draw)
        self.circuits = Circuits(self.ports(NoRunner()), self._policies)
        self.wired = True
        world.wired(self.circuits, runs, lambda: self.dead_letters.count)

    def _faulty(self, world: Surroundings) -> Surroundings:
        """Return the surroundings, with the manager's own faults around them if it has any."""
        return world if self._faults is None else FaultyWorld(world, self._faults, SeededTape(None))

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
        actor = self.circuits.get(key)
        if actor is None:
            raise DefinitionError.single("unknown-breaker", key, f"no pipeline has used breaker '{key}' yet")
        if message.state not in FORCED:
            text = f"breaker '{key}' cannot be forced to '{message.state}', only to {', '.join(FORCED)}"
            raise DefinitionError.single("unknown-state", key, text)
        await actor.actor_ref.ask(message, block=False)

    def close(self) -> None:
        """Let everything go; abandoned work stays an orphan."""
        if not self.wired:
            return
        self.circuits.close()
        self._timers.close()
        self._pool.close()
        self.journal.close()


class NoRunner:
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
