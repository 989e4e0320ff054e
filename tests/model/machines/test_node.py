"""A node's life as traces: what it was told, what it asked for."""

import pytest

from playbill.model import messages as m
from playbill.model.effects import Timer
from playbill.model.facts import Failure, NodeStatus, Outcome, Permit, Receipt, Stopped, Verdict
from tests.model.machines.job import PERMIT, Job, outcome
from tests.model.machines.recorder import FATAL, FLAKY, TIMED_OUT, at


def test_one_attempt_from_input_to_outcome() -> None:
    job = Job(timeout=5.0)
    assert job.tell(m.Input("start", {"start": {"x": 1}})) == [
        ("permit", "breaker", m.Ask("0:run/job#1", "me", wait=False, target="a", at_once=True))
    ]
    assert job.tell(m.Granted(PERMIT), now=1.0) == [
        ("tell", "supervisor", m.AttemptReady("job", 1, permit_ms=1000)),
        ("begin", 1, {"start": {"x": 1}}),
        ("set_timer", Timer.ATTEMPT, 5.0, m.AttemptOverdue(1)),
    ]
    assert job.tell(m.Returned(1, 3.0, output={"y": 2}), now=3.0) == [
        ("tell", "breaker", m.Settle(PERMIT, Verdict.SUCCESS, 2.0)),
        ("tell", "supervisor", m.Ended("job", Outcome(NodeStatus.COMPLETED, 1, {"y": 2}))),
        ("finish", None),
    ]


def test_a_retry_gives_slot_and_permit_back_and_counts_attempts_in_all() -> None:
    job = Job(more={"max_concurrency": 1}, retry={"max_attempts": 2, "base": 4.0, "jitter": 0.0})
    wanted = ("tell", "supervisor", m.SlotWanted("job"))
    assert job.tell(m.Input("start", {}))[0] == wanted
    job.tell(m.SlotGranted(), m.Granted(PERMIT))
    calls = job.tell(m.Returned(1, 1.0, failure=FLAKY), now=1.0)
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.FAILURE, 1.0, failure=FLAKY))
    assert calls[-2:] == [
        ("tell", "supervisor", m.Retrying("job", 1, at(5.0).utc, FLAKY)),
        ("set_timer", Timer.DUE, 4.0, m.Due(1)),
    ]
    assert job.state == "backing_off"
    assert job.tell(m.Due(1), now=5.0) == [wanted, ("set_timer", Timer.WAITING, 1.0, m.WaitedLong(2))]
    job.tell(m.SlotGranted(), m.Granted(Permit("agent", 0, "0:run/job#2")), now=5.0)
    assert outcome(job.tell(m.Returned(2, 6.0, failure=FLAKY), now=6.0)) == Outcome(
        NodeStatus.FAILED, 2, failure=FLAKY
    )


def test_retry_after_wins_over_the_policy() -> None:
    job = Job(retry={"base": 4.0}).running()
    busy = Failure("NodeExecutionError", "busy", retryable=True, retry_after=50.0)
    assert job.tell(m.Returned(1, 1.0, failure=busy))[-1] == ("set_timer", Timer.DUE, 50.0, m.Due(1))


def test_retry_after_is_cut_to_what_the_policy_allows() -> None:
    busy = Failure("NodeExecutionError", "busy", retryable=True, retry_after=90.0)
    for retry, seconds in (({}, 60.0), ({"cap": 5.0}, 5.0), ({"cap": 5.0, "max_retry_after": 80.0}, 80.0)):
        calls = Job(retry=retry).running().tell(m.Returned(1, 1.0, failure=busy))
        assert calls[-1] == ("set_timer", Timer.DUE, seconds, m.Due(1))


def test_what_cannot_be_mended_is_not_retried_and_says_nothing_about_the_dependency() -> None:
    calls = Job().running().tell(m.Returned(1, 1.0, failure=FATAL), now=1.0)
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.IGNORED, 1.0, failure=FATAL))
    assert outcome(calls) == Outcome(NodeStatus.FAILED, 1, failure=FATAL)


def test_a_refusal_spends_no_attempt_and_is_not_retried() -> None:
    job = Job()
    job.tell(m.Input("start", {}))
    end = outcome(job.tell(m.Refused("0:run/job#1", "agent", 7.0)))
    assert (end.status, end.attempts) == (NodeStatus.FAILED, 0)
    assert end.failure is not None
    assert str(end.failure) == "CircuitOpen: circuit 'agent' is open; retry after 7 s"


def test_an_attempt_that_times_out_goes_down_the_ladder_before_its_retry() -> None:
    job = Job(timeout=5.0, grace=2.0).running()
    assert job.tell(m.AttemptOverdue(1), now=5.0) == [
        ("interrupt", 1),
        ("set_timer", Timer.LADDER, 2.0, m.GraceOver(1)),
    ]
    assert job.tell(m.GraceOver(1), now=7.0)[0] == ("kill", 1)
    calls = job.tell(m.Returned(1, 7.5), now=7.5)
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.FAILURE, 7.5, failure=TIMED_OUT))
    (retrying,) = [call[2] for call in calls if isinstance(call[-1], m.Retrying)]
    assert retrying.receipt == Receipt(Stopped.KILLED, 2500.0, 500.0)
    assert str(retrying.failure) == "AttemptTimedOut: timeout of 5 s is over"


def test_a_result_from_before_the_deadline_wins_over_a_timer_that_fired_in_a_stall() -> None:
    job = Job(timeout=5.0).running()
    job.tell(m.AttemptOverdue(1), now=9.0)
    assert outcome(job.tell(m.Returned(1, 4.9, output={}), now=9.0)).status is NodeStatus.COMPLETED


def test_a_result_from_after_the_deadline_does_not() -> None:
    job = Job(timeout=5.0, retry={"max_attempts": 1}).running()
    job.tell(m.AttemptOverdue(1), now=5.0)
    end = outcome(job.tell(m.Returned(1, 5.1, output={}), now=5.1))
    assert end.status is NodeStatus.FAILED
    assert end.receipt is not None
    assert end.receipt.how is Stopped.COOPERATIVE


def test_a_heartbeat_starts_the_idle_timeout_again() -> None:
    job = Job(idle_timeout=5.0).running()
    job.tell(m.Heartbeat(1), now=3.0)
    assert job.tell(m.IdleOverdue(1), now=5.0) == [("set_timer", Timer.IDLE, 3.0, m.IdleOverdue(1))]
    assert job.tell(m.IdleOverdue(1), now=8.0)[0] == ("interrupt", 1)


def test_the_total_timeout_lets_no_attempt_follow() -> None:
    job = Job(total_timeout=10.0).running()
    job.tell(m.TotalOverdue(), now=10.0)
    end = outcome(job.tell(m.Returned(1, 10.5), now=10.5))
    assert end.status is NodeStatus.FAILED
    assert str(end.failure) == "AttemptTimedOut: total_timeout of 10 s is over"


def test_an_attempt_that_ignores_its_kill_is_abandoned_and_fenced() -> None:
    job = Job(retry={"max_attempts": 2, "base": 1.0}, timeout=5.0, grace=0.0).running()
    job.tell(m.AttemptOverdue(1), now=5.0)
    calls = job.tell(m.KillOverdue(1), now=6.0)
    assert calls[:2] == [
        ("tell", "breaker", m.Settle(PERMIT, Verdict.FAILURE, 6.0, running=True, failure=TIMED_OUT)),
        ("abandon", 1, PERMIT),
    ]
    late = m.Returned(1, 7.0, output={"too": "late"})
    assert job.tell(late, now=7.0) == [("dead_letter", late)]
    assert job.state == "backing_off"


@pytest.mark.parametrize("grace", [0.0, 5.0])
def test_an_attempt_that_was_stopped_before_its_handler_began_was_not_started(grace: float) -> None:
    calls = Job().running().tell(m.Stop(grace), m.Returned(1, 0.5, begun=False), now=0.5)
    receipt = outcome(calls).receipt
    assert receipt is not None
    assert receipt.how is Stopped.NOT_STARTED


def test_a_stop_sends_the_attempt_down_the_ladder_and_its_result_counts_no_more() -> None:
    job = Job().running()
    assert job.tell(m.Stop(2.0), now=1.0) == [("interrupt", 1), ("set_timer", Timer.LADDER, 2.0, m.GraceOver(1))]
    calls = job.tell(m.Returned(1, 1.5, output={"late": True}), now=1.5)
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.CANCELLED, 1.5))
    assert outcome(calls) == Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.COOPERATIVE, 500.0))


def test_what_a_stopped_handler_raised_while_it_cleaned_up_is_kept() -> None:
    job = Job().running()
    job.tell(m.Stop(5.0), now=1.0)
    ended = outcome(job.tell(m.Returned(1, 1.5, failure=FATAL), now=1.5))
    assert (ended.status, ended.failure) == (NodeStatus.CANCELLED, FATAL)
    assert ended.receipt == Receipt(Stopped.COOPERATIVE, 500.0)


def test_a_stop_overtakes_the_input() -> None:
    job = Job()
    end = outcome(job.tell(m.Stop(5.0)))
    assert end == Outcome(NodeStatus.NOT_STARTED, 0, receipt=Receipt(Stopped.NOT_STARTED))


def test_a_stop_overtakes_a_result_that_had_come_in_time() -> None:
    job = Job().running()
    job.tell(m.Stop(5.0), now=3.0)
    end = outcome(job.tell(m.Returned(1, 2.9, output={"in": "time"}), now=3.0))
    assert (end.status, end.output) == (NodeStatus.COMPLETED, {"in": "time"})


def test_a_later_shorter_stop_replaces_the_first() -> None:
    job = Job().running()
    job.tell(m.Stop(60.0))
    assert job.tell(m.Stop(0.0), now=1.0)[:1] == [("kill", 1)]
    assert job.tell(m.Stop(60.0), now=1.1) == []


def test_a_stop_while_backing_off_keeps_attempts_and_the_last_failure() -> None:
    job = Job().running()
    job.tell(m.Returned(1, 1.0, failure=FLAKY), now=1.0)
    end = outcome(job.tell(m.Stop(5.0), now=2.0))
    assert end == Outcome(NodeStatus.CANCELLED, 1, failure=FLAKY, receipt=Receipt(Stopped.NOT_STARTED))


def test_a_stop_while_asking_withdraws() -> None:
    job = Job()
    job.tell(m.Input("start", {}))
    assert job.tell(m.Stop(5.0))[0] == ("tell", "breaker", m.Withdraw("0:run/job#1"))


def test_a_node_that_fails_on_a_crash_waits_for_its_start_to_be_kept() -> None:
    job = Job(on_crash="fail")
    job.tell(m.Input("start", {}))
    assert job.tell(m.Granted(PERMIT)) == [("tell", "supervisor", m.AttemptReady("job", 1))]
    assert job.tell(m.Proceed(1)) == [("begin", 1, {})]


def test_stopped_before_its_start_was_kept_it_never_began() -> None:
    job = Job(on_crash="fail")
    job.tell(m.Input("start", {}), m.Granted(PERMIT))
    calls = job.tell(m.Stop(5.0))
    assert calls[0] == ("tell", "breaker", m.Settle(PERMIT, Verdict.CANCELLED))
    assert outcome(calls).status is NodeStatus.NOT_STARTED


def test_a_pause_holds_every_way_to_an_attempt() -> None:
    job = Job()
    job.tell(m.Input("start", {}))
    assert job.tell(m.Pause()) == [("tell", "breaker", m.Withdraw("0:run/job#1"))]
    assert job.state == "held"
    assert job.tell(m.Resume()) == [
        ("permit", "breaker", m.Ask("0:run/job#2", "me", wait=False, target="a", at_once=True))
    ]


def test_the_total_timeout_stands_still_in_a_pause() -> None:
    job = Job(total_timeout=10.0)
    job.tell(m.Input("start", {}))
    assert ("drop_timer", Timer.TOTAL) in job.tell(m.Pause(), now=4.0)
    assert ("set_timer", Timer.TOTAL, 6.0, m.TotalOverdue()) in job.tell(m.Resume(), now=100.0)


def test_a_teardown_gives_back_what_it_holds() -> None:
    job = Job().running()
    assert job.machine.release(job.out) == PERMIT
    assert job.out.take() == [("tell", "breaker", m.Settle(PERMIT, Verdict.LOST, running=True))]
    assert repr(job.machine) == "<NodeMachine run/job running attempt=1>"


def test_what_had_ended_before_it_was_killed_was_not_killed() -> None:
    for output, how in (({}, Stopped.COOPERATIVE), (None, Stopped.INTERRUPTED)):
        job = Job().running()
        job.tell(m.Stop(2.0), now=1.0)
        job.tell(m.GraceOver(1), now=3.0)
        ended = outcome(job.tell(m.Returned(1, 2.5, output), now=3.1))
        assert ended.receipt == Receipt(how, 1500.0)
