"""A simulated process dies, and the next one goes on with what is on the disk."""

from collections import Counter
from typing import Any

import pytest

import playbill
from playbill.runtime.simulation.checks import names as rules
from playbill.runtime.simulation.checks.violations import Crashed
from playbill.runtime.simulation.crashes import explore_crashes, points_of
from playbill.runtime.simulation.durable.points import CrashPoint
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.study import Study
from playbill.runtime.simulation.tapes import load_tape, save_tape
from tests.runtime.simulation.worlds import DIAMOND, study_of
from tests.soak.crashes import CERTAIN, CRASHING, add, made

CHAIN: dict[str, Any] = {
    "name": "chain",
    "nodes": [
        {"id": "a", "type": "adds", "next": ["b"]},
        {"id": "b", "type": "delay", "config": {"seconds": 100}, "next": ["c"]},
        {"id": "c", "type": "adds"},
    ],
}
BEGUN: Counter[str] = Counter()


@playbill.node_type("charges")
async def charge(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    BEGUN[node.id] += 1
    try:
        await context.sleep(5.0)
    finally:
        BEGUN[f"{node.id} cleaned up"] += 1
    return {}


@pytest.fixture(autouse=True)
def fresh() -> None:
    BEGUN.clear()


def types_of(sim: Simulation, run_id: str = "run-1") -> list[str]:
    """The types of the events on the disk."""
    assert sim.durable is not None
    return [str(event.type) for event in sim.durable.disk.streams[run_id].events]


def test_a_process_that_is_killed_is_followed_by_one_that_goes_on() -> None:
    with Simulation(crashes=(), types=[add]) as sim:
        run = sim.start(CHAIN)
        sim.advance(50)
        sim.crash(outage=20)
        assert sim.time == pytest.approx(70, abs=0.1)
        result = sim.result(run)
        assert (result.status, sim.lives) == ("completed", 2)
        assert sim.time == pytest.approx(102, abs=0.2)  # the delay kept its due time
        assert {name: node.attempts for name, node in result.node_results.items()} == {"a": 1, "b": 1, "c": 1}
        assert types_of(sim).count("pipeline_run.recovered") == 1
        assert types_of(sim)[-1] == "pipeline_run.completed"


def test_what_was_not_kept_is_forgotten_and_what_was_kept_is_not_begun_again() -> None:
    definition = {"nodes": [{"id": "a", "type": "charges", "next": ["b"]}, {"id": "b", "type": "charges"}]}
    with Simulation(crashes=(), types=[charge]) as sim:
        run = sim.start(definition)
        sim.advance(7)  # b is at work
        sim.crash()
        assert sim.result(run).status == "completed"
        assert {"a": BEGUN["a"], "b": BEGUN["b"]} == {"a": 1, "b": 2}
        assert BEGUN["b cleaned up"] == 1  # the process was dead: what it would have cleaned up it has not
    assert BEGUN["b cleaned up"] == 2  # its coroutine is closed with the simulation


def test_a_node_that_must_not_begin_twice_does_not() -> None:
    definition = {"nodes": [{"id": "a", "type": "charges", "on_crash": "fail"}]}
    with Simulation(crashes=(), types=[charge]) as sim:
        run = sim.start(definition)
        sim.advance(1)
        sim.crash()
        result = sim.result(run)
        assert (result.status, BEGUN["a"]) == ("failed", 1)
        assert result.error is not None
        assert result.error.type == "HandlerKilled"


@pytest.mark.parametrize(("moment", "lives"), [("before", 2), ("kept", 2), ("told", 2)])
def test_a_process_dies_at_the_points_it_is_told(moment: str, lives: int) -> None:
    with Simulation(3, crashes=[(1, moment)], types=[add]) as sim:
        assert sim.run(CHAIN).status == "completed"
        assert sim.lives == lives
        assert sim.world.injector.fired["crash"] == 1
        assert ("pipeline_run.recovered" in types_of(sim)) is (moment != "before")


def test_a_run_may_outlive_many_processes() -> None:
    with Simulation(crashes=[(write, "kept") for write in (1, 2, 3, 4, 6, 8)], types=[add]) as sim:
        assert sim.run(CHAIN).status == "completed"
        assert sim.lives == 7


def test_the_fault_crash_restarts_where_there_is_a_disk_and_ends_the_simulation_elsewhere() -> None:
    faults = {"faults": [{"fault": "crash", "event": "pipeline_node.completed", "times": 2}]}
    with Simulation(faults=faults, crashes=(), types=[add]) as sim:
        assert sim.run(CHAIN).status == "completed"
        assert (sim.lives, sim.world.injector.fired["crash"]) == (3, 2)
    with pytest.raises(Crashed, match="the runtime died"), Simulation(faults=faults, types=[add]) as sim:
        sim.run(CHAIN)


def test_a_crash_needs_a_disk_and_points_are_pairs() -> None:
    with Simulation(types=[add]) as sim, pytest.raises(playbill.DefinitionError, match="give it a disk"):
        sim.crash()
    with (
        Simulation(crashes=(), types=[add]) as sim,
        pytest.raises(ValueError, match="an outage is a number of seconds"),
    ):
        sim.crash(outage=-1)
    for wrong in (3, (0, "kept"), (1, "after"), (True, "kept"), (1,)):
        with pytest.raises(playbill.DefinitionError, match=r"no crash point: give \(write, moment\)"):
            Simulation(crashes=[wrong])  # type: ignore[list-item]


def test_what_a_user_asks_is_asked_again_if_the_process_dies_before_it_is_answered() -> None:
    faults = {"faults": [{"fault": "pause", "at": 0.5, "seconds": 30.0}]}
    for write in range(1, 6):
        with Simulation(faults=faults, crashes=[(write, "before")], types=[add]) as sim:
            assert sim.run(CHAIN).status == "completed"
            assert {"pipeline_run.paused", "pipeline_run.resumed"} <= set(types_of(sim))


def test_timed_faults_happen_once_over_all_processes() -> None:
    faults = {"faults": [{"fault": "clock_skew", "at": 1.0, "seconds": 60.0}, {"fault": "cancel", "at": 90.0}]}
    with Simulation(faults=faults, crashes=(), types=[add]) as sim:
        run = sim.start(CHAIN)
        sim.advance(10)
        sim.crash()
        sim.advance(10)
        sim.crash()
        assert sim.result(run).status == "cancelled"
        assert sim.world.injector.fired == {"clock_skew": 1, "cancel": 1, "crash": 2}


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_between_two_processes_makes_no_wait_longer_and_no_timeout_shorter(step: float) -> None:
    definition = {**CHAIN, "timeout": 150}
    with Simulation(crashes=(), types=[add]) as sim:
        run = sim.start(definition)
        sim.advance(50)
        sim.crash(outage=3_600, clock_step=step)
        assert sim.result(run).status == "completed"
        assert sim.time <= 3_650 + 102


def test_a_run_whose_actor_failed_over_its_start_can_be_opened_by_the_next_process() -> None:
    faults = {"faults": [{"fault": "actor_fails", "actor": "supervisor", "message": "Start", "times": 1}]}
    with Simulation(faults=faults, crashes=[(1, "kept")], types=[add]) as sim:
        result = sim.run(CHAIN, {"amount": 12})
        assert (result.status, types_of(sim)) == ("failed", ["pipeline_run.failed"])
        assert sim.result(sim.start(CHAIN, {"amount": 12}, run_id="run-1")) == result


def test_a_salvage_that_is_cut_short_is_gone_on_with() -> None:
    """The supervisor fails, and the process dies as its nodes are being stopped: the run ends all the same."""
    faults = {"faults": [{"fault": "actor_fails", "actor": "supervisor", "message": "AttemptReady", "times": 1}]}
    study = study_of(DIAMOND, faults)
    seen = explore_crashes(study, same_end=False, max_findings=9)
    assert [str(finding) for finding in seen.findings] == []
    assert set(seen.statuses) == {"failed", "completed"}  # completed, where nothing of the failure was kept


# ---- exploring --------------------------------------------------------------------------------------------------


def test_each_write_has_three_points_and_further_deaths_come_soon_after() -> None:
    assert list(points_of(2, 0, 1)) == [
        (CrashPoint(write, moment),) for write in (1, 2) for moment in ("before", "kept", "told")
    ]
    assert all(
        [point.write for point in points] == sorted({point.write for point in points}) and len(points) == 3
        for points in points_of(5, 7, 3)
    )


def test_a_pipeline_is_explored_with_a_crash_at_each_of_its_points() -> None:
    seen = explore_crashes(study_of(CHAIN, {}, options={"types": [add]}), seeds=2)
    writes = study_of(CHAIN, {}, options={"types": [add]}, crashes=()).seed(0).writes
    assert writes >= 6
    assert (seen.findings, set(seen.statuses)) == ([], {"completed"})
    assert seen.seeds > 3 * 2 * 6
    assert seen.fired["crash"] == seen.seeds - 2


def test_what_hangs_on_chance_is_refused_until_somebody_says_so() -> None:
    faults = {"faults": [{"fault": "raise", "probability": 0.5}], "behaviours": {}}
    definition = {"nodes": [{"id": "a", "type": "works", "retry": {"max_attempts": 1}}]}
    study = study_of(definition, faults)
    with pytest.raises(playbill.DefinitionError, match="two seeds end differently without any crash"):
        explore_crashes(study, seeds=9, max_findings=999)
    assert explore_crashes(study, seeds=3, same_end=False).findings == []


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"seeds": True}, {"deaths": 0}])
def test_no_seeds_and_no_deaths_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is a whole number, 1 or more"):
        explore_crashes(study_of(CHAIN, {}, options={"types": [add]}), **wrong)


def test_a_finding_is_played_again_by_its_seed_and_points_and_from_its_tape(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from playbill.model.messages import Recovered

    monkeypatch.setattr(Recovered, "left", lambda _self, _now: 200.0)
    study = study_of(CHAIN, {}, options={"types": [add]})
    (finding,) = explore_crashes(study).findings
    assert finding.invariant == rules.WAITS
    assert str(finding).endswith(f"(crashed {finding.crashes[0]})")
    again = study.variant(crashes=finding.crashes)
    assert again.seed(0).finding == finding
    save_tape(tmp_path / "found.json", study.definition, again, finding)
    played, lanes, invariant = load_tape(tmp_path / "found.json", study)
    assert (played.crashes, invariant) == (finding.crashes, rules.WAITS)
    found = played.tape(lanes).finding
    assert found is not None
    assert found.text == finding.text


# ---- a share of the soak ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CERTAIN, "coroutines", "drawn-29"])
def test_no_crash_at_any_write_breaks_a_promise(name: str) -> None:
    assert name in CRASHING
    study: Study = made(name)
    seen = explore_crashes(study, same_end=name in CERTAIN, deaths=1 if name in CERTAIN else 2)
    assert [f"seed {finding.seed}: {finding}" for finding in seen.findings] == []
    assert seen.seeds > 10
