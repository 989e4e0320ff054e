"""What a node costs, in figures that no clock disturbs: calls of our own code, and what is kept of it.

A figure that grows is to be mended, or raised by a commit that says why; one that shrinks is to be lowered, so that
it is held there.
"""

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import pytest

import playbill
from playbill.model.facts import RunStatus
from playbill.model.machines.node import NodeMachine
from tests.architecture.tree import ROOT
from tests.benchmarks.runs import definition_of, typed_work
from tests.benchmarks.shapes import Shape, chain, fan, layered

SHAPES: Final = (chain(1000), fan(1000), layered(20, 50))
OURS: Final = tuple(f"{ROOT}/{folder}/" for folder in ("playbill", "actors", "model", "runtime"))
TOLERANCE: Final = 0.05


class Cost(NamedTuple):
    """Of one node of a run whose handlers suspend once."""

    calls: float
    """Of functions of our own modules."""
    blocks: float
    """Of memory that our own modules have allocated and that live when the run has ended: results and events."""


SINCE_3_11: Final = {
    "chain-1000": Cost(64.1, 9.81),
    "fan-1000": Cost(62.1, 10.03),
    "layered-20x50": Cost(69.8, 9.16),
}
RECORDED: Final = {(3, 11): SINCE_3_11, (3, 12): SINCE_3_11, (3, 13): SINCE_3_11}
"""By minor version of Python: each has calls of its own."""


async def warm(shape: Shape, look: Callable[[Callable[[], Awaitable[playbill.Run]]], Awaitable[float]]) -> float:
    """Look at a run of a shape that has run before; return a figure of one node."""
    definition = definition_of(shape)
    async with playbill.PipelineRunManager(types=[typed_work], keep_runs=1, watchdog_seconds=None) as manager:

        async def run() -> playbill.Run:
            run = await manager.start_run(definition)
            assert (await run.result()).status == "completed"
            return run

        await run()
        return await look(run) / len(shape.nodes)


async def calls(run: Callable[[], Awaitable[playbill.Run]]) -> float:
    """Count the calls of our own functions."""
    count = 0

    def called(frame: Any, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(OURS)

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        await run()
    finally:
        sys.setprofile(before)
    return count


async def blocks(run: Callable[[], Awaitable[playbill.Run]]) -> float:
    """Count the blocks of memory that live on."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = await run()
        filters = [tracemalloc.Filter(inclusive=True, filename_pattern=f"{folder}*") for folder in OURS]
        snapshot = tracemalloc.take_snapshot().filter_traces(filters)
    finally:
        tracemalloc.stop()
    assert kept.status is RunStatus.COMPLETED
    return sum(statistic.count for statistic in snapshot.statistics("filename"))


async def garbage(run: Callable[[], Awaitable[playbill.Run]]) -> float:
    """Count the objects that only the cyclic collector frees."""
    gc.collect()
    gc.disable()
    try:
        await run()
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_node_leaves_nothing_to_the_collector(shape: Shape) -> None:
    assert asyncio.run(warm(shape, garbage)) < 0.01


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_node_costs_no_more_than_it_did(shape: Shape) -> None:
    cost = Cost(asyncio.run(warm(shape, calls)), asyncio.run(warm(shape, blocks)))
    recorded = RECORDED.get(sys.version_info[:2], {}).get(shape.name)
    if recorded is None:
        pytest.skip(f"no figures of Python {sys.version_info[0]}.{sys.version_info[1]} are recorded: {cost}")
    for what, was, now in zip(Cost._fields, recorded, cost, strict=True):
        change = f"{now:.2f} {what} a node, and {was:.2f} are recorded"
        assert now <= was * (1 + TOLERANCE), f"{change}: mend it, or raise the record and say why"
        assert now >= was * (1 - TOLERANCE), f"{change}: lower the record"


def test_one_more_call_a_node_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, names = chain(100), dict[str, Any]()
    before = asyncio.run(warm(shape, calls))
    more = "def around(real):\n    def more(*given):\n        return real(*given)\n    return more"
    exec(compile(more, f"{OURS[0]}more.py", "exec"), names)
    monkeypatch.setattr(NodeMachine, "_end", names["around"](NodeMachine._end))
    assert asyncio.run(warm(shape, calls)) - before == pytest.approx(1.0, abs=0.1)
