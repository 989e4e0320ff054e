"""How long stops take, from the cancel to the run's terminal state, and what kills leave behind.

Alone, and with other counts: `python -m tests.benchmarks.stopping [timed kills] [kills that shall leave nothing]`.
"""

import asyncio
import contextlib
import gc
import logging
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import playbill
from playbill.runtime.run import Run
from tests.benchmarks import bodies
from tests.benchmarks.measure import row

GRACE_SECONDS = 0.05
ONE_NODE = playbill.PipelineDefinition(name="stuck", nodes=[playbill.PipelineNode(id="n", type="stuck")])
MIB = 1024 * 1024

stuck = playbill.node_type("stuck", isolation="process")(bodies.stuck)


class StuckRuns(logging.Handler):
    """Starts runs whose handlers are stuck: each is given when its handler has said so."""

    def __init__(self, manager: playbill.PipelineRunManager) -> None:
        super().__init__()
        self._manager = manager
        self._said: dict[str, asyncio.Event] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Hear a handler; on the loop's thread."""
        self._said[record.run_id].set()  # type: ignore[attr-defined]

    async def start(self) -> Run:
        """Return a run that does not listen."""
        run = await self._manager.start_run(ONE_NODE)
        said = self._said[run.id] = asyncio.Event()
        ended = asyncio.create_task(run.result())
        await asyncio.wait({ended, asyncio.ensure_future(said.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert said.is_set(), ended.result().error
        ended.cancel()
        del self._said[run.id]
        return run


@contextlib.asynccontextmanager
async def stuck_runs(at_once: int) -> AsyncIterator[tuple[playbill.PipelineRunManager, StuckRuns]]:
    """A manager whose spawner is there, and who starts stuck runs on it."""
    async with playbill.PipelineRunManager(types=[stuck], keep_runs=1, max_processes=at_once) as manager:
        runs = StuckRuns(manager)
        log = logging.getLogger("playbill.node")
        log.addHandler(runs)
        log.propagate = False
        try:
            await killed(await runs.start(), 0.0)
            yield manager, runs
        finally:
            log.removeHandler(runs)
            log.propagate = True


async def killed(run: Run, grace: float) -> float:
    """Cancel a run that has to be killed; return the seconds beyond its grace until it has ended."""
    began = time.perf_counter()
    run.request_cancel(grace=grace)
    result = await run.result()
    took = time.perf_counter() - began - grace
    assert result.status == "cancelled"
    assert not result.orphans
    assert (receipt := result.node_results["n"].receipt) is not None
    assert receipt.how == "killed", receipt
    return took


async def kill_seconds(count: int, grace: float = GRACE_SECONDS, at_once: int = 1) -> list[float]:
    """Seconds beyond the grace of `count` kills, `at_once` at a time, sorted."""
    found: list[float] = []
    async with stuck_runs(at_once) as (_, runs):
        while len(found) < count:
            ready = [await runs.start() for _ in range(at_once)]
            found += await asyncio.gather(*(killed(run, grace) for run in ready))
    return sorted(found)


class Crowd:
    """Handlers that all await what never comes."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._begun = 0
        self._complete = asyncio.Event()

    async def work(self, node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        """Await for ever."""
        self._begun += 1
        if self._begun == self._width:
            self._complete.set()
        await asyncio.get_running_loop().create_future()
        return {}

    async def gather(self) -> None:
        """Wait until all await."""
        await self._complete.wait()
        self._begun = 0
        self._complete.clear()
        gc.collect()


async def cancel_seconds(width: int, rounds: int = 9) -> tuple[float, float]:
    """Return the seconds to cancel `width` bare tasks, and a run of as many nodes that all await."""
    crowd = Crowd(width)

    @playbill.node_type("waits")
    async def waits(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return await crowd.work(node, inputs, context)

    nodes = [playbill.PipelineNode(id=f"n{i}", type="waits") for i in range(width)]
    definition = playbill.PipelineDefinition(name="wide", nodes=nodes)
    floor = subject = float("inf")
    async with playbill.PipelineRunManager(types=[waits], keep_runs=1) as manager:
        for _ in range(rounds):
            tasks = [asyncio.create_task(waits(None, None, None)) for _ in range(width)]
            await crowd.gather()
            began = time.perf_counter()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            floor = min(floor, time.perf_counter() - began)
            run = await manager.start_run(definition)
            await crowd.gather()
            began = time.perf_counter()
            run.request_cancel()
            result = await run.result()
            subject = min(subject, time.perf_counter() - began)
            assert result.status == "cancelled"
    return floor, subject


class Held(NamedTuple):
    """What a process has."""

    descriptors: int
    threads: int
    children: int
    resident_bytes: int

    @classmethod
    def by(cls, pid: int) -> "Held":
        """Look at a process."""
        process = Path(f"/proc/{pid}")
        descriptors, threads = (len(list((process / what).iterdir())) for what in ("fd", "task"))
        children = sum(len((task / "children").read_text().split()) for task in (process / "task").iterdir())
        resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return cls(descriptors, threads, children, resident)

    def __str__(self) -> str:
        counts = f"{self.descriptors} fds, {self.threads} threads, {self.children} children"
        return f"{counts}, {self.resident_bytes / MIB:.1f} MiB"


@dataclass(frozen=True)
class Growth:
    """Host and spawner before and after kills."""

    kills: int
    seconds: float
    before: tuple[Held, Held]
    after: tuple[Held, Held]

    @property
    def counted(self) -> int:
        """Descriptors, threads and children that are there and were not before."""
        pairs = zip(self.before, self.after, strict=True)
        return sum(max(0, then - now) for old, new in pairs for now, then in zip(old[:3], new[:3], strict=True))

    @property
    def resident_bytes(self) -> int:
        """By how much memory grew."""
        pairs = zip(self.before, self.after, strict=True)
        return sum(new.resident_bytes - old.resident_bytes for old, new in pairs)

    def lines(self) -> Iterator[str]:
        """Tell it."""
        for name, old, new in zip(("host", "spawner"), self.before, self.after, strict=True):
            yield f"  {name:<8} before: {old}\n  {'':<8} after:  {new}"
        yield f"  {self.seconds / self.kills * 1e3:.1f} ms a kill, the worker's start included"


async def growth(kills: int, at_once: int = 2, warm: int = 100) -> Growth:
    """Kill stuck handlers, `at_once` at a time; look before and after, once `warm` kills have filled all caches."""
    async with stuck_runs(at_once) as (manager, runs):
        assert manager._system is not None
        spawner = manager._system._spawner
        assert spawner is not None
        assert spawner.pid is not None

        async def kill(count: int) -> None:
            for _ in range(count // at_once):
                await killed(await runs.start(), 0.0)

        def look() -> tuple[Held, Held]:
            gc.collect()
            return Held.by(os.getpid()), Held.by(spawner.pid or 0)

        await asyncio.gather(*(kill(warm) for _ in range(at_once)))
        before, began = look(), time.perf_counter()
        await asyncio.gather(*(kill(kills) for _ in range(at_once)))
        seconds = time.perf_counter() - began
        return Growth(kills, seconds, before, look())


async def report(kills: int = 200, more_kills: int = 500) -> None:
    """Print the table of stops: what a stop takes against its gate in ms, what grew against what may."""
    seconds = await kill_seconds(kills)
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98] * 1e3
    median = statistics.median(seconds) * 1e3
    row(f"{kills} kills beyond grace, p99", f"p50 {median:.1f} ms", f"{p99:.1f} ms", p99 / 100, 1.0)
    floor, subject = (one * 1e3 for one in await cancel_seconds(1000))
    row("cancel 1000 awaiting nodes", f"{floor:.1f} ms", f"{subject:.1f} ms", (subject - floor) / 50, 1.0)
    grown = await growth(more_kills)
    row(f"{more_kills} kills leave fds/threads/pids", "0", f"{grown.counted}", grown.counted, 0.0)
    mib = grown.resident_bytes / MIB
    row(f"{more_kills} kills leave memory", "2 MiB", f"{mib:.1f} MiB", mib / 2, 1.0)
    print(*grown.lines(), sep="\n", flush=True)


if __name__ == "__main__":
    asyncio.run(report(*map(int, sys.argv[1:])))
