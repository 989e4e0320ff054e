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
        assert [event.data for event in events if event.type == "pipeline_run.clock_stepped"] == [
            {"seconds": 2000.0, "elapsed": pytest.approx(100.0, abs=0.1)}
        ]


@pytest.mark.parametrize("steps", [(-3600.0, 3600.0), (3600.0, -3600.0), (-3600.0, -3600.0, 7200.0)])
def test_steps_that_cancel_each_other_out_are_no_run_time_after_a_crash_either(steps: tuple[float, ...]) -> None:
    definition = pipeline(node("a", "stepped", seconds=50_000.0), timeout=4500)
    faults = [{"fault": "clock_skew", "at": 100.0 * place, "seconds": by} for place, by in enumerate(steps, 1)]
    with Simulation(faults={"faults": faults}, crashes=(), types=[stepped]) as sim:
        run = sim.start(definition)
        sim.advance(3000)
        sim.crash()
        assert str(sim.result(run).status) == "timeout"
        # the time from the last event to the crash is nobody's; what was before it counts
        assert sim.time == pytest.approx(4500 + 3000 - 100 * len(steps), abs=2)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(
    ("delay", "timeout", "by", "ends", "at"),
    [
        (9000.0, 10_080.0, 7200.0, "completed", 1800.0),
        (20_000.0, 30_000.0, -3600.0, "completed", 20_000.0),
        (50_000.0, 20_000.0, 3600.0, "timeout", 20_000.0),
        (50_000.0, 20_000.0, -3600.0, "timeout", 20_000.0),
    ],
)
def test_a_run_out_of_memory_ends_as_one_that_is_held(
    held: bool, delay: float, timeout: float, by: float, ends: str, at: float
) -> None:
    definition = pipeline(node("wait", "delay", seconds=delay), timeout=timeout)
    with Simulation(faults=set_at(1000, by), crashes=(), types=[stepped]) as sim:
        if held:
            kept = sim.start(definition, run_id="one")
        else:
            sim.call(_begun(sim, definition))
        sim.advance(900)
        assert sim.manager.passive_runs == ([] if held else ["one"])
        while sim.manager.is_running("one"):
            sim.advance(10)
        if ends == "completed" and by < 0 and not held:
            at += 1000.0  # what is left of its delay by its record, and no more than all of it
        assert sim.time == pytest.approx(max(at, 1000.0), abs=45)
        assert sim.durable is not None
        assert sim.durable.disk.streams["one"].events[-1].type == f"pipeline_run.{ends}"
        assert not held or str(sim.result(kept).status) == ends


async def _begun(sim: Simulation, definition: Any) -> None:
    await sim.manager.start_run(definition, run_id="one")
