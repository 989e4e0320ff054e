"""The plan of a run: every default applied, every condition compiled, every edge in its place."""

from typing import Any

import pytest

from playbill.model.definition import definition_from
from playbill.model.plan import Kind, NodePlan, Plan, variables
from playbill.model.planning import build_plan
from playbill.model.policies import RetryPolicy, StopPolicy

HANDLER = {"type": "agent", "config": {"agent_id": "a", "task": "t"}}


def plan(*nodes: dict[str, Any], **more: Any) -> Plan:
    return build_plan(definition_from({"nodes": list(nodes), **more}))


def node(more: dict[str, Any] | None = None, **fields: Any) -> NodePlan:
    """The plan of one handler node of a pipeline that says more."""
    return plan({"id": "a", **HANDLER, **fields}, **(more or {})).nodes["a"]


def test_a_node_that_says_nothing_has_the_built_in_defaults() -> None:
    found = node()
    assert (found.kind, found.type, found.order, found.incoming) == (Kind.HANDLER, "agent", 0, 1)
    assert (found.timeout, found.idle_timeout, found.total_timeout) == (None, None, None)
    assert (found.grace, found.breaker, found.retry) == (StopPolicy().grace, "agent", RetryPolicy())
    assert (found.joins_any, found.waits_open, found.commits, found.continues) == (False, False, False, False)
    assert (found.takes_slot, found.threaded, found.condition, found.all_live) == (False, False, None, ())


def test_a_node_says_each_thing_for_itself() -> None:
    fields: dict[str, Any] = {
        "join": "any",
        "on_open": "wait",
        "on_crash": "fail",
        "on_error": "continue",
        "grace": 0.0,
    }
    found = node(**fields, breaker="key", timeout=1.0, idle_timeout=2.0, total_timeout=3.0, retry={"max_attempts": 7})
    assert (found.joins_any, found.waits_open, found.commits, found.continues) == (True, True, True, True)
    assert (found.timeout, found.idle_timeout, found.total_timeout, found.grace) == (1.0, 2.0, 3.0, 0.0)
    assert (found.breaker, found.retry.max_attempts) == ("key", 7)


def test_the_definitions_defaults_stand_between_a_nodes_own_and_the_built_in_ones() -> None:
    defaults = {"timeout": 4.0, "idle_timeout": 5.0, "total_timeout": 6.0, "retry": {"max_attempts": 8}}
    found = node({"defaults": defaults})
    assert (found.timeout, found.idle_timeout, found.total_timeout) == (4.0, 5.0, 6.0)
    assert found.retry.max_attempts == 8
    found = node({"defaults": defaults}, timeout=1.0, retry={"max_attempts": 2})
    assert (found.timeout, found.idle_timeout, found.retry.max_attempts) == (1.0, 5.0, 2)


def test_grace_is_the_runs_unless_the_node_says_so() -> None:
    definition = definition_from({"nodes": [{"id": "a", **HANDLER}, {"id": "b", **HANDLER, "grace": 1.0}]})
    found = build_plan(definition, stop=StopPolicy(grace=9.0, kill_bound=2.0))
    assert (found.nodes["a"].grace, found.nodes["b"].grace) == (9.0, 1.0)
    assert found.stop.kill_bound == 2.0


def test_only_handlers_take_slots_ask_breakers_and_run_in_threads() -> None:
    nodes = [{"id": "a", **HANDLER}, {"id": "b", "type": "parallel"}, {"id": "c", "type": "mine"}]
    definition = definition_from({"nodes": nodes, "max_concurrency": 1})
    found = build_plan(definition, threaded=frozenset({"c"}), unguarded=frozenset({"mine"})).nodes
    assert [each.takes_slot for each in found.values()] == [True, False, True]
    assert [each.breaker for each in found.values()] == ["agent", None, None]
    assert [each.threaded for each in found.values()] == [False, False, True]


@pytest.mark.parametrize("kind", ["trigger", "parallel", "condition", "delay"])
def test_the_built_in_types_are_done_by_the_machine(kind: str) -> None:
    found = plan({"id": "a", "type": kind, "config": {"condition": "true", "seconds": 1.0}}).nodes["a"]
    assert (str(found.kind), found.breaker, found.condition is not None) == (kind, None, kind == "condition")


def test_nodes_stand_in_topological_order_and_roots_hear_from_one_start() -> None:
    found = plan(
        {"id": "d", "type": "parallel"},
        {"id": "a", "type": "parallel", "next": ["c", "d"]},
        {"id": "b", "type": "parallel", "next": ["c"]},
        {"id": "c", "type": "parallel", "next": ["d"]},
    )
    assert list(found.nodes) == ["a", "b", "c", "d"]
    assert found.roots == ("a", "b")
    assert [(each.order, each.incoming) for each in found.nodes.values()] == [(0, 1), (1, 1), (2, 2), (3, 2)]


def test_edges_are_called_by_their_place_in_the_definition() -> None:
    found = plan(
        {"id": "a", "type": "parallel", "next": ["c", {"to": "b", "when": "always"}]},
        {"id": "b", "type": "parallel", "next": "c"},
        {"id": "c", "type": "parallel", "join": "any"},
    )
    edges = [(e.index, e.id, e.target, e.to_any, e.when) for each in found.nodes.values() for e in each.edges]
    assert edges == [
        (0, "a->c", "c", True, "success"),
        (1, "a->b", "b", False, "always"),
        (2, "b->c", "c", True, "success"),
    ]


@pytest.mark.parametrize(
    ("edge", "all_live"),
    [
        ({}, (0,)),
        ({"when": "always"}, (0,)),
        ({"when": "failure"}, None),
        ({"condition": "output.x > 1"}, None),
        ({"condition": "true"}, None),
    ],
)
def test_success_makes_all_edges_live_unless_one_must_be_judged(edge: dict[str, Any], all_live: Any) -> None:
    found = plan({"id": "a", "type": "parallel", "next": {"to": "b", **edge}}, {"id": "b", "type": "parallel"})
    assert found.nodes["a"].all_live == all_live


@pytest.mark.parametrize(
    ("source", "text", "wanted", "compiled"),
    [
        ("condition", " TRUE ", True, False),
        ("condition", "False", False, False),
        ("condition", "output.result", None, True),
        ("condition", None, None, False),
        ("parallel", "true", None, True),
        ("parallel", None, None, False),
    ],
)
def test_only_from_a_condition_node_true_and_false_are_the_result_wanted(
    source: str, text: str | None, wanted: bool | None, compiled: bool
) -> None:
    first = {"id": "a", "type": source, "config": {"condition": "true"} if source == "condition" else {}}
    found = plan({**first, "next": {"to": "b", "condition": text}}, {"id": "b", "type": "parallel"})
    (edge,) = found.nodes["a"].edges
    assert (edge.wanted, edge.condition is not None) == (wanted, compiled)
    assert (found.nodes["a"].all_live is None) is (source == "condition" or text is not None)


def test_a_condition_may_be_a_predecessors_id() -> None:
    nodes: list[dict[str, Any]] = [
        {"id": "b", "type": "parallel"},
        {"id": "first-node", "type": "parallel", "next": "c"},
        {"id": "c", "type": "condition", "config": {"condition": "first-node"}},
    ]
    condition = plan(*nodes).nodes["c"].condition
    assert condition is not None
    assert condition.evaluate({"inputs": {"first-node": {"x": 1}}})


def test_conditions_alone_may_name_each_other() -> None:
    first = {"id": "first-one", "type": "condition", "config": {"condition": "true"}, "next": "b"}
    second = {"id": "b", "type": "condition", "config": {"condition": "first-one"}}
    assert plan(first, second).nodes["b"].condition is not None


def test_variables_are_inputs_their_merge_without_conditions_and_the_trigger() -> None:
    order = plan(
        {"id": "a", "type": "parallel", "next": "b"},
        {"id": "b", "type": "condition", "config": {"condition": "true"}, "next": "c"},
        {"id": "c", "type": "parallel"},
    ).nodes
    inputs: dict[str, dict[str, Any]] = {"c": {"x": 3}, "b": {"result": True}, "a": {"x": 1, "y": 2}}
    found = variables(inputs, order, {"day": 1})
    assert list(found["inputs"]) == ["a", "b", "c"]
    assert found["input"] == {"x": 3, "y": 2}
    assert found["trigger"] == {"day": 1}
    assert variables({"a": {"x": 1}}, order, {})["input"] == {"x": 1}


def test_only_a_handlers_start_waits_for_the_journal() -> None:
    nodes = [{"id": "a", "type": "trigger", "on_crash": "fail"}, {"id": "b", "type": "command", "on_crash": "fail"}]
    plan = build_plan(definition_from({"nodes": nodes}))
    assert {node.id: node.commits for node in plan.nodes.values()} == {"a": False, "b": True}


@pytest.mark.parametrize(
    ("retry", "attempts"), [(None, 1), ({}, 1), ({"base": 2.0}, 1), (2, 2), ({"max_attempts": 3, "base": 2.0}, 3)]
)
def test_who_fails_in_a_crash_has_one_attempt_unless_its_own_retry_writes_more(retry: Any, attempts: int) -> None:
    node = {"id": "a", "type": "command", "on_crash": "fail", **({} if retry is None else {"retry": retry})}
    definition = definition_from({"nodes": [node], "defaults": {"retry": {"max_attempts": 7, "factor": 3.0}}})
    policy = build_plan(definition).nodes["a"].retry
    assert (policy.max_attempts, policy.factor) == (attempts, 3.0 if retry is None else 2.0)
