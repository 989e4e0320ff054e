"""Microseconds a node, of one run and of many, against the floor."""

import asyncio
import gc
import tracemalloc

import playbill
from playbill.model.catalog import Isolation
from tests.benchmarks.floor import Handler, run_bare, trivial, work
from tests.benchmarks.measure import least_seconds, row
from tests.benchmarks.shapes import Shape, chain, fan, layered

typed_work = playbill.node_type("work")(work)
typed_trivial = playbill.node_type("trivial")(trivial)


def definition_of(shape: Shape, isolation: Isolation = "inline", kind: str = "work") -> playbill.PipelineDefinition:
    """Every node of a user's type with permit, timeout timer, retry policy and events on."""
    return playbill.PipelineDefinition(
        name=shape.name,
        nodes=[playbill.PipelineNode(id=node, type=kind, timeout=30.0, isolation=isolation) for node in shape.nodes],
        edges=[playbill.PipelineEdge(from_node=source, to_node=target) for source, target in shape.edges],
    )


async def one_run(shape: Shape, rounds: int = 9, handler: Handler = work) -> tuple[float, float]:
    """Return the floor's and playbill's seconds for one run of `shape`."""
    definition = definition_of(shape, kind=handler.__name__)
    types = [typed_work, typed_trivial]
    async with playbill.PipelineRunManager(types=types, keep_runs=1, watchdog_seconds=None) as manager:

        async def run() -> None:
            result = await (await manager.start_run(definition)).result()
            assert result.status == "completed"

        await run()  # the first one plans
        return await least_seconds(lambda: run_bare(shape, handler), run, rounds=rounds)  # type: ignore[return-value]


async def many_runs(count: int, nodes: int) -> float:
    """Return the seconds of `count` runs of a chain of `nodes`, started at once."""
    definition = definition_of(chain(nodes))
    async with playbill.PipelineRunManager(types=[typed_work], keep_runs=1, watchdog_seconds=None) as manager:

        async def run() -> None:
            runs = [await manager.start_run(definition) for _ in range(count)]
            for started in runs:
                assert (await started.result()).status == "completed"

        (seconds,) = await least_seconds(run, rounds=3)
        return seconds


async def peak_bytes_a_node(shape: Shape) -> float:
    """Return the peak memory of a run above the loaded and planned definition, a node."""
    definition = definition_of(shape)
    async with playbill.PipelineRunManager(types=[typed_work], keep_runs=1, watchdog_seconds=None) as manager:
        manager.prepare(definition)
        gc.collect()
        tracemalloc.start()
        result = await (await manager.start_run(definition)).result()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert result.status == "completed"
    return peak / len(shape.nodes)


async def bytes_a_run(count: int, nodes: int) -> float:
    """Return the peak memory of `count` runs of a chain of `nodes`, all at once, a run."""
    definition = definition_of(chain(nodes))
    async with playbill.PipelineRunManager(types=[typed_work], keep_runs=1, watchdog_seconds=None) as manager:
        manager.prepare(definition)
        gc.collect()
        tracemalloc.start()
        runs = [await manager.start_run(definition) for _ in range(count)]
        for started in runs:
            assert (await started.result()).status == "completed"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak / count


async def report() -> None:
    """Print the table of runs; times of one shape swing, so that their gates are instructions."""
    ratios: dict[str, float] = {}
    chain_us = 0.0
    for handler in (work, trivial):
        for shape in (chain(1000), fan(1000), layered(20, 50)):
            floor, subject = await one_run(shape, handler=handler)
            us_floor, us = (seconds / len(shape.nodes) * 1e6 for seconds in (floor, subject))
            name = f"{shape.name}, {handler.__name__}"
            ratios[name] = subject / floor
            chain_us = chain_us or us
            row(name, f"{us_floor:.1f} us", f"{us:.1f} us", subject / floor, None)
    large = layered(2000, 50)
    floor, subject = await one_run(large, rounds=3)
    nodes = len(large.nodes)
    gate = 1.2 * ratios["layered-20x50, work"]
    row(large.name, f"{floor / nodes * 1e6:.1f} us", f"{subject / nodes * 1e6:.1f} us", subject / floor, gate)
    peak = await peak_bytes_a_node(large)
    row(f"{large.name} peak memory a node", "6144 B", f"{peak:.0f} B", peak / 6144, 1.0)
    us = await many_runs(1000, 10) / 10_000 * 1e6
    row("1000 runs of chain-10, a node", f"{chain_us:.1f} us", f"{us:.1f} us", us / chain_us, 1.4)
    size = await bytes_a_run(10_000, 10)
    row("10000 runs of chain-10, memory", "12.0 KiB", f"{size / 1024:.1f} KiB", size / 12288, 1.0)


if __name__ == "__main__":
    asyncio.run(report())
