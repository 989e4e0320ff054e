"""The ladder of a node's attempt that must end, rung by rung, and what comes too late for it."""

from typing import Any

import pytest
from msgspec.structs import replace

from playbill.model import messages as m
from playbill.model.effects import Timer
from playbill.model.facts import NodeStatus, Outcome, Permit, Receipt, Stopped, Verdict
from tests.model.machines.job import PERMIT, Job, outcome
from tests.model.machines.recorder import FATAL, FLAKY, TIMED_OUT

TIMES: dict[str, Any] = {"timeout": 5.0, "grace": 2.0, "retry": {"max_attempts": 2, "base": 1.0, "jitter": 0.0}}


def timed_out(**fields: Any) -> Job:
    """An attempt that ran into its timeout at 5 s."""
    job = Job(**{**TIMES, **fields}).running()
    job.tell(m.AttemptOverdue(1), now=5.0)
    return job


def receipt(calls: list[tuple[Any, ...]]) -> Receipt | None:
    (retrying,) = [call[2] for call in calls if isinstance(call[-1], m.Retrying)]
    assert isinstance(retrying, m.Retrying)
    return retrying.receipt


# ---- the receipt -----------------------------------------------------------------------------------------------


def test_the_receipt_says_how_the_attempt_ended_and_after_how_long() -> None:
    interrupted = timed_out().tell(m.Returned(1, 5.25), now=5.25)
    assert receipt(interrupted) == Receipt(Stopped.INTERRUPTED, 250.0)
    cooperative = timed_out().tell(m.Returned(1, 5.5, failure=FLAKY), now=5.5)
    assert receipt(cooperative) == Receipt(Stopped.COOPERATIVE, 500.0)
    job = timed_out()
    job.tell(m.GraceOver(1), now=7.0)
    assert receipt(job.tell(m.Returned(1, 7.5, output={}), now=7.5)) == Receipt(Stopped.KILLED, 2500.0, 500.0)
    job = timed_out()
    job.tell(m.GraceOver(1), now=7.0)
    assert receipt(job.tell(m.KillOverdue(1), now=8.0)) == Receipt(Stopped.ABANDONED, 3000.0, 1000.0)


def test_a_stopped_attempt_that_ignores_its_kill_is_abandoned_with_its_permit() -> None:
    job = Job().running()
    assert job.tell(m.Stop(2.0), now=1.0)[-1] == ("set_timer", Timer.LADDER, 2.0, m.GraceOver(1))
    assert job.tell(m.GraceOver(1), now=3.0) == [
        ("kill", 1),
        ("set_timer", Timer.LADDER, 1.0, m.KillOverdue(1)),
    ]
    assert job.tell(m.KillOverdue(1), now=4.0) == [
        ("tell", "breaker", m.Settle(PERMIT, Verdict.CANCELLED, 4.0, running=True)),
        ("abandon", 1, PERMIT),
        (
            "tell",
            "supervisor",
            m.Ended("job", Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.ABANDONED, 3000.0, 1000.0))),
        ),
        ("finish", None),
    ]


def test_an_attempt_without_a_permit_is_abandoned_without_one() -> None:
    job = Job(grace=0.0)
    job.machine.breaker = None
    job.tell(m.Input("start", {}), m.Stop(0.0), now=1.0)
    assert job.tell(m.KillOverdue(1), now=2.0)[0] == ("abandon", 1, None)


def test_a_grace_of_nothing_kills_at_once() -> None:
    job = Job(timeout=5.0, grace=0.0).running()
    assert job.tell(m.AttemptOverdue(1), now=5.0) == [
        ("interrupt", 1),
        ("kill", 1),
        ("set_timer", Timer.LADDER, 1.0, m.KillOverdue(1)),
    ]


# ---- what comes in time ----------------------------------------------------------------------------------------


def test_a_result_of_the_very_moment_of_the_deadline_still_counts() -> None:
    assert outcome(timed_out().tell(m.Returned(1, 5.0, output={"in": "time"}), now=5.0)).output == {"in": "time"}


def test_a_failure_from_before_the_deadline_is_retried_as_the_failure_it_is() -> None:
    calls = timed_out().tell(m.Returned(1, 4.9, failure=FLAKY), now=5.1)
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.FAILURE, 4.9, failure=FLAKY))
    assert receipt(calls) is None


def test_an_attempt_that_the_interruption_ended_did_not_end_before_it() -> None:
    """Its end may be stamped with the deadline's own moment."""
    assert receipt(timed_out().tell(m.Returned(1, 5.0), now=5.0)) == Receipt(Stopped.INTERRUPTED, 0.0)


def test_a_failure_from_before_a_stop_ends_the_node_failed() -> None:
    job = Job().running()
    job.tell(m.Stop(5.0), now=3.0)
    calls = job.tell(m.Returned(1, 2.9, failure=FATAL), now=3.0)
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.IGNORED, 2.9, failure=FATAL))
    assert outcome(calls) == Outcome(NodeStatus.FAILED, 1, failure=FATAL)


def test_a_success_from_before_a_stop_says_that_the_dependency_works() -> None:
    job = Job().running()
    job.tell(m.Stop(5.0), now=3.0)
    assert job.tell(m.Returned(1, 2.9, output={}), now=3.0)[0] == (
        "tell",
        "breaker",
        m.Settle(PERMIT, Verdict.SUCCESS, 2.9),
    )


# ---- a stop on the way down ------------------------------------------------------------------------------------


def test_a_stop_of_a_timed_out_attempt_lets_no_other_follow_and_keeps_the_timeout_as_the_failure() -> None:
    job = timed_out()
    assert job.tell(m.Stop(9.0), now=5.5) == []
    calls = job.tell(m.Returned(1, 6.0), now=6.0)
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.FAILURE, 6.0, failure=TIMED_OUT))
    end = outcome(calls)
    assert (end.status, end.receipt) == (NodeStatus.CANCELLED, Receipt(Stopped.INTERRUPTED, 1000.0))
    assert str(end.failure) == "AttemptTimedOut: timeout of 5 s is over"


def test_a_stop_may_shorten_the_grace_of_a_timeout() -> None:
    job = timed_out()
    assert job.tell(m.Stop(0.5), now=5.5) == [("set_timer", Timer.LADDER, 0.5, m.GraceOver(1))]
    job.tell(m.GraceOver(1), now=6.0)
    assert job.tell(m.KillOverdue(1), now=7.0)[0] == (
        "tell",
        "breaker",
        m.Settle(PERMIT, Verdict.FAILURE, 7.0, running=True, failure=TIMED_OUT),
    )


def test_a_stop_that_ends_at_the_same_moment_as_the_first_changes_nothing() -> None:
    job = Job().running()
    job.tell(m.Stop(2.0), now=1.0)
    assert job.tell(m.Stop(1.0), now=2.0) == []


def test_a_stop_after_the_kill_changes_nothing() -> None:
    job = Job().running()
    job.tell(m.Stop(0.0), now=1.0)
    assert job.tell(m.Stop(0.0), now=1.1) == []


def test_of_a_stopped_retry_the_last_failure_is_kept() -> None:
    job = Job(retry={"base": 1.0}).running()
    job.tell(m.Returned(1, 1.0, failure=FLAKY), now=1.0)
    job.tell(m.Due(1), m.Granted(Permit("agent", 0, "0:run/job#2")), m.Stop(1.0), now=2.0)
    assert outcome(job.tell(m.Returned(2, 2.5), now=2.5)).failure is FLAKY


# ---- timeouts --------------------------------------------------------------------------------------------------


def test_the_idle_timeout_counts_from_the_last_heartbeat_and_its_very_moment_is_too_late() -> None:
    job = Job(idle_timeout=5.0, retry={"max_attempts": 1}).running()
    job.tell(m.Heartbeat(1), now=3.0)
    job.tell(m.IdleOverdue(1), now=8.0)
    end = outcome(job.tell(m.Returned(1, 8.5), now=8.5))
    assert str(end.failure) == "AttemptTimedOut: idle_timeout of 5 s is over"
    job = Job(idle_timeout=5.0).running()
    job.tell(m.Heartbeat(1), now=3.0)
    job.tell(m.IdleOverdue(1), now=9.0)
    assert outcome(job.tell(m.Returned(1, 8.0, output={}), now=9.0)).status is NodeStatus.COMPLETED


def test_the_total_timeout_is_final_for_an_attempt_that_is_on_the_ladder_already() -> None:
    job = timed_out(total_timeout=6.0)
    assert job.tell(m.TotalOverdue(), now=6.0) == []
    end = outcome(job.tell(m.Returned(1, 6.5), now=6.5))
    assert (end.status, end.receipt) == (NodeStatus.FAILED, Receipt(Stopped.INTERRUPTED, 1500.0))
    assert str(end.failure) == "AttemptTimedOut: timeout of 5 s is over"


def test_after_the_total_timeout_no_attempt_follows_one_that_is_abandoned() -> None:
    job = timed_out(total_timeout=6.0)
    job.tell(m.TotalOverdue(), now=6.0)
    job.tell(m.GraceOver(1), now=7.0)
    end = outcome(job.tell(m.KillOverdue(1), now=8.0))
    assert (end.status, end.receipt) == (NodeStatus.FAILED, Receipt(Stopped.ABANDONED, 3000.0, 1000.0))


def test_after_the_total_timeout_a_failure_from_before_the_deadline_is_the_timeouts() -> None:
    job = timed_out(total_timeout=6.0)
    job.tell(m.TotalOverdue(), now=6.0)
    end = outcome(job.tell(m.Returned(1, 4.9, failure=FLAKY), now=6.5))
    assert end.failure is not None
    assert end.failure.type == "AttemptTimedOut"


def test_after_the_total_timeout_a_success_from_before_the_deadline_still_counts() -> None:
    job = timed_out(total_timeout=6.0)
    job.tell(m.TotalOverdue(), now=6.0)
    assert outcome(job.tell(m.Returned(1, 4.9, output={}), now=6.5)).status is NodeStatus.COMPLETED


def test_the_total_timeout_of_a_running_attempt_counts_from_the_nodes_start() -> None:
    job = Job(total_timeout=10.0)
    job.tell(m.Input("start", {}), now=1.0)
    job.tell(m.Granted(PERMIT), now=3.0)
    job.tell(m.TotalOverdue(), now=12.0)
    assert outcome(job.tell(m.Returned(1, 11.0, output={}), now=12.0)).status is NodeStatus.COMPLETED
    job = Job(total_timeout=10.0)
    job.tell(m.Input("start", {}), now=1.0)
    job.tell(m.Granted(PERMIT), now=3.0)
    job.tell(m.TotalOverdue(), now=12.0)
    assert outcome(job.tell(m.Returned(1, 11.5, output={}), now=12.0)).status is NodeStatus.FAILED


def test_a_total_timeout_in_a_pause_ends_no_attempt() -> None:
    late = m.TotalOverdue()
    job = Job(total_timeout=10.0).running()
    job.tell(m.Pause(), now=5.0)
    assert job.tell(late, now=10.0) == [("dead_letter", late)]
    job = timed_out(total_timeout=10.0)
    job.tell(m.Pause(), now=6.0)
    assert job.tell(late, now=10.0) == [("dead_letter", late)]
    assert receipt(job.tell(m.Returned(1, 6.5), now=10.0)) == Receipt(Stopped.INTERRUPTED, 1500.0)


def test_the_timeouts_of_a_thread_count_from_its_begin() -> None:
    job = Job(timeout=5.0, idle_timeout=3.0)
    job.machine.plan = replace(job.machine.plan, threaded=True)
    assert [call[0] for call in job.running().tell(m.Heartbeat(2))] == ["dead_letter"]
    assert job.tell(m.Began(1), now=2.0) == [
        ("set_timer", Timer.ATTEMPT, 5.0, m.AttemptOverdue(1)),
        ("set_timer", Timer.IDLE, 3.0, m.IdleOverdue(1)),
    ]
    job.tell(m.AttemptOverdue(1), now=7.0)
    assert outcome(job.tell(m.Returned(1, 7.0, output={}), now=7.0)).status is NodeStatus.COMPLETED


# ---- the fence -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "late",
    [
        m.Returned(1, 9.0, output={"too": "late"}),
        m.Heartbeat(1),
        m.Began(1),
        m.AttemptOverdue(1),
        m.IdleOverdue(1),
        m.GraceOver(1),
        m.KillOverdue(1),
        m.Granted(PERMIT),
        m.Parked("0:run/job#1"),
        m.Refused("0:run/job#1", "agent", 1.0),
        m.AskAgain("0:run/job#1"),
    ],
)
@pytest.mark.parametrize("state", ["running", "interrupting", "stopping"])
def test_mail_of_an_earlier_attempt_is_a_dead_letter(state: str, late: Any) -> None:
    job = Job(**TIMES, idle_timeout=4.0).running()
    job.tell(m.Returned(1, 1.0, failure=FLAKY), now=1.0)
    job.tell(m.Due(1), m.Granted(Permit("agent", 0, "0:run/job#2")), now=2.0)
    if state == "interrupting":
        job.tell(m.AttemptOverdue(2), now=7.0)
    elif state == "stopping":
        job.tell(m.Stop(5.0), now=7.0)
    assert job.tell(late, now=9.0) == [("dead_letter", late)]
    assert job.state == state


@pytest.mark.parametrize("late", [m.AttemptOverdue(1), m.IdleOverdue(1)])
def test_a_timer_that_nobody_set_is_a_dead_letter(late: Any) -> None:
    assert Job().running().tell(late) == [("dead_letter", late)]


def test_a_grace_that_is_over_after_the_kill_is_a_dead_letter() -> None:
    job = timed_out(grace=0.0)
    late = m.GraceOver(1)
    assert job.tell(late, now=6.0) == [("dead_letter", late)]


def test_an_attempt_is_timed_by_its_own_number() -> None:
    job = Job(timeout=5.0, idle_timeout=3.0, retry={"base": 1.0}).running()
    job.tell(m.Returned(1, 1.0, failure=FLAKY), m.Due(1), now=1.0)
    assert job.tell(m.Granted(Permit("agent", 0, "0:run/job#2")), now=2.0)[1:] == [
        ("begin", 2, {"start": {}}),
        ("set_timer", Timer.ATTEMPT, 5.0, m.AttemptOverdue(2)),
        ("set_timer", Timer.IDLE, 3.0, m.IdleOverdue(2)),
    ]


@pytest.mark.parametrize("timed", [True, False])
def test_a_kill_bound_that_is_over_much_too_late_is_waited_for_once_more(*, timed: bool) -> None:
    """The loop was blocked: the end of the attempt may be on its way."""
    job = timed_out() if timed else Job().running()
    job.tell(*([] if timed else [m.Stop(0.0)]), m.GraceOver(1), now=10.0)
    bound = job.machine.facts.plan.stop.kill_bound
    assert job.tell(m.KillOverdue(1), now=20.0) == [("set_timer", Timer.LADDER, bound, m.KillOverdue(1))]
    assert ("abandon", 1, PERMIT) in job.tell(m.KillOverdue(1), now=30.0)
