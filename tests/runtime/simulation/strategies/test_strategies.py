"""The strategies give valid pipelines and fitting plans, shrink them, and find nothing wrong with playbill."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from playbill.model.definition import PipelineDefinition
from playbill.model.plan import BUILT_IN
from playbill.model.validation import validate
from playbill.runtime.definitions.discovery import node_type
from playbill.runtime.faults.kinds import AttemptFault
from playbill.runtime.faults.plan import FaultPlan
from playbill.runtime.simulation.simulation import Crashed, Simulation
from playbill.runtime.simulation.strategies import behaviours, definitions, fault_plans

QUICK = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(definitions(max_nodes=12))
def test_every_pipeline_is_valid(definition: PipelineDefinition) -> None:
    assert validate(definition) == []
    assert 1 <= len(definition.nodes) <= 12


@QUICK
@given(st.data())
def test_every_plan_fits_its_pipeline(data: st.DataObject) -> None:
    definition = data.draw(definitions(max_nodes=3))
    plan = data.draw(fault_plans(definition))
    plan.check(definition)
    handlers = {node.id for node in definition.nodes if node.type not in BUILT_IN}
    assert plan.behaviours.nodes.keys() <= handlers
    assert {fault.node for fault in plan.of(AttemptFault)} <= {None, *handlers}


@given(fault_plans(crash=False))
@settings(max_examples=300)
def test_a_plan_for_any_pipeline_names_no_nodes_and_no_crash_when_told_so(plan: FaultPlan) -> None:
    assert not plan.behaviours.nodes
    assert all(fault.node is None for fault in plan.of(AttemptFault))
    assert all(fault.fault != "crash" for fault in plan.faults)


HAS: dict[str, Callable[[PipelineDefinition], Any]] = {
    "join any": lambda d: any(node.join == "any" for node in d.nodes if _incoming(d, node.id) > 1),
    "failure edge": lambda d: any(edge.when == "failure" for edge in d.edges),
    "else branch": lambda d: any(edge.condition == "false" for edge in d.edges),
    "condition on a predecessor": lambda d: any(node.config.get("condition") in {"a", "b"} for node in d.nodes),
    "delay": lambda d: any(node.type == "delay" for node in d.nodes),
    "fan out": lambda d: any(sum(edge.from_node == node.id for edge in d.edges) > 2 for node in d.nodes),
    "retries": lambda d: any(node.retry and node.retry.max_attempts > 2 for node in d.nodes),
    "timeouts": lambda d: any(node.timeout and node.total_timeout for node in d.nodes),
    "continue": lambda d: any(node.on_error == "continue" for node in d.nodes),
    "slots": lambda d: d.max_concurrency is not None,
    "breaker": lambda d: d.breakers,
}


ALL_PHASES = settings(database=None, derandomize=True, phases=tuple(Phase))
"""On CI, too, where a failure is left as it was found."""


def _incoming(definition: PipelineDefinition, node: str) -> int:
    return sum(edge.to_node == node for edge in definition.edges)


def test_pipelines_have_all_there_is_to_have() -> None:
    seen: set[str] = set()

    @settings(QUICK, max_examples=300, database=None, derandomize=True)
    @given(definitions())
    def look(definition: PipelineDefinition) -> None:
        seen.update(what for what, has in HAS.items() if has(definition))

    look()
    assert seen == set(HAS)


@pytest.mark.parametrize("what", ["join any", "retries"])
def test_a_pipeline_shrinks_to_what_is_looked_for(what: str) -> None:
    least = find(definitions(), HAS[what], settings=settings(ALL_PHASES, max_examples=2000))
    assert len(least.nodes) + len(least.edges) <= 5
    assert [other for other, has in HAS.items() if has(least)] == [what]


def test_the_least_pipeline_is_one_parallel_node_and_the_least_plan_is_none() -> None:
    least = find(definitions(), lambda _: True, settings=ALL_PHASES)
    assert [(node.id, node.type, node.config) for node in least.nodes] == [("a", "parallel", {})]
    assert find(fault_plans(least), lambda _: True, settings=ALL_PHASES) == FaultPlan()


def test_types_of_ones_own_are_drawn_with_their_configs() -> None:
    @node_type("drawn_work")
    async def drawn_work(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"n": node.config["n"]}

    ran: set[int] = set()

    @settings(max_examples=30, database=None, derandomize=True)
    @given(definitions(types={"drawn_work": st.fixed_dictionaries({"n": st.integers(0, 3)}), "delay": DELAYS}))
    def runs(definition: PipelineDefinition) -> None:
        with Simulation(0) as sim:
            result = sim.run(definition)
        ran.update(output["n"] for output in result.outputs.values() if "n" in output)

    runs()
    assert ran == {0, 1, 2, 3}


DELAYS = st.just({"seconds": 5.0})


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.integers(0, 2**16))
def test_no_invariant_breaks_whatever_is_drawn(data: st.DataObject, seed: int) -> None:
    definition = data.draw(definitions(), "definition")
    plan = data.draw(fault_plans(definition), "faults")
    with suppress(Crashed), Simulation(seed, faults=plan, allow=None) as sim:
        sim.run(definition)


def test_a_circuit_that_opens_before_a_node_begins_may_be_handled() -> None:
    nodes: Any = [{"id": name, "type": "command", "config": {"argv": ["true"]}} for name in "ab"]
    nodes.append({"id": "c", "type": "parallel"})
    edges: Any = [{"from": "a", "to": "b"}, {"from": "b", "to": "c", "when": "always"}]
    definition = PipelineDefinition(nodes=nodes, edges=edges)
    opened = {"fault": "breaker", "breaker": "command", "seconds": 100.0, "at": 0.01}
    plan = FaultPlan.model_validate({"faults": [opened], "behaviours": {"default": {"duration": 1.0}}})
    with Simulation(0, faults=plan) as sim:
        assert sim.run(definition).status == "completed"


def test_a_join_any_may_begin_with_nothing() -> None:
    nodes: Any = [{"id": "a", "type": "parallel"}, {"id": "b", "type": "delay", "config": {"seconds": 1.0}}]
    nodes += [{"id": name, "type": "command", "config": {"argv": ["true"]}} for name in "cd"]
    nodes[3]["join"] = "any"
    edges: Any = [{"from": "a", "to": "d"}, {"from": "b", "to": "c"}, {"from": "c", "to": "d"}]
    with Simulation(0, faults={"behaviours": {"default": {"duration": 9.0}}}) as sim:
        assert sim.run(PipelineDefinition(nodes=nodes, edges=edges)).status == "completed"


@settings(max_examples=50)
@given(behaviours(), st.integers(0, 100))
def test_a_node_of_any_behaviour_ends_within_its_bound(behaviour: Any, seed: int) -> None:
    definition = PipelineDefinition(
        nodes=[{"id": "a", "type": "command", "config": {"argv": ["true"]}}],  # type: ignore[list-item]
        timeout=10.0,
    )
    with Simulation(seed, faults=FaultPlan.model_validate({"behaviours": {"nodes": {"a": behaviour}}})) as sim:
        sim.run(definition)
        assert sim.time <= 10 + 5 + 1 + 0.6
