"""How a run is ended before its time, and how it is held, as traces."""

from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.effects import Timer
from playbill.model.facts import Cause, NodeStatus, Outcome, Receipt, RunStatus, Stopped
from tests.model.machines.recorder import at
from tests.model.machines.run import FAILED, Run, completed, result, slots, step, told


def test_a_cancel_tells_every_live_node_and_says_that_it_decides() -> None:
    run = Run(step("a"), step("b")).started()
    cause = Cause(RunStatus.CANCELLED, source="user", reason="enough")
    assert run.tell(m.Cancel("user", "enough", grace=1.5), now=3.0) == [
        ("pipeline_run.cancel_requested", None, None, {"cause": cause, "grace": 1.5}),
        ("drop_timer", Timer.DEADLINE),
        ("set_timer", Timer.OVERDUE, 3.6, m.StopOverdue()),
        ("tell", "a", m.Stop(1.5)),
        ("tell", "b", m.Stop(1.5)),
    ]
    assert run.answer is True


@pytest.mark.parametrize(("grace", "given"), [(None, 4.0), (0.5, 0.5), (0.0, 0.0), (-3.0, 0.0)])
def test_a_cancel_may_name_the_grace_and_never_one_below_nothing(grace: float | None, given: float) -> None:
    run = Run(step("a")).started()
    assert told(run.tell(m.Cancel("user", grace=grace))) == [("a", m.Stop(given))]


def test_a_later_cancel_shortens_the_grace_and_never_lengthens_it() -> None:
    run = Run(step("a")).started()
    run.tell(m.Cancel("user"), now=10.0)
    assert run.tell(m.Cancel("user", grace=3.0), now=11.0) == []
    assert run.answer is False
    cause = Cause(RunStatus.CANCELLED, source="user")
    assert run.tell(m.Cancel("user", grace=2.0), now=11.0) == [
        ("pipeline_run.cancel_requested", None, None, {"cause": cause, "grace": 2.0}),
        ("set_timer", Timer.OVERDUE, 4.1, m.StopOverdue()),
        ("tell", "a", m.Stop(2.0)),
    ]
    assert run.answer is False
    assert run.tell(m.Cancel("user", grace=2.0), now=11.0) == []


def test_a_cancel_after_a_failure_that_decides_does_not_decide() -> None:
    run = Run(step("a"), step("b"), on_failure="finish").started()
    run.tell(m.Ended("a", FAILED))
    run.tell(m.Cancel("user"))
    assert run.answer is False


def test_a_run_that_never_began_is_cancelled_at_once() -> None:
    run = Run(step("a"))
    end = result(run.tell(m.Cancel("user", "enough"), now=1.0))
    assert run.answer is True
    assert end.cause == Cause(RunStatus.CANCELLED, source="user", reason="enough")
    assert [str(event.type) for event in run.events] == ["pipeline_run.cancel_requested", "pipeline_run.cancelled"]
    assert (end.started_at, end.ended_at) == (None, at(1.0).utc)


def test_the_deadline_stops_the_run_by_the_default_grace() -> None:
    run = Run(step("a")).started()
    calls = run.tell(m.DeadlineReached(), now=60.0)
    assert told(calls) == [("a", m.Stop(4.0))]
    end = result(run.tell(m.Ended("a", Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.KILLED, 9.0)))))
    assert end.cause == Cause(RunStatus.TIMEOUT, source="timeout", seconds=60.0)
    assert end.status is RunStatus.TIMEOUT
    assert str(run.events[-1].type) == "pipeline_run.timeout"


def test_nodes_whose_ends_are_late_are_stopped_once_more_before_they_are_given_up() -> None:
    run = Run(step("a"), step("b")).started()
    run.tell(m.Cancel("user"), now=10.0)
    assert run.tell(m.StopOverdue(), now=15.5) == [
        ("set_timer", Timer.OVERDUE, 2.1, m.StopOverdue()),
        ("tell", "a", m.Stop(0.0)),
        ("tell", "b", m.Stop(0.0)),
    ]
    stopped = Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.KILLED, 5.0))
    run.tell(m.Ended("a", stopped), now=15.5)
    assert result(run.tell(m.Ended("b", stopped), now=15.5)).orphans == ()


def test_at_a_stop_a_nodes_own_grace_counts_and_an_explicit_one_caps_it() -> None:
    def run() -> Run:
        return Run(step("long", grace=9.0), step("short", grace=1.0), step("usual")).started()

    def bounds(calls: list[Any]) -> float:
        (delay,) = [call[2] for call in calls if call[0] == "set_timer" and call[1] is Timer.OVERDUE]
        return float(delay)

    calls = run().tell(m.Cancel("user"))
    assert told(calls) == [("long", m.Stop(9.0)), ("short", m.Stop(1.0)), ("usual", m.Stop(4.0))]
    assert bounds(calls) == 11.1
    calls = run().tell(m.Cancel("user", grace=5.0))
    assert told(calls) == [("long", m.Stop(5.0)), ("short", m.Stop(1.0)), ("usual", m.Stop(5.0))]
    assert bounds(calls) == 7.1
    stopping = run()
    assert told(stopping.tell(m.DeadlineReached()))[0] == ("long", m.Stop(9.0))
    assert stopping.tell(m.Cancel("user", grace=20.0), now=1.0) == []
    assert told(stopping.tell(m.Cancel("user", grace=2.0), now=1.0))[0] == ("long", m.Stop(2.0))


def test_nodes_that_outlive_the_ladder_are_given_up_and_named_as_orphans() -> None:
    run = Run(step("a"), step("b")).started()
    run.tell(m.AttemptReady("b", 3), m.Cancel("user"), m.StopOverdue(), now=10.0)
    calls = run.tell(m.StopOverdue(), now=16.5)
    receipt = Receipt(Stopped.ABANDONED, 6500.0)
    data = {"status": NodeStatus.CANCELLED, "failure": None, "receipt": receipt}
    assert calls[:2] == [
        ("pipeline_node.cancelled", "a", 0, data),
        ("pipeline_node.cancelled", "b", 3, data),
    ]
    end = result(calls)
    assert end.orphans == ("a", "b")
    assert end.node_results["b"].receipt == receipt


def test_an_attempt_that_began_before_its_node_heard_of_the_stop_is_recorded() -> None:
    run = Run(step("a"), step("b", on_crash="fail")).started()
    run.tell(m.Cancel("user"))
    assert run.tell(m.AttemptReady("a", 1)) == [("pipeline_node.started", "a", 1, {})]
    waiting = m.AttemptReady("b", 1)
    assert run.tell(waiting) == [("dead_letter", waiting)]


def test_a_stop_forgets_who_queues_for_a_slot() -> None:
    run = Run(step("a"), step("b"), max_concurrency=1).started()
    slots(run, m.SlotWanted("a"), m.SlotWanted("b"))
    run.tell(m.Cancel("user"))
    assert slots(run, m.Ended("a", Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.COOPERATIVE)))) == []


LATE = (m.SlotWanted("a"), m.DeadlineReached(), m.Pause(), m.Resume(), m.JournalFailed("full"), m.JournalBack())


@pytest.mark.parametrize("late", LATE)
def test_what_a_stop_overtakes_is_a_dead_letter(late: Any) -> None:
    run = Run(step("a")).started()
    run.tell(m.Cancel("user"))
    assert run.tell(late) == [("dead_letter", late)]


@pytest.mark.parametrize("late", [*LATE, m.AttemptReady("a", 1), m.Cancel("user"), m.StopOverdue()])
def test_what_comes_after_the_end_is_a_dead_letter(late: Any) -> None:
    run = Run(step("a")).started()
    run.tell(m.Ended("a", completed()))
    assert run.tell(late) == [("dead_letter", late)]


@pytest.mark.parametrize("late", [m.Resume(), m.JournalBack()])
def test_what_ends_a_pause_that_is_over_is_a_dead_letter(late: Any) -> None:
    assert Run(step("a")).started().tell(late) == [("dead_letter", late)]


# ---- pauses ----------------------------------------------------------------------------------------------------


def test_a_users_pause_stops_the_deadline_and_holds_the_edges() -> None:
    run = Run(step("a", "c"), step("b"), step("c")).started()
    assert run.tell(m.Pause(), now=20.0) == [
        ("pipeline_run.paused", None, None, {}),
        ("drop_timer", Timer.DEADLINE),
        ("tell", "a", m.Pause()),
        ("tell", "b", m.Pause()),
    ]
    assert run.answer is True
    assert run.machine.run.status is RunStatus.PAUSED
    assert told(run.tell(m.Ended("a", completed(x=1)))) == []
    assert run.tell(m.Resume(), now=100.0) == [
        ("pipeline_run.resumed", None, None, {}),
        ("set_timer", Timer.DEADLINE, 40.0, m.DeadlineReached()),
        ("tell", "b", m.Resume()),
        ("spawn", "c"),
        ("tell", "c", m.Input("a", {"a": {"x": 1}})),
    ]
    assert run.answer is True
    assert (run.state, run.machine.run.status) == ("running", RunStatus.RUNNING)


def test_a_second_pause_takes_what_the_first_has_left() -> None:
    run = Run(step("a")).started()
    run.tell(m.Pause(), now=20.0)
    run.tell(m.Resume(), now=100.0)
    run.tell(m.Pause(), now=110.0)
    assert ("set_timer", Timer.DEADLINE, 30.0, m.DeadlineReached()) in run.tell(m.Resume(), now=500.0)


@pytest.mark.parametrize("now", [60.0, 70.0])
def test_a_deadline_that_had_passed_in_a_stall_is_reached_at_once_after_the_pause(now: float) -> None:
    run = Run(step("a")).started()
    run.tell(m.Pause(), now=now)
    assert ("set_timer", Timer.DEADLINE, 0.0, m.DeadlineReached()) in run.tell(m.Resume(), now=71.0)


def test_what_is_said_twice_is_a_dead_letter() -> None:
    run = Run(step("a")).started()
    pause, resume, failed, back = m.Pause(), m.Resume(), m.JournalFailed("full"), m.JournalBack()
    run.tell(pause)
    assert (run.tell(pause), run.answer) == ([("dead_letter", pause)], False)
    run.tell(failed)
    assert run.tell(failed) == [("dead_letter", failed)]
    run.tell(back)
    assert run.tell(back) == [("dead_letter", back)]
    run.tell(failed)
    run.tell(resume)
    assert (run.tell(resume), run.answer) == ([("dead_letter", resume)], False)


def test_a_deadline_on_its_way_when_the_user_pauses_stops_nothing() -> None:
    run = Run(step("a")).started()
    run.tell(m.Pause(), now=59.9)
    late = m.DeadlineReached()
    assert run.tell(late, now=60.0) == [("dead_letter", late)]


def test_while_the_journal_fails_nodes_are_held_and_the_deadline_goes_on() -> None:
    run = Run(step("a")).started()
    assert run.tell(m.JournalFailed("full"), now=5.0) == [("tell", "a", m.Pause())]
    assert run.state == "paused"
    assert run.machine.run.status is RunStatus.RUNNING
    assert told(run.tell(m.DeadlineReached(), now=60.0)) == [("a", m.Stop(4.0))]


def test_a_run_goes_on_when_both_user_and_journal_let_it() -> None:
    run = Run(step("a")).started()
    assert told(run.tell(m.JournalFailed("full"))) == [("a", m.Pause())]
    assert told(run.tell(m.Pause())) == []
    assert told(run.tell(m.JournalBack())) == []
    assert told(run.tell(m.Resume())) == [("a", m.Resume())]


def test_a_run_whose_last_node_ended_in_a_pause_ends_when_it_is_resumed() -> None:
    run = Run(step("a")).started()
    run.tell(m.Pause())
    calls = run.tell(m.Ended("a", completed()))
    assert [call[0] for call in calls] == ["forget", "pipeline_node.completed"]
    assert result(run.tell(m.Resume())).status is RunStatus.COMPLETED


def test_a_failure_in_a_pause_stops_the_run_at_once() -> None:
    run = Run(step("a"), step("b")).started()
    run.tell(m.Pause())
    assert told(run.tell(m.Ended("a", FAILED))) == [("b", m.Stop(4.0))]
    assert run.state == "stopping"


def test_a_failure_in_a_pause_waits_for_the_other_branches_with_on_failure_finish() -> None:
    run = Run(step("a", "c"), step("b"), step("c"), on_failure="finish").started()
    run.tell(m.Pause())
    assert told(run.tell(m.Ended("a", FAILED))) == []
    assert told(run.tell(m.Resume())) == [("b", m.Resume()), ("c", m.Skip("a"))]


def test_edges_held_by_a_pause_are_forgotten_by_a_stop() -> None:
    run = Run(step("a", "c"), step("b"), step("c")).started()
    run.tell(m.Pause(), m.Ended("a", completed()))
    run.tell(m.Cancel("user"))
    assert run.machine.unrouted is None
    end = result(run.tell(m.Ended("b", Outcome(NodeStatus.NOT_STARTED, receipt=Receipt(Stopped.NOT_STARTED)))))
    assert end.node_results["c"].status is NodeStatus.NOT_STARTED
