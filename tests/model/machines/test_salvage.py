"""What is left of a run whose supervisor machine has failed, as traces."""

from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.effects import Timer
from playbill.model.facts import Cause, Failure, NodeStatus, Outcome, Receipt, RunStatus, Stopped
from playbill.model.machines.salvage import SalvageMachine, last_events
from playbill.model.plan import RunFacts
from playbill.model.planning import build_plan
from playbill.model.policies import StopPolicy
from playbill.model.results import RunResult
from playbill.model.runstate import RunState
from tests.model.machines.recorder import FATAL, Recorder, at, plan_of
from tests.model.machines.run import told

OURS = Failure("InternalError", "a rule was broken", retryable=False)
ENDED = Outcome(NodeStatus.CANCELLED, 1)


class Salvage:
    """The salvage of a run of two nodes, of which these live."""

    def __init__(self, *live: str, cause: Cause | None = None) -> None:
        nodes = [{"id": node, "type": "parallel"} for node in "ab"]
        plan = build_plan(plan_of(*nodes).definition, stop=StopPolicy(grace=4.0, kill_bound=2.0))
        self.run = RunState(status=RunStatus.RUNNING, seq=7, cause=cause)
        self.machine = SalvageMachine(RunFacts("run", plan, {}), self.run, live, OURS)
        self.out: Any = Recorder()

    def begin(self) -> list[tuple[Any, ...]]:
        self.machine.begin(at(1.0), self.out)
        calls: list[tuple[Any, ...]] = self.out.take()
        return calls

    def tell(self, message: Any) -> list[tuple[Any, ...]]:
        self.machine.receive(message, at(2.0), self.out)
        calls: list[tuple[Any, ...]] = self.out.take()
        return calls


def result(calls: list[tuple[Any, ...]]) -> RunResult:
    assert [call[0] for call in calls[-2:]] == ["record", "finish"]
    found: RunResult = calls[-1][1]
    return found


def test_it_stops_who_lives_and_ends_the_run_with_the_last_of_them() -> None:
    salvage = Salvage("a", "b")
    decided, *calls = salvage.begin()
    event, cause = decided[1], Cause(RunStatus.FAILED, OURS)
    assert (str(event.type), event.seq, event.data) == (
        "pipeline_run.cancel_requested",
        8,
        {"cause": cause, "grace": None},
    )
    assert calls == [
        ("drop_timer", Timer.DEADLINE),
        ("set_timer", Timer.OVERDUE, 6.1, m.StopOverdue()),
        ("tell", "a", m.Stop(4.0)),
        ("tell", "b", m.Stop(4.0)),
    ]
    forgotten, recorded = salvage.tell(m.Ended("b", ENDED))
    assert forgotten == ("forget", "b")
    event = recorded[1]
    assert (str(event.type), event.node_id, event.attempt, event.seq) == ("pipeline_node.cancelled", "b", 1, 9)
    calls = salvage.tell(m.Ended("a", ENDED))
    assert [call[0] for call in calls] == ["forget", "record", "record", "finish"]
    event = calls[2][1]
    assert (str(event.type), event.stream, event.seq, event.at) == ("pipeline_run.failed", "run", 11, at(2.0).utc)
    assert (event.node_id, event.attempt) == (None, None)
    assert event.data == {"status": RunStatus.FAILED, "cause": Cause(RunStatus.FAILED, OURS)}
    end = result(calls)
    assert (end.status, end.error, end.outputs, end.orphans) == (RunStatus.FAILED, OURS, {}, ())
    assert end.ended_at == at(2.0).utc
    assert str(salvage.machine.state) == "ended"


def test_with_nobody_alive_it_ends_at_once() -> None:
    assert result(Salvage().begin()).status is RunStatus.FAILED


def test_who_outlives_the_ladder_is_an_orphan() -> None:
    salvage = Salvage("a", "b")
    salvage.begin()
    salvage.tell(m.Ended("a", ENDED))
    assert told(salvage.tell(m.StopOverdue())) == [("b", m.Stop(0.0))]
    end = result(salvage.tell(m.StopOverdue()))
    assert end.orphans == ("b",)
    assert end.node_results["b"].receipt == Receipt(Stopped.ABANDONED, 1000.0)


def test_a_failed_node_decides_nothing_and_an_end_that_was_recorded_is_not_recorded_again() -> None:
    salvage = Salvage("a", "b")
    salvage.begin()
    (_, recorded) = salvage.tell(m.Ended("a", Outcome(NodeStatus.FAILED, 1, failure=FATAL)))
    assert recorded[1].data == {"failure": FATAL, "receipt": None, "live": (), "handled": True}
    assert salvage.run.cause == Cause(RunStatus.FAILED, OURS)
    assert salvage.tell(m.Ended("a", ENDED)) == [("forget", "a")]


def test_the_end_that_the_supervisor_failed_over_is_taken_in() -> None:
    salvage = Salvage("a")
    salvage.machine.begin(at(1.0), salvage.out, m.Ended("a", Outcome(NodeStatus.COMPLETED, 1, {"n": 1})))
    end = result(salvage.out.take())
    assert end.node_results["a"].output == {"n": 1}


@pytest.mark.parametrize(
    ("cause", "event"),
    [
        (Cause(RunStatus.FAILED, FATAL, node="a"), "pipeline_run.failed"),
        (Cause(RunStatus.CANCELLED, source="user"), "pipeline_run.cancelled"),
        (Cause(RunStatus.TIMEOUT, seconds=3.0), "pipeline_run.timeout"),
    ],
)
def test_the_cause_that_came_first_still_decides_in_the_journal_and_in_the_result(cause: Cause, event: str) -> None:
    calls = Salvage(cause=cause).begin()
    assert (calls[-2][1].type, calls[-2][1].data) == (event, {"status": cause.status, "cause": cause})
    assert (result(calls).status, result(calls).cause) == (cause.status, cause)


def test_what_decided_and_stopped_the_run_before_is_not_recorded_again() -> None:
    salvage = Salvage("a", cause=Cause(RunStatus.CANCELLED, source="user"))
    salvage.run.was_stopped = True
    assert [call[0] for call in salvage.begin()] == ["drop_timer", "set_timer", "tell"]


def test_a_failure_that_let_other_branches_go_on_is_what_stops_them() -> None:
    cause = Cause(RunStatus.FAILED, FATAL, node="b")
    salvage = Salvage("a", cause=cause)
    (_, event), *_ = salvage.begin()
    assert (event.data, salvage.run.was_stopped) == ({"cause": cause, "grace": None}, True)


def test_time_does_not_go_back_in_what_it_records_either() -> None:
    salvage = Salvage("a")
    salvage.run.at = at(90.0).utc
    salvage.begin()
    calls = salvage.tell(m.Ended("a", ENDED))
    assert {call[1].at for call in calls if call[0] == "record"} == {at(90.0).utc}
    events = last_events(salvage.machine.facts, RunState(at=at(90.0).utc), OURS, at(1.0))
    assert {event.at for event in events} == {at(90.0).utc}


def test_what_has_completed_is_among_the_outputs() -> None:
    salvage = Salvage("a")
    salvage.begin()
    end = result(salvage.tell(m.Ended("a", Outcome(NodeStatus.COMPLETED, 1, {"n": 1}))))
    assert (end.outputs, end.cause) == ({"a": {"n": 1}}, Cause(RunStatus.FAILED, OURS))


def test_whatever_else_comes_is_too_late() -> None:
    salvage = Salvage("a")
    salvage.begin()
    for late in (m.Cancel("user"), m.Pause(), m.Resume(), m.AttemptReady("a", 1), m.DeadlineReached()):
        assert salvage.tell(late) == [("dead_letter", late)]
    salvage.tell(m.Ended("a", ENDED))
    assert salvage.tell(m.StopOverdue()) == [("dead_letter", m.StopOverdue())]
