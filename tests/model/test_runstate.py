"""The durable state of a run: what each type of event makes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from playbill.model.events import Event, EventType
from playbill.model.facts import Cause, Failure, NodeStatus, Receipt, RunStatus, Stopped
from playbill.model.runstate import NEVER, RunState

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BROKEN = Failure("OSError", "gone", retryable=True)
KILLED, ABANDONED = Receipt(Stopped.KILLED, 5.0), Receipt(Stopped.ABANDONED, 9.0)


class Fold:
    """A state, and the events that make it, one a second."""

    def __init__(self) -> None:
        self.state = RunState()

    def happen(self, name: str, node: str | None = None, attempt: int | None = None, **data: Any) -> "Fold":
        seq = self.state.seq + 1
        event = Event(EventType(name), "run", seq, at(seq), node, attempt, data)
        self.state.apply(event)
        return self

    def node(self, name: str, attempt: int | None = None, **data: Any) -> "Fold":
        return self.happen(f"pipeline_node.{name}", "a", attempt, **data)

    def run(self, name: str, **data: Any) -> "Fold":
        return self.happen(f"pipeline_run.{name}", **data)


def at(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def test_nothing_has_happened_to_a_new_run() -> None:
    assert RunState() == RunState(RunStatus.PENDING, 0, NEVER, {}, {}, {}, {}, None, False, (), None, None, None)


def test_a_run_goes_from_its_start_over_a_pause_to_its_end() -> None:
    fold = Fold().run("started", trigger_data={"day": 1})
    assert (fold.state.status, fold.state.trigger_data, fold.state.started_at) == (
        RunStatus.RUNNING,
        {"day": 1},
        at(1),
    )
    assert fold.run("paused").state.status is RunStatus.PAUSED
    assert fold.run("resumed").state.status is RunStatus.RUNNING
    assert fold.run("completed", status=RunStatus.COMPLETED, cause=None).state.status is RunStatus.COMPLETED
    assert (fold.state.seq, fold.state.started_at, fold.state.ended_at, fold.state.cause) == (4, at(1), at(4), None)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "timeout"])
def test_each_end_gives_its_status(status: str) -> None:
    fold = Fold().run(status, status=RunStatus(status), cause=None)
    assert (str(fold.state.status), fold.state.ended_at) == (status, at(1))


def test_a_node_keeps_its_first_start_and_its_last_attempt() -> None:
    fold = Fold().node("started", 1).node("retrying", 1, failure=BROKEN, receipt=KILLED).node("started", 2)
    node = fold.state.nodes["a"]
    assert (node.status, node.attempts, node.started_at) == (NodeStatus.RUNNING, 2, at(1))
    assert (node.error, node.receipt, node.ended_at) == (BROKEN, KILLED, None)


def test_a_node_that_completed_forgets_what_its_retries_said() -> None:
    fold = Fold().node("started", 1).node("retrying", 1, failure=BROKEN, receipt=KILLED)
    fold.node("completed", 1, output={"x": 1}, live=(0, 2))
    node = fold.state.nodes["a"]
    assert (node.status, node.output, node.error, node.receipt) == (NodeStatus.COMPLETED, {"x": 1}, None, None)
    assert node.ended_at == at(3)
    assert (fold.state.live, fold.state.carried, fold.state.cause) == ({"a": (0, 2)}, {}, None)


def test_what_a_transparent_node_passes_on_is_put_together_from_what_others_gave() -> None:
    fold = Fold().run("started", trigger_data={"day": 1})
    fold.happen("pipeline_node.completed", "t", 1, passed_on=(), from_trigger=True, live=())
    fold.happen("pipeline_node.completed", "b", 1, output={"x": 1}, live=())
    fold.happen("pipeline_node.failed", "c", 1, failure=BROKEN, receipt=None, live=(0,), handled=True)
    fold.happen("pipeline_node.completed", "p", 1, passed_on=("t", "b", "c"), live=())
    fold.happen("pipeline_node.completed", "if", 1, passed_on=("b",), output={"result": True}, live=())
    everything = {"t": {"day": 1}, "b": {"x": 1}, "c": BROKEN.as_error()}
    assert fold.state.carried == {
        "t": {"t": {"day": 1}},
        "p": everything,
        "if": {"b": {"x": 1}, "if": {"result": True}},
    }
    assert {name: node.output for name, node in fold.state.nodes.items()} == {
        "t": {"day": 1}, "b": {"x": 1}, "c": None, "p": everything, "if": {"result": True},
    }  # fmt: skip


def test_the_outputs_that_a_run_has_told_are_kept() -> None:
    fold = Fold().run("completed", status=RunStatus.COMPLETED, cause=None, outputs={"x": 1})
    assert fold.state.outputs == {"x": 1}
    assert Fold().run("completed", status=RunStatus.COMPLETED, cause=None).state.outputs is None


def test_a_node_whose_edges_cannot_be_judged_decides_the_run() -> None:
    fold = Fold().node("completed", 1, output={}, live=(), failure=BROKEN)
    assert fold.state.cause == Cause(RunStatus.FAILED, BROKEN)
    assert fold.state.nodes["a"].status is NodeStatus.COMPLETED


@pytest.mark.parametrize(("handled", "cause"), [(True, None), (False, Cause(RunStatus.FAILED, BROKEN, node="a"))])
def test_a_node_that_failed_decides_the_run_unless_it_is_handled(handled: bool, cause: Cause | None) -> None:
    fold = Fold().node("failed", 3, failure=BROKEN, receipt=KILLED, live=(1,), handled=handled)
    node = fold.state.nodes["a"]
    assert (node.status, node.attempts, node.error, node.receipt) == (NodeStatus.FAILED, 3, BROKEN, KILLED)
    assert (node.started_at, node.ended_at) == (None, at(1))
    assert (fold.state.live, fold.state.cause) == ({"a": (1,)}, cause)


def test_a_node_that_was_refused_made_no_attempt() -> None:
    for fold in (
        Fold().node("failed", 0, failure=BROKEN, receipt=None, live=(), handled=True),
        Fold().node("cancelled", 0, status=NodeStatus.NOT_STARTED, failure=None, receipt=None),
    ):
        assert fold.state.nodes["a"].attempts == 0


def test_a_skipped_node_has_an_end_and_no_live_edges() -> None:
    fold = Fold().node("skipped", 0)
    node = fold.state.nodes["a"]
    assert (node.status, node.attempts, node.ended_at) == (NodeStatus.SKIPPED, 0, at(1))
    assert fold.state.live == {"a": ()}


@pytest.mark.parametrize("status", [NodeStatus.CANCELLED, NodeStatus.NOT_STARTED])
def test_a_cancelled_node_says_whether_it_had_begun(status: NodeStatus) -> None:
    fold = Fold().node("cancelled", 2, status=status, failure=BROKEN, receipt=KILLED)
    node = fold.state.nodes["a"]
    assert (node.status, node.attempts, node.error, node.receipt) == (status, 2, BROKEN, KILLED)
    assert (node.ended_at, fold.state.live) == (at(1), {})


def test_every_abandoned_attempt_is_an_orphan_and_no_other_is() -> None:
    fold = Fold().node("retrying", 1, failure=BROKEN, receipt=ABANDONED)
    fold.node("retrying", 2, failure=BROKEN, receipt=KILLED).node("retrying", 3, failure=BROKEN, receipt=None)
    fold.node("failed", 4, failure=BROKEN, receipt=ABANDONED, live=(), handled=True)
    fold.happen("pipeline_node.cancelled", "b", 1, status=NodeStatus.CANCELLED, failure=None, receipt=ABANDONED)
    assert fold.state.orphans == ("a", "a", "b")


def test_the_first_cause_stays() -> None:
    first, second = Cause(RunStatus.CANCELLED, source="user"), Cause(RunStatus.TIMEOUT, source="timeout")
    fold = Fold().run("cancel_requested", cause=first).run("cancel_requested", cause=second)
    fold.node("failed", 1, failure=BROKEN, receipt=None, live=(), handled=False)
    assert fold.run("cancelled", status=RunStatus.CANCELLED, cause=second).state.cause is first


def test_an_end_may_bring_the_cause() -> None:
    cause = Cause(RunStatus.FAILED, BROKEN)
    assert Fold().run("failed", status=RunStatus.FAILED, cause=cause).state.cause is cause


def test_a_run_that_was_stopped_after_a_failure_had_decided_it_was_stopped() -> None:
    fold = Fold().node("failed", 1, failure=BROKEN, receipt=None, live=(), handled=False)
    assert not fold.state.was_stopped
    fold.run("cancel_requested", cause=Cause(RunStatus.CANCELLED, source="user"))
    assert (fold.state.was_stopped, fold.state.cause) == (True, Cause(RunStatus.FAILED, BROKEN, node="a"))
