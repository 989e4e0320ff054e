"""The clock on the wall is set while a run waits, or the machine sleeps: waits for a moment end by it, no timeout."""

from typing import Any

import pytest

import playbill
from playbill.runtime.simulation.simulation import Simulation
from tests.stories.support import node, pipeline

DAY = 86_400.0


@playbill.node_type("stepped")
async def stepped(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    if context.attempt <= node.config.get("fails", 0):
        raise ConnectionError("not yet")
    await context.sleep(node.config.get("seconds", 0.0))
    return {}


def set_at(seconds: float, by: float) -> dict[str, Any]:
    return {"faults": [{"fault": "clock_skew", "at": seconds, "seconds": by}]}


def ends_at(definition: Any, faults: dict[str, Any], *, crashes: bool = False, **more: Any) -> tuple[str, float]:
    """Run it in virtual time; return how and when it ended."""
    durable: dict[str, Any] = {"crashes": ()} if crashes else {}
    with Simulation(faults=faults, types=[stepped], **durable) as sim:
        result = sim.result(sim.start(definition, **more))
        return str(result.status), sim.time


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize(("by", "over"), [(DAY, 100.0), (300.0, 700.0), (-DAY, 1000.0), (2000.0, 100.0)])
def test_a_delay_is_over_at_its_moment_and_never_later_than_it_is_long(by: float, over: float, crashes: bool) -> None:
    definition = pipeline(node("wait", "delay", seconds=1000))
    status, ended = ends_at(definition, set_at(100, by), crashes=crashes)
    assert status == "completed"
    assert ended == pytest.approx(over, abs=0.5)


def test_a_back_off_is_over_at_its_moment() -> None:
    definition = pipeline(
        node("a", "stepped", fails=1, retry={"max_attempts": 2, "base": 1000, "jitter": 0, "cap": 1000})
    )
    status, ended = ends_at(definition, set_at(100, DAY))
    assert status == "completed"
    assert ended == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize("by", [DAY, -DAY])
def test_timeouts_go_by_the_time_that_passes(by: float) -> None:
    definition = pipeline(node("a", "stepped", seconds=500.0, timeout=600))
    assert ends_at(definition, set_at(100, by))[0] == "completed"
    late = pipeline(node("a", "stepped", seconds=5000.0), timeout=600)
    status, ended = ends_at(late, set_at(100, by))
    assert status == "timeout"
    assert ended == pytest.approx(600, abs=1)


def test_after_a_crash_the_time_that_a_machine_slept_is_no_run_time() -> None:
    definition = pipeline(node("a", "stepped", seconds=500.0), timeout=1000)
    with Simulation(faults=set_at(100, 2000.0), crashes=(), types=[stepped]) as sim:
        run = sim.start(definition)
        sim.advance(200)
        sim.crash(outage=50)
        result = sim.result(run)
        assert str(result.status) == "completed"
        assert sim.time == pytest.approx(750, abs=1)
        assert sim.durable is not None
        events = sim.durable.disk.streams["run-1"].events
        assert [event.data for event in events if event.type == "pipeline_run.clock_stepped"] == [{"seconds": 2000.0}]
