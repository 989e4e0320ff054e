"""The same ladder in simulated time: processes that ignore SIGTERM, that die, that hang in the kernel."""

from typing import Any

import pytest

import playbill
from playbill.model.definition import definition_from
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.options import SimulatedOptions
from playbill.runtime.simulation.explore import explore
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.study import Study

SEEDS = 120
GRACE, KILL_BOUND = 2.0, 1.0


@playbill.node_type("isolated", isolation="process")
def isolated(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Run nowhere: in simulated time a declared behaviour stands in."""
    raise AssertionError("a simulation executes no handler in a process")


HANGS = [{"hangs": True}]
BEHAVIOURS = {
    "polite": {"outcomes": HANGS, "cleanup": {"uniform": [0.1, 1.5]}},
    "slow": {"outcomes": HANGS, "cleanup": 60},
    "deaf": {"outcomes": HANGS, "ignores_cancel": True},
    "stuck": {"outcomes": HANGS, "ignores_cancel": True, "ignores_kill": True},
    "dies": {"outcomes": HANGS},
    "quick": {"duration": {"uniform": [0.1, 3.0]}, "output": {"n": 1}},
}
RECEIPTS = {"polite": "interrupted", "slow": "killed", "deaf": "killed", "stuck": "abandoned"}
LOST = {"fault": "lost", "node": "dies", "seconds": 0.5}
OPTIONS: SimulatedOptions = {"types": [isolated], "grace": GRACE, "kill_bound": KILL_BOUND}


def definition(**nodes: dict[str, Any]) -> dict[str, Any]:
    """A pipeline of one isolated node for each behaviour."""
    one = {"type": "isolated", "retry": {"max_attempts": 2, "base": 0.1}}
    made = [{"id": name, **one, **nodes.get(name, {})} for name in BEHAVIOURS]
    return {"name": "nasty", "timeout": 10, "on_failure": "finish", "nodes": made}


@pytest.mark.parametrize("policy", ["random", "pct:3"])
def test_each_process_gets_the_receipt_it_earned_whatever_the_schedule(policy: str) -> None:
    for seed in range(SEEDS):
        faults = {"behaviours": {"nodes": BEHAVIOURS}, "faults": [LOST]}
        with Simulation(seed, faults=faults, policy=policy, **OPTIONS) as sim:
            result = sim.run(definition())
            found = {node: str(end.receipt.how) for node, end in result.node_results.items() if end.receipt}
            assert found == RECEIPTS, seed
            assert result.orphans == ("stuck",)
            assert sim.manager.orphans == 1
            dead = result.node_results["dies"]
            assert dead.error is not None
            assert (dead.status, dead.attempts, dead.error.type) == ("failed", 2, "HandlerKilled")
            assert result.node_results["quick"].status == "completed"
            assert sim.time <= 10 + GRACE + KILL_BOUND + 0.6


@pytest.mark.parametrize(("node", "orphans"), [("polite", 0), ("deaf", 0), ("stuck", 2)])
def test_an_attempt_that_outlives_its_timeout_is_retried_once_it_is_off_the_ladder(node: str, orphans: int) -> None:
    for seed in range(SEEDS // 4):
        faults = {"behaviours": {"nodes": {node: BEHAVIOURS[node]}}}
        with Simulation(seed, faults=faults, **OPTIONS) as sim:
            one = {"id": node, "type": "isolated", "timeout": 1, "retry": {"max_attempts": 2, "base": 0.1}}
            result = sim.run({"nodes": [one]})
            end = result.node_results[node]
            assert end.receipt is not None
            assert (end.status, end.attempts, end.receipt.how) == ("failed", 2, RECEIPTS[node])
            assert sim.manager.orphans == orphans


def test_the_invariants_hold_under_everything_that_goes_wrong_with_processes() -> None:
    faults = fault_plan(
        {
            "behaviours": {"nodes": BEHAVIOURS},
            "faults": [
                {**LOST, "probability": 0.5},
                {"fault": "lost", "probability": 0.1, "seconds": 0.2},
                {"fault": "late", "probability": 0.1, "seconds": 20.0},
                {"fault": "ignore_cancel", "probability": 0.1, "kill": True},
                {"fault": "message_delay", "probability": 0.05, "seconds": 0.2},
                {"fault": "journal_slow", "probability": 0.2, "seconds": 0.5},
                {"fault": "cancel", "probability": 0.3, "at": 1.5, "grace": 0.5},
                {"fault": "pause", "probability": 0.2, "at": 0.7, "seconds": 3.0},
            ],
        }
    )
    pipeline = definition_from(definition(deaf={"timeout": 2}, stuck={"timeout": 3}, slow={"total_timeout": 4}))
    study = Study(pipeline, faults=faults, options=OPTIONS)
    study.check()
    seen = explore(study, SEEDS)
    assert [str(finding) for finding in seen.findings] == []
    assert seen.seeds == SEEDS
    assert {"lost", "late", "ignore_cancel", "cancel", "pause"} <= {str(kind) for kind in seen.fired}
