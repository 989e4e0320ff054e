"""The breaker's rules one by one, and against a naive model."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbill.model.errors import InternalError
from playbill.model.facts import Verdict
from playbill.model.machines.circuit_state import Report
from playbill.model.messages import HalfOpenOver
from tests.model.machines.circuit import BAD, OK, Circuit
from tests.model.machines.recorder import at


class Naive:
    """A breaker as one would write it down: lists and counts, no epochs, no timers."""

    def __init__(self, failures: int, open_seconds: float, permits: int, limit: int) -> None:
        self.failures, self.open_seconds, self.permits, self.limit = failures, open_seconds, permits, limit
        self.state, self.until, self.bad, self.good = "closed", 0.0, 0, 0
        self.out: dict[str, int] = {}
        """Who has a permit, and in which period of the breaker it was given."""
        self.waiting: list[tuple[str, bool]] = []
        self.period = 0

    def turn(self, state: str, now: float) -> None:
        self.state, self.bad, self.good, self.period = state, 0, 0, self.period + 1
        self.until = now + self.open_seconds
        if state == "open":
            self.waiting = [(who, wait) for who, wait in self.waiting if wait]

    def pass_time(self, now: float) -> None:
        if self.state == "open" and now >= self.until:
            self.turn("half_open", self.until)
            self.admit()

    def probes(self) -> int:
        return self.good + sum(period == self.period for period in self.out.values())

    def may(self) -> bool:
        return self.state != "open" and (self.state == "closed" or self.probes() < self.permits)

    def admit(self) -> None:
        while self.waiting and self.may() and len(self.out) < self.limit:
            self.out[self.waiting.pop(0)[0]] = self.period

    def ask(self, who: str, *, wait: bool) -> str:
        if not self.may() and not wait:
            return "refused"
        if not self.waiting and self.may() and len(self.out) < self.limit:
            self.out[who] = self.period
            return "granted"
        self.waiting.append((who, wait))
        return "parked"

    def settle(self, who: str, verdict: Verdict, now: float) -> None:
        counted = self.out.pop(who) == self.period
        if counted and self.state != "open":
            if verdict is OK:
                self.bad, self.good = 0, self.good + (self.state == "half_open")
                if self.good >= self.permits and self.state == "half_open":
                    self.turn("closed", now)
            elif verdict is BAD or (verdict is Verdict.LOST and self.state == "half_open"):
                self.bad += 1
                if self.bad >= self.failures or self.state == "half_open":
                    self.turn("open", now)
        self.admit()


@pytest.mark.no_cover
@settings(max_examples=500)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "ask", "settle", "settle", "time", "withdraw"]), st.integers(0, 9)),
        max_size=60,
    ),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 4),
)
def test_it_does_what_a_naive_model_does(steps: list[Any], failures: int, permits: int, limit: int) -> None:
    policy: dict[str, Any] = {
        "failures": failures,
        "open_seconds": 5.0,
        "half_open_permits": permits,
        "max_concurrent": limit,
    }
    circuit = Circuit(**policy, half_open_max_wait_seconds=10_000.0)
    naive = Naive(failures, 5.0, permits, limit)
    for number, (step, pick) in enumerate(steps):
        who = f"ask{number}"
        if step == "ask":
            assert circuit.ask(who, wait=pick < 3) == naive.ask(who, wait=pick < 3)
        elif step == "time":
            circuit.wait(pick)
            naive.pass_time(circuit.now)
        elif step == "settle" and naive.out:
            holder = sorted(naive.out)[pick % len(naive.out)]
            verdict = list(Verdict)[pick % len(Verdict)]
            circuit.settle(holder, verdict)
            naive.settle(holder, verdict, circuit.now)
        elif step == "withdraw" and naive.waiting:
            holder, _ = naive.waiting.pop(pick % len(naive.waiting))
            circuit.withdraw(holder)
        assert circuit.state == naive.state
        assert sorted(circuit.machine.out) == sorted(naive.out)
        assert list(circuit.machine.parked) == [waiter for waiter, _ in naive.waiting]
        assert len(circuit.machine.out) <= limit


def test_failures_in_a_row_open_it_and_a_success_between_starts_over() -> None:
    circuit = Circuit(failures=3)
    for who, verdict in enumerate([BAD, BAD, OK, BAD, BAD]):
        circuit.call(str(who), verdict)
    assert circuit.state == "closed"
    circuit.call("third", BAD)
    assert circuit.state == "open"


def test_open_time_grows_to_its_cap_until_it_closes() -> None:
    circuit = Circuit(failures=1, open_seconds=10.0, open_factor=2.0, open_cap_seconds=30.0)
    lengths = []
    for who in range(4):
        circuit.call(str(who), BAD)
        circuit.ask("refused")
        lengths.append(circuit.answers["refused"].retry_after)
        circuit.wait(lengths[-1])
    assert lengths == [10.0, 20.0, 30.0, 30.0]
    circuit.call("ok", OK)
    circuit.call("bad", BAD)
    circuit.ask("refused")
    assert circuit.answers["refused"].retry_after == 10.0


def test_a_failure_rate_over_a_window_opens_it() -> None:
    circuit = Circuit(failures=None, window_calls=4, minimum_calls=4, failure_rate=0.5)
    for who, verdict in enumerate([BAD, OK, OK]):
        circuit.call(str(who), verdict)
    assert circuit.state == "closed"
    circuit.call("fourth", BAD)
    assert circuit.state == "open"


def test_old_calls_leave_a_window_of_seconds() -> None:
    circuit = Circuit(failures=None, window_seconds=10.0, minimum_calls=2, failure_rate=0.6)
    circuit.call("old", BAD)
    circuit.wait(11.0)
    circuit.call("ok", OK)
    circuit.call("bad", BAD)
    assert circuit.state == "closed"
    circuit.call("bad again", BAD)
    assert circuit.state == "open"


def test_slow_calls_open_it() -> None:
    circuit = Circuit(failures=None, window_calls=2, minimum_calls=2, slow_call_seconds=1.0, slow_rate=1.0)
    for who in ("one", "two"):
        circuit.ask(who)
        circuit.settle(who, OK, seconds=2.0)
    assert circuit.state == "open"


def test_a_shortage_of_concurrency_parks_first_come_first_served() -> None:
    circuit = Circuit(max_concurrent=1)
    assert [circuit.ask(who) for who in ("a", "b", "c")] == ["granted", "parked", "parked"]
    circuit.settle("a", OK)
    assert (circuit.answer("b"), circuit.answer("c")) == ("granted", "parked")


def test_a_rate_parks_and_grants_in_time() -> None:
    circuit = Circuit(rate=2.0)
    assert [circuit.ask(who) for who in ("a", "b", "c")] == ["granted", "parked", "parked"]
    circuit.wait(0.5)
    assert (circuit.answer("b"), circuit.answer("c")) == ("granted", "parked")
    circuit.wait(0.5)
    assert circuit.answer("c") == "granted"


def test_an_orphan_keeps_its_share_of_the_concurrency_until_it_ends() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("orphan")
    assert circuit.settle("orphan", BAD, running=True) is Report.COUNTED
    assert circuit.ask("next") == "parked"
    circuit.release("orphan")
    assert circuit.answer("next") == "granted"


def test_an_orphan_whose_end_is_told_before_it_was_given_up_keeps_nothing() -> None:
    """Node and runner are two senders: their messages may come in either order."""
    circuit = Circuit(max_concurrent=1)
    circuit.ask("orphan")
    circuit.release("orphan")
    circuit.settle("orphan", BAD, running=True)
    assert circuit.ask("next") == "granted"
    assert not circuit.machine.released_early


def test_a_withdrawn_grant_comes_back_as_cancelled() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("gone")
    circuit.ask("next")
    circuit.withdraw("gone")
    assert circuit.answer("next") == "granted"
    assert circuit.machine.counts[Verdict.CANCELLED] == 1
    circuit.withdraw("nobody")
    assert len(circuit.dead) == 1


def test_who_would_rather_fail_is_refused_when_it_opens_and_who_waits_stays() -> None:
    circuit = Circuit(failures=1, max_concurrent=1)
    circuit.ask("a")
    circuit.ask("impatient")
    circuit.ask("patient", wait=True)
    circuit.settle("a", BAD)
    assert (circuit.answer("impatient"), circuit.answer("patient")) == ("refused", "parked")


@pytest.mark.parametrize(
    ("forced", "asked", "after_failures"),
    [
        ("forced_open", "refused", "forced_open"),
        ("disabled", "granted", "disabled"),
        ("metrics_only", "granted", "metrics_only"),
    ],
)
def test_what_is_set_by_hand_stays(forced: str, asked: str, after_failures: str) -> None:
    circuit = Circuit(failures=1)
    circuit.force(forced)
    assert circuit.ask("who") == asked
    if asked == "granted":
        circuit.settle("who", BAD)
    assert circuit.state == after_failures
    circuit.force("closed")
    assert circuit.ask("again") == "granted"
    assert circuit.events == ["breaker.forced", "breaker.forced"]


def test_a_state_nobody_can_force_is_refused() -> None:
    with pytest.raises(InternalError, match="cannot be forced to 'half_open', only to closed"):
        Circuit().force("half_open")


def test_its_repr_tells_the_live_state() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a")
    circuit.ask("b")
    assert repr(circuit.machine) == "<BreakerMachine key closed epoch=0 in_a_row=0 out=1 waiting=1 targets=0>"


def test_a_wait_that_was_over_for_the_last_probe_is_not_over_for_the_next() -> None:
    circuit = Circuit(failures=1, open_seconds=10.0, half_open_max_wait_seconds=3.0)
    circuit.call("bad", BAD)
    circuit.wait(10.0)
    circuit.ask("probe")
    on_its_way = HalfOpenOver(circuit.machine.own.epoch)
    circuit.now += 3.0  # the timer has fired, and its message is not there yet
    circuit.settle("probe", Verdict.CANCELLED)
    circuit.ask("next")
    circuit.machine.receive(on_its_way, at(circuit.now), circuit)  # type: ignore[arg-type]
    assert circuit.state == "half_open"
    circuit.wait(2.9)
    assert circuit.state == "half_open"
    circuit.wait(0.1)
    assert circuit.state == "open"
