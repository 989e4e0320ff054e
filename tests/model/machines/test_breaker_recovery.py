"""A breaker that comes back: its states and what is left of its open times, by the events of the one before."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from playbill.model.breaker_past import BreakerPast
from playbill.model.events import Event
from playbill.model.facts import Failure
from playbill.model.messages import Follow, Remember
from playbill.model.policies import BreakerPolicy
from tests.model.machines.circuit import BAD, OK, Circuit, half_open, opened

DOWN = Failure("ConnectError", "no route to host", retryable=True)


def last_of_each(events: list[Event]) -> list[Event]:
    """What is left of a stream when all is forgotten that may be."""
    last = {(event.type, event.data.get("target")): event.seq for event in events}
    return [event for event in events if event.seq in last.values()]


def successor(of: Circuit, after: float = 0.0, **policy: Any) -> Circuit:
    """The breaker of the next process, so many seconds later; its monotonic clock begins anew."""
    again = Circuit(of.machine.targets, **policy)
    again.wall_clock_skew = of.now + of.wall_clock_skew + after
    again._receive(Remember(BreakerPast(last_of_each(of.facts))))
    return again


def test_what_is_left_of_an_opening_goes_on() -> None:
    again = successor(opened(), after=4.0, failures=1, open_seconds=10.0)
    assert again.ask("a") == "refused"
    assert again.answers["a"].retry_after == 6.0
    assert again.answers["a"].last_failure == ""
    again.wait(5.9)
    assert again.state == "open"
    again.wait(0.2)
    assert again.state == "half_open"
    assert again.call("b", OK).value == "counted"
    assert again.state == "closed"


@pytest.mark.parametrize(
    ("after", "left"), [(0.0, 10.0), (9.0, 1.0), (11.0, 0.0), (86_400.0, 0.0), (-86_400.0, 10.0)]
)
def test_whatever_the_clock_says_it_is_between_nothing_and_all_of_it(after: float, left: float) -> None:
    again = successor(opened(), after=after)
    assert again.facts[0].data["seconds"] == left
    again.ask("a")
    assert again.answers["a"].retry_after == left


def test_half_open_comes_back_as_open_with_nothing_left() -> None:
    again = successor(half_open())
    assert (again.state, again.facts[0].data["seconds"]) == ("open", 0.0)
    again.wait(0.0)
    assert again.state == "half_open"
    assert again.ask("probe") == "granted"


def test_the_refusals_of_the_one_that_comes_back_name_what_failed_before() -> None:
    first = Circuit(failures=1)
    first.ask("a@far")
    first.settle("a@far", BAD, failure=DOWN)
    again = successor(first)
    assert again.ask("b@far") == "refused"
    assert again.answers["b@far"].last_failure == DOWN.brief
    assert again.ask("c@near") == "granted"


def test_each_opening_counts_for_how_long_the_next_one_takes() -> None:
    policy: dict[str, Any] = {"failures": 1, "open_seconds": 10.0, "open_factor": 2.0}
    first = half_open(**policy)
    first.call("probe", BAD)
    assert first.facts[-1].data["seconds"] == 20.0
    again = successor(successor(first, **policy), after=20.0, **policy)
    again.wait(0.0)
    again.call("probe", BAD)
    assert again.facts[-1].data["seconds"] == 40.0


def test_what_was_set_by_hand_stays_for_all_circuits_later_ones_too() -> None:
    first = opened()
    first.force("forced_open")
    first.force("closed", "near")
    first.force("disabled", "far")
    again = successor(first)
    assert [again.ask(f"a@{target}") for target in ("", "near", "far", "new")] == [
        "refused", "granted", "granted", "refused"
    ]  # fmt: skip
    assert [again.state_of(target) for target in ("", "near", "far", "new")] == [
        "forced_open", "closed", "disabled", "forced_open"
    ]  # fmt: skip
    again.force("closed")
    assert again.ask("b@new") == "granted"
    assert successor(again).facts == []


def test_one_that_broke_while_set_by_hand_is_so_afterwards() -> None:
    first = Circuit()
    first.force("forced_open")
    first.restart(None)
    assert successor(first).state == "forced_open"


def test_a_closed_breaker_comes_back_as_a_new_one() -> None:
    first = half_open()
    first.call("probe", OK)
    assert (successor(first).facts, successor(first).state) == ([], "closed")


def test_every_return_is_a_new_epoch_and_a_fact() -> None:
    first = opened()
    again = successor(first)
    (fact,) = again.facts
    assert (fact.type, fact.data["state"]) == ("breaker.recovered", "open")
    assert fact.data["epoch"] > max(event.data["epoch"] for event in first.facts)


def test_counts_and_windows_begin_anew() -> None:
    first = Circuit(failures=3)
    first.call("a", BAD)
    first.call("b", BAD)
    first.force("disabled", "far")
    again = successor(first, failures=3)
    again.call("c", BAD)
    assert (again.state, again.state_of("far")) == ("closed", "disabled")
    assert not again.machine.out


def follow(circuit: Circuit, **policy: Any) -> None:
    circuit._receive(Follow(BreakerPolicy(**policy), {}))


def test_a_policy_that_changed_wins_and_is_recorded_once() -> None:
    again = successor(opened())
    follow(again, failures=2, open_seconds=3.0, open_cap_seconds=4.0)
    changed = [event for event in again.facts if event.type == "breaker.policy_changed"]
    assert [event.data["policy"] for event in changed] == [
        {"failures": 2, "open_seconds": 3.0, "open_cap_seconds": 4.0}
    ]
    again.ask("a")
    assert again.answers["a"].retry_after == 4.0
    again.wait(4.0)
    again.call("probe", OK)
    again.call("b", BAD)
    assert again.state == "closed"
    again.call("c", BAD)
    assert (again.state, again.facts[-1].data["seconds"]) == ("open", 3.0)


def test_a_change_is_recorded_once_however_often_it_comes_back() -> None:
    again = successor(opened())
    follow(again, failures=3)
    once_more = successor(again)
    follow(once_more, failures=3)
    assert [circuit.events.count("breaker.policy_changed") for circuit in (again, once_more)] == [1, 0]


def test_the_same_policy_changes_and_records_nothing_however_often_it_came_back() -> None:
    again = successor(successor(opened()), after=2.0)
    follow(again, failures=1, open_seconds=10.0)
    assert again.events == ["breaker.recovered"]
    again.ask("a")
    assert again.answers["a"].retry_after == 8.0


@pytest.mark.parametrize("seed", range(40))
def test_what_may_be_forgotten_of_a_stream_tells_nothing(seed: int) -> None:
    rng = random.Random(seed)
    first = Circuit(failures=1, open_seconds=5.0, open_factor=2.0)
    for number in range(60):
        who = f"{number}@{rng.choice(('', 'near', 'far'))}"
        work = rng.randrange(6)
        if work == 0:
            first.force(rng.choice(("closed", "forced_open", "disabled")), rng.choice((None, "near", "far")))
        elif work == 1:
            first.wait(rng.choice((1.0, 6.0)))
        elif work == 2:
            first.restart(None)
        elif first.ask(who, wait=False) == "granted":
            first.settle(who, rng.choice((OK, BAD)))
    whole, least = BreakerPast(first.facts), BreakerPast(last_of_each(first.facts))
    assert whole.standing == least.standing
    assert (whole.epoch, whole.forced) == (least.epoch, least.forced)
    for target, circuit in first.machine.circuits.items():
        known = whole.circuits.get(target)
        expected = "open" if circuit.state == "half_open" else circuit.state
        assert (whole.forced if known is None else known.state) == expected


def test_the_events_say_the_same_read_back() -> None:
    first = opened()
    again = successor(first)
    follow(again, failures=3)
    for event in (*first.facts, *again.facts):
        assert Event.from_dict(event.as_dict(internals=True)) == event
    assert BreakerPast([replace(event) for event in first.facts]).standing
