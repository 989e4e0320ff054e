"""A run waits a day out of memory, in virtual time: over crashes, and whatever the clock on the wall says."""

from typing import Any

import pytest

import playbill
from playbill.runtime.recovery.passive_runs import PassiveRuns
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.stuck import Deadlock

DAY = 86_400.0


@playbill.node_type("rested")
async def rested(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"given": sorted(inputs)}


WAITS: dict[str, Any] = {
    "timeout": 9 * DAY,
    "nodes": [
        {"id": "a", "type": "rested", "next": ["wait", "c"]},
        {"id": "wait", "type": "delay", "config": {"seconds": DAY}, "next": ["c"]},
        {"id": "c", "type": "rested"},
    ],
    "outputs": {"given": "inputs.c.given"},
}


def begin(sim: Simulation, definition: dict[str, Any]) -> None:
    """Start a run that nobody holds; who starts one by `sim.start` does."""

    async def start() -> None:
        await sim.manager.start_run(definition, run_id="one")

    sim.call(start())


def types_of(sim: Simulation) -> list[str]:
    assert sim.durable is not None
    return [str(event.type) for event in sim.durable.disk.streams["one"].events]


def test_a_day_out_of_memory_without_a_word() -> None:
    with Simulation(crashes=(), types=[rested]) as sim:
        begin(sim, WAITS)
        sim.advance(3600)
        assert (sim.manager.passive_runs, sim.manager.active_runs) == (["one"], [])
        sim.advance(DAY - 3600 - 1)
        assert sim.manager.passive_runs == ["one"]
        before = types_of(sim)
        sim.advance(5)
        assert sim.manager.passive_runs == []
        passive = sim.manager._runs.passive
        assert isinstance(passive, PassiveRuns)
        assert 0 <= passive.lag_seconds < 1
        assert types_of(sim)[len(before) :] == [
            "pipeline_node.completed", "pipeline_node.started", "pipeline_node.completed", "pipeline_run.completed",
        ]  # fmt: skip


@pytest.mark.parametrize("step", [0.0, -DAY, DAY])
def test_a_crash_meanwhile_and_a_clock_that_was_set(step: float) -> None:
    with Simulation(crashes=(), types=[rested]) as sim:
        begin(sim, WAITS)
        sim.advance(3600)
        sim.crash(outage=600, clock_step=step)
        sim.advance(60)
        if step == 0:
            assert (sim.manager.passive_runs, "pipeline_run.recovered" in types_of(sim)) == (["one"], False)
        sim.advance(DAY)
        assert types_of(sim)[-1] == "pipeline_run.completed"
        assert types_of(sim).count("pipeline_run.recovered") == 1
        assert types_of(sim).count("pipeline_node.started") == 3


def test_its_timeout_goes_on_while_it_is_out_of_memory_and_not_while_nobody_owns_it() -> None:
    with Simulation(crashes=(), types=[rested]) as sim:
        begin(sim, {**WAITS, "timeout": 7200.0})
        sim.advance(7100)
        assert sim.manager.passive_runs == ["one"]
        sim.advance(110)
        assert types_of(sim)[-1] == "pipeline_run.timeout"


@pytest.mark.timeout(20)
def test_who_waits_in_vain_for_a_run_that_somebody_holds_is_told_so() -> None:
    with Simulation(crashes=(), types=[rested]) as sim:
        run = sim.start(WAITS)
        sim.call(run.pause())
        with pytest.raises(Deadlock):  # whoever looks whether it is still held looks less and less often
            sim.result(run)
        sim.abandon()
