"""The kinds of fields, each at its bounds, and what who sets nothing gets."""

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from playbill.model import fields
from playbill.model.configs import CallApiConfig, CommandConfig, FreeConfig, SendNotificationConfig
from playbill.model.definition import definition_from
from playbill.model.policies import BreakerPolicy, LimitsPolicy, RetryPolicy, StopPolicy


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        (fields.Text, ["x", "long text"], ["", 1]),
        (fields.Number, [-1.5, 0, 7], [math.nan, math.inf, "1", True]),
        (fields.Whole, [0, 1, 7], [-1, 0.5, "1", True]),
        (fields.Count, [1, 7], [0, -1, 1.5, "1", True]),
        (fields.Seconds, [0, 0.5, 7, 1e9], [-0.1, math.inf, "1", 1.1e9, 1e300, 10**400]),
        (fields.PositiveSeconds, [0.001, 7, 1e9], [0, -1, math.nan, "1", 1.1e9, 1e300, 10**400]),
        (fields.Share, [0, 0.5, 1], [-0.1, 1.1, "1"]),
        (fields.PositiveShare, [0.001, 1], [0, 1.1, "1"]),
        (fields.Factor, [1, 1.5], [0.9, 0, "1"]),
    ],
    ids=["Text", "Number", "Whole", "Count", "Seconds", "PositiveSeconds", "Share", "PositiveShare", "Factor"],
)
def test_a_kind_takes_what_is_within_its_bounds(kind: Any, taken: list[Any], refused: list[Any]) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    assert [adapter.validate_python(value) for value in taken] == taken
    for value in refused:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_who_sets_nothing_of_a_policy_gets_what_the_documentation_says() -> None:
    retry = {"max_attempts": 3, "base": 1.0, "factor": 2.0, "cap": 60.0, "jitter": 0.1, "on": (), "never": ()}
    assert RetryPolicy().model_dump() == retry
    breaker = {
        "failures": "default", "open_seconds": 60.0, "open_factor": 1.0, "open_cap_seconds": 600.0, "jitter": 0.0,
        "minimum_calls": 10, "half_open_permits": 1, "half_open_max_wait_seconds": 60.0,
    }  # fmt: skip
    assert {name: value for name, value in BreakerPolicy().model_dump().items() if value is not None} == breaker
    assert StopPolicy().model_dump() == {"grace": 5.0, "kill_bound": 1.0}
    assert definition_from({"nodes": []}).timeout == 3600.0


def test_who_sets_nothing_of_a_config_gets_what_the_documentation_says() -> None:
    assert CommandConfig(argv=["ls"]).model_dump() == {
        "argv": ["ls"], "cwd": None, "env": {}, "stdin": None, "ok_codes": [0], "max_output_bytes": 262_144,
        "strip": False,
    }  # fmt: skip
    assert CallApiConfig(url="u").model_dump() == {
        "url": "u", "method": "GET", "headers": {}, "params": {}, "json_body": None, "body": None,
        "timeout_seconds": None, "ok_statuses": None,
    }  # fmt: skip


@pytest.mark.parametrize("told", [{}, {"apprise": []}])
def test_a_notification_that_nobody_would_get_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="nobody would be told"):
        SendNotificationConfig(message="m", **told)


@pytest.mark.parametrize("told", [{"webhook": "u"}, {"apprise": ["u"]}, {"webhook": "u", "apprise": []}])
def test_a_notification_that_somebody_gets_is_taken(told: dict[str, Any]) -> None:
    assert SendNotificationConfig(message="m", **told).message == "m"


def test_a_config_without_a_model_keeps_every_field_and_stays_as_it_is() -> None:
    config = FreeConfig.model_validate({"x": 1})
    assert config.model_dump() == {"x": 1}
    with pytest.raises(ValidationError, match="frozen"):
        setattr(config, "x", 2)  # noqa: B010 - the type checkers refuse it, too


def test_limits_name_at_least_one() -> None:
    with pytest.raises(ValidationError, match="names no limit: set one of cpu_seconds, memory_bytes, open_files"):
        LimitsPolicy()
    assert LimitsPolicy(open_files=9).open_files == 9


@pytest.mark.parametrize(
    "fields_taken",
    [
        {"open_seconds": 600.0},
        {"window_calls": 10, "failure_rate": 0.5},
        {"window_calls": 10},
        {"window_seconds": 5.0, "failure_rate": 0.5, "failures": None},
        {"window_seconds": 5.0, "slow_rate": 0.5, "slow_call_seconds": 1.0, "failures": None},
    ],
)
def test_a_breaker_policy_at_the_bounds_of_its_rules_is_taken(fields_taken: dict[str, Any]) -> None:
    assert BreakerPolicy.model_validate(fields_taken).model_fields_set == fields_taken.keys()


def test_every_rule_that_is_broken_is_told() -> None:
    with pytest.raises(
        ValidationError, match=r"exclude each other.*; slow_rate and slow_call_seconds need each other"
    ):
        BreakerPolicy(window_calls=10, window_seconds=1.0, slow_call_seconds=1.0)


@pytest.mark.parametrize("value", [0, 0.5, 10**9, 1e9])
def test_a_length_of_time_is_known_without_a_model(value: float) -> None:
    assert fields.is_seconds(value)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, -math.inf, 1.1e9, 10**400, True, "1", None, 1j])
def test_what_is_no_length_of_time_is_known_without_a_model(value: object) -> None:
    assert not fields.is_seconds(value)
