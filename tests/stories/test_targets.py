"""What a breaker stops: who depends on the same thing, and no strangers."""

import sys
from typing import Any

import pytest
from pydantic import BaseModel

import playbill
from tests.stories.support import finished, node, pipeline, statuses

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
QUICK = {"base": 0.001, "jitter": 0.0}
ONCE = {"max_attempts": 1}
REFUSED = "http://127.0.0.1:1/never"
"""Where nobody listens."""


def down(host: str, **more: Any) -> playbill.PipelineDefinition:
    """Six failures of one host, each its own run's end."""
    return pipeline(node("a", "depends", host=host, down=True, retry={**QUICK, "max_attempts": 6}, **more))


async def test_a_host_that_is_down_stops_those_that_need_it_and_nobody_else(manager: Manager) -> None:
    await finished(manager, down("Far"))
    assert manager.circuits == {"depends": "closed", "depends/Far": "open"}
    refused = await finished(manager, pipeline(node("a", "depends", host="Far")))
    assert refused.status is playbill.RunStatus.FAILED
    fine = await finished(manager, pipeline(node("a", "depends", host="near"), node("b", "depends")))
    assert fine.status is playbill.RunStatus.COMPLETED


async def test_who_is_refused_learns_what_failed(manager: Manager) -> None:
    await finished(manager, down("far"))
    refused = await finished(manager, pipeline(node("a", "depends", host="far")))
    assert "circuit 'depends/far' is open" in str(refused.error)
    assert str(refused.error).endswith("the last failure was ConnectionError: far is down, by nobody")
    with pytest.raises(playbill.RunFailed, match="the last failure was ConnectionError: far is down"):
        refused.raise_for_status()


async def test_what_failed_last_tells_no_secret(manager: Manager) -> None:
    await finished(manager, down("far", by="${secrets.token}"))
    refused = await finished(manager, pipeline(node("a", "depends", host="far")))
    assert str(refused.error).endswith("far is down, by ***")


async def test_a_target_that_is_computed_is_known_when_the_node_asks(manager: Manager) -> None:
    definition = down("${trigger.host}")
    await finished(manager, definition, host="far")
    assert manager.circuits["depends/far"] == "open"
    fine = pipeline(node("a", "depends", host="${trigger.host}"))
    assert (await finished(manager, fine, host="far")).status is playbill.RunStatus.FAILED
    assert (await finished(manager, fine, host="near")).status is playbill.RunStatus.COMPLETED


CREDENTIALS = (
    "${secrets.token}",
    "${trigger.missing}",
    "https://user:hunter2@",
    "user:hunter2@db",
    "https://user:hun/ter2@db",
    "https://user:hun?ter2@db/x",
    "Server=db;Uid=me;Pwd=hunter2",
    "host=db password=hunter2",
    "api_key hunter2",
    '{"user": "me"}',
)


@pytest.mark.parametrize("host", CREDENTIALS)
async def test_no_credential_stands_in_a_key(manager: Manager, host: str) -> None:
    await finished(manager, down(host))
    assert list(manager.circuits) == ["depends"]


async def test_of_a_url_the_host_counts(manager: Manager) -> None:
    await finished(manager, down("postgres://user:hunter2@DB.example:5432/orders"))
    assert manager.circuits["depends/db.example:5432"] == "open"


async def test_one_action_that_fails_stops_no_other(manager: Manager) -> None:
    def act(name: str, **config: Any) -> dict[str, Any]:
        return node(name, "action", config={"action": name, **config}, retry={**QUICK, "max_attempts": 6})

    await finished(manager, pipeline(act("lift", down=True)))
    assert (await finished(manager, pipeline(act("ring")))).status is playbill.RunStatus.COMPLETED
    assert "circuit 'action/lift' is open" in str((await finished(manager, pipeline(act("lift")))).error)


@pytest.mark.real("programs")
async def test_commands_that_fail_stop_no_other_and_each_says_why(manager: Manager) -> None:
    def exits(code: int) -> dict[str, Any]:
        argv = [sys.executable, "-c", f"raise SystemExit({code})"]
        return node(f"c{code}", "command", argv=argv, retry=QUICK, on_error="continue")

    result = await finished(manager, pipeline(exits(1), exits(2), exits(3)))
    assert [f"exit code {code}" in str(result.node_results[f"c{code}"].error) for code in (1, 2, 3)] == [True] * 3
    assert manager.circuits == {"command": "closed"}
    assert (await finished(manager, pipeline(exits(0)))).status is playbill.RunStatus.COMPLETED


@pytest.mark.real("a function of another module")
async def test_python_calls_that_fail_stop_no_other(manager: Manager) -> None:
    broken = node("a", "python", call="os:listdir", args={"path": "/nowhere"}, retry={**QUICK, "on": ["OSError"]})
    for _ in range(3):
        assert (await finished(manager, pipeline(broken))).status is playbill.RunStatus.FAILED
    assert manager.circuits == {"python": "closed"}


@pytest.mark.real("a port")
async def test_an_alarm_after_calls_that_fail_is_sent(manager: Manager) -> None:
    call = node("call", "action", config={"action": "call_api", "url": REFUSED}, retry={**QUICK, "max_attempts": 6})
    alarm = node("alarm", "action", config={"action": "ring"})
    edges = [{"from": "call", "to": "alarm", "when": "failure"}]
    result = await finished(manager, pipeline(call, alarm, edges=edges))
    assert statuses(result) == {"call": "failed", "alarm": "completed"}
    assert manager.circuits == {"action": "closed", "action/127.0.0.1:1": "open"}


async def test_a_policy_that_only_limits_opens_at_five_where_something_may_be_down(
    manager: Manager,
) -> None:
    limits = {"depends": {"max_concurrent": 9}}
    five = pipeline(
        node("a", "depends", host="far", down=True, retry={**QUICK, "max_attempts": 5}), breakers=limits, name="five"
    )
    await finished(manager, five)
    assert manager.circuits["depends/far"] == "open"


async def test_failures_null_never_opens_by_count(manager: Manager) -> None:
    limits = {"depends": {"failures": None}}
    many = pipeline(
        node("a", "depends", host="far", down=True, retry={**QUICK, "max_attempts": 9}), breakers=limits, name="many"
    )
    await finished(manager, many)
    assert "open" not in manager.circuits.values()


async def test_a_target_has_a_policy_of_its_own(manager: Manager) -> None:
    policies = {"depends/far": {"failures": 1}}
    once = pipeline(
        node("a", "depends", host="far", down=True, retry=ONCE),
        node("b", "depends", host="near", down=True, retry=ONCE),
        breakers=policies,
        on_failure="finish",
    )
    await finished(manager, once)
    assert manager.circuits == {"depends": "closed", "depends/far": "open", "depends/near": "closed"}


async def test_breaker_none_asks_nobody(manager: Manager) -> None:
    await finished(manager, down("far"))
    result = await finished(manager, pipeline(node("a", "depends", host="far", breaker="none")))
    assert result.status is playbill.RunStatus.COMPLETED


async def test_a_circuit_of_a_type_can_be_named_by_other_types(manager: Manager) -> None:
    await finished(manager, down("far"))
    result = await finished(manager, pipeline(node("a", "say", breaker="depends/far")))
    assert "circuit 'depends/far' is open" in str(result.error)


async def test_a_type_is_forced_with_all_its_circuits_and_one_alone(manager: Manager) -> None:
    near, far = (pipeline(node("a", "depends", host=host)) for host in ("near", "far"))
    await finished(manager, near)
    await manager.force_circuit("depends", "forced_open")
    assert [(await finished(manager, each)).status for each in (near, far)] == ["failed", "failed"]
    await manager.force_circuit("depends/near", "closed")
    assert [(await finished(manager, each)).status for each in (near, far)] == ["completed", "failed"]
    await manager.force_circuit("depends", "closed")
    assert [(await finished(manager, each)).status for each in (near, far)] == ["completed", "completed"]
    assert manager.circuits == {"depends": "closed"}


class Config(BaseModel):
    """What nodes of a type are told."""

    host: str


def test_a_target_that_the_config_does_not_have_is_refused_where_it_is_given() -> None:
    async def handler(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {}

    with pytest.raises(playbill.DefinitionError, match="target names 'hots', and Config has: 'host'"):
        playbill.node_type("x", Config, target="hots")(handler)


async def test_what_is_held_open_by_hand_says_so(manager: Manager) -> None:
    definition = pipeline(node("a", "depends", host="far"))
    await finished(manager, definition)
    await manager.force_circuit("depends", "forced_open")
    refused = await finished(manager, definition)
    assert str(refused.error) == "CircuitOpen: circuit 'depends/far' is open: it was set so by hand"
