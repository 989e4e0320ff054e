"""After three crashes in ten minutes runs go on one at a time, in virtual time: who, when, and what is said of it."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import playbill
from playbill.runtime.recovery import caution
from playbill.runtime.simulation.simulation import Simulation
from tests.soak.crashes import add

SECONDS: dict[str, float] = {}
"""How long a node works, by run; over all processes of a test."""


@playbill.node_type("steady")
async def steady(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    await context.sleep(SECONDS.get(context.run_id, 1_000.0))
    if context.run_id == "fails":
        raise playbill.NodeConfigError("no")
    return {}


ONE: dict[str, Any] = {"nodes": [{"id": "a", "type": "steady"}], "timeout": 100_000}
TWO: dict[str, Any] = {"nodes": [{"id": "a", "type": "steady"}, {"id": "b", "type": "steady"}], "timeout": 100_000}
WAITS: dict[str, Any] = {"nodes": [{"id": "a", "type": "delay", "config": {"seconds": 50_000}}], "timeout": 100_000}


@pytest.fixture(autouse=True)
def fresh(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    SECONDS.clear()
    caplog.set_level(logging.WARNING, "playbill")
    yield
    SECONDS.clear()


def crash(sim: Simulation, *outages: float) -> None:
    for outage in outages:
        sim.advance(1)  # so that each process has taken up its runs, and the journal knows
        sim.crash(outage=outage)


def taken_up_at(sim: Simulation, *but: str) -> dict[str, float]:
    """When each run was last taken up: seconds since the first one was, but for these."""
    assert sim.durable is not None
    found = {
        name: event.at
        for name, kept in sim.durable.disk.streams.items()
        for event in kept.events
        if event.type == "pipeline_run.recovered" and name not in but
    }
    first = min(found.values())
    return {name: round((at - first).total_seconds(), 0) for name, at in found.items()}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "crashes in" in record.getMessage()]


def started(sim: Simulation, **runs: dict[str, Any]) -> dict[str, playbill.Run]:
    return {name: sim.start(definition, run_id=name) for name, definition in runs.items()}


def test_those_that_were_running_go_on_one_at_a_time(caplog: pytest.LogCaptureFixture) -> None:
    with Simulation(crashes=(), types=[steady, add]) as sim:
        runs = started(sim, x=ONE, waits=WAITS, y=TWO, z=ONE)
        crash(sim, 0, 0)
        assert taken_up_at(sim) == {"x": 0, "waits": 0, "y": 0, "z": 0}
        assert warnings(caplog) == []
        SECONDS.update(x=3.0, y=4.0, z=5.0)
        crash(sim, 0)
        sim.advance(20)
        assert taken_up_at(sim) == {"waits": 0, "x": 0, "y": 3, "z": 7}
        assert warnings(caplog) == [
            f"after 3 crashes in 10 minutes runs go on one at a time; run '{run}' goes on now: {said}"
            for run, said in (
                ("x", "node 'a' was running"),
                ("y", "nodes 'a', 'b' were running"),
                ("z", "node 'a' was running"),
            )
        ]
        taken = sim.call(sim.manager.recovered())
        assert (taken.runs, taken.cautious) == (["waits", "x", "y", "z"], True)
        assert [sim.result(runs[name]).status for name in "xyz"] == ["completed"] * 3


def test_one_that_goes_on_for_long_keeps_others_for_ten_seconds() -> None:
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, x=ONE, y=ONE)
        crash(sim, 0, 0, 0)
        sim.advance(20)
        assert taken_up_at(sim) == {"x": 0, "y": caution.ATTEMPT_SECONDS}


def test_an_attempt_that_fails_or_is_tried_again_has_ended_too() -> None:
    retry = {"nodes": [{"id": "a", "type": "steady", "timeout": 2, "retry": {"max_attempts": 9, "base": 60}}]}
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, x=retry, fails=ONE, z=ONE)
        crash(sim, 0, 0)
        SECONDS.update(fails=3.0)
        crash(sim, 0)
        sim.advance(20)
        assert taken_up_at(sim) == {"x": 0, "fails": 2, "z": 5}


def test_a_run_that_ends_otherwise_keeps_nobody() -> None:
    must_not = {"nodes": [{"id": "a", "type": "steady", "on_crash": "fail"}]}
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, y=ONE, z=ONE)
        crash(sim, 0, 0)
        x = sim.start(must_not, run_id="x")
        crash(sim, 0)
        sim.advance(1)
        sim.call(sim.manager.cancel_run("y", grace=0))
        sim.advance(3)
        assert taken_up_at(sim) == {"y": 0, "z": 1}
        sim.advance(10)
        assert taken_up_at(sim) == {"y": 0, "z": 1, "x": 11}
        assert sim.result(x).status == "failed"


def test_a_paused_run_begins_nothing_and_keeps_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, x=ONE, y=ONE)
        sim.advance(1)
        sim.call(sim.manager.pause_run("y"))
        crash(sim, 0, 0, 0)
        sim.advance(5)
        assert taken_up_at(sim) == {"x": 0, "y": 0}
        assert len(warnings(caplog)) == 1


def test_who_is_ended_or_asked_for_meanwhile_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, v=ONE, w=ONE, x=ONE, y=ONE, z=ONE)
        crash(sim, 0, 0, 0)
        sim.advance(1)
        assert sim.call(sim.manager.cancel_run("w"))
        sim.call(sim.manager.open_run("x"))
        sim.call(sim.manager.pause_run("y"))
        sim.advance(20)
        seconds = caution.ATTEMPT_SECONDS
        assert taken_up_at(sim, "w") == {"v": 0, "x": 1, "y": seconds, "z": seconds}
        assert [said.partition("run '")[2][0] for said in warnings(caplog)] == ["v", "y", "z"]
        assert sim.call(sim.manager.recovered()).runs == ["v", "y", "z"]


@pytest.mark.parametrize("outages", [(0, 0), (0, 400, 400), (0, 700, 0)])
def test_fewer_crashes_or_in_a_longer_time_are_none_in_a_row(outages: tuple[float, ...]) -> None:
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, x=ONE, y=ONE)
        crash(sim, *outages)
        sim.advance(20)
        assert taken_up_at(sim) == {"x": 0, "y": 0}
        assert not sim.call(sim.manager.recovered()).cautious


def test_a_clock_that_was_set_makes_no_crash_recent() -> None:
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, x=ONE, y=ONE)
        crash(sim, 0, 0)
        sim.advance(1)
        sim.crash(clock_step=-86_400)
        sim.advance(20)
        assert not sim.call(sim.manager.recovered()).cautious


def test_who_looks_first_is_as_careful_an_hour_later() -> None:
    with Simulation(crashes=(), types=[steady], start_paused=True) as sim:
        sim.advance(0)
        sim.call(resumed(sim))
        started(sim, x=ONE, y=ONE)
        for _ in range(3):
            sim.advance(1)
            sim.crash()
            sim.advance(0)
            if sim.lives < 4:
                sim.call(resumed(sim))
        sim.advance(3600)
        assert sim.manager.active_runs == []
        sim.call(resumed(sim))
        sim.advance(20)
        assert sim.call(sim.manager.recovered()).cautious
        assert taken_up_at(sim) == {"x": 0, "y": caution.ATTEMPT_SECONDS}
        assert not sim.call(sim.manager.recover()).cautious


async def _resume(sim: Simulation) -> None:
    sim.manager.resume_all()


def resumed(sim: Simulation) -> Any:
    return _resume(sim)


def test_a_process_that_closes_in_order_ends_the_row() -> None:
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, x=ONE)
        crash(sim, 0, 0, 0)
        assert sim.durable is not None
        sim.advance(0)
        assert len(sim.durable.disk.writer) == 2
    assert [*sim.durable.disk.writer] == ["crashes"]


def test_a_manager_that_is_left_meanwhile_takes_up_no_more() -> None:
    with Simulation(crashes=(), types=[steady]) as sim:
        started(sim, x=ONE, y=ONE)
        crash(sim, 0, 0, 0)
        sim.advance(1)
        before = taken_up_at(sim)
        sim.call(sim.manager.close(0))
        assert taken_up_at(sim) == before
        sim.abandon()


def test_the_same_seed_gives_the_same_trace_with_caution() -> None:
    traces = []
    for _ in range(2):
        with Simulation(3, crashes=(), types=[steady], traced=True) as sim:
            started(sim, x=ONE, y=TWO, z=ONE)
            crash(sim, 0, 0, 0)
            sim.advance(40)
            traces.append([str(delivery) for delivery in sim.trace])
    assert traces[0] == traces[1]
