"""The floor: the same DAG by bare asyncio and graphlib, as one would write it in twenty lines."""

import asyncio
from collections.abc import Awaitable, Callable
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

from tests.benchmarks.shapes import Shape

Handler: TypeAlias = Callable[[Any, Any, Any], Awaitable[dict[str, int]]]


async def work(node: Any, inputs: Any, context: Any) -> dict[str, int]:
    """The handler of every node, here and there, that suspends once."""
    await asyncio.sleep(0)
    return {"n": 1}


async def trivial(node: Any, inputs: Any, context: Any) -> dict[str, int]:
    """The same, if no handler ever suspends."""
    return {"n": 1}


async def run_bare(shape: Shape, work: Handler = work) -> dict[str, dict[str, int]]:
    """Run every node as soon as its predecessors have ended; return the outputs by node."""
    predecessors: dict[str, list[str]] = {node: [] for node in shape.nodes}
    for source, target in shape.edges:
        predecessors[target].append(source)
    sorter = TopologicalSorter(predecessors)
    sorter.prepare()
    outputs: dict[str, dict[str, int]] = {}

    async def one(node: str) -> str:
        outputs[node] = await work(node, {source: outputs[source] for source in predecessors[node]}, None)
        return node

    tasks: set[asyncio.Task[str]] = set()
    while sorter.is_active():
        tasks.update(asyncio.create_task(one(node)) for node in sorter.get_ready())
        done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        sorter.done(*(task.result() for task in done))
    return outputs
