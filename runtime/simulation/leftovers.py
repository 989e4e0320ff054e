"""What is left of a simulated world at its end: names it, closes it, and takes the world apart."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from playbill.actors.breaker import BreakerActor
from playbill.actors.node import NodeActor
from playbill.actors.supervisor import SupervisorActor
from playbill.runtime.recovery.stored_run import StoredRun
from playbill.runtime.runners.coroutine import LoopAttempt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator, Sequence

    from playbill.runtime.run import Run
    from playbill.runtime.simulation.virtual.loop import VirtualLoop
    from playbill.runtime.simulation.world import SimWorld

MAX_CLOSES: Final = 100
"""How often a coroutine is closed that awaits again and again."""
ACTORS: Final = frozenset({SupervisorActor, NodeActor, BreakerActor})
logger = logging.getLogger("playbill")


def left_of(
    world: SimWorld, loop: VirtualLoop, tasks: Iterable[asyncio.Task[Any]]
) -> Iterator[tuple[str, list[Any]]]:
    """Yield what nobody needs any more and is there all the same: tasks, breakers, timers.

    Args:
        world: the world of the manager, which is closed.
        loop: its loop.
        tasks: those that are not done, without the one that asks; those of orphans may stay.
    """
    allowed = {attempt.task for attempt in world.orphans if isinstance(attempt, LoopAttempt)}
    names = [task.get_name() for task in tasks if task not in allowed]
    actors = [actor for actor in world.breakers() if not actor.ended or actor.timers]
    waiting: list[Any] = [argument for handle in loop.pending for argument in arguments_of(handle)]
    timers = [repr(argument) for argument in waiting if has_ended(argument)]
    yield from ((what, left) for what, left in (("tasks", names), ("breakers", actors), ("timers", timers)) if left)


def close_coroutines(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Close the coroutines of tasks that never go on.

    Left to the collector they would be closed while another simulation runs, and what their `finally` awaits would
    run there.
    """
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 (nobody waits)
        for _ in range(MAX_CLOSES):
            try:
                task.get_coro().close()
            except BaseException as error:  # noqa: BLE001 (a handler's `finally` may raise whatever it likes)
                logger.debug("task %r of a simulation that is over: %r", task.get_name(), error)
            else:
                break


def dissolve(world: SimWorld, runs: Sequence[Run]) -> None:
    """Take a world apart that nobody uses any more.

    All in it know each other; apart they are freed at once, and no collector has to find them.
    """
    supervisors = [run.actor for run in runs if not isinstance(run, StoredRun)]
    nodes = [node for actor in supervisors if actor.nodes for node in actor.nodes.values()]
    breakers = [*world.breakers()]
    for attempt in [*world.orphans]:
        world.orphans.discard(attempt)
    world.model.dissolve()
    for part in (*nodes, *supervisors, *breakers, *runs, world.injector, world.mail, world.journal, world):
        if part is not None:
            vars(part).clear()


def arguments_of(handle: Any) -> tuple[Any, ...]:
    """Return what a timer calls its callback with."""
    return handle._args or ()  # noqa: SLF001


def has_ended(actor: Any) -> bool:
    """Tell whether it is an actor, and has ended."""
    return type(actor) in ACTORS and actor.ended
