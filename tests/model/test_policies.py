"""Policies: bounds, waits, and what is worth another attempt."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from playbill.model.errors import (
    AttemptTimedOut,
    CircuitOpen,
    HandlerKilled,
    NodeConfigError,
    NodeExecutionError,
    RunCancelled,
)
from playbill.model.policies import BreakerPolicy, RetryPolicy, StopPolicy, kinds_of, retryable


def test_waits_double_up_to_the_cap() -> None:
    policy = RetryPolicy(base=1, factor=2, cap=5, jitter=0)
    assert [policy.delay(n, 0.3, None) for n in (1, 2, 3, 4, 10**9, 10**400)] == [1, 2, 4, 5, 5, 5]


def test_a_base_of_zero_never_waits() -> None:
    assert RetryPolicy(base=0).delay(10**9, 1.0) == 0


def test_retry_after_wins_over_the_policy() -> None:
    assert RetryPolicy().delay(3, 0.5, 17.0) == 17.0


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0, 1))
def test_a_wait_stays_within_its_jitter(attempts: int, jitter: float, draw: float) -> None:
    bare = RetryPolicy(jitter=0).delay(attempts, 0.5)
    wait = RetryPolicy(jitter=jitter).delay(attempts, draw)
    assert bare * (1 - jitter) - 1e-9 <= wait <= bare * (1 + jitter) + 1e-9


@pytest.mark.parametrize("field", ["base", "factor", "cap", "jitter", "max_attempts"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "1e3", True])
def test_a_wrong_number_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        RetryPolicy.model_validate({field: value})


def test_policies_are_frozen_and_refuse_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(StopPolicy(), "grace", 1)  # noqa: B010 - the type checkers refuse it, too
    with pytest.raises(ValidationError, match="Extra inputs"):
        StopPolicy.model_validate({"grade": 1})


@pytest.mark.parametrize(
    ("policy", "default", "expected"),
    [
        (RetryPolicy(), True, True),
        (RetryPolicy(), False, False),
        (RetryPolicy(on=("KeyError",)), False, True),
        (RetryPolicy(on=("LookupError",)), False, True),
        (RetryPolicy(on=("OSError",)), False, False),
        (RetryPolicy(on=("OSError",)), True, True),
        (RetryPolicy(never=("LookupError",)), True, False),
        (RetryPolicy(on=("KeyError",), never=("KeyError",)), True, False),
    ],
)
def test_never_wins_over_on_and_on_over_the_default(policy: RetryPolicy, default: bool, expected: bool) -> None:
    assert policy.should_retry(kinds_of(KeyError("x")), retryable=default) is expected


def test_kinds_are_the_names_of_the_class_and_its_bases() -> None:
    assert kinds_of(KeyError()) == ("KeyError", "LookupError", "Exception", "BaseException")


class Flaky(NodeExecutionError, ValueError):
    """Says that it is worth another attempt, although a ValueError is not."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(),
        OSError(),
        TimeoutError(),
        Flaky("x"),
        AttemptTimedOut("timeout", 1),
        HandlerKilled("crash"),
    ],
)
def test_failures_of_the_moment_are_retryable(error: BaseException) -> None:
    assert retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        TypeError(), ValueError(), KeyError(), AttributeError(), NameError(), ImportError(), AssertionError(),
        SyntaxError(), FileNotFoundError(), PermissionError(), NodeConfigError("x"), CircuitOpen("k", 1),
        RunCancelled("user"), SystemExit(), KeyboardInterrupt(),
    ],
)  # fmt: skip
def test_failures_that_stay_are_not_retryable(error: BaseException) -> None:
    assert not retryable(error)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"window_calls": 10, "window_seconds": 5}, "exclude each other"),
        ({"failure_rate": 0.5}, "need a window"),
        ({"window_calls": 20, "slow_rate": 0.5}, "need each other"),
        ({"window_calls": 5}, "minimum_calls 10 is over window_calls 5"),
        ({"open_seconds": 900}, "is over open_cap_seconds"),
        ({"failures": "many"}, "failures"),
        ({"window_calls": 10, "failure_rate": 1.5}, "failure_rate"),
        ({"rate": 0}, "rate"),
    ],
)
def test_a_breaker_policy_that_makes_no_sense_is_refused(fields: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        BreakerPolicy.model_validate(fields)


def test_openings_grow_to_their_cap() -> None:
    policy = BreakerPolicy(open_seconds=10, open_factor=3, open_cap_seconds=50)
    assert [policy.open_for(n, 0.5) for n in (1, 2, 3, 4)] == [10, 30, 50, 50]


@pytest.mark.parametrize(("failures", "expected"), [({}, 5), ({"failures": 2}, 2), ({"failures": None}, None)])
def test_failures_unset_are_the_types_and_null_are_none(failures: dict[str, Any], expected: int | None) -> None:
    policy = BreakerPolicy(max_concurrent=1, **failures)
    assert policy.failures_or(5) == expected
    assert BreakerPolicy.model_validate(policy.model_dump()).failures_or(5) == expected
    assert BreakerPolicy.model_validate_json(policy.model_dump_json()) == policy


@pytest.mark.parametrize("asked_for", [-1, -1e300, math.nan, -math.inf])
def test_what_a_failure_asks_for_is_ignored_when_it_is_no_length_of_time(asked_for: float) -> None:
    assert RetryPolicy(base=2, jitter=0).delay(1, 0.5, asked_for) == 2


@pytest.mark.parametrize("asked_for", [1.1e9, 1e300, math.inf, 10**400])
def test_what_a_failure_asks_for_has_the_longest_time_there_is_as_its_cap(asked_for: float) -> None:
    assert RetryPolicy().delay(1, 0.5, asked_for) == 1e9
