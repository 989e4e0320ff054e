"""The catalog: built-in types, adding to it, and checking configs."""

import pytest
from pydantic import BaseModel

from playbill.model.catalog import BUILTIN, ActionType, Catalog, NodeType
from playbill.model.configs import CallApiConfig
from playbill.model.errors import DefinitionError, NodeConfigError


def checked(type_name: str, **config: object) -> list[str]:
    node_type = BUILTIN.get(type_name)
    assert node_type is not None
    return [problem.message for problem in node_type.check(config, subject="node 'n'")]


class Greeting(BaseModel):
    times: int


async def handler() -> None: ...


def test_the_built_in_types_are_there_without_handlers() -> None:
    assert BUILTIN.names == (
        "trigger", "agent", "condition", "action", "parallel", "delay", "command", "python",
    )  # fmt: skip
    assert all(node_type.handler is None for node_type in BUILTIN)
    assert "agent" in BUILTIN
    assert repr(Catalog()) == "<Catalog of none>"


@pytest.mark.parametrize(
    ("type_name", "config", "message"),
    [
        ("agent", {"task": "x"}, "field 'agent_id' is missing"),
        ("agent", {"agent_id": "x"}, "field 'task' is missing"),
        ("condition", {}, "field 'condition' is missing"),
        ("action", {}, "field 'action' is missing"),
        ("action", {"action": "call_ap"}, "unknown action 'call_ap', did you mean 'call_api'?"),
        ("action", {"action": "call_api"}, "field 'url' is missing"),
        (
            "action",
            {"action": "call_api", "url": "u", "json": 1, "body": "x"},
            "json and body exclude each other",
        ),
        ("action", {"action": "call_api", "url": "u", "hedaers": {}}, "did you mean 'headers'?"),
        ("delay", {"seconds": -1}, "seconds: input should be greater than or equal to 0"),
        ("delay", {"seconds": float("nan")}, "seconds: input should be a finite number"),
        ("delay", {"seconds": "${input.x}"}, "seconds: input should be a valid number"),
        ("command", {"argv": []}, "argv: list should have at least 1 item"),
        ("python", {"call": "module"}, "call: string should match pattern"),
        ("python", {"call": "${input.x}"}, "call: string should match pattern"),
        ("trigger", {"x": 1}, "unknown field 'x'"),
    ],
)
def test_a_wrong_config_is_named(type_name: str, config: dict[str, object], message: str) -> None:
    [found] = checked(type_name, **config)
    assert found.startswith("node 'n': ")
    assert message in found


def test_a_template_may_stand_for_any_value() -> None:
    assert (
        checked("action", action="call_api", url="${input.u}", timeout_seconds="${input.t}", headers="${input.h}")
        == []
    )
    assert checked("command", argv=["ls"], ok_codes=["${input.code}"]) == []
    assert len(checked("command", argv=["ls"], ok_codes=["x ${input.code}"])) == 1


def test_a_rendered_config_is_checked_in_full() -> None:
    action = BUILTIN.get("action")
    assert action is not None
    parsed = action.parse({"action": "call_api", "url": "http://x", "json": [1]})
    assert isinstance(parsed, CallApiConfig)
    assert parsed.json_body == [1]
    with pytest.raises(NodeConfigError, match="node 'n': timeout_seconds: input should be a valid number"):
        action.parse({"action": "call_api", "url": "u", "timeout_seconds": "${input.t}"}, subject="node 'n'")
    with pytest.raises(NodeConfigError, match="unknown action 'x'"):
        action.parse({"action": "x"})


def test_a_catalog_is_a_value() -> None:
    more = BUILTIN.with_type(NodeType("greet", Greeting, handler=handler, origin="mine:greet"))
    assert "greet" in more
    assert "greet" not in BUILTIN


def test_two_types_of_one_name_are_refused_with_both_places() -> None:
    more = BUILTIN.with_type(NodeType("greet", origin="mine:greet"))
    assert more.with_type(NodeType("greet", origin="mine:greet")).names == more.names
    with pytest.raises(DefinitionError, match="'greet' is defined twice, in mine:greet and yours:greet"):
        more.with_type(NodeType("greet", origin="yours:greet"))


def test_two_actions_of_one_name_are_refused_with_both_places() -> None:
    with pytest.raises(DefinitionError, match=r"action 'call_api' .*configs:CallApiConfig and mine:call_api"):
        BUILTIN.with_action(ActionType("call_api", origin="mine:call_api"))


def test_a_new_action_is_checked_by_its_model_without_the_actions_name() -> None:
    action = BUILTIN.with_action(ActionType("greet", Greeting, origin="mine:greet")).get("action")
    assert action is not None
    assert action.check({"action": "greet", "times": 2}) == []
    assert len(action.check({"action": "greet"})) == 1


def test_handlers_are_bound_to_types_and_to_actions() -> None:
    bound = BUILTIN.with_handler("agent", handler).with_handler("action", handler, action="call_api")
    agent, action = bound.get("agent"), bound.get("action")
    assert agent is not None
    assert agent.handler is handler
    assert action is not None
    assert action.actions["call_api"].handler is handler


def test_templates_leave_literal_fields_alone() -> None:
    python = BUILTIN.get("python")
    assert python is not None
    template = python.template({"call": "${x}", "args": {"a": "${input.x}"}})
    assert template is not None
    assert template.render({"input": {"x": 1}}) == {"call": "${x}", "args": {"a": 1}}
    assert python.template({"call": "${x}"}) is None
