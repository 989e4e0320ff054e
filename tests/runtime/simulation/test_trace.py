"""A trace is written without what differs from run to run."""

from datetime import UTC, datetime
from typing import Any

import pytest

from playbill.model.facts import Failure
from playbill.model.messages import Cancel, Pause
from playbill.runtime.simulation.trace import MAX_SHOWN, Delivery, describe, name_of
from tests.runtime.simulation.worlds import DIAMOND, study_of


class Opaque:
    """Something whose repr has an address in it."""


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Pause(), "Pause()"),
        (Cancel("user", "enough", 2.0), "Cancel(source=user, reason=enough, grace=2.0)"),
        (Failure("OSError", "no route", retryable=True, kinds=("OSError",), traceback="at 0x7f"), "Failure("),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "{at: 2026-01-01T00:00:00+00:00}"),
        (Opaque(), "<Opaque>"),
    ],
)
def test_a_message_is_described_by_what_it_says(message: Any, said: str) -> None:
    assert describe(message).startswith(said)
    assert "0x7f" not in describe(message)


def test_a_long_value_is_cut() -> None:
    assert len(describe("x" * 1_000)) == MAX_SHOWN


def test_whoever_is_no_actor_is_outside() -> None:
    assert name_of(None) == "(outside)"


def test_a_delivery_is_one_line_with_the_states_before_and_after() -> None:
    assert str(Delivery(1.5, "a", "b", "Pause()", "running", "paused")).strip() == (
        "1.500  a -> b  Pause()  [running -> paused]"
    )
    assert str(Delivery(1.5, "a", "b", "Pause()", "paused", "paused")).endswith("[paused]")


def test_the_sender_of_each_message_of_a_run_is_named() -> None:
    trace = study_of(DIAMOND, {}).seed(1, traced=True).trace
    assert {delivery.sender for delivery in trace} >= {"(outside)", "run-1", "run-1/start"}
