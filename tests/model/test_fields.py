"""The kinds of fields, each at its bounds, and what who sets nothing gets."""

import math
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jsonschema_rs
import pytest
from pydantic import TypeAdapter, ValidationError

from playbill.model import fields
from playbill.model.configs import CallApiConfig, CommandConfig, FreeConfig, SendNotificationConfig
from playbill.model.definition import definition_from
from playbill.model.policies import BreakerPolicy, LimitsPolicy, RetryPolicy, StopPolicy
from playbill.model.published_schema import json_schema


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
    assert RetryPolicy().model_dump() == {**retry, "max_retry_after": None}
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


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30.0),
        ("5m", 300.0),
        (" 2 min ", 120.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1h30m", 5400.0),
        ("1 h 0.5 s", 3600.5),
        (timedelta(minutes=5), 300.0),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 2), 0.5),
        (7, 7.0),
    ],
)
def test_a_length_of_time_may_be_written_with_its_units(written: Any, seconds: float) -> None:
    for kind in (fields.Seconds, fields.PositiveSeconds, fields.SignedSeconds):
        read: Any = TypeAdapter(kind).validate_python(written)
        assert (read, type(read)) == (seconds, float)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "5",
        "1e3",
        "soon",
        "5x",
        "m",
        "1h and 5m",
        "-5m",
        "5 m -3s",
        "9999999d",
        "9" * 400 + "d",
        b"5m",
        Fraction(10**400),
    ],
)
def test_what_is_no_duration_is_refused_wherever_seconds_are(written: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(fields.Seconds).validate_python(written)


def test_a_clock_may_be_set_back_by_a_duration() -> None:
    assert TypeAdapter(fields.SignedSeconds).validate_python("-1h") == -3600


def test_a_rate_may_be_written_with_its_unit() -> None:
    assert BreakerPolicy.model_validate({"rate": "600/h"}).rate == pytest.approx(1 / 6)
    for wrong in ("600", "600/x", "fast", 0, 1e-300):
        with pytest.raises(ValidationError, match="rate"):
            BreakerPolicy.model_validate({"rate": wrong})


def test_the_schema_takes_what_a_definition_takes() -> None:
    data: dict[str, Any] = {
        "timeout": "1h30m",
        "nodes": [{"id": "a", "type": "x", "retry": 3, "timeout": "250ms", "grace": 5}],
    }
    schema = jsonschema_rs.validator_for(json_schema())
    assert schema.is_valid(data)
    node = definition_from(data).nodes[0]
    assert (node.retry, node.timeout) == (RetryPolicy(max_attempts=3), 0.25)
    for wrong in ({"timeout": "soon"}, {"timeout": -1}, {"retry": 0}, {"retry": "3"}):
        assert not schema.is_valid({"nodes": [{"id": "a", "type": "x", **wrong}]})


@pytest.mark.parametrize("written", [True, "3", 2.5, [3]])
def test_a_retry_is_a_number_of_attempts_or_a_policy(written: object) -> None:
    with pytest.raises(ValueError, match="node 'a': retry: takes a number of attempts in all, or a mapping such as"):
        definition_from({"nodes": [{"id": "a", "type": "x", "retry": written}]})
