"""Which edges of a node are live, and what they carry: every pair of end and edge."""

from typing import Any

import pytest

from playbill.model.errors import NodeConfigError
from playbill.model.facts import NodeStatus, Outcome
from playbill.model.machines.live_edges import carried_by, live_edges
from tests.model.machines.recorder import FATAL, facts_of, plan_of

HANDLER = {"type": "agent", "config": {"agent_id": "a", "task": "t"}}
CONDITION = {"type": "condition", "config": {"condition": "true"}}
ERROR = {"error": {"type": "NodeConfigError", "message": "never", "retryable": False}}


def live(source: dict[str, Any], edge: dict[str, Any], outcome: Outcome) -> bool:
    """Whether this edge of this source is live after this outcome."""
    plan = plan_of({"id": "a", **source, "next": {"to": "b", **edge}}, {"id": "b", "type": "parallel"})
    found = live_edges(plan.nodes["a"], outcome, carried_by(plan.nodes["a"], outcome), facts_of(plan, day=1))
    assert found in {(), (0,)}
    return bool(found)


def ended(status: str, output: dict[str, Any] | None = None) -> Outcome:
    failure = FATAL if status == "failed" else None
    return Outcome(NodeStatus(status), 1, output, failure=failure)


@pytest.mark.parametrize(
    ("status", "on_error", "expected"),
    [
        ("completed", "fail", ["success", "always"]),
        ("failed", "fail", ["failure", "always"]),
        ("failed", "continue", ["success", "failure", "always"]),
        ("skipped", "fail", []),
        ("cancelled", "continue", []),
        ("not_started", "fail", []),
    ],
)
def test_when_says_which_ends_an_edge_is_for(status: str, on_error: str, expected: list[str]) -> None:
    source = {**HANDLER, "on_error": on_error}
    whens = ["success", "failure", "always"]
    assert [when for when in whens if live(source, {"when": when}, ended(status))] == expected


@pytest.mark.parametrize("result", [True, False])
@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ({}, {True}),
        ({"condition": "true"}, {True}),
        ({"condition": "false"}, {False}),
        ({"when": "always"}, {True, False}),
        ({"when": "always", "condition": "false"}, {False}),
        ({"when": "failure"}, set()),
        ({"condition": "output.result"}, {True}),
        ({"condition": "!output.result"}, {False}),
    ],
)
def test_an_edge_from_a_condition_node_wants_its_result(
    edge: dict[str, Any], expected: set[bool], result: bool
) -> None:
    outcome = Outcome(NodeStatus.COMPLETED, 1, {"result": result}, {"a": {"result": result}})
    assert live(CONDITION, edge, outcome) is (result in expected)


def test_of_a_condition_node_that_failed_no_result_is_wanted() -> None:
    assert live(CONDITION, {"when": "failure"}, ended("failed"))
    assert live(CONDITION, {"when": "always"}, ended("failed"))
    assert not live(CONDITION, {}, ended("failed"))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("output.x > 1", True),
        ("output.x > 2", False),
        ("input.x == 2", True),
        ("inputs.a.x == 2", True),
        ("trigger.day == 1", True),
        ("a", True),
        ("input.y", False),
    ],
)
def test_a_condition_sees_what_the_edge_would_carry(condition: str, expected: bool) -> None:
    assert live(HANDLER, {"condition": condition}, ended("completed", {"x": 2})) is expected


def test_a_condition_of_a_failure_edge_sees_the_error() -> None:
    edge = {"when": "failure", "condition": "output.error.retryable"}
    assert not live(HANDLER, edge, ended("failed"))
    assert live(HANDLER, {**edge, "condition": "output.error.type == 'NodeConfigError'"}, ended("failed"))


def test_a_condition_that_cannot_be_evaluated_names_its_edge() -> None:
    with pytest.raises(NodeConfigError, match=r"^edge 'a->b': expression 'output.x > 1' failed: no key 'x'$"):
        live(HANDLER, {"condition": "output.x > 1"}, ended("completed", {}))


def test_live_edges_are_called_by_their_place_in_the_definition() -> None:
    edges = [{"to": "b", "when": when} for when in ("failure", "success", "always")]
    plan = plan_of(
        {"id": "c", "type": "parallel", "next": "b"},
        {"id": "a", **HANDLER, "next": edges},
        {"id": "b", "type": "parallel"},
    )
    outcome = ended("completed", {})
    assert live_edges(plan.nodes["a"], outcome, {"a": {}}, facts_of(plan)) == (2, 3)


@pytest.mark.parametrize(
    ("outcome", "carried"),
    [
        (ended("completed", {"x": 1}), {"a": {"x": 1}}),
        (ended("completed"), {"a": {}}),
        (Outcome(NodeStatus.COMPLETED, 1, {"x": 1}, carried={"z": {}}), {"z": {}}),
        (Outcome(NodeStatus.COMPLETED, 1, {"x": 1}, carried={}), {}),
        (ended("failed"), {"a": ERROR}),
        (ended("skipped"), {}),
        (ended("cancelled"), {}),
    ],
)
def test_edges_carry_the_output_what_is_passed_on_or_the_error(outcome: Outcome, carried: dict[str, Any]) -> None:
    plan = plan_of({"id": "a", **HANDLER})
    assert carried_by(plan.nodes["a"], outcome) == carried
