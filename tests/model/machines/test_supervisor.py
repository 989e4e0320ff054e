"""A run's life as traces: what its supervisor was told, what it recorded and asked for."""

from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.effects import Timer
from playbill.model.facts import Cause, NodeStatus, Outcome, Receipt, RunStatus, Stopped
from playbill.model.results import NodeExecutionResult
from tests.model.machines.recorder import FATAL, FLAKY, at
from tests.model.machines.run import FAILED, Run, completed, result, slots, step, told

RUN_STARTED = {
    "pipeline": "demo",
    "version": "7",
    "trigger_data": {"day": 1},
    "timeout": 60.0,
    "grace": 4.0,
    "kill_bound": 2.0,
}


def test_one_run_from_its_start_to_its_result() -> None:
    run = Run(step("a", "b"), step("b"), name="demo", version="7")
    assert run.tell(m.Start({"day": 1}), now=1.0) == [
        ("pipeline_run.started", None, None, RUN_STARTED),
        ("set_timer", Timer.DEADLINE, 60.0, m.DeadlineReached()),
        ("spawn", "a"),
        ("tell", "a", m.Input(None, {})),
    ]
    assert run.tell(m.AttemptReady("a", 1), now=2.0) == [("pipeline_node.started", "a", 1, {})]
    assert run.tell(m.Ended("a", completed(x=1)), now=3.0) == [
        ("forget", "a"),
        ("pipeline_node.completed", "a", 1, {"output": {"x": 1}, "live": (0,)}),
        ("spawn", "b"),
        ("tell", "b", m.Input("a", {"a": {"x": 1}})),
    ]
    calls = run.tell(m.AttemptReady("b", 1), m.Ended("b", completed()), now=4.0)
    assert calls[1:-1] == [
        ("forget", "b"),
        ("pipeline_node.completed", "b", 1, {"output": {}, "live": ()}),
        ("pipeline_run.completed", None, None, {"status": RunStatus.COMPLETED, "cause": None}),
    ]
    end = result(calls)
    assert (end.status, end.outputs, end.orphans) == (RunStatus.COMPLETED, {"a": {"x": 1}, "b": {}}, ())
    assert (end.started_at, end.ended_at) == (at(1.0).utc, at(4.0).utc)
    assert (end.node_results["a"].started_at, end.node_results["a"].ended_at) == (at(2.0).utc, at(3.0).utc)
    assert [event.seq for event in run.events] == [1, 2, 3, 4, 5, 6]
    assert {event.stream for event in run.events} == {"run"}
    assert repr(run.machine) == "<SupervisorMachine run ended completed live=0 seq=6>"


def test_a_delay_tells_until_when_it_waits() -> None:
    run = Run({"id": "a", "type": "delay", "config": {"seconds": 5.0}}).started()
    assert run.tell(m.AttemptReady("a", 1, at(5.0).utc)) == [
        ("pipeline_node.started", "a", 1, {"due_at": at(5.0).utc})
    ]


def test_a_node_that_waits_for_its_record_may_proceed_after_it() -> None:
    run = Run(step("a", on_crash="fail")).started()
    assert run.tell(m.AttemptReady("a", 1)) == [
        ("pipeline_node.started", "a", 1, {}),
        ("tell", "a", m.Proceed(1)),
    ]


def test_a_retry_is_recorded_with_its_failure_and_its_receipt() -> None:
    run = Run(step("a")).started()
    receipt = Receipt(Stopped.ABANDONED, 7.0)
    retrying = m.Retrying("a", 1, at(9.0).utc, FLAKY, receipt)
    assert run.tell(m.AttemptReady("a", 1), retrying)[1:] == [
        ("pipeline_node.retrying", "a", 1, {"failure": FLAKY, "due_at": at(9.0).utc, "receipt": receipt})
    ]
    end = result(run.tell(m.AttemptReady("a", 2), m.Ended("a", Outcome(NodeStatus.COMPLETED, 2, {}))))
    node = end.node_results["a"]
    assert (node.attempts, node.error, node.receipt) == (2, None, None)
    assert end.orphans == ("a",)


# ---- slots -----------------------------------------------------------------------------------------------------


def test_slots_go_first_come_first_served_and_never_over_the_limit() -> None:
    run = Run(*(step(node) for node in "abcd"), max_concurrency=2).started()
    assert slots(run, *(m.SlotWanted(node) for node in "dabc")) == ["d", "a"]
    assert slots(run, m.Ended("d", completed())) == ["b"]
    assert slots(run, m.Ended("b", completed())) == ["c"]


def test_a_retry_gives_its_slot_to_the_next_and_queues_again() -> None:
    run = Run(step("a"), step("b"), max_concurrency=1).started()
    assert slots(run, m.SlotWanted("a"), m.SlotWanted("b")) == ["a"]
    assert slots(run, m.Retrying("a", 1, at(1.0).utc, FLAKY)) == ["b"]
    assert slots(run, m.SlotWanted("a")) == []
    assert slots(run, m.Ended("b", completed())) == ["a"]


def test_who_ends_in_the_queue_leaves_it() -> None:
    run = Run(step("a"), step("b"), step("c"), max_concurrency=1, on_failure="finish").started()
    assert slots(run, *(m.SlotWanted(node) for node in "abc")) == ["a"]
    assert slots(run, m.Ended("b", FAILED)) == []
    assert slots(run, m.Ended("a", completed())) == ["c"]


def test_no_slot_is_given_in_a_pause_and_all_are_given_after_it() -> None:
    run = Run(step("a"), step("b"), max_concurrency=1).started()
    slots(run, m.SlotWanted("a"))
    assert slots(run, m.Pause(), m.SlotWanted("b"), m.Ended("a", completed())) == []
    assert slots(run, m.Resume()) == ["b"]


# ---- routing ---------------------------------------------------------------------------------------------------


def test_a_node_that_joins_any_begins_once() -> None:
    run = Run(step("a", "c"), step("b", "c"), step("c", join="any")).started()
    assert told(run.tell(m.Ended("a", completed()))) == [("c", m.Input("a", {"a": {}}))]
    assert told(run.tell(m.Ended("b", completed()))) == []


def test_a_node_that_joins_all_hears_from_every_edge() -> None:
    run = Run(step("a", "c"), step("b", "c"), step("c")).started()
    assert told(run.tell(m.Ended("a", completed()))) == [("c", m.Input("a", {"a": {}}))]
    assert told(run.tell(m.Ended("b", completed()))) == [("c", m.Input("b", {"b": {}}))]


def test_a_dead_edge_does_not_begin_a_node_that_joins_any() -> None:
    failing = {**step("a"), "next": {"to": "c", "when": "failure"}}
    run = Run(failing, step("b", "c"), step("c", join="any")).started()
    assert told(run.tell(m.Ended("a", completed()))) == [("c", m.Skip("a"))]
    assert told(run.tell(m.Ended("b", completed()))) == [("c", m.Input("b", {"b": {}}))]


@pytest.mark.parametrize("count", [1, 20])
def test_each_edge_of_many_is_judged_by_itself(count: int) -> None:
    following: list[Any] = [
        {"to": f"{when}{n}", "when": when} for n in range(count) for when in ("success", "failure")
    ]
    targets = [step(edge["to"]) for edge in following]
    run = Run({**step("a"), "next": following}, *targets).started()
    assert told(run.tell(m.Ended("a", completed(x=1)))) == [
        (f"{when}{n}", m.Input("a", {"a": {"x": 1}}) if when == "success" else m.Skip("a"))
        for n in range(count)
        for when in ("success", "failure")
    ]


def test_an_edge_that_cannot_be_judged_fails_the_run() -> None:
    run = Run({**step("a"), "next": {"to": "b", "condition": "output.x > 1"}}, step("b")).started()
    end = result(run.tell(m.Ended("a", completed())))
    assert end.status is RunStatus.FAILED
    assert str(end.error) == "NodeConfigError: edge 'a->b': expression 'output.x > 1' failed: no key 'x'"
    assert end.node_results["a"].status is NodeStatus.COMPLETED
    assert end.node_results["b"].status is NodeStatus.NOT_STARTED


RESULT = {"result": True}


@pytest.mark.parametrize(
    ("node", "output", "carried", "said"),
    [
        ({"type": "condition", "config": {"condition": "true"}}, RESULT, {"z": {}, "a": RESULT},
            {"passed_on": ("z",), "output": RESULT}),
        ({"type": "parallel"}, {"z": {}, "y": {}}, {"z": {}, "y": {}}, {"passed_on": ("z", "y")}),
        ({"type": "delay", "config": {"seconds": 1}}, {}, {}, {"passed_on": ()}),
        ({"type": "trigger"}, {"day": 1}, {"a": {"day": 1}}, {"passed_on": (), "from_trigger": True}),
        ({"type": "step"}, RESULT, None, {"output": RESULT}),
    ],
)  # fmt: skip
def test_an_event_tells_no_output_of_another(
    node: dict[str, Any], output: dict[str, Any], carried: dict[str, Any] | None, said: dict[str, Any]
) -> None:
    run = Run({"id": "a", **node, "next": {"to": "b", "when": "always"}}, step("b")).started()
    for source in ("z", "y"):
        run.machine.run.nodes[source] = NodeExecutionResult(source, NodeStatus.COMPLETED, {})
    calls = run.tell(m.Ended("a", Outcome(NodeStatus.COMPLETED, 1, output, carried)))
    data = calls[1][3]
    assert {name: item for name, item in data.items() if name != "live"} == said


# ---- failures --------------------------------------------------------------------------------------------------


def test_a_failure_that_nothing_handles_stops_the_other_branches() -> None:
    run = Run(step("a", "c"), step("b"), step("c")).started()
    assert run.tell(m.Ended("a", FAILED), now=5.0) == [
        ("forget", "a"),
        ("pipeline_node.failed", "a", 1, {"failure": FATAL, "receipt": None, "live": (), "handled": False}),
        ("drop_timer", Timer.DEADLINE),
        ("set_timer", Timer.OVERDUE, 6.1, m.StopOverdue()),
        ("tell", "b", m.Stop(4.0)),
    ]
    cancelled = Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.COOPERATIVE, 3.0))
    end = result(run.tell(m.Ended("b", cancelled), now=6.0))
    assert str(run.events[-1].type) == "pipeline_run.failed"
    assert end.cause == Cause(RunStatus.FAILED, FATAL, node="a")
    assert [(node, str(each.status)) for node, each in end.node_results.items()] == [
        ("a", "failed"),
        ("b", "cancelled"),
        ("c", "not_started"),
    ]


def test_with_on_failure_finish_the_other_branches_end_first() -> None:
    run = Run(step("a", "c"), step("b"), step("c"), on_failure="finish").started()
    assert told(run.tell(m.Ended("a", FAILED))) == [("c", m.Skip("a"))]
    run.tell(m.Ended("c", Outcome(NodeStatus.SKIPPED)))
    assert run.state == "running"
    end = result(run.tell(m.Ended("b", completed())))
    assert end.cause == Cause(RunStatus.FAILED, FATAL, node="a")


@pytest.mark.parametrize("fields", [{"on_error": "continue"}, {"next": {"to": "b", "when": "failure"}}])
def test_a_failure_that_is_handled_stops_nothing(fields: dict[str, Any]) -> None:
    run = Run(step("a", "b") | fields, step("b")).started()
    calls = run.tell(m.Ended("a", FAILED))
    assert calls[1][3]["handled"] is True
    assert [(node, type(message)) for node, message in told(calls)] == [("b", m.Input)]
    assert result(run.tell(m.Ended("b", completed()))).status is RunStatus.COMPLETED


def test_the_first_cause_decides() -> None:
    run = Run(step("a"), step("b")).started()
    run.tell(m.Cancel("user", "enough"))
    run.tell(m.Ended("a", FAILED))
    end = result(run.tell(m.Ended("b", Outcome(NodeStatus.NOT_STARTED, receipt=Receipt(Stopped.NOT_STARTED)))))
    assert end.cause == Cause(RunStatus.CANCELLED, source="user", reason="enough")
    assert end.status is RunStatus.CANCELLED


# ---- outputs ---------------------------------------------------------------------------------------------------


def test_the_outputs_of_a_definition_are_evaluated_at_the_end() -> None:
    run = Run(step("a"), outputs={"twice": "inputs.a.x * 2", "day": "trigger.day"}).started()
    assert result(run.tell(m.Ended("a", completed(x=4)))).outputs == {"twice": 8, "day": 1}


def test_an_output_that_cannot_be_evaluated_fails_the_run() -> None:
    run = Run(step("a"), outputs={"o": "inputs.a.y"}).started()
    end = result(run.tell(m.Ended("a", completed(x=4))))
    assert (end.status, end.outputs) == (RunStatus.FAILED, {})
    told = "NodeConfigError: output 'o': expression 'inputs.a.y' failed: no key 'y'; keys are: 'x'"
    assert str(end.error) == told


def test_a_run_that_failed_gives_the_outputs_of_its_nodes_but_none_of_its_definition() -> None:
    for outputs, given in (({}, {"a": {"x": 4}}), ({"o": "inputs.a.x"}, {})):
        run = Run(step("a"), step("b"), on_failure="finish", outputs=outputs).started()
        run.tell(m.Ended("a", completed(x=4)))
        end = result(run.tell(m.Ended("b", FAILED)))
        assert (end.status, end.outputs) == (RunStatus.FAILED, given)
