"""A breaker's circuits: one for each target; limits for all together, and who goes first; what is forgotten."""

from typing import Any

import pytest

from playbill.model.facts import Failure, Verdict
from playbill.model.machines.breaker_base import MOST_CIRCUITS
from playbill.model.machines.circuit_state import Report
from playbill.model.messages import AskAgain, OpenOver, Settle, Withdraw
from playbill.model.policies import BreakerPolicy
from tests.model.machines.circuit import BAD, OK, Circuit

DOWN = Failure("ConnectError", "no route to host " + "x" * 300, retryable=True)


def opened(*targets: str, **policy: Any) -> Circuit:
    """A breaker that one failure has opened for each of these targets, and for no other."""
    settings: dict[str, Any] = {"failures": 1, "open_seconds": 10.0, **policy}
    circuit = Circuit(**settings)
    for target in targets:
        circuit.ask(f"bad@{target}")
        circuit.settle(f"bad@{target}", BAD, failure=DOWN)
    return circuit


# ---- one circuit for each target ---------------------------------------------------------------------------------


def test_failures_of_one_target_stop_no_other() -> None:
    circuit = opened("far")
    assert [circuit.ask(who) for who in ("a@far", "b@near", "c")] == ["refused", "granted", "granted"]
    assert (circuit.state_of("far"), circuit.state_of("near"), circuit.state) == ("open", "closed", "closed")


def test_a_refusal_names_the_circuit_and_what_failed_last() -> None:
    circuit = opened("far")
    circuit.ask("a@far")
    refused = circuit.answers["a@far"]
    assert (refused.key, refused.retry_after) == ("key/far", 10.0)
    assert refused.last_failure == "ConnectError: " + DOWN.message[:200]


def test_what_says_nothing_about_a_dependency_is_not_its_last_failure() -> None:
    circuit = Circuit(failures=1)
    circuit.ask("a@far")
    circuit.ask("b@far")
    circuit.settle("a@far", Verdict.IGNORED, failure=Failure("NodeConfigError", "mine", retryable=False))
    circuit.settle("b@far", BAD, failure=DOWN)
    circuit.ask("c@far")
    assert circuit.answers["c@far"].last_failure.startswith("ConnectError")


def test_the_events_of_all_circuits_are_one_stream_and_carry_the_target() -> None:
    circuit = opened("far", "near")
    circuit.force("forced_open", "")
    assert [(event.stream, event.seq, event.data.get("target"), event.data["epoch"]) for event in circuit.facts] == [
        ("breaker:key", 1, "far", 1),
        ("breaker:key", 2, "near", 2),
        ("breaker:key", 3, None, 3),
    ]
    assert circuit.facts[0].data["failure"] == DOWN.brief


def test_each_circuit_has_its_own_timers() -> None:
    circuit = opened("far")
    circuit.wait(4.0)
    circuit.ask("bad@near")
    circuit.settle("bad@near", BAD)
    circuit.wait(6.0)
    assert (circuit.state_of("far"), circuit.state_of("near")) == ("half_open", "open")
    circuit.wait(4.0)
    assert circuit.state_of("near") == "half_open"


def test_a_permit_is_settled_at_its_own_circuit() -> None:
    circuit = Circuit(failures=1)
    circuit.ask("a@far")
    circuit.ask("b@near")
    assert circuit.settle("b@near", OK) is Report.COUNTED
    assert circuit.settle("a@far", BAD) is Report.COUNTED
    assert circuit.settle("a@far", BAD) is Report.DUPLICATE
    assert (circuit.state_of("far"), circuit.state_of("near")) == ("open", "forgotten")


# ---- limits ------------------------------------------------------------------------------------------------------


def test_the_policys_concurrency_bounds_all_circuits_together() -> None:
    circuit = Circuit(max_concurrent=2)
    assert [circuit.ask(who) for who in ("a@x", "b@y", "c@z")] == ["granted", "granted", "parked"]
    circuit.settle("a@x", OK)
    assert circuit.answer("c@z") == "granted"


def test_the_policys_rate_bounds_all_circuits_together() -> None:
    circuit = Circuit(rate=2.0)
    assert [circuit.ask(who) for who in ("a@x", "b@y")] == ["granted", "parked"]
    circuit.wait(0.5)
    assert circuit.answer("b@y") == "granted"


def test_a_target_with_limits_of_its_own_has_them_besides_the_breakers() -> None:
    circuit = Circuit({"x": BreakerPolicy(max_concurrent=1)}, max_concurrent=2)
    assert [circuit.ask(who) for who in ("a@x", "b@x", "c@y", "d@z")] == ["granted", "parked", "granted", "parked"]
    circuit.settle("c@y", OK)
    assert (circuit.answer("b@x"), circuit.answer("d@z")) == ("parked", "granted")
    circuit.settle("a@x", OK)
    assert circuit.answer("b@x") == "granted"


def test_a_target_with_a_rate_of_its_own_waits_for_that() -> None:
    circuit = Circuit({"x": BreakerPolicy(rate=1.0)})
    assert [circuit.ask(who) for who in ("a@x", "b@x", "c@y")] == ["granted", "parked", "granted"]
    circuit.settle("a@x", OK)
    assert circuit.state_of("x") == "closed"  # its rate is remembered
    circuit.wait(1.0)
    assert circuit.answer("b@x") == "granted"


def test_of_those_who_may_the_one_who_came_first_goes_first() -> None:
    circuit = Circuit({"x": BreakerPolicy(max_concurrent=1)}, max_concurrent=2)
    assert [circuit.ask(who) for who in ("a@x", "b@y")] == ["granted", "granted"]
    assert [circuit.ask(who) for who in ("c@x", "d@z", "e@y")] == ["parked"] * 3
    circuit.settle("b@y", OK)
    assert [circuit.answer(who) for who in ("c@x", "d@z", "e@y")] == ["parked", "granted", "parked"]
    circuit.settle("a@x", OK)
    assert [circuit.answer(who) for who in ("c@x", "e@y")] == ["granted", "parked"]


def test_who_waits_for_an_open_circuit_holds_up_nobody_else() -> None:
    circuit = opened("far", max_concurrent=1)
    assert circuit.ask("a@far", wait=True) == "parked"
    assert circuit.ask("b@near") == "granted"
    assert circuit.ask("c@near") == "parked"
    circuit.settle("b@near", OK)
    assert circuit.answer("c@near") == "granted"
    circuit.settle("c@near", OK)
    circuit.wait(10.0)
    assert circuit.answer("a@far") == "granted"


def test_an_opening_turns_away_those_of_its_target_only() -> None:
    circuit = Circuit(failures=1, max_concurrent=1)
    circuit.ask("a@far")
    assert [circuit.ask(who) for who in ("b@far", "c@near")] == ["parked", "parked"]
    circuit.settle("a@far", BAD)
    assert (circuit.answer("b@far"), circuit.answer("c@near")) == ("refused", "granted")


def test_an_orphan_of_one_target_keeps_its_share_of_the_breakers_concurrency() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a@far")
    circuit.settle("a@far", BAD, running=True)
    assert circuit.ask("b@near") == "parked"
    circuit.release("a@far")
    assert circuit.answer("b@near") == "granted"


# ---- policies of their own ---------------------------------------------------------------------------------------


def test_a_policy_of_its_own_sets_one_circuit_alone() -> None:
    circuit = Circuit({"x": BreakerPolicy(failures=2)}, failures=1)
    circuit.call("a@x", BAD)
    circuit.call("b@y", BAD)
    assert (circuit.state_of("x"), circuit.state_of("y")) == ("closed", "open")
    circuit.call("c@x", BAD)
    assert circuit.state_of("x") == "open"


def test_a_policy_that_comes_later_holds_from_then_on() -> None:
    circuit = Circuit()
    circuit.ask("a@x")
    circuit.machine.know({"x": BreakerPolicy(failures=1, max_concurrent=1)})
    assert circuit.ask("b@x") == "parked"
    circuit.settle("a@x", BAD)
    assert (circuit.answer("b@x"), circuit.state_of("x")) == ("refused", "open")


# ---- by hand -----------------------------------------------------------------------------------------------------


def test_what_is_forced_for_the_type_holds_for_all_circuits_and_later_ones() -> None:
    circuit = Circuit()
    circuit.ask("a@x")
    circuit.force("forced_open")
    assert [circuit.ask(who) for who in ("b@x", "c@new", "d")] == ["refused"] * 3
    circuit.settle("a@x", OK)
    circuit.force("closed")
    assert [circuit.ask(who) for who in ("b@x", "c@new", "d")] == ["granted"] * 3


def test_one_target_is_forced_alone_and_not_forgotten() -> None:
    circuit = Circuit()
    circuit.force("forced_open", "x")
    assert [circuit.ask(who) for who in ("a@x", "b@y")] == ["refused", "granted"]
    circuit.settle("b@y", OK)
    assert (circuit.state_of("x"), circuit.state_of("y")) == ("forced_open", "forgotten")
    circuit.force("closed", "x")
    assert (circuit.ask("a@x"), circuit.state_of("x")) == ("granted", "closed")


def test_one_target_may_run_while_its_type_is_forced_open() -> None:
    circuit = Circuit()
    circuit.force("forced_open")
    circuit.force("closed", "x")
    assert circuit.call("a@x", OK) is Report.COUNTED
    assert [circuit.ask(who) for who in ("b@x", "c@y")] == ["granted", "refused"]


def test_who_waits_at_a_circuit_is_refused_when_the_type_is_forced_open() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a@x")
    assert [circuit.ask("b@y"), circuit.ask("c@z", wait=True)] == ["parked", "parked"]
    circuit.force("forced_open")
    assert (circuit.answer("b@y"), circuit.answer("c@z")) == ("refused", "parked")


# ---- what is forgotten -------------------------------------------------------------------------------------------


def test_an_idle_circuit_is_forgotten_and_one_with_a_failure_is_not() -> None:
    circuit = Circuit(failures=3)
    circuit.call("a@x", OK)
    circuit.call("b@y", BAD)
    circuit.call("c", OK)
    assert list(circuit.machine.circuits) == ["", "y"]
    circuit.call("d@y", OK)
    assert list(circuit.machine.circuits) == [""]


@pytest.mark.parametrize("verdict", [Verdict.CANCELLED, Verdict.IGNORED, Verdict.LOST])
def test_one_that_was_only_tried_is_forgotten(verdict: Verdict) -> None:
    circuit = Circuit()
    circuit.call("a@x", verdict)
    assert circuit.state_of("x") == "forgotten"


def test_a_withdrawn_ask_leaves_no_circuit_behind() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a@x")
    circuit.ask("b@y")
    circuit.withdraw("b@y")
    circuit.withdraw("a@x")
    assert list(circuit.machine.circuits) == [""]
    assert not circuit.machine.lines


def test_one_with_an_orphan_or_a_grown_open_time_is_remembered() -> None:
    circuit = opened("far", open_factor=2.0)
    circuit.wait(10.0)
    circuit.ask("a@far")
    circuit.settle("a@far", BAD, running=True)
    circuit.wait(20.0)
    circuit.ask("b@far")
    circuit.settle("b@far", OK)
    assert circuit.state_of("far") == "closed"
    circuit.release("a@far")
    assert circuit.state_of("far") == "forgotten"


def test_a_window_remembers_its_successes_as_long_as_there_is_room() -> None:
    circuit = Circuit(failures=None, window_calls=20, failure_rate=0.5, minimum_calls=2)
    for each in range(8):
        circuit.call(f"{each}@x", OK)
    for each in range(7):
        circuit.call(f"bad{each}@x", BAD)
    assert circuit.state_of("x") == "closed"
    circuit.call("last@x", BAD)
    assert circuit.state_of("x") == "open"


def test_one_target_too_many_shares_the_types_own_circuit() -> None:
    circuit = Circuit(failures=2)
    for each in range(MOST_CIRCUITS):
        circuit.call(f"a@{each}", BAD)
    assert circuit.ask("b@more") == "granted"
    assert circuit.permit("b@more").target == ""
    circuit.settle("b@more", BAD)
    circuit.call("c", BAD)
    assert (circuit.state, circuit.ask("d@more"), circuit.ask("e@0")) == ("open", "refused", "granted")
    assert len(circuit.machine.circuits) == MOST_CIRCUITS + 1


def test_room_is_made_of_windows_without_a_failure() -> None:
    circuit = Circuit(failures=None, window_calls=20, failure_rate=0.5)
    for each in range(MOST_CIRCUITS):
        circuit.call(f"a@{each}", OK)
    assert len(circuit.machine.circuits) == MOST_CIRCUITS + 1
    circuit.ask("b@more")
    assert list(circuit.machine.circuits) == ["", "more"]


def test_epochs_never_restart() -> None:
    circuit = opened("far")
    old = circuit.permit("bad@far")
    circuit.force("closed")
    circuit.ask("a@far")
    circuit.settle("a@far", OK)
    assert circuit.state_of("far") == "forgotten"
    circuit.ask("b@far")
    assert circuit.permit("b@far").epoch > old.epoch


# ---- faults ------------------------------------------------------------------------------------------------------


def test_a_fault_restarts_the_one_circuit_it_hit() -> None:
    circuit = opened("far", "near")
    circuit.ask("a@far", wait=True)
    circuit.ask("b@near", wait=True)
    circuit.restart(Settle(circuit.permit("bad@far"), BAD))
    assert (circuit.state_of("far"), circuit.state_of("near")) == ("closed", "open")
    assert isinstance(circuit.answers["a@far"], AskAgain)
    assert circuit.answer("b@near") == "parked"
    event = circuit.facts[-1]
    assert (event.type, dict(event.data)) == ("breaker.reset", {"target": "far", "epoch": 3, "error": "a bug"})
    circuit.wait(10.0)
    assert (circuit.state_of("far"), circuit.state_of("near")) == ("closed", "half_open")


def test_what_broke_the_circuit_still_frees_its_share() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a@x")
    circuit.restart(Settle(circuit.permit("a@x"), OK))
    assert circuit.ask("b@y") == "granted"
    circuit.restart(Withdraw("b@y"))
    assert circuit.ask("c@z") == "granted"


def test_work_that_goes_on_keeps_its_share_over_a_fault() -> None:
    circuit = Circuit(max_concurrent=1)
    circuit.ask("a@x")
    circuit.restart(Settle(circuit.permit("a@x"), BAD, running=True))
    assert circuit.ask("b@x") == "parked"
    circuit.release("a@x")
    assert circuit.answer("b@x") == "granted"


def test_what_was_set_by_hand_outlives_a_fault() -> None:
    circuit = Circuit()
    circuit.force("forced_open", "x")
    circuit.restart(OpenOver(0, "x"))
    assert circuit.ask("a@x") == "refused"


# ---- named targets, and what no longer counts --------------------------------------------------------------------


def full(**policy: Any) -> Circuit:
    """A breaker with as many circuits as it keeps."""
    circuit = Circuit({"named": BreakerPolicy(max_concurrent=1)}, **policy)
    for each in range(MOST_CIRCUITS):
        circuit.ask(f"a@{each}")
    return circuit


def test_a_target_forced_by_hand_is_itself_also_beyond_the_bound() -> None:
    circuit = full()
    circuit.force("forced_open", "down")
    assert [circuit.ask("b@down"), circuit.ask("c@stranger"), circuit.state] == ["refused", "granted", "closed"]


def test_a_target_with_a_policy_of_its_own_has_it_also_beyond_the_bound() -> None:
    circuit = full()
    assert [circuit.ask("b@named"), circuit.ask("c@named")] == ["granted", "parked"]


def test_failures_that_no_longer_count_take_no_room() -> None:
    timed = Circuit(failures=None, window_seconds=5.0, failure_rate=1.0, minimum_calls=9)
    never = Circuit(failures=None)
    for circuit in (timed, never):
        for each in range(MOST_CIRCUITS):
            circuit.call(f"a@{each}", BAD)
        circuit.wait(6.0)
        circuit.ask("b@new")
        assert circuit.permit("b@new").target == "new"
