"""The invariants are fair: what users do by the API, and what only looks odd, is no finding."""

import asyncio
from typing import Any

import pytest

import playbill
from playbill.model.definition import definition_from
from playbill.runtime.simulation.simulation import Simulation
from tests.runtime.simulation.worlds import ALL, DIAMOND


@playbill.node_type("polite")
async def polite(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Answer at once when it is cancelled."""
    try:
        await context.sleep(100.0)
    except asyncio.CancelledError:
        return {"left": "early"}
    return {}


@playbill.node_type("nans")
async def nans(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, float]:
    """Give nothing to divide by."""
    return {"x": 0.0}


@pytest.mark.parametrize("seed", range(60))
def test_a_run_may_be_paused_resumed_and_cancelled_by_who_has_it(seed: int) -> None:
    crowded = definition_from({**DIAMOND, "max_concurrency": 1})
    with Simulation(seed, types=ALL) as sim:
        run = sim.start(crowded)
        for seconds in (0.3, 1.0, 0.7):
            sim.advance(seconds)
            assert sim.call(run.pause())
            assert sim.call(run.resume())
        sim.advance(0.5)
        sim.call(run.cancel(grace=1.0))
        sim.result(run)


@pytest.mark.parametrize("bound", ["timeout", "idle_timeout", "total_timeout"])
def test_who_answers_a_cancel_at_once_has_timed_out_all_the_same(bound: str) -> None:
    node = {"id": "a", "type": "polite", bound: 2.0, "retry": {"max_attempts": 1}}
    with Simulation(types=[polite]) as sim:
        result = sim.run({"nodes": [node]})
    assert result.status is playbill.RunStatus.FAILED
    assert result.node_results["a"].receipt is not None
    assert result.node_results["a"].receipt.how == "cooperative"


def test_a_total_timeout_over_pauses_is_not_judged_by_the_last_bit() -> None:
    node = {"id": "a", "type": "polite", "total_timeout": 2.3, "retry": {"max_attempts": 1}}
    for tenths in range(1, 12):
        with Simulation(types=[polite]) as sim:
            run = sim.start({"nodes": [node]})
            for _ in range(2):
                sim.advance(tenths / 13)
                sim.call(run.pause())
                sim.advance(0.1 * tenths)
                sim.call(run.resume())
            assert sim.result(run).status is playbill.RunStatus.FAILED


def test_an_id_may_be_used_again_when_its_run_is_forgotten() -> None:
    failing = {"nodes": [{"id": "a", "type": "polite", "timeout": 1.0, "retry": {"max_attempts": 1}}]}
    with Simulation(types=[polite], keep_runs=0) as sim:
        assert sim.run(failing, run_id="same").status is playbill.RunStatus.FAILED
        assert sim.run({"nodes": [{"id": "a", "type": "parallel"}]}, run_id="same").status == "completed"


def test_outputs_may_be_no_number_and_waits_beyond_all_bounds() -> None:
    outputs = {"x": "inputs.a.x / inputs.a.x"}
    with Simulation(types=[nans]) as sim:
        done = sim.run({"nodes": [{"id": "a", "type": "nans"}], "outputs": outputs})
    failed = "expression 'inputs.a.x / inputs.a.x' failed: it gives nan, which JSON cannot say"
    assert str(done.error) == f"NodeConfigError: output 'x': {failed}"
    retry = {"max_attempts": 1100, "base": 1.0, "cap": 0.01, "jitter": 0.0}
    plan = {"faults": [{"fault": "raise", "node": "a", "times": 1090}]}
    breakers = {"nans": {"failures": 5000}}
    with Simulation(types=[nans], faults=plan) as sim:
        done = sim.run({"nodes": [{"id": "a", "type": "nans", "retry": retry}], "breakers": breakers})
    assert done.status is playbill.RunStatus.COMPLETED
    assert done.node_results["a"].attempts == 1091


@pytest.mark.parametrize("seed", range(20))
def test_an_ask_that_comes_behind_its_own_withdrawal_is_nothing_odd(seed: int) -> None:
    late = [
        {"fault": "message_delay", "message": "Ask", "seconds": 30.0},
        {"fault": "message_delay", "message": "Stop", "seconds": 20.0},
        {"fault": "cancel", "at": 1.0, "grace": 0.5},
    ]
    with Simulation(seed, types=ALL, faults={"faults": late}) as sim:
        sim.run(definition_from(DIAMOND))


def test_a_node_may_be_stopped_by_its_reference_and_the_run_fails_of_that() -> None:
    with Simulation(types=[polite]) as sim:
        run = sim.start({"nodes": [{"id": "a", "type": "polite"}]})
        sim.advance(1.0)
        run.actor.nodes["a"].actor_ref.stop(block=False)
        result = sim.result(run)
    assert result.status is playbill.RunStatus.FAILED
    assert result.error is not None
    assert "the actor of node 'a' was stopped from outside" in str(result.error)


def test_a_breaker_may_be_stopped_by_its_reference_and_begins_afresh() -> None:
    with Simulation(types=[polite]) as sim:
        run = sim.start({"nodes": [{"id": "a", "type": "polite"}]})
        sim.advance(1.0)
        next(iter(sim.world.breakers())).actor_ref.stop(block=False)
        sim.advance(200.0)
        assert sim.result(run).status is playbill.RunStatus.COMPLETED
