"""The catalog: built-in types, adding to it, and checking configs."""

from typing import Any, Self

import pytest
from pydantic import BaseModel, Field, field_validator, model_validator

from playbill.model.builtin import BUILTIN
from playbill.model.catalog import ActionType, Catalog, NodeType
from playbill.model.configs import CallApiConfig
from playbill.model.definition import PipelineNode
from playbill.model.errors import DefinitionError, NodeConfigError
from playbill.model.policies import LimitsPolicy


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
        ("delay", {"seconds": "soon"}, "seconds: 'soon' is not a duration: write seconds as a number"),
        (
            "delay",
            {"seconds": "1$${input.x}"},
            "seconds: '1$${input.x}' is not a duration: write seconds as a number",
        ),
        (
            "command",
            {"argv": ["true"], "max_output_bytes": "1${input.x}"},
            "max_output_bytes: input should be a valid",
        ),
        ("delay", {"x": "${input.x}", "seconds": 1}, "unknown field 'x'"),
        ("command", {"argv": ["true"], "envv": "${input.x}"}, "unknown field 'envv', did you mean 'env'?"),
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
    with pytest.raises(NodeConfigError, match=r"node 'n': timeout_seconds: '\$\{input.t\}' is not a duration"):
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


def test_an_unknown_action_is_placed_in_the_config() -> None:
    action = BUILTIN.get("action")
    assert action is not None
    [problem] = action.check({"action": "x"}, where="nodes[3].config")
    assert (problem.code, problem.where) == ("unknown-action", "nodes[3].config.action")
    [problem] = action.check({"action": "x"}, where="")
    assert problem.where == "action"
    assert problem.message.startswith("unknown action 'x'; actions are: 'call_api', ")
    [problem] = action.check({}, where="config")
    assert (problem.code, problem.where) == ("missing-field", "config.action")
    assert problem.message.startswith("field 'action' is missing; actions are: 'call_api'")


def test_a_name_of_an_action_that_is_no_text_is_unknown() -> None:
    assert "unknown action '3'" in checked("action", action=3)[0]
    assert "unknown action '${input.x}'" in checked("action", action="${input.x}")[0]


def test_only_whole_templates_outside_of_literal_fields_may_become_right() -> None:
    assert len(checked("agent", agent_id=3, task="${input.t}")) == 1
    assert checked("agent", agent_id="a", task="${input.t}") == []
    assert checked("delay", seconds="${input.t}") == []
    assert len(checked("trigger", x="${input.x}")) == 1


@pytest.mark.parametrize("name", ["trigger", "parallel", "condition"])
def test_what_the_machine_does_itself_has_no_templates(name: str) -> None:
    assert any("unknown field 'x'" in text for text in checked(name, x="${input.x}"))
    node_type = BUILTIN.get(name)
    assert node_type is not None
    assert node_type.template({"x": "${input.x}"}) is None


def test_a_type_that_is_not_templated_and_an_empty_config_have_no_template() -> None:
    condition, python = BUILTIN.get("condition"), BUILTIN.get("python")
    assert condition is not None
    assert condition.template({"condition": "${input.x}"}) is None
    assert python is not None
    assert python.template({}) is None
    assert python.template({"call": "m:f", "args": {}}) is None


def test_an_actions_literal_fields_and_the_types_are_both_left_alone() -> None:
    action = BUILTIN.get("action")
    assert action is not None
    assert action.literals({"action": "execute_pipeline"}) == {"action", "pipeline"}
    assert action.literals({"action": "call_api"}) == {"action"}
    assert action.literals({"action": "x"}) == {"action"}


def test_what_runs_where_is_said_by_node_action_and_type() -> None:
    limits, own = LimitsPolicy(open_files=9), LimitsPolicy(open_files=3)
    catalog = BUILTIN.with_action(ActionType("greet", Greeting, isolation="process", limits=limits))
    action = catalog.get("action")
    assert action is not None
    node = PipelineNode(id="a", type="action", config={"action": "greet"})
    assert action.worker(node) is action.actions["greet"]
    assert (action.isolation_of(node), action.limits_of(node)) == ("process", limits)
    node = node.model_copy(update={"isolation": "inline", "limits": own})
    assert (action.isolation_of(node), action.limits_of(node)) == ("inline", own)
    unknown = PipelineNode(id="a", type="action", config={"action": "x"})
    assert action.worker(unknown) is action
    assert (action.isolation_of(unknown), action.limits_of(unknown)) == ("inline", None)


def test_built_in_work_that_cannot_run_in_a_process_says_why() -> None:
    assert {each.name: each.inline_because for each in BUILTIN if not each.inline_because} == {
        "action": "",
        "python": "",
    }
    action = BUILTIN.get("action")
    assert action is not None
    assert all("waits on the loop" in each.inline_because for each in action.actions.values())
    assert [each.origin for each in BUILTIN][:2] == [
        "playbill.model.configs:EmptyConfig", "playbill.model.configs:AgentConfig",
    ]  # fmt: skip


def test_types_defined_in_an_unknown_place_are_refused_all_the_same() -> None:
    with pytest.raises(
        DefinitionError, match="in an unknown place and an unknown place: rename one of them"
    ) as caught:
        Catalog({"a": NodeType("a")}).with_type(NodeType("a", Greeting))
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [("duplicate-name", "a")]


def test_the_same_action_twice_is_no_change() -> None:
    greet = ActionType("greet", Greeting, origin="mine:greet")
    once = BUILTIN.with_action(greet)
    assert list(once.with_action(greet)) == list(once)


def test_an_action_may_belong_to_a_type_of_ones_own() -> None:
    catalog = Catalog({"mine": NodeType("mine")}).with_action(ActionType("greet", Greeting), "mine")
    bound = catalog.with_handler("mine", handler, action="greet").get("mine")
    assert bound is not None
    assert (bound.handler, bound.actions["greet"].handler) == (None, handler)
    assert Catalog().get("mine") is None


@pytest.mark.parametrize(
    ("config", "target"),
    [
        ({"webhook": "https://hooks.example.com/x"}, "hooks.example.com"),
        ({"webhook": "https://b.example.com/x", "apprise": ["slack://a/b/c", "jsons://a.example.com:8/x"]},
         "a.example.com:8,b.example.com,slack"),
        ({"webhook": "https://a.example.com/x", "apprise": ["jsons://a.example.com/y"]}, "a.example.com"),
        ({"webhook": "https://a.example.com/x", "apprise": []}, "a.example.com"),
        ({"webhook": "https://a.example.com/x", "apprise": ["no URL"]}, ""),
        ({"webhook": "https://a.example.com/x", "apprise": ["${secrets.url}"]}, ""),
        ({"webhook": "https://a.example.com/x", "apprise": [f"json://{'a' * 250}.com"]}, ""),
    ],
)  # fmt: skip
def test_a_notification_depends_on_each_host_that_it_reaches(config: dict[str, Any], target: str) -> None:
    assert notification_target(config) == target


def test_a_target_of_several_fields_may_be_rendered() -> None:
    config = {"webhook": "https://${trigger.host}/x", "apprise": ["slack://a/b/c"]}
    target = notification_target(config)
    assert not isinstance(target, str)
    assert target.of({"trigger": {"host": "a.example.com"}}) == "a.example.com,slack"
    assert target.of({"trigger": {}}) == ""


def notification_target(config: dict[str, Any]) -> Any:
    node_type = BUILTIN.get("action")
    assert node_type is not None
    return node_type.target_of({"action": "send_notification", **config})


class Picky(BaseModel):
    sku: str = Field(default="A-1", pattern=r"^[A-Z]-\d+$")
    first: str = "1"
    last: str = "2"
    words: list[str] = []

    @field_validator("words")
    @classmethod
    def _letters(cls, words: list[str]) -> list[str]:
        if not all(word.isalpha() for word in words):
            raise ValueError("letters only")
        return words

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("first is after last")
        return self


class Breaking(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return {"a": "A"}[name]


def test_what_holds_a_template_is_judged_once_it_is_rendered() -> None:
    picky = NodeType("picky", Picky)
    for config in (
        {"sku": "A-${trigger.n}"},
        {"first": "${trigger.a}", "last": "1"},
        {"words": ["${trigger.w}"]},
        {"words": ["a${trigger.w}"]},
    ):
        assert picky.check(config) == []
    for wrong, said in (
        ({"sku": "a-1"}, "string should match pattern"),
        ({"first": "3"}, "first is after last"),
        ({"words": ["1"]}, "letters only"),
        ({"words": 3, "first": "${trigger.a}"}, "words: input should be a valid list"),
    ):
        assert [said in problem.message for problem in picky.check(wrong)] == [True]


def test_a_check_of_a_model_that_raises_anything_is_a_problem() -> None:
    breaking = NodeType("breaking", Breaking)
    (problem,) = breaking.check({"name": "b"}, subject="node 'n'")
    told = "node 'n': the check of Breaking raised KeyError: 'b': have it raise a ValueError"
    assert problem.message.startswith(told)
    assert breaking.check({"name": "${trigger.name}"}) == []
    assert breaking.check({"name": "a"}) == []


def test_a_field_that_a_model_would_pass_over_is_told_unless_it_says_so() -> None:
    class Loose(BaseModel, extra="ignore"):
        name: str = ""

    (problem,) = NodeType("breaking", Breaking).check({"name": "a", "nmae": "b"}, where="nodes[0].config")
    assert (problem.where, problem.code) == ("nodes[0].config.nmae", "unknown-field")
    assert "unknown field 'nmae', did you mean 'name'?" in problem.message
    assert NodeType("loose", Loose).check({"nmae": "b"}) == []
