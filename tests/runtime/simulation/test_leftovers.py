"""What is left at a simulation's end is named, unless an orphan may have it; coroutines are closed there and then."""

import asyncio
from typing import Any

import pytest

import playbill
from playbill.runtime.simulation.checks.violations import Violation
from playbill.runtime.simulation.simulation import Simulation

ENDED: list[str] = []


@playbill.node_type("leaves_a_task")
async def leaves_a_task(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    """Begin what nobody awaits."""

    async def forgotten() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ENDED.append(node.id)

    node.config["task"] = asyncio.create_task(forgotten(), name="forgotten")
    await context.sleep(1.0)
    return {}


@playbill.node_type("swallows_cancels")
async def swallows_cancels(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    """Never end when asked to, and await something more when closed."""
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                await loop.create_future()
            except asyncio.CancelledError:
                continue
    finally:
        ENDED.append(node.id)
        await asyncio.sleep(0)


def test_a_task_that_is_left_is_named_and_closed() -> None:
    ENDED.clear()
    with (
        pytest.raises(Violation, match=r"nothing left: tasks are left: \['forgotten'\]"),
        Simulation(types=[leaves_a_task]) as sim,
    ):
        sim.run({"nodes": [{"id": "a", "type": "leaves_a_task"}]})
    assert ENDED == ["a"]


def test_an_orphan_may_be_left_and_is_closed_at_once() -> None:
    ENDED.clear()
    with Simulation(types=[swallows_cancels], grace=0.0) as sim:
        result = sim.run({"timeout": 2, "nodes": [{"id": "a", "type": "swallows_cancels"}]})
        assert (result.orphans, ENDED) == (("a",), [])
    assert ENDED == ["a"]
