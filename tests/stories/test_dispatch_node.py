"""One node alone: what `dispatch_node` gives of it, what it may be given, and what it says of a wrong one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import playbill
from tests.stories import support
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["trigger", "parallel", "delay"])
async def test_a_transparent_node_alone_gives_its_inputs_back(kind: str) -> None:
    config = {"seconds": 0.001} if kind == "delay" else {}
    alone = playbill.PipelineNode(id="a", type=kind, config=config)
    assert await playbill.dispatch_node(alone, {"b": {"n": 1}}) == {"b": {"n": 1}}


def test_a_delay_alone_waits_its_seconds() -> None:
    with playbill.Simulation() as sim:
        alone = {"id": "a", "type": "delay", "config": {"seconds": 3600}}
        assert sim.call(playbill.dispatch_node(alone, {"b": {"n": 1}})) == {"b": {"n": 1}}
        assert sim.time == 3600
    with playbill.Simulation() as sim, pytest.raises(TimeoutError):
        sim.call(asyncio.wait_for(playbill.dispatch_node(alone, {}), 60))
    assert sim.time == 60


@pytest.mark.parametrize(
    ("alone", "inputs", "said"),
    [
        ({"id": "a", "type": "delay"}, {}, "node 'a': field 'seconds' is missing"),
        ({"id": "a", "type": "delay", "config": {"seconds": "soon"}}, {}, "'soon' is not a duration"),
        ({"id": "a"}, {}, "field 'type' is missing"),
        (None, {}, "a node is a PipelineNode or the mapping it is written as, not NoneType: None"),
        ({"id": "a", "type": "say"}, None, "inputs of node 'a' are a mapping of node ids to outputs, not NoneType"),
        ({"id": "a", "type": "say"}, {5: {}}, "inputs of node 'a' have the key 5, which is not a node's id"),
    ],
)
async def test_a_wrong_node_alone_is_told_so(alone: Any, inputs: Any, said: str) -> None:
    with pytest.raises((playbill.DefinitionError, playbill.NodeConfigError)) as raised:
        await playbill.dispatch_node(alone, inputs, types=support.ALL)
    assert said in str(raised.value)


async def test_a_node_alone_has_nothing_after_it_and_may_have_had_a_turn_before() -> None:
    alone = {"id": "s", "type": "say", "config": {"n": 1}, "next": "gone"}
    assert await playbill.dispatch_node(alone, {"s": {"n": 0}}, types=support.ALL) == {"n": 1}


async def test_a_condition_alone_sees_what_its_run_was_started_with() -> None:
    @playbill.node_type("asks")
    async def asks(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        condition = {"id": "c", "type": "condition", "config": {"condition": "trigger.n > 1"}}
        return await playbill.dispatch_node(condition, inputs, context)

    async with playbill.PipelineRunManager(types=[asks]) as manager:
        assert (await finished(manager, pipeline(node("a", "asks")), n=2)).outputs["a"] == {"result": True}


async def test_other_nodes_alone() -> None:
    condition = playbill.PipelineNode(id="c", type="condition", config={"condition": "input.n > 1"})
    assert await playbill.dispatch_node(condition, {"b": {"n": 2}}) == {"result": True}
    say = playbill.PipelineNode(id="s", type="say", config={"n": "${input.n + 1}"})
    assert await playbill.dispatch_node(say, {"b": {"n": 2}}, types=support.ALL) == {"n": 3}
    with pytest.raises(playbill.NodeConfigError, match="Unknown node type 'nope'; types are: trigger, agent"):
        await playbill.dispatch_node(playbill.PipelineNode(id="x", type="nope"), {})
    fails = playbill.PipelineNode(id="f", type="fails", config={"text": "no luck"})
    with pytest.raises(playbill.NodeExecutionError, match="no luck"):
        await playbill.dispatch_node(fails, {}, types=support.ALL)
    for call, said in (("nope:f", "there is no module 'nope'"), ("nope", "call: string should match")):
        with pytest.raises(playbill.NodeConfigError, match=said):
            await playbill.dispatch_node(playbill.PipelineNode(id="p", type="python", config={"call": call}), {})
    with pytest.raises(playbill.NodeConfigError, match="field 'condition' is missing"):
        await playbill.dispatch_node(playbill.PipelineNode(id="c", type="condition"), {})


@pytest.mark.real("a program")
async def test_a_command_alone() -> None:
    command = playbill.PipelineNode(id="e", type="command", config={"argv": ["echo", "hi"]})
    assert (await playbill.dispatch_node(command, {}))["stdout"] == "hi\n"


async def test_a_handler_may_use_another_types_work() -> None:
    @playbill.node_type("twice")
    async def twice(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        inner = playbill.PipelineNode(id="inner", type="say", config={"city": "${trigger.city}"})
        return await playbill.dispatch_node(inner, {}, context, types=support.ALL)

    async with playbill.PipelineRunManager(types=[twice]) as manager:
        assert (await finished(manager, pipeline(node("a", "twice")), city="Lyon")).outputs["a"] == {"city": "Lyon"}


SHOW = {"id": "s", "type": "shows", "config": {"key": "${secrets.key}", "city": "${trigger.city}"}}


@playbill.node_type("shows")
async def shows(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Tell what it was given; with a text to find, fail over its key."""
    if "shop" not in context.resources:
        raise playbill.NodeExecutionError(f"no shop takes the key {node.config['key']}")
    return {"key": len(node.config["key"]), "city": node.config["city"], "shop": context.resources["shop"]}


async def test_a_node_alone_is_given_what_a_run_would_give_it() -> None:
    given: dict[str, Any] = {"types": [shows], "trigger_data": {"city": "Lyon"}, "secrets": {"key": "s3cret-k3y"}}
    output = await playbill.dispatch_node(SHOW, {}, resources={"shop": "open"}, **given)
    assert output == {"key": 10, "city": "Lyon", "shop": "open"}
    with pytest.raises(playbill.NodeExecutionError) as raised:
        await playbill.dispatch_node(SHOW, {}, **given)
    assert str(raised.value) == "no shop takes the key ***"


async def test_what_a_node_alone_is_given_goes_before_its_context() -> None:
    @playbill.node_type("lends")
    async def lends(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        mine = await playbill.dispatch_node(SHOW, {}, context, types=[shows], secrets={"key": "k"})
        other: dict[str, Any] = {"trigger_data": {"city": "Rome"}, "resources": {"shop": "shut"}}
        theirs = await playbill.dispatch_node(SHOW, {}, context, types=[shows], secrets={"key": "k"}, **other)
        return {"mine": mine, "theirs": theirs}

    async with playbill.PipelineRunManager(types=[lends], resources={"shop": "open"}) as manager:
        output = (await finished(manager, pipeline(node("a", "lends")), city="Lyon")).outputs["a"]
    assert output == {
        "mine": {"key": 1, "city": "Lyon", "shop": "open"},
        "theirs": {"key": 1, "city": "Rome", "shop": "shut"},
    }


async def test_a_delay_and_a_condition_alone_see_what_they_are_given() -> None:
    delay = {"id": "d", "type": "delay", "config": {"seconds": "${trigger.pause}"}}
    assert await playbill.dispatch_node(delay, {"b": {"n": 1}}, trigger_data={"pause": 0}) == {"b": {"n": 1}}
    condition = {"id": "c", "type": "condition", "config": {"condition": "trigger.n > 1"}}
    assert await playbill.dispatch_node(condition, {}, trigger_data={"n": 2}) == {"result": True}


async def test_an_agent_alone_is_asked_where_a_registry_is_given() -> None:
    class Writer:
        async def process_message(self, prompt: str) -> str:
            return prompt.upper()

    ask = {"id": "ask", "type": "agent", "config": {"agent_id": "writer", "task": "write"}}
    output = await playbill.dispatch_node(ask, {}, resources={"agents": {"writer": Writer()}})
    assert output == {"agent_id": "writer", "result": "WRITE", "simulated": False}
    with pytest.raises(playbill.NodeConfigError, match="no agent has the id 'writer'"):
        await playbill.dispatch_node(ask, {}, resources={"agents": {}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trigger_data": [1]}, "trigger_data is a mapping of names to values, not list"),
        ({"trigger_data": {"at": object()}}, "trigger_data"),
        ({"resources": ["shop"]}, "resources is a mapping of names to objects, not"),
        ({"secrets": {"key": b"k"}}, "secret 'key' is bytes: a secret is a text or a number"),
    ],
)
async def test_what_a_node_alone_cannot_be_given_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(playbill.DefinitionError, match=said):
        await playbill.dispatch_node(SHOW, {}, **given)


async def test_an_unknown_type_alone_is_told_the_nearest() -> None:
    with pytest.raises(playbill.NodeConfigError, match="Unknown node type 'delai', did you mean 'delay'"):
        await playbill.dispatch_node({"id": "x", "type": "delai"}, {})
