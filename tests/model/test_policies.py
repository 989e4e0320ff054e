"""Policies: bounds, waits, and what is worth another attempt."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from playbill.model.definition import definition_from
from playbill.model.errors import (
    AttemptTimedOut,
    CircuitOpen,
    DefinitionError,
    HandlerKilled,
    NodeConfigError,
    NodeExecutionError,
    RunCancelled,
)
from playbill.model.facts import Failure
from playbill.model.policies import BreakerPolicy, RetryPolicy, StopPolicy, kinds_of, retryable
from playbill.runtime.simulation.reference.rules import back_off, is_retried


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
        (RetryPolicy(on=("OSError",)), True, False),
        (RetryPolicy(never=("LookupError",)), True, False),
        (RetryPolicy(on=("KeyError",), never=("KeyError",)), True, False),
    ],
)
def test_never_wins_over_on_and_on_means_only_these(policy: RetryPolicy, default: bool, expected: bool) -> None:
    assert policy.should_retry(kinds_of(KeyError("x")), retryable=default) is expected


def test_kinds_are_the_names_of_the_class_and_its_bases() -> None:
    assert kinds_of(KeyError()) == ("KeyError", "LookupError", "Exception", "BaseException")


Group = ExceptionGroup


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


@pytest.mark.parametrize("asked_for", [61, 1.1e9, 1e300, math.inf, 10**400])
def test_what_a_failure_asks_for_is_cut(asked_for: float) -> None:
    assert RetryPolicy().delay(1, 0.5, asked_for) == 60
    assert RetryPolicy(cap=5).delay(1, 0.5, asked_for) == 5
    assert RetryPolicy(cap=5, max_retry_after=60).delay(1, 0.5, asked_for) == 60
    assert RetryPolicy(cap=5, max_retry_after=0).delay(1, 0.5, asked_for) == 0


@given(
    st.builds(
        RetryPolicy,
        base=st.floats(0, 100),
        cap=st.floats(0, 100),
        max_retry_after=st.none() | st.floats(0, 1e9),
        jitter=st.floats(0, 1),
    ),
    st.integers(1, 100),
    st.floats(0, 1),
    st.none() | st.floats() | st.integers(),
)
def test_the_reference_model_waits_as_long(policy: RetryPolicy, attempts: int, draw: float, asked: float) -> None:
    wait = policy.delay(attempts, draw, asked)
    assert back_off(policy, attempts, draw, asked) == wait
    assert 0 <= wait <= max(2 * policy.cap, policy.max_retry_after or 0)


@pytest.mark.parametrize("attempts", [1, 2, 10**6])
def test_the_longest_waits_there_are_stay_finite(attempts: int) -> None:
    policy = RetryPolicy(base=1e9, factor=1e300, cap=1e9, jitter=1)
    assert policy.delay(attempts, 1.0) == 2e9
    for wrong in ({"base": 1e12}, {"cap": math.inf}, {"max_retry_after": math.nan}, {"max_retry_after": "soon"}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            RetryPolicy.model_validate(wrong)


class Throttled(Exception):
    """Of a user's."""


class Worse(Throttled, OSError):
    """And one that comes of it."""


NAME = f"{__name__}.Throttled"


@pytest.mark.parametrize(
    ("on", "error", "expected"),
    [
        ([NAME], Throttled(), True),
        ([NAME], Worse(), True),
        ([NAME], OSError(), False),
        ([Throttled], Worse(), True),
        (["OSError"], Worse(), True),
        (["IOError"], OSError(), True),
        (["builtins.OSError"], ConnectionError(), True),
        (["asyncio.TimeoutError"], TimeoutError(), True),
        (["playbill.NodeExecutionError"], NodeExecutionError("x"), True),
        (NodeExecutionError, Flaky("x"), True),
        ("ValueError", ValueError(), True),
        (["TimeoutError"], NodeExecutionError("x"), False),
        (["other.Throttled"], Throttled(), False),
        (["json.JSONDecodeError"], json.JSONDecodeError("x", "y", 0), True),
        (["json.decoder.JSONDecodeError"], json.JSONDecodeError("x", "y", 0), True),
        (["ConnectionError"], Group("g", [ConnectionResetError(), Group("h", [ConnectionRefusedError()])]), True),
        (["ConnectionError"], Group("g", [ConnectionError(), ValueError()]), False),
        (["ConnectionError"], Group("g", [ValueError(), ConnectionError()]), False),
        (["ConnectionError", "ValueError"], Group("g", [ValueError(), ConnectionError()]), True),
        (["ExceptionGroup"], Group("g", [ValueError(), ConnectionError()]), True),
    ],
)
def test_on_means_only_these(on: Any, error: BaseException, expected: bool) -> None:
    for policy in (RetryPolicy(on=on), RetryPolicy.model_validate_json(RetryPolicy(on=on).model_dump_json())):
        for default in (True, False):
            assert policy.should_retry(kinds_of(error), retryable=default) is expected
            assert is_retried(policy, Failure("E", "", default, kinds_of(error))) is expected


@pytest.mark.parametrize(
    ("never", "error", "expected"),
    [
        ([NAME], Throttled(), False),
        ([Throttled], Worse(), False),
        (["OSError"], Throttled(), True),
        (["ConnectionError"], Group("g", [TimeoutError(), Group("h", [ConnectionResetError()])]), False),
    ],
)
def test_never_is_said_of_any_failure_of_a_group(never: Any, error: BaseException, expected: bool) -> None:
    policy = RetryPolicy(never=never)
    assert policy.should_retry(kinds_of(error), retryable=True) is expected
    assert is_retried(policy, Failure("E", "", True, kinds_of(error))) is expected


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            ["TimeoutErr"],
            "'TimeoutErr' is no exception of Python's or playbill's, did you mean 'TimeoutError'?: write",
        ),
        (
            ["playbill.NodeExecutionErr"],
            "playbill has no exception 'NodeExecutionErr', did you mean 'NodeExecutionError'?",
        ),
        (["asyncio.TimeOutError"], "asyncio has no exception 'TimeOutError', did you mean 'TimeoutError'?"),
        (["Throttled"], "write a class of your own or of a library with its module, such as mymodule.Throttled"),
        (["Problem"], "'Problem' is no exception"),
        (["int"], "'int' is no exception"),
        ([""], "'' is no exception"),
        (["my module.X"], "'my module.X' is no exception"),
        ([int], "names classes of exceptions, and <class 'int'> is none"),
        ([3], "names classes of exceptions, and 3 is none"),
        ([None], "and None is none"),
        (3, "valid tuple"),
    ],
)
@pytest.mark.parametrize("field", ["on", "never"])
def test_a_name_of_no_exception_is_refused_where_it_is_written(field: str, written: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RetryPolicy.model_validate({field: written})
    assert said in str(caught.value)
    with pytest.raises(DefinitionError, match=f"node 'a': retry.{field}"):
        definition_from({"nodes": [{"id": "a", "type": "x", "retry": {field: written}}]})


def test_a_class_within_a_function_is_named_by_its_module() -> None:
    class Local(Exception):
        pass

    assert kinds_of(Local()) == (f"{__name__}.Local", "Exception", "BaseException")
    assert RetryPolicy(on=(Local,)).on == (f"{__name__}.Local",)


def test_a_script_is_main_in_its_workers_too() -> None:
    kind = type("Local", (Exception,), {"__module__": "__mp_main__"})
    assert kinds_of(kind())[0] == "__main__.Local"


def test_a_class_that_shares_a_name_with_a_builtin_is_another() -> None:
    mine = type("ConnectionError", (Exception,), {"__module__": "library"})
    assert not RetryPolicy(on=("ConnectionError",)).should_retry(kinds_of(mine()), retryable=True)
    assert RetryPolicy(on=("library.ConnectionError",)).should_retry(kinds_of(mine()), retryable=True)


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        ([OSError()], True),
        ([OSError(), NodeExecutionError("x")], True),
        ([OSError(), ValueError()], False),
        ([Group("h", [OSError(), Group("i", [NodeConfigError("x")])])], False),
    ],
)
def test_a_group_is_worth_another_attempt_if_all_in_it_is(leaves: list[Exception], expected: bool) -> None:
    assert retryable(Group("g", leaves)) is expected


def test_a_cancel_within_a_group_is_no_failure_to_retry() -> None:
    assert not retryable(BaseExceptionGroup("g", [OSError(), KeyboardInterrupt()]))
