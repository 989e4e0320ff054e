"""How a node comes to its inputs, and what is done without a handler, as traces."""

from datetime import UTC, datetime
from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.effects import Timer
from playbill.model.facts import NodeStatus, Now, Outcome
from playbill.model.machines.node import NodeMachine
from tests.model.machines.job import Job, outcome
from tests.model.machines.recorder import Recorder, at, facts_of, plan_of


class Joint(Job):
    """One node of any type with two parents, which begins no handler: its breaker is not asked."""

    def __init__(self, **fields: Any) -> None:
        parents = [{"id": parent, "type": "parallel", "next": "job"} for parent in ("a", "b")]
        plan = plan_of({"id": "job", "type": "parallel", **fields}, *parents)
        self.machine = NodeMachine(facts_of(plan, day=1), plan.nodes["job"], "me", "supervisor", None)
        self.out = Recorder()


def test_it_waits_for_every_edge_and_merges_what_they_carry() -> None:
    joint = Joint()
    first = {"a": {"x": 1}}
    assert joint.tell(m.Input("a", first)) == []
    end = outcome(joint.tell(m.Input("b", {"b": {"y": 2}})))
    assert (end.status, end.carried) == (NodeStatus.COMPLETED, {"a": {"x": 1}, "b": {"y": 2}})
    assert end.output == end.carried
    assert first == {"a": {"x": 1}}


def test_three_edges_are_merged_and_none_of_them_is_changed() -> None:
    carried: list[Any] = [{"a": {}}, {"b": {}}, {"c": {}}]
    joint = Joint()
    joint.machine.missing = 3
    end = outcome(joint.tell(*(m.Input("a", each) for each in carried)))
    assert end.carried == {"a": {}, "b": {}, "c": {}}
    assert carried == [{"a": {}}, {"b": {}}, {"c": {}}]


def test_with_join_any_the_first_live_edge_begins_it() -> None:
    assert outcome(Joint(join="any").tell(m.Input("b", {"b": {}}))).carried == {"b": {}}


def test_a_dead_edge_before_or_after_a_live_one_skips_nothing() -> None:
    for messages in ((m.Skip("a"), m.Input("b", {"b": {}})), (m.Input("b", {"b": {}}), m.Skip("a"))):
        assert outcome(Joint().tell(*messages)).carried == {"b": {}}


def test_all_edges_dead_skip_it() -> None:
    joint = Joint()
    assert joint.tell(m.Skip("a")) == []
    assert joint.tell(m.Skip("b")) == [
        ("tell", "supervisor", m.Ended("job", Outcome(NodeStatus.SKIPPED))),
        ("finish", None),
    ]


def test_a_trigger_gives_what_the_run_was_started_with() -> None:
    joint = Joint(type="trigger")
    joint.machine.missing = 1
    assert joint.tell(m.Input(None, {})) == [
        ("tell", "supervisor", m.AttemptReady("job", 1)),
        ("tell", "supervisor", m.Ended("job", Outcome(NodeStatus.COMPLETED, 1, {"day": 1}, {"job": {"day": 1}}))),
        ("finish", None),
    ]


@pytest.mark.parametrize(("x", "result"), [(5, True), (1, False)])
def test_a_condition_passes_its_inputs_on_with_its_result(x: int, result: bool) -> None:
    joint = Joint(type="condition", config={"condition": "input.x > 2 && trigger.day == 1"})
    end = outcome(joint.tell(m.Skip("b"), m.Input("a", {"a": {"x": x}})))
    assert (end.status, end.output) == (NodeStatus.COMPLETED, {"result": result})
    assert end.carried == {"a": {"x": x}, "job": {"result": result}}


def test_a_condition_that_cannot_be_evaluated_fails_its_first_attempt() -> None:
    joint = Joint(type="condition", config={"condition": "input.x > 2"})
    end = outcome(joint.tell(m.Skip("b"), m.Input("a", {"a": {}})))
    assert (end.status, end.attempts) == (NodeStatus.FAILED, 1)
    assert str(end.failure) == "NodeConfigError: expression 'input.x > 2' failed: no key 'x'"


def test_a_delay_tells_until_when_it_waits_and_passes_on_what_it_received() -> None:
    joint = Joint(type="delay", config={"seconds": 3})
    assert joint.tell(m.Skip("b"), m.Input("a", {"a": {"x": 1}}), now=2.0) == [
        ("tell", "supervisor", m.AttemptReady("job", 1, at(5.0).utc)),
        ("set_timer", Timer.DUE, 3.0, m.Due(1)),
    ]
    assert joint.state == "delaying"
    end = outcome(joint.tell(m.Due(1), now=5.0))
    assert end == Outcome(NodeStatus.COMPLETED, 1, {"a": {"x": 1}}, {"a": {"x": 1}})


def test_a_delay_that_is_over_in_a_pause_passes_on_after_it() -> None:
    joint = Joint(type="delay", config={"seconds": 3})
    joint.tell(m.Skip("b"), m.Input("a", {"a": {}}), m.Pause())
    assert joint.tell(m.Due(1)) == []
    assert joint.state == "held"
    assert outcome(joint.tell(m.Resume())).carried == {"a": {}}


def test_a_delay_is_ended_by_a_stop_and_by_its_total_timeout() -> None:
    joint = Joint(type="delay", config={"seconds": 3}, total_timeout=2.0)
    started = joint.tell(m.Skip("b"), m.Input("a", {"a": {}}), now=1.0)
    assert started[0] == ("set_timer", Timer.TOTAL, 2.0, m.TotalOverdue())
    end = outcome(joint.tell(m.TotalOverdue(), now=3.0))
    assert (end.status, end.attempts) == (NodeStatus.FAILED, 1)
    assert str(end.failure) == "AttemptTimedOut: total_timeout of 2 s is over"
    joint = Joint(type="delay", config={"seconds": 3})
    joint.tell(m.Skip("b"), m.Input("a", {"a": {}}))
    assert outcome(joint.tell(m.Stop(1.0))).status is NodeStatus.CANCELLED


def test_the_total_timeout_of_a_node_that_begins_in_a_pause_runs_from_the_resume() -> None:
    job = Job(total_timeout=10.0)
    job.tell(m.Pause())
    assert job.tell(m.Input("start", {}), now=5.0) == []
    assert job.state == "held"
    assert job.tell(m.Resume(), now=50.0)[0] == ("set_timer", Timer.TOTAL, 10.0, m.TotalOverdue())


def test_a_delay_that_ends_after_the_last_date_is_due_at_that_date() -> None:
    """In virtual time a chain of long delays comes there."""
    joint = Joint(type="delay", config={"seconds": 1e9}, join="any")
    now = Now(0.0, datetime(9990, 1, 1, tzinfo=UTC))
    joint.machine.receive(m.Input("a", {"a": {}}), now, joint.out)
    assert ("tell", "supervisor", m.AttemptReady("job", 1, datetime.max.replace(tzinfo=UTC))) in joint.out.calls
    assert ("set_timer", Timer.DUE, 1e9, m.Due(1)) in joint.out.calls
