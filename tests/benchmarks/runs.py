"""Microseconds a node, of one run and of many, against the floor."""

import asyncio
import gc
import tracemalloc

import playbill
from playbill.model.catalog import Isolation
from tests.benchmarks.floor import run_bare, trivial, work
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


async def one_run(shape: Shape, rounds: int = 9) -> tuple[float, float]:
    """Return the floor's and playbill's seconds for one run of `shape`."""
    definition = definition_of(shape)
    async with playbill.PipelineRunManager(types=[typed_work], keep_runs=1, watchdog_seconds=None) as manager:

        async def run() -> None:
            result = await (await manager.start_run(definition)).result()
            assert result.status == "completed"

        await run()  # the first one plans
        return await least_seconds(lambda: run_bare(shape), run, rounds=rounds)  # type: ignore[return-value]


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


async def report() -> None:
    """Print the table of runs."""
    small = 0.0
    whole_run_us = 0.0
    for shape in (chain(1000), fan(1000), layered(20, 50)):
        floor, subject = await one_run(shape)
        nodes = len(shape.nodes)
        row(shape.name, f"{floor / nodes * 1e6:.1f} us", f"{subject / nodes * 1e6:.1f} us", subject / floor, 2.2)
        small = subject / floor
        if shape.name.startswith("chain"):
            whole_run_us = subject / nodes * 1e6
    large = layered(2000, 50)
    floor, subject = await one_run(large, rounds=3)
    nodes = len(large.nodes)
    row(large.name, f"{floor / nodes * 1e6:.1f} us", f"{subject / nodes * 1e6:.1f} us", subject / floor, 1.3 * small)
    peak = await peak_bytes_a_node(large)
    row(f"{large.name} peak memory a node", "6144 B", f"{peak:.0f} B", peak / 6144, 1.0)
    us = await many_runs(1000, 10) / 10_000 * 1e6
    row("1000 runs of chain-10, a node", f"{whole_run_us:.1f} us", f"{us:.1f} us", us / whole_run_us, 1.5)


if __name__ == "__main__":
    asyncio.run(report())
