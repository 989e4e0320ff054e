"""A load runs with the real actors, ends in bounded time and memory, and says when capacity is exceeded."""

import gc
import pickle
from itertools import count, pairwise
from typing import Any

import pykka
import pytest

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.facts import RunStatus
from playbill.model.wording import describe_seconds
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.simulation.load.engine import simulate_load
from playbill.runtime.simulation.load.loop import LoadLoop
from playbill.runtime.simulation.load.measures import Measures
from playbill.runtime.simulation.load.sweep import sweep
from playbill.runtime.simulation.load.world import LoadWorld
from playbill.runtime.simulation.virtual.escapes import Escape
from tests.runtime.simulation.load import handlers
from tests.runtime.simulation.load.support import chain, plan, station, taking


def of_type(name: str) -> PipelineDefinition:
    return definition_from({"name": "user's", "nodes": [{"id": "a", "type": name}]})


def counts(measures: Measures) -> dict[str, Any]:
    return {
        "statuses": measures.statuses,
        "response": (measures.response.total, measures.response.buckets),
        "nodes": {node.id: (node.ended, node.spent) for node in measures.nodes.values()},
        "samples": measures.samples,
    }


def test_the_same_seed_measures_the_same_and_another_does_not() -> None:
    def run(seed: int) -> dict[str, Any]:
        load = plan(arrivals={"poisson": {"rate": 2}}, behaviours=taking({"exponential": 1.0}), seed=seed)
        return counts(simulate_load(chain(2), load).measures)

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_the_warm_up_is_simulated_but_not_measured() -> None:
    outcome = simulate_load(chain(1), plan(warm_up=40))
    assert (outcome.measures.arrived, outcome.measures.measured) == (100, 60)
    assert outcome.measures.statuses == {"completed": 60}
    assert outcome.measures.nodes["n0"].response.count == 60
    assert outcome.seconds == pytest.approx(60)
    assert outcome.arrival_rate == pytest.approx(1.0)


def test_coroutines_run_unchanged_in_virtual_time() -> None:
    outcome = simulate_load(of_type("napping"), plan(behaviours={}), types=[handlers])
    assert outcome.measures.statuses == {"completed": 100}
    assert outcome.measures.response.mean == pytest.approx(3.0)


def test_a_coroutine_that_leaves_the_simulation_ends_the_load() -> None:
    with pytest.raises(Escape, match=r"time\.time\(\).*handlers\.py:\d+ in clocked"):
        simulate_load(of_type("clocked"), plan(behaviours={}), types=[handlers])
    outcome = simulate_load(of_type("clocked"), plan(behaviours={}), types=[handlers], allow=["time.time"])
    assert outcome.measures.statuses == {"completed": 100}


def test_handlers_in_threads_are_stood_in_for() -> None:
    outcome = simulate_load(of_type("threaded"), plan(behaviours={}), types=[handlers])
    assert outcome.measures.statuses == {"completed": 100}


def test_behaviours_of_the_load_plan_win_over_those_of_the_fault_plan() -> None:
    faults = fault_plan({"behaviours": {"nodes": {"n0": {"duration": 9.0}, "n1": {"duration": 2.0}}}})
    outcome = simulate_load(chain(2), plan(behaviours={"nodes": {"n0": {"duration": 1.0}}}), faults=faults)
    assert outcome.measures.response.mean == pytest.approx(3.0)


def test_each_source_starts_runs_with_its_own_trigger_data() -> None:
    schema = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["a", "b"]}}}
    nodes: list[dict[str, Any]] = [
        {"id": "is_a", "type": "condition", "config": {"condition": "trigger.kind == 'a'"}},
        {"id": "work", "type": "command", "config": {"argv": ["true"]}},
    ]
    edges = [{"from": "is_a", "to": "work", "condition": "true"}]
    definition = definition_from({"name": "kinds", "inputs": schema, "nodes": nodes, "edges": edges})
    sources = [{"constant": {"every": 10}, "trigger_data": {"kind": "a"}}, {"constant": {"every": 5}}]
    outcome = simulate_load(definition, plan(arrivals=sources), trigger_data={"kind": "b"})
    assert outcome.measures.nodes["work"].ended == {"completed": 10, "skipped": 20}


def test_faults_hit_attempts_and_breakers_open() -> None:
    faults = fault_plan({"faults": [{"fault": "raise", "after": 20.0, "until": 50.0}]})
    definition = station(open_seconds=10.0).model_copy(update={"timeout": 100.0})
    outcome = simulate_load(definition, plan(), faults=faults)
    (limit,) = outcome.limits()
    assert limit.openings >= 1
    assert 0.1 < limit.open_share < 0.6
    assert outcome.measures.nodes["work"].errors["CircuitOpen"] > 0
    assert any("breaker 'desk' opened" in found for found in outcome.findings())
    assert any("did not complete" in found for found in outcome.findings())


# ---- the end ---------------------------------------------------------------------------------------------------


def test_runs_that_outlive_the_drain_are_counted_and_ended() -> None:
    load = plan(span=10, drain=5, arrivals={"constant": {"every": 4}}, behaviours=taking(12.0))
    outcome = simulate_load(chain(1), load)
    assert (outcome.measures.arrived, outcome.measures.ended, outcome.unfinished) == (3, 1, 2)
    assert "2 runs had not ended 5 s after the last arrival" in outcome.findings()
    assert pykka.ActorRegistry.get_all() == []


def test_a_drain_ends_with_the_last_run() -> None:
    outcome = simulate_load(chain(1), plan(drain="100d", behaviours=taking(2.0)))
    assert outcome.unfinished == 0
    assert outcome.measures.samples[-1].at == pytest.approx(100)


def test_a_backlog_that_grows_is_said_in_words() -> None:
    load = plan(span=1000, drain=0, arrivals={"poisson": {"rate": 2}}, behaviours=taking({"exponential": 1.0}))
    outcome = simulate_load(station(max_concurrent=1), load)
    told = outcome.findings()[0]
    assert told.startswith("arrivals exceed capacity: ")
    assert "breaker 'desk' (max_concurrent 1) is used 100.0%" in told
    assert f"the backlog grew to {outcome.measures.live.max_n:,} runs" in told
    assert outcome.unfinished > 900


def test_too_many_live_runs_end_the_simulation_and_say_when() -> None:
    load = plan(span="10d", max_live_runs=50, arrivals={"constant": {"every": 1}}, behaviours=taking(2.0))
    outcome = simulate_load(station(max_concurrent=1), load)
    assert outcome.stopped_at == pytest.approx(99, abs=2)
    assert outcome.measures.live.max_n == 50
    told = outcome.findings()[0]
    after = describe_seconds(outcome.stopped_at or 0)
    assert f"all that max_live_runs allows, after {after}: the simulation ended there" in told
    assert told.startswith("arrivals exceed capacity: 1 runs/s arrive, 0.495/s end")
    assert pykka.ActorRegistry.get_all() == []


def test_too_many_live_runs_without_a_limit_are_not_called_overload() -> None:
    outcome = simulate_load(chain(1), plan(max_live_runs=20, behaviours=taking(90.0)))
    assert outcome.overload is None
    assert outcome.findings()[0].startswith("more runs are live than allowed, though no limit is exhausted")


def test_runs_that_time_out_in_the_queue_are_overload_although_the_backlog_is_bounded() -> None:
    definition = station(max_concurrent=1).model_copy(update={"timeout": 20.0})
    outcome = simulate_load(definition, plan(span=2000, behaviours=taking(2.0)))
    assert outcome.measures.statuses["timeout"] > 500
    assert outcome.findings()[0].startswith("arrivals exceed capacity: ")


def test_a_rush_hour_is_overload_for_a_while() -> None:
    profile = [[0, 0.2], [400, 2.0], [600, 0.2]]
    load = plan(span=1000, arrivals={"poisson": {"profile": profile}}, behaviours=taking(1.0))
    outcome = simulate_load(station(max_concurrent=1), load)
    assert outcome.overload is None
    assert not outcome.suffices
    told = outcome.findings()[0]
    assert told.startswith(
        "arrivals exceed capacity for a while: breaker 'desk' (max_concurrent 1) is exhausted for "
    )


def test_a_busy_station_that_keeps_up_suffices() -> None:
    load = plan(span=3000, arrivals={"poisson": {"rate": 0.8}}, behaviours=taking(1.0))
    outcome = simulate_load(station(max_concurrent=1), load)
    assert outcome.suffices
    assert outcome.findings()[0].startswith("capacity suffices: ")


# ---- memory ----------------------------------------------------------------------------------------------------


def test_runs_that_have_ended_leave_nothing_behind() -> None:
    looks, kept = count(1), list[int]()

    def look(_: float, measures: Measures) -> None:
        if next(looks) % 200 == 0:
            kept.append(sum(1 for thing in gc.get_objects() if type(thing).__name__ == "SupervisorActor"))

    gc.collect()
    before = sum(1 for thing in gc.get_objects() if type(thing).__name__ == "SupervisorActor")
    gc.disable()
    try:
        simulate_load(chain(3), plan(span=2000, behaviours=taking(0.5)), report=look)
    finally:
        gc.enable()
    assert len(kept) > 4
    assert max(kept) <= before + 5


# ---- sweeps ----------------------------------------------------------------------------------------------------


def test_a_sweep_gives_each_value_the_same_arrivals() -> None:
    load = plan(
        arrivals={"poisson": {"rate": 2.0}},
        behaviours=taking(1.0),
        sweep={"breakers.desk.max_concurrent": [1, 2, 8]},
    )
    points = sweep(station(), load)
    assert [point.value for point in points] == [1, 2, 8]
    assert len({point.outcome.measures.arrived for point in points}) == 1
    means = [point.outcome.measures.response.mean for point in points]
    assert means == sorted(means, reverse=True)
    assert means[-1] == pytest.approx(1.0)


def test_processes_measure_what_one_does() -> None:
    load = plan(arrivals={"poisson": {"rate": 2.0}}, sweep={"breakers.desk.max_concurrent": [1, 2]})
    alone, together = (sweep(station(), load, jobs=jobs) for jobs in (1, 2))
    for one, two in zip(alone, together, strict=True):
        assert counts(one.outcome.measures) == counts(two.outcome.measures)
    assert pickle.loads(pickle.dumps(alone[0].outcome)).findings() == alone[0].outcome.findings()


def test_looks_at_a_load_are_bounded_and_even_however_early_it_ends() -> None:
    for days, stops in ((1, False), (30, True)):
        definition = station(max_concurrent=1) if stops else chain(1)
        load = plan(
            span=86_400 * days, max_live_runs=80, arrivals={"constant": {"every": 900}}, behaviours=taking(1e4)
        )
        samples = simulate_load(definition, load).measures.samples
        gaps = [later.at - sooner.at for sooner, later in pairwise(samples)]
        assert 10 <= len(samples) <= 481
        assert max(gaps) == pytest.approx(min(gaps[:-1]))


def test_runs_of_another_pipeline_are_not_measured() -> None:
    measured, other = (PipelineRunManager().compiler.of(each) for each in (chain(1), station()))
    measures = Measures(0.0)
    measures.watch(measured.plan)
    loop = LoadLoop()
    loop.world = LoadWorld(loop, fault_plan({}), 0, measures, measured, {})

    async def main() -> RunStatus:
        async with PipelineRunManager() as manager:
            return (await (await manager.start_run(other.definition)).result()).status

    assert loop.run_until_complete(main()) is RunStatus.COMPLETED
    loop.close()
    assert (measures.arrived, measures.ended, measures.live.n) == (0, 0, 0)
