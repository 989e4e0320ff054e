"""From a definition to a run of it: microseconds a node, the second time, how long others wait, and memory.

`python -m tests.benchmarks.definitions` prints these rows alone, and with `million` that of a million nodes, too: it
takes a minute or more, and is not part of `make bench`.
"""

import asyncio
import gc
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import playbill
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.definitions.discovery import catalog_of
from tests.benchmarks.measure import ROOT, ROUNDS, row
from tests.benchmarks.runs import definition_of, typed_work
from tests.benchmarks.shapes import Shape, chain, layered

GATES_US = ((chain(10_000), 18.0), (layered(200, 50), 32.0))
"""Microseconds a node from a mapping to its plan."""
AGAIN = 0.25
"""Of an equal mapping, to the first time."""
START_MS, RUN_MS = 50.0, 7.0
"""How long a neighbour may wait while a run of 100,000 nodes is started, and while it runs."""
MILLION_BYTES = 2.6 * 2**30


def mapping_of(shape: Shape) -> dict[str, Any]:
    """Return what a YAML or JSON file says of a shape."""
    return {
        "name": shape.name,
        "nodes": [{"id": node, "type": "work"} for node in shape.nodes],
        "edges": [{"from": source, "to": target} for source, target in shape.edges],
    }


def compiling_seconds(shape: Shape, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the least CPU seconds from a mapping to its plan: of the first time, and of an equal mapping again."""
    first = again = float("inf")
    manager = playbill.PipelineRunManager(types=[typed_work])
    for _ in range(rounds):
        mapping, equal = mapping_of(shape), mapping_of(shape)
        compiler = PipelineCompiler(catalog_of([typed_work]), manager.stop_policy)
        gc.collect()
        began = time.process_time()
        compiler.of(mapping)
        between = time.process_time()
        compiler.of(equal)
        first, again = min(first, between - began), min(again, time.process_time() - between)
    return first, again


async def longest_wait(work: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time between two turns of a neighbour who sleeps a millisecond, while work goes on."""
    gc.collect()
    longest, working = 0.0, asyncio.ensure_future(work())
    before = time.perf_counter()
    while not working.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    await working
    return longest


async def neighbours() -> None:
    """Print how long a neighbour waits while a large run is started, and while it runs."""
    definition = definition_of(layered(2000, 50))
    async with playbill.PipelineRunManager(types=[typed_work], keep_runs=1, watchdog_seconds=None) as manager:
        runs: list[playbill.Run] = []

        async def start() -> None:
            runs.append(await manager.start_run(definition))

        async def run() -> None:
            assert (await (await manager.start_run(definition)).result()).status == "completed"

        wait = await longest_wait(start) * 1e3
        row("start of 100,000 nodes, a neighbour", f"{START_MS:.0f} ms", f"{wait:.0f} ms", wait / START_MS, 1.0)
        await runs[0].result()
        wait = await longest_wait(run) * 1e3
        row("run of 100,000 nodes, a neighbour", f"{RUN_MS:.0f} ms", f"{wait:.0f} ms", wait / RUN_MS, 1.0)


def report() -> None:
    """Print the table of definitions."""
    for shape, gate in GATES_US:
        first, again = compiling_seconds(shape)
        us = first / len(shape.nodes) * 1e6
        row(f"{shape.name} from mapping to plan", f"{gate:.0f} us", f"{us:.1f} us", us / gate, 1.0)
        row(f"{shape.name}, equal mapping", f"{first * 1e3:.0f} ms", f"{again * 1e3:.0f} ms", again / first, AGAIN)
    asyncio.run(neighbours())


def million_bytes() -> float:
    """Return the peak memory of a process that makes a definition of a million nodes, and its plan."""
    program = "from tests.benchmarks import definitions; print(definitions.prepared_bytes(1_000_000))"
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def prepared_bytes(nodes: int) -> int:
    """Prepare a chain of so many nodes, and return the peak memory of this process."""
    definition = playbill.PipelineDefinition(
        nodes=[playbill.PipelineNode(id=f"n{i}", type="work") for i in range(nodes)],
        edges=[playbill.PipelineEdge(from_node=f"n{i}", to_node=f"n{i + 1}") for i in range(nodes - 1)],
    )
    playbill.PipelineRunManager(types=[typed_work]).prepare(definition)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    report()
    if "million" in sys.argv:
        peak = million_bytes()
        gate, size = (f"{size / 2**30:.2f} GiB" for size in (MILLION_BYTES, peak))
        row("a million nodes, memory", gate, size, peak / MILLION_BYTES, 1.0)
