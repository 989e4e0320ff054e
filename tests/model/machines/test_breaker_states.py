"""A breaker's states one by one: who counts, who is drained, what a new epoch forgets, and what it answers."""

from typing import Any

import pytest

from playbill.model.effects import Timer, TimerName
from playbill.model.events import Event, EventType
from playbill.model.facts import Permit, Verdict
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit_state import Report
from playbill.model.messages import Ask, Force, Granted, HalfOpenOver, OpenOver, Parked, RateDue, Refused, Settle
from playbill.model.policies import BreakerPolicy
from tests.model.machines.circuit import BAD, OK, Circuit, half_open, opened
from tests.model.machines.recorder import Recorder, at


def timers(circuit: Circuit) -> dict[TimerName, tuple[float, Any]]:
    return circuit._timers


# ---- settling --------------------------------------------------------------------------------------------------


def test_a_permit_is_settled_once_and_counted_by_its_verdict() -> None:
    circuit = Circuit()
    for who, verdict in (("a", OK), ("b", BAD), ("c", Verdict.IGNORED), ("d", BAD)):
        assert circuit.call(who, verdict) is Report.COUNTED
    assert circuit.settle("a", BAD) is Report.DUPLICATE
    assert [type(letter) for letter in circuit.dead] == [Settle]
    assert circuit.machine.counts == {**dict.fromkeys(Verdict, 0), OK: 1, BAD: 2, Verdict.IGNORED: 1}
    assert circuit.machine.own.in_a_row == 2


def test_what_says_nothing_about_the_dependency_neither_counts_nor_starts_over() -> None:
    circuit = Circuit(failures=2)
    circuit.call("a", BAD)
    for verdict in (Verdict.IGNORED, Verdict.CANCELLED, Verdict.LOST):
        circuit.call(verdict, verdict)
    assert circuit.state == "closed"
    circuit.call("b", BAD)
    assert circuit.state == "open"


def test_a_permit_from_before_it_opened_is_stale_and_frees_its_share() -> None:
    circuit = Circuit(failures=1, open_seconds=10.0, max_concurrent=2)
    circuit.ask("old")
    circuit.call("bad", BAD)
    assert circuit.settle("old", OK) is Report.STALE
    assert not circuit.machine.out
    circuit.wait(10.0)
    assert (circuit.state, circuit.machine.own.successes) == ("half_open", 0)


def test_a_stale_failure_does_not_open_it_again() -> None:
    circuit = Circuit(failures=1, open_seconds=10.0, half_open_permits=2)
    circuit.ask("old")
    circuit.call("bad", BAD)
    circuit.wait(10.0)
    assert circuit.settle("old", BAD) is Report.STALE
    assert circuit.state == "half_open"


@pytest.mark.parametrize("forced", ["disabled", "metrics_only"])
def test_set_by_hand_it_still_parks_and_drains_by_its_concurrency(forced: str) -> None:
    circuit = Circuit(failures=1, max_concurrent=1)
    circuit.force(forced)
    assert [circuit.ask(who) for who in "ab"] == ["granted", "parked"]
    assert circuit.settle("a", BAD) is Report.COUNTED
    assert circuit.answer("b") == "granted"
    assert circuit.machine.own.in_a_row == int(forced == "metrics_only")


def test_forced_open_takes_permits_back_as_stale() -> None:
    circuit = Circuit()
    circuit.ask("a")
    circuit.force("forced_open")
    assert circuit.settle("a", OK) is Report.STALE


def test_forced_open_nobody_knows_when_to_ask_again() -> None:
    circuit = Circuit()
    circuit.force("forced_open")
    assert (circuit.ask("a"), circuit.answers["a"].retry_after) == ("refused", float("inf"))


def test_forced_open_refuses_the_impatient_and_keeps_those_who_wait() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a")
    circuit.ask("impatient")
    circuit.ask("patient", wait=True)
    circuit.force("forced_open")
    circuit.settle("a", OK)
    assert (circuit.answer("impatient"), circuit.answer("patient")) == ("refused", "parked")
    circuit.force("closed")
    assert circuit.answer("patient") == "granted"


def test_disabled_refuses_nobody_who_waits() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a")
    circuit.ask("b")
    circuit.force("disabled")
    assert circuit.answer("b") == "parked"


# ---- open and half-open ----------------------------------------------------------------------------------------


def test_open_it_tells_how_long_it_stays_so() -> None:
    circuit = opened()
    assert timers(circuit) == {(Timer.OPEN, ""): (10.0, OpenOver(1))}
    circuit.wait(4.0)
    circuit.ask("a")
    assert circuit.answers["a"] == Refused("a", "key", 6.0)
    assert circuit.events == ["breaker.opened"]


def test_open_an_ask_that_says_nothing_about_waiting_is_refused() -> None:
    circuit = opened()
    circuit._receive(Ask("a", "a"))
    assert circuit.answer("a") == "refused"


def test_open_who_would_rather_wait_is_parked_until_it_is_half_open() -> None:
    circuit = opened()
    assert circuit.ask("a", wait=True) == "parked"
    circuit.wait(10.0)
    assert circuit.answers["a"] == Granted(Permit("key", 2, "a"))
    assert circuit.events == ["breaker.opened", "breaker.half_opened"]


def test_half_open_it_refuses_when_all_probes_are_out() -> None:
    circuit = half_open(half_open_permits=2, half_open_max_wait_seconds=7.0)
    assert [circuit.ask(who) for who in "abc"] == ["granted", "granted", "refused"]
    assert circuit.answers["c"].retry_after == 7.0
    assert circuit.ask("d", wait=True) == "parked"
    assert timers(circuit) == {(Timer.HALF_OPEN, ""): (17.0, HalfOpenOver(2))}


def test_half_open_every_permit_must_succeed_to_close_it() -> None:
    circuit = half_open(half_open_permits=2)
    circuit.call("a", OK)
    assert (circuit.state, circuit.ask("b"), circuit.ask("c")) == ("half_open", "granted", "refused")
    circuit.settle("b", OK)
    assert circuit.state == "closed"
    assert timers(circuit) == {}
    assert circuit.events == ["breaker.opened", "breaker.half_opened", "breaker.closed"]


@pytest.mark.parametrize("verdict", [BAD, Verdict.LOST])
def test_half_open_one_failure_or_lost_probe_opens_it_again(verdict: Verdict) -> None:
    circuit = half_open(half_open_permits=2)
    circuit.call("a", OK)
    circuit.call("b", verdict)
    assert circuit.state == "open"
    assert timers(circuit) == {(Timer.OPEN, ""): (20.0, OpenOver(3))}


@pytest.mark.parametrize("verdict", [Verdict.IGNORED, Verdict.CANCELLED])
def test_half_open_a_probe_that_says_nothing_gives_its_permit_to_the_next(verdict: Verdict) -> None:
    circuit = half_open()
    circuit.ask("a")
    circuit.ask("b", wait=True)
    circuit.settle("a", verdict)
    assert (circuit.state, circuit.answer("b")) == ("half_open", "granted")
    circuit.settle("b", verdict)
    assert timers(circuit) == {}


def test_half_open_probes_that_stay_out_too_long_count_as_lost() -> None:
    circuit = half_open(half_open_permits=3, half_open_max_wait_seconds=7.0)
    circuit.ask("a")
    circuit.wait(3.0)
    circuit.ask("b")
    circuit.wait(4.0)
    assert circuit.state == "open"
    assert circuit.machine.counts[Verdict.LOST] == 2
    assert timers(circuit) == {(Timer.OPEN, ""): (27.0, OpenOver(3))}


def test_half_open_a_withdrawn_probe_gives_its_permit_back() -> None:
    circuit = half_open()
    circuit.ask("a")
    circuit.withdraw("a")
    assert circuit.machine.own.probes == 0
    assert circuit.ask("b") == "granted"


def test_half_open_a_withdrawn_permit_from_before_it_opened_is_no_probe() -> None:
    circuit = Circuit(failures=1, open_seconds=10.0)
    circuit.ask("old")
    circuit.call("bad", BAD)
    circuit.wait(10.0)
    circuit.ask("probe")
    circuit.withdraw("old")
    assert circuit.machine.own.probes == 1
    assert circuit.ask("b") == "refused"


def test_half_open_probes_wait_for_concurrency_and_rate_as_others_do() -> None:
    circuit = Circuit(failures=1, open_seconds=10.0, half_open_permits=2, max_concurrent=1)
    circuit.ask("a")
    circuit.settle("a", BAD, running=True)
    circuit.wait(10.0)
    assert circuit.ask("b") == "parked"
    circuit.release("a")
    assert circuit.answer("b") == "granted"


def test_a_timer_of_an_earlier_epoch_is_a_dead_letter() -> None:
    circuit = opened()
    circuit._receive(OpenOver(0))
    assert (circuit.state, circuit.dead) == ("open", [OpenOver(0)])
    circuit.wait(10.0)
    circuit.ask("a")
    circuit._receive(HalfOpenOver(1))
    assert (circuit.state, circuit.dead[1:]) == ("half_open", [HalfOpenOver(1)])
    circuit.withdraw("a")
    circuit._receive(HalfOpenOver(2))
    assert (circuit.state, circuit.dead[2:]) == ("half_open", [HalfOpenOver(2)])
    circuit.force("closed")
    circuit._receive(OpenOver(2))
    assert circuit.dead[3:] == [OpenOver(2)]


def test_closed_it_forgets_what_it_counted_while_half_open() -> None:
    circuit = Circuit(failures=2, open_seconds=10.0)
    for who in "ab":
        circuit.call(who, BAD)
    circuit.wait(10.0)
    circuit.call("ok", OK)
    assert circuit.machine.own.successes == circuit.machine.own.probes == circuit.machine.own.in_a_row == 0
    circuit.call("c", BAD)
    assert circuit.state == "closed"


def test_a_window_begins_afresh_with_each_epoch() -> None:
    circuit = Circuit(failures=None, window_calls=4, minimum_calls=2, failure_rate=0.5, open_seconds=10.0)
    circuit.call("a", BAD)
    circuit.call("b", OK)
    assert circuit.state == "open"
    circuit.wait(10.0)
    circuit.call("ok", OK)
    circuit.call("c", BAD)
    assert circuit.state == "closed"


def test_the_jitter_of_the_failure_that_opens_it_spreads_its_open_time() -> None:
    circuit = Circuit(failures=1, open_seconds=10.0, jitter=0.5)
    circuit.ask("a")
    circuit._receive(Settle(circuit.permit("a"), BAD, 1.0, jitter=1.0))
    assert timers(circuit) == {(Timer.OPEN, ""): (15.0, OpenOver(1))}


def test_a_change_of_state_drops_the_timer_of_the_state_before() -> None:
    circuit = opened()
    circuit.force("closed")
    assert timers(circuit) == {}
    circuit = half_open()
    circuit.ask("a")
    circuit.force("closed")
    assert timers(circuit) == {}


def test_each_change_of_state_is_an_event_of_the_breakers_own_stream() -> None:
    machine = BreakerMachine("key", BreakerPolicy())
    out: Any = Recorder()
    machine.receive(Force("forced_open"), at(5.0), out)
    [event] = [call[1] for call in out.take() if call[0] == "record"]
    data = {"state": "forced_open", "epoch": 1}
    assert event == Event(EventType.BREAKER_FORCED, "breaker:key", 1, at(5.0).utc, None, None, data)
    machine.receive(Force("disabled"), at(6.0), out)
    assert [(call[1].seq, call[1].data["epoch"]) for call in out.take() if call[0] == "record"] == [(2, 2)]


def test_an_opening_says_for_how_long_and_a_closing_starts_the_growth_over() -> None:
    machine = BreakerMachine("key", BreakerPolicy(failures=1, open_seconds=7.0))
    out: Any = Recorder()
    machine.receive(Ask("a", "me"), at(0.0), out)
    machine.receive(Settle(Permit("key", 0, "a"), BAD), at(1.0), out)
    [event] = [call[1] for call in out.take() if call[0] == "record"]
    assert (event.type, event.data) == (
        EventType.BREAKER_OPENED,
        {"seconds": 7.0, "epoch": 1, "policy": {"failures": 1, "open_seconds": 7.0}},
    )
    assert machine.own.openings == 1
    machine.receive(Force("closed"), at(2.0), out)
    assert machine.own.openings == 0


# ---- concurrency, rate and waiting -----------------------------------------------------------------------------


def test_an_orphan_counts_beside_those_who_are_out() -> None:
    circuit = Circuit(max_concurrent=2)
    circuit.ask("a")
    circuit.settle("a", BAD, running=True)
    assert [circuit.ask(who) for who in "bc"] == ["granted", "parked"]
    circuit.release("a")
    assert circuit.answer("c") == "granted"


def test_the_end_of_an_orphan_that_nobody_knows_is_a_dead_letter() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a")
    circuit.settle("a", OK)
    circuit.release("a")
    assert len(circuit.dead) == 1


def test_who_asks_does_not_overtake_who_waits() -> None:
    circuit = Circuit(rate=1.0)
    assert [circuit.ask(who) for who in "ab"] == ["granted", "parked"]
    circuit.now = 1.0
    assert circuit.ask("c") == "parked"
    circuit._receive(RateDue())
    assert (circuit.answer("b"), circuit.answer("c")) == ("granted", "parked")


def test_a_rate_counts_from_the_last_start_and_saves_nothing_up() -> None:
    circuit = Circuit(rate=2.0)
    circuit.ask("a")
    circuit.wait(10.0)
    assert [circuit.ask(who) for who in "bc"] == ["granted", "parked"]
    assert timers(circuit) == {(Timer.RATE, ""): (10.5, RateDue())}
    assert circuit.answers["c"] == Parked("c")


def test_a_withdrawn_waiter_is_passed_over() -> None:
    circuit = Circuit(max_concurrent=1)
    for who in "abc":
        circuit.ask(who)
    circuit.withdraw("b")
    circuit.settle("a", OK)
    assert (circuit.answer("b"), circuit.answer("c")) == ("parked", "granted")
    assert circuit.machine.counts[Verdict.CANCELLED] == 0


# ---- windows ---------------------------------------------------------------------------------------------------


def test_the_oldest_call_leaves_a_window_of_calls() -> None:
    circuit = Circuit(failures=None, window_calls=2, minimum_calls=2, failure_rate=1.0)
    for who, verdict in enumerate([BAD, OK, BAD]):
        circuit.call(str(who), verdict)
    assert (circuit.state, circuit.machine.own.window.failed) == ("closed", 1)
    circuit.call("last", BAD)
    assert circuit.state == "open"


def test_a_call_of_exactly_the_windows_age_has_left_it() -> None:
    circuit = Circuit(failures=None, window_seconds=10.0, minimum_calls=2, failure_rate=1.0)
    circuit.call("old", BAD)
    circuit.wait(10.0)
    circuit.call("new", BAD)
    assert circuit.state == "closed"
    circuit.wait(9.5)
    circuit.call("newer", BAD)
    assert circuit.state == "open"


@pytest.mark.parametrize(("seconds", "state"), [(0.9, "closed"), (1.0, "open"), (2.0, "open")])
def test_a_call_of_at_least_the_length_is_slow(seconds: float, state: str) -> None:
    circuit = Circuit(failures=None, window_calls=4, minimum_calls=2, slow_call_seconds=1.0, slow_rate=0.5)
    for who, length in (("a", 0.1), ("b", seconds)):
        circuit.ask(who)
        circuit.settle(who, OK, seconds=length)
    assert circuit.state == state


def test_a_slow_call_that_has_left_the_window_counts_no_more() -> None:
    circuit = Circuit(failures=None, window_calls=2, minimum_calls=2, slow_call_seconds=1.0, slow_rate=1.0)
    for who, length in (("a", 2.0), ("b", 0.1), ("c", 2.0)):
        circuit.ask(who)
        circuit.settle(who, OK, seconds=length)
    assert (circuit.state, circuit.machine.own.window.slow) == ("closed", 1)


def test_failures_in_a_row_open_it_beside_a_window() -> None:
    circuit = Circuit(failures=2, window_calls=10, minimum_calls=10, failure_rate=0.5)
    for who, verdict in enumerate([BAD, OK, BAD]):
        circuit.call(str(who), verdict)
    assert circuit.state == "closed"
    circuit.call("second", BAD)
    assert circuit.state == "open"
