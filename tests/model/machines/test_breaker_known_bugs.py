"""Twelve bugs that circuit breakers are known for, each with the test that it is not here."""

import pytest

from playbill.model.facts import Verdict
from playbill.model.machines.circuit_state import Report
from playbill.runtime.embedded.circuit_breaker import CircuitBreaker
from tests.model.machines.circuit import BAD, OK, Circuit, half_open, opened


def test_half_open_herd_only_as_many_probes_as_permitted_go_through() -> None:
    circuit = half_open("old", half_open_permits=2)
    assert [circuit.ask(f"probe{i}") for i in range(5)] == ["granted", "granted", "refused", "refused", "refused"]


@pytest.mark.parametrize("verdict", [Verdict.CANCELLED, Verdict.IGNORED])
def test_half_open_wedge_a_cancelled_probe_gives_its_permit_back(verdict: Verdict) -> None:
    circuit = half_open("old")
    circuit.ask("probe")
    assert circuit.settle("probe", verdict) is Report.COUNTED
    assert circuit.state == "half_open"
    assert circuit.ask("next") == "granted"


def test_half_open_wedge_a_probe_that_hangs_is_lost_after_the_maximum_wait() -> None:
    circuit = half_open("old", half_open_max_wait_seconds=5.0)
    circuit.ask("probe")
    circuit.wait(4.9)
    assert circuit.state == "half_open"
    circuit.wait(0.2)
    assert circuit.state == "open"
    assert circuit.settle("probe", OK) is Report.STALE
    assert circuit.state == "open"


def test_stale_success_does_not_close_an_open_breaker() -> None:
    circuit = opened("old")
    assert circuit.settle("old", OK) is Report.STALE
    assert circuit.state == "open"


@pytest.mark.parametrize("verdict", [OK, BAD])
def test_closed_era_result_does_not_decide_half_open(verdict: Verdict) -> None:
    circuit = half_open("old")
    assert circuit.settle("old", verdict) is Report.STALE
    assert circuit.state == "half_open"
    assert circuit.ask("probe") == "granted"


def test_ignored_exception_is_not_counted_as_success() -> None:
    circuit = half_open("old")
    circuit.call("ignored", Verdict.IGNORED)
    assert circuit.state == "half_open"
    closed = Circuit(failures=2)
    closed.call("bad", BAD)
    closed.call("ignored", Verdict.IGNORED)
    closed.call("bad again", BAD)
    assert closed.state == "open"


def test_cancel_is_not_counted_as_failure() -> None:
    circuit = Circuit(failures=1)
    for i in range(5):
        circuit.call(f"cancelled{i}", Verdict.CANCELLED)
    assert circuit.state == "closed"
    probing = half_open("old")
    probing.call("cancelled", Verdict.CANCELLED)
    assert probing.state == "half_open"


def test_lock_is_not_held_during_the_call() -> None:
    breaker = CircuitBreaker()
    with breaker.acquire():
        inner = breaker.acquire()  # would wait for ever
        inner.settle("success")
    assert breaker.state == "closed"


def test_half_open_is_not_lazy_metrics_see_it_without_a_call() -> None:
    circuit = opened("old")
    circuit.wait(10.0)
    assert circuit.state == "half_open"
    assert circuit.events == ["breaker.opened", "breaker.half_opened"]


def test_half_open_does_not_wait_for_calls_that_never_come() -> None:
    circuit = half_open("old", half_open_permits=3, half_open_max_wait_seconds=5.0)
    circuit.call("one", OK)
    circuit.call("two", OK)
    circuit.wait(1000.0)
    assert circuit.state == "half_open"
    assert circuit.call("three, much later", OK) is Report.COUNTED
    assert circuit.state == "closed"


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_wall_clock_that_jumps_changes_nothing(jump: float) -> None:
    circuit = opened("old")
    circuit.wall_clock_skew = jump
    circuit.wait(9.9)
    assert circuit.state == "open"
    circuit.wait(0.1)
    assert circuit.state == "half_open"


def test_retries_are_not_burnt_while_open() -> None:
    """A refusal says when to come back, and spends no attempt (see the node machine's `refused`)."""
    circuit = opened("old")
    circuit.wait(4.0)
    assert circuit.ask("again") == "refused"
    assert circuit.answers["again"].retry_after == pytest.approx(6.0)
    assert circuit.ask("patient", wait=True) == "parked"
    circuit.wait(6.0)
    assert circuit.answer("patient") == "granted"


def test_state_is_not_checked_apart_from_the_permit() -> None:
    """The permit is the check: of two that asked while closed, the second keeps a permit of the old epoch."""
    circuit = Circuit(failures=1)
    assert (circuit.ask("first"), circuit.ask("second")) == ("granted", "granted")
    circuit.settle("first", BAD)
    assert circuit.state == "open"
    assert circuit.settle("second", BAD) is Report.STALE
    assert circuit.settle("second", BAD) is Report.DUPLICATE
    assert circuit.events == ["breaker.opened"]
