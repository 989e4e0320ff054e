"""A fact stays what it was: outputs, trigger data, configs and definitions are nobody's to change."""

import asyncio
import copy
import json
import operator
from collections.abc import Callable
from typing import Any

import pytest

import playbill
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
real = pytest.mark.real("a handler in a thread")


async def ran(handler: Any, definition: playbill.PipelineDefinition | dict[str, Any], **trigger: Any) -> Any:
    async with playbill.PipelineRunManager(types=[handler]) as manager:
        return await (await manager.start_run(definition, trigger)).result()


async def test_a_result_does_not_change_with_the_handlers_own_dict() -> None:
    mine: dict[str, Any] = {"n": 1, "deep": [{"x": 1}]}

    @playbill.node_type("work")
    async def work(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return mine

    result = await ran(work, pipeline(node("a", "work")))
    mine["n"] = 2
    mine["deep"][0]["x"] = 2
    assert result.outputs["a"] == {"n": 1, "deep": [{"x": 1}]}
    assert result.node_results["a"].output == {"n": 1, "deep": [{"x": 1}]}


def joined(mapping: Any, more: Any) -> None:
    mapping |= more


def added(many: Any, more: Any) -> None:
    many += more


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "of an output": lambda inputs, context: inputs["a"].update(n=2),
    "deep in it": lambda inputs, context: inputs["a"]["deep"][0].pop("x"),
    "of an empty one": lambda inputs, context: inputs["empty"].setdefault("x", 1),
    "of a condition's": lambda inputs, context: inputs["holds"].clear(),
    "of an error": lambda inputs, context: inputs["broken"]["error"].clear(),
    "of the trigger data": lambda inputs, context: context.trigger_data["list"].append(1),
    "by key": lambda inputs, context: operator.setitem(inputs["a"], "n", 2),
    "by del": lambda inputs, context: operator.delitem(inputs["a"]["deep"], 0),
    "by |=": lambda inputs, context: joined(inputs["a"], {"n": 2}),
    "by +=": lambda inputs, context: added(inputs["a"]["deep"], [1]),
    "by insert": lambda inputs, context: context.trigger_data["list"].insert(0, 2),
    "by sort": lambda inputs, context: context.trigger_data["list"].sort(),
    "by reverse": lambda inputs, context: inputs["a"]["deep"].reverse(),
    "of a shallow copy": lambda inputs, context: dict(inputs["a"])["deep"].clear(),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_handler_that_changes_what_others_have_fails_and_is_told_whose_it_is(change: str) -> None:
    @playbill.node_type("work")
    async def work(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        if node.id == "broken":
            raise ValueError("broken")
        if node.id == "changes":
            CHANGES[change](inputs, context)
        return {} if node.id == "empty" else {"n": 1, "deep": [{"x": 1}]}

    definition = pipeline(
        node("a", "work", "changes"),
        node("empty", "work", "changes"),
        node("holds", "condition", "changes", condition="true"),
        {**node("broken", "work"), "next": {"to": "changes", "when": "failure"}},
        node("changes", "work"),
    )
    result = await ran(work, definition, list=[])
    assert result.node_results["changes"].error is not None
    assert result.node_results["changes"].error.type == "TypeError"
    message = result.node_results["changes"].error.message
    assert message.startswith(("what node '", "what the run was started with "))
    assert "is read-only, since others have it, too: change a copy (copy.deepcopy gives a plain one)" in message
    assert result.node_results["a"].output == {"n": 1, "deep": [{"x": 1}]}
    assert result.node_results["empty"].output == {}


async def test_what_an_attempt_does_to_its_config_and_inputs_hurts_nobody() -> None:
    seen: list[Any] = []

    @playbill.node_type("work")
    async def work(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        seen.append((copy.deepcopy(node.config), copy.deepcopy(context.config), sorted(inputs)))
        node.config.pop("x", None)
        node.config.get("deep", [{}])[0].clear()
        inputs.clear()
        inputs["more"] = {}
        if node.id != "first" and context.attempt == 1:
            raise playbill.NodeExecutionError("again", retry_after=0)
        return {}

    config = {"x": 1, "deep": [{"y": 2}]}
    definition = pipeline(
        {"id": "first", "type": "work", "next": ["a", "b"]},
        {"id": "a", "type": "work", "config": config},
        {"id": "b", "type": "work", "config": {**config, "t": "${1 + 1}"}},
    )
    for _ in range(2):
        seen.clear()
        assert (await ran(work, definition)).status == "completed"
        assert seen.count((config, config, ["first"])) == 2
        rendered = {**config, "t": 2}
        assert seen.count((rendered, rendered, ["first"])) == 2
    assert definition.nodes[1].config == config


async def test_an_empty_config_is_read_only() -> None:
    @playbill.node_type("work")
    async def work(node: playbill.PipelineNode, inputs: Any, context: Any) -> dict[str, Any]:
        assert node.config == {}
        assert node.config.pop("x", None) is None  # as in a dict of its own
        node.config.clear()
        node.config["left"] = 1
        return {}

    definition = pipeline(node("a", "work"))
    for _ in range(2):
        result = await ran(work, definition)
        assert str(result.error).startswith("TypeError: what the run was started with is read-only")
    assert definition.nodes[0].config == {}


async def test_a_definitions_dict_that_is_used_again_changes_no_run_under_way() -> None:
    go = asyncio.Event()

    @playbill.node_type("work")
    async def work(node: playbill.PipelineNode, inputs: Any, context: Any) -> dict[str, Any]:
        await go.wait()
        return {"config": node.config}

    written: dict[str, Any] = {"nodes": [{"id": "a", "type": "work", "config": {"deep": {"n": 0}}}]}
    trigger: dict[str, Any] = {"deep": {"n": 0}}
    async with playbill.PipelineRunManager(types=[work]) as manager:
        runs = []
        for n in range(3):
            written["nodes"][0]["config"]["deep"]["n"] = trigger["deep"]["n"] = n
            runs.append(await manager.start_run(written, trigger))
        go.set()
        results = [await run.result() for run in runs]
    assert [result.outputs["a"]["config"] for result in results] == [{"deep": {"n": n}} for n in range(3)]
    assert [run.trigger_data for run in runs] == [{"deep": {"n": n}} for n in range(3)]


async def test_a_definition_that_was_changed_in_place_is_what_its_next_run_is_of() -> None:
    go = asyncio.Event()

    @playbill.node_type("work")
    async def work(node: playbill.PipelineNode, inputs: Any, context: Any) -> dict[str, Any]:
        await go.wait()
        return dict(node.config)

    definition = pipeline(node("a", "work", n=0))
    async with playbill.PipelineRunManager(types=[work]) as manager:
        first = await manager.start_run(definition)
        definition.nodes[0].config["n"] = 1
        second = await manager.start_run(definition)
        definition.nodes.append(playbill.PipelineNode(id="b", type="parallel"))
        third = await manager.start_run(definition)
        go.set()
        assert [(await run.result()).outputs for run in (first, second)] == [{"a": {"n": 0}}, {"a": {"n": 1}}]
        assert (await third.result()).outputs == {"a": {"n": 1}, "b": {}}


async def test_the_same_run_id_and_data_give_the_run_there_is_tuples_and_all(manager: Manager) -> None:
    definition = pipeline(node("a", "delay", seconds=60))
    run = await manager.start_run(definition, {"pair": (1, 2)}, run_id="r")
    assert await manager.start_run(definition, {"pair": (1, 2)}, run_id="r") is run


@real
async def test_a_handler_in_a_thread_finds_the_same() -> None:
    @playbill.node_type("work")
    def work(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        node.config.pop("x")
        if node.id == "a" and context.attempt == 1:
            raise playbill.NodeExecutionError("again", retry_after=0)
        if node.id == "b":
            inputs["a"]["y"] = 1
        return {}

    result = await ran(work, pipeline(node("a", "work", "b", x=1), node("b", "work", x=1)))
    assert str(result.error).startswith("TypeError: what node 'a' gave is read-only")


async def test_an_output_is_plain_json_to_whoever_takes_it(manager: Manager) -> None:
    result = await finished(manager, pipeline(node("a", "say", deep=[(1, {"x": 2})])))
    assert result.outputs["a"] == {"deep": [[1, {"x": 2}]]}
    assert json.dumps(result.outputs["a"]) == '{"deep": [[1, {"x": 2}]]}'
    mine = copy.deepcopy(result.outputs)
    mine["a"]["deep"].append("more")
    assert result.outputs["a"]["deep"] == [[1, {"x": 2}]]
