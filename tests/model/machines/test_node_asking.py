"""A node's way to an attempt: run slot, permit, the record of its start, and what a pause does to each of these."""

from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.effects import Timer
from playbill.model.facts import NodeStatus, Permit, Verdict
from tests.model.machines.job import PERMIT, Job, outcome
from tests.model.machines.recorder import FLAKY, at

INPUT = m.Input("start", {})
LONG = ("set_timer", Timer.WAITING, 1.0, m.WaitedLong(1))
NO_WAIT = ("drop_timer", Timer.WAITING)


def asks(number: int, *, wait: bool = False) -> m.Ask:
    """The `number`-th time it asks for its agent's circuit."""
    return m.Ask(f"0:run/job#{number}", "me", wait, "a", at_once=True)


def asking(**fields: Any) -> Job:
    job = Job(**fields)
    job.tell(INPUT)
    return job


def test_a_node_that_waits_for_an_open_circuit_says_so() -> None:
    assert Job(on_open="wait").tell(INPUT) == [("permit", "breaker", asks(1, wait=True))]


def test_a_node_without_a_breaker_begins_at_once() -> None:
    job = Job()
    job.machine.breaker = None
    assert job.tell(INPUT) == [("tell", "supervisor", m.AttemptReady("job", 1)), ("begin", 1, {})]
    assert job.state == "running"
    assert outcome(job.tell(m.Returned(1, 1.0, output={}))).status is NodeStatus.COMPLETED


def test_a_permit_that_is_given_at_once_begins_an_attempt() -> None:
    job = Job()
    job.out.gives = True
    assert job.tell(INPUT) == [
        ("permit", "breaker", asks(1)),
        ("tell", "supervisor", m.AttemptReady("job", 1)),
        ("begin", 1, {}),
    ]
    permit = Permit("agent", 0, "0:run/job#1", "a")
    returned = m.Returned(1, 1.0, output={})
    assert job.tell(returned)[0] == ("tell", "breaker", m.Settle(permit, Verdict.SUCCESS, 1.0))


@pytest.mark.parametrize("commits", [False, True])
def test_a_permit_whose_start_is_not_taken_up_goes_back(commits: bool) -> None:
    """The supervisor's answer to the report of the start may be the end of this node."""
    job = Job(on_crash="fail" if commits else "retry")
    job.out.gives = True

    def given_up(to: str, message: Any) -> None:
        job.out.calls.append(("tell", to, message))
        if isinstance(message, m.AttemptReady):
            assert job.machine.release(job.out) is None

    job.out.tell = given_up
    permit = Permit("agent", 0, "0:run/job#1", "a")
    assert job.tell(INPUT)[2] == ("tell", "breaker", m.Settle(permit, Verdict.CANCELLED))
    assert job.machine.permit is None


def test_a_parked_ask_is_granted_or_refused_later() -> None:
    job = asking()
    assert job.tell(m.Parked("0:run/job#1")) == [LONG]
    assert job.state == "parked"
    assert job.tell(m.Granted(PERMIT))[:3] == [
        NO_WAIT,
        ("tell", "supervisor", m.AttemptReady("job", 1)),
        ("begin", 1, {}),
    ]
    job = asking()
    job.tell(m.Parked("0:run/job#1"))
    assert outcome(job.tell(m.Refused("0:run/job#1", "agent", 1.0))).status is NodeStatus.FAILED


@pytest.mark.parametrize("state", ["asking", "parked"])
def test_a_breaker_that_forgot_the_ask_is_asked_again(state: str) -> None:
    job = asking()
    if state == "parked":
        job.tell(m.Parked("0:run/job#1"))
    no_wait = [NO_WAIT] if state == "parked" else []
    assert job.tell(m.AskAgain("0:run/job#1")) == [*no_wait, ("permit", "breaker", asks(2))]
    assert job.state == "asking"


@pytest.mark.parametrize(
    "late",
    [
        m.Granted(Permit("agent", 0, "0:run/job#0")),
        m.Parked("0:run/job#0"),
        m.Refused("0:run/job#0", "agent", 1.0),
        m.AskAgain("0:run/job#0"),
    ],
)
def test_an_answer_to_an_ask_that_was_taken_back_is_a_dead_letter(late: Any) -> None:
    job = asking()
    assert job.tell(late) == [("dead_letter", late)]
    assert job.state == "asking"


def test_a_slot_that_was_given_in_a_pause_is_kept_for_after_it() -> None:
    job = Job(more={"max_concurrency": 1})
    assert job.tell(INPUT, m.Pause()) == [("tell", "supervisor", m.SlotWanted("job")), LONG]
    assert job.tell(m.SlotGranted()) == [NO_WAIT]
    assert job.state == "held"
    assert job.tell(m.Resume()) == [("permit", "breaker", asks(1))]


@pytest.mark.parametrize("parked", [False, True])
def test_a_pause_takes_the_ask_back_and_keeps_the_slot(parked: bool) -> None:
    job = Job(more={"max_concurrency": 1})
    job.tell(INPUT, m.SlotGranted(), *([m.Parked("0:run/job#1")] if parked else []))
    no_wait = [NO_WAIT] if parked else []
    assert job.tell(m.Pause()) == [("tell", "breaker", m.Withdraw("0:run/job#1")), *no_wait]
    late = m.Granted(PERMIT)
    assert job.tell(late) == [("dead_letter", late)]
    assert job.tell(m.Resume()) == [("permit", "breaker", asks(2))]


def test_a_back_off_that_is_over_in_a_pause_goes_on_after_it() -> None:
    job = Job(retry={"base": 1.0}).running()
    job.tell(m.Returned(1, 1.0, failure=FLAKY), m.Pause(), now=1.0)
    assert job.tell(m.Due(1), now=2.0) == []
    assert job.state == "held"
    assert job.tell(m.Resume(), now=3.0) == [("permit", "breaker", asks(2))]


def test_who_is_held_has_nothing_to_give_back_when_it_is_stopped() -> None:
    job = asking()
    job.tell(m.Pause())
    assert [type(call[-1]) for call in job.tell(m.Stop(1.0))] == [m.Ended, type(None)]


def test_a_paused_attempt_goes_on_to_its_end() -> None:
    job = Job(timeout=5.0).running()
    assert job.tell(m.Pause()) == []
    assert outcome(job.tell(m.Returned(1, 1.0, output={}))).status is NodeStatus.COMPLETED


def test_a_retry_drops_the_timers_of_the_attempt_that_failed() -> None:
    calls = Job(timeout=5.0, idle_timeout=3.0).running().tell(m.Returned(1, 1.0, failure=FLAKY), now=1.0)
    assert [call[1] for call in calls if call[0] == "drop_timer"] == [Timer.ATTEMPT, Timer.IDLE, Timer.LADDER]


def test_a_retry_waits_longer_each_time_by_the_jitter_the_runner_drew() -> None:
    job = Job(retry={"max_attempts": 3, "base": 4.0, "factor": 2.0, "jitter": 0.5}).running()
    failed = job.tell(m.Returned(1, 1.0, failure=FLAKY, jitter=1.0), now=1.0)
    assert failed[-1] == ("set_timer", Timer.DUE, 6.0, m.Due(1))
    job.tell(m.Due(1), m.Granted(Permit("agent", 0, "0:run/job#2")), now=7.0)
    failed = job.tell(m.Returned(2, 8.0, failure=FLAKY, jitter=0.0), now=8.0)
    assert failed[-2:] == [
        ("tell", "supervisor", m.Retrying("job", 2, at(12.0).utc, FLAKY)),
        ("set_timer", Timer.DUE, 4.0, m.Due(2)),
    ]


@pytest.mark.parametrize("granted", [False, True])
def test_the_total_timeout_ends_a_node_that_asks_or_waits_for_its_record(granted: bool) -> None:
    job = Job(total_timeout=9.0, on_crash="fail")
    assert ("set_timer", Timer.TOTAL, 9.0, m.TotalOverdue()) in job.tell(INPUT)
    if granted:
        job.tell(m.Granted(PERMIT))
    calls = job.tell(m.TotalOverdue(), now=9.0)
    given_back = m.Settle(PERMIT, Verdict.CANCELLED) if granted else m.Withdraw("0:run/job#1")
    assert calls[0] == ("tell", "breaker", given_back)
    end = outcome(calls)
    assert (end.status, end.attempts) == (NodeStatus.FAILED, 0)
    assert str(end.failure) == "AttemptTimedOut: total_timeout of 9 s is over"


@pytest.mark.parametrize("state", ["queued", "parked", "backing_off"])
def test_the_total_timeout_ends_a_node_that_waits(state: str) -> None:
    job = Job(more={"max_concurrency": 1} if state == "queued" else None, total_timeout=9.0)
    job.tell(INPUT)
    if state == "parked":
        job.tell(m.Parked("0:run/job#1"))
    elif state == "backing_off":
        job.tell(m.Granted(PERMIT), m.Returned(1, 1.0, failure=FLAKY))
    assert job.state == state
    end = outcome(job.tell(m.TotalOverdue(), now=9.0))
    assert (end.status, end.attempts) == (NodeStatus.FAILED, int(state == "backing_off"))


def test_a_total_timeout_on_its_way_when_a_pause_comes_ends_nothing() -> None:
    job = Job(more={"max_concurrency": 1}, total_timeout=9.0)
    job.tell(INPUT)
    job.tell(m.Pause(), now=1.0)
    late = m.TotalOverdue()
    assert job.tell(late, now=9.0) == [("dead_letter", late)]
    assert job.tell(m.Resume(), now=20.0) == [("set_timer", Timer.TOTAL, 8.0, m.TotalOverdue())]


def test_a_second_pause_takes_what_the_first_has_left_of_the_total_timeout() -> None:
    job = Job(more={"max_concurrency": 1}, total_timeout=10.0)
    job.tell(INPUT)
    job.tell(m.Pause(), now=4.0)
    job.tell(m.Resume(), now=100.0)
    assert job.tell(m.Pause(), now=101.0) == [("drop_timer", Timer.TOTAL)]
    assert job.tell(m.Resume(), now=200.0) == [("set_timer", Timer.TOTAL, 5.0, m.TotalOverdue())]


def test_a_total_timeout_that_had_passed_in_a_stall_is_over_at_once_after_the_pause() -> None:
    job = Job(more={"max_concurrency": 1}, total_timeout=10.0)
    job.tell(INPUT)
    job.tell(m.Pause(), now=11.0)
    assert job.tell(m.Resume(), now=12.0) == [("set_timer", Timer.TOTAL, 0.0, m.TotalOverdue())]


def test_a_resume_after_no_total_timeout_sets_no_timer() -> None:
    job = Job(more={"max_concurrency": 1})
    assert job.tell(INPUT, m.Pause(), m.Resume()) == [("tell", "supervisor", m.SlotWanted("job")), LONG]


# ---- long waits ------------------------------------------------------------------------------------------------


def test_who_waits_long_for_a_slot_says_so_once_and_its_start_says_how_long() -> None:
    job = Job(more={"max_concurrency": 1})
    job.machine.breaker = None
    job.tell(INPUT, now=5.0)
    waiting = m.StillWaiting("job", 1, "slot", None, at(5.0).utc)
    assert job.tell(m.WaitedLong(1), now=6.0) == [("tell", "supervisor", waiting)]
    assert job.tell(m.SlotGranted(), now=7.5)[:2] == [
        NO_WAIT,
        ("tell", "supervisor", m.AttemptReady("job", 1, slot_ms=2500)),
    ]


def test_who_is_parked_for_long_says_at_which_circuit() -> None:
    job = asking()
    assert job.tell(m.Parked("0:run/job#1"), now=0.25) == [("set_timer", Timer.WAITING, 0.75, m.WaitedLong(1))]
    waiting = m.StillWaiting("job", 1, "permit", "agent/a", at(0.0).utc)
    assert job.tell(m.WaitedLong(1), now=1.0) == [("tell", "supervisor", waiting)]
    assert job.tell(m.Granted(PERMIT), now=3.0)[1] == ("tell", "supervisor", m.AttemptReady("job", 1, permit_ms=3000))


def test_a_wait_that_is_over_is_long_no_more() -> None:
    job = asking()
    job.tell(m.Parked("0:run/job#1"), m.AskAgain("0:run/job#1"), m.Parked("0:run/job#2"))
    for late in (m.WaitedLong(1), m.WaitedLong(3)):
        assert job.tell(late, now=1.0) == [("dead_letter", late)]
    assert job.tell(m.WaitedLong(2), now=1.0)[0][0] == "tell"


def test_all_waits_for_one_attempt_are_counted_and_none_for_the_next() -> None:
    job = Job(more={"max_concurrency": 1}, retry={"base": 1.0})
    job.tell(INPUT)
    job.tell(m.SlotGranted(), now=1.0)
    job.tell(m.Parked("0:run/job#1"), now=1.0)
    job.tell(m.Pause(), now=2.0)
    job.tell(m.Resume(), now=10.0)
    told = job.tell(m.Granted(Permit("agent", 0, "0:run/job#2")), now=10.5)
    assert told[0] == ("tell", "supervisor", m.AttemptReady("job", 1, slot_ms=1000, permit_ms=1500))
    job.tell(m.Returned(1, 11.0, failure=FLAKY), now=11.0)
    job.tell(m.Due(1), now=12.0)
    job.tell(m.SlotGranted(), now=12.0)
    told = job.tell(m.Granted(Permit("agent", 0, "0:run/job#3")), now=12.0)
    assert told[0] == ("tell", "supervisor", m.AttemptReady("job", 2))
