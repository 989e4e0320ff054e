"""What an attempt beside the loop costs: in a warm process against a bare pipe, in a thread against anyio's."""

import asyncio
import gc
import multiprocessing
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import anyio.to_thread

import playbill
from playbill.model.catalog import Isolation
from playbill.model.definition import definition_from
from playbill.model.planning import build_plan
from playbill.runtime.runners.context import NodeContext
from playbill.runtime.runners.workers.packing import PackedAttempt
from playbill.runtime.runners.workers.pool import ProcessPool
from tests.benchmarks import bodies
from tests.benchmarks.measure import row
from tests.benchmarks.runs import definition_of
from tests.benchmarks.shapes import chain

TRIPS = 200
"""Of each measurement; fewer than a worker's attempts until it is replaced, and than the jobs that a pool keeps."""
ROUNDS = 20
WINDOW = 20
"""Attempts in a row that are timed together: some milliseconds, for which others may leave us the processors."""

work = playbill.node_type("work")(bodies.tell_time)


Subject: TypeAlias = "Callable[[], Awaitable[list[int]]]"
"""Executes attempts one after the other, and returns when each ran, in nanoseconds; all processes have one clock."""


class PooledChain:
    """Attempts as a pool sees them: each is packed, queued and begun when the one before has its result."""

    packed: PackedAttempt | None = None

    def __init__(self, pool: ProcessPool) -> None:
        plan = build_plan(definition_from({"name": "p", "nodes": [{"id": "n", "type": "work"}]}))
        self.number = 1
        self.asked = False
        self._pool = pool
        self._node = plan.nodes["n"]
        attempt: Any = self
        self._context = NodeContext(attempt, 1, "r", "n", {"city": "Lyon"}, self._node.node.config, {})
        self._times: list[int] = []
        self._over: asyncio.Future[None]

    async def run(self) -> list[int]:
        """Execute many; return when the handlers ran."""
        self._times, self._over = [], asyncio.get_running_loop().create_future()
        self._begin_next()
        await self._over
        return self._times

    def _begin_next(self) -> None:
        node = self._node.node
        self.packed = self._pool.packer.pack(
            bodies.tell_time, node, node.config, {"a": {"b": 1}}, self._context, None
        )
        self._pool.queue(self)

    def finish(self, ended: float, output: Any, failure: Any, *, begun: bool = True) -> None:
        """Begin the next: the worker is free again."""
        self._times.append(output["at"])
        if len(self._times) < TRIPS:
            self._begin_next()
        else:
            self._over.set_result(None)

    def take(self, worker: Any) -> None: ...
    def begin(self) -> None: ...
    def beat(self, progress: Any) -> None: ...
    def log(self, level: int, text: str, *, shown: bool) -> None: ...

    def write(self, output: str, text: str, *, cut: bool = False) -> None: ...
    def lose(self, end: Any, *, begun: bool, why: str = "") -> None:
        raise AssertionError(end)


SENT: Final = (1, "r", {"city": "Lyon"}, {"a": {"b": 1}}, None, None, None, 20)
"""What an attempt says, without a word of what surrounds it: the floor sends that much, too."""


def _echo(pipe: Any) -> None:
    """Answer as the worker of a bare pipe, which is one thread of Python that waits in a read, as ours is."""
    while pipe.recv() is not None:
        pipe.send((1, 0.0, bodies.tell_time(None, None, None), None, False))


def _chain_of(manager: playbill.PipelineRunManager, isolation: Isolation) -> Subject:
    """Return a call that runs a chain, and returns when its handlers ran."""
    definition = definition_of(chain(TRIPS), isolation)

    async def run() -> list[int]:
        result = await (await manager.start_run(definition)).result()
        assert result.status == "completed"
        return [node.output["at"] for node in result.node_results.values() if node.output is not None]

    return run


async def _least_seconds(*subjects: Subject, rounds: int = ROUNDS) -> list[float]:
    """Return each one's seconds an attempt in the best window of all rounds, which take turns."""
    best = [float("inf")] * len(subjects)
    for _ in range(rounds):
        for index, subject in enumerate(subjects):
            gc.collect()
            times = await subject()
            windows = (late - early for early, late in zip(times, times[WINDOW:], strict=False))
            best[index] = min(best[index], *windows)
    return [nanoseconds / WINDOW / 1e9 for nanoseconds in best]


async def process_seconds(rounds: int = ROUNDS) -> list[float]:
    """Seconds of a bare pipe's round trip, an attempt through the pool, and a whole one of a chain's node."""
    ours, its = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_echo, args=(its,), daemon=True)
    child.start()

    async def trips() -> list[int]:
        times: list[int] = []
        for _ in range(TRIPS):
            ours.send(SENT)
            times.append(ours.recv()[2]["at"])
        return times

    pool = ProcessPool(asyncio.get_running_loop(), max_attempts=1_000_000)
    pooled = PooledChain(pool)
    async with playbill.PipelineRunManager(types=[work], keep_runs=1) as manager:
        run = _chain_of(manager, "process")
        await run()
        assert manager._system is not None
        assert "workers=1" in repr(manager._system._processes)
        found = await _least_seconds(trips, pooled.run, run, rounds=rounds)
    await pool.aclose()
    ours.send(None)
    child.join()
    return found


async def thread_seconds(rounds: int = ROUNDS) -> list[float]:
    """Seconds of a call by anyio.to_thread, and of a whole attempt in a thread of a chain's node."""

    async def calls() -> list[int]:
        return [(await anyio.to_thread.run_sync(bodies.tell_time, None, None, None))["at"] for _ in range(TRIPS)]

    async with playbill.PipelineRunManager(types=[work], keep_runs=1) as manager:
        run = _chain_of(manager, "inline")
        await run()
        return await _least_seconds(calls, run, rounds=rounds)


async def report() -> None:
    """Print the table of attempts."""
    floor, pooled, whole = await process_seconds()
    for name, seconds in (("the pool alone", pooled), ("a chain's node", whole)):
        row(f"warm process, {name}", f"{floor * 1e6:.1f} us", f"{seconds * 1e6:.1f} us", seconds / floor, 3.0)
    floor, whole = await thread_seconds()
    row("thread, a chain's node", f"{floor * 1e6:.1f} us", f"{whole * 1e6:.1f} us", whole / floor, 1.2)


if __name__ == "__main__":
    asyncio.run(report())
