"""What expressions give: the very values, in their order, or an error that says what to write instead."""

import json
from typing import Any, Literal

import pydantic
import pytest

import playbill
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
ORDERED = {"zebra": 1, "apple": {"y": 1.0, "b": [2**70]}, "mango": "é"}


async def test_a_map_keeps_its_order_whatever_way_it_takes(manager: Manager) -> None:
    definition = pipeline(
        node("start", "trigger", "a"),
        node(
            "a",
            whole="${trigger.map}",
            text="x ${trigger.map}",
            chosen="${has(trigger.map) ? trigger.map : {}}",
            keys="${trigger.map.map(k, k)}",
            made="${{'z': trigger.map, 'a': 1}}",
        ),
        outputs={"copy": "{'z': inputs.a.whole, 'a': [trigger.map]}", "a": "inputs.a"},
    )
    result = await finished(manager, definition, map=ORDERED)
    assert json.dumps(result.outputs["copy"]) == json.dumps({"z": ORDERED, "a": [ORDERED]})
    given = result.outputs["a"]
    assert json.dumps(given) == json.dumps(
        {
            "whole": ORDERED,
            "text": f"x {json.dumps(ORDERED, ensure_ascii=False)}",
            "chosen": ORDERED,
            "keys": ["zebra", "apple", "mango"],
            "made": {"z": ORDERED, "a": 1},
        }
    )


async def test_a_value_that_cel_cannot_hold_harms_nobody_who_does_not_use_it(manager: Manager) -> None:
    definition = pipeline(
        node("start", "trigger", "a"),
        node("a", sum="${trigger.orders.map(o, o.n + 1)}", all="${trigger.orders.filter(o, o.n > 1)}"),
    )
    orders = [{"n": 1, "id": 2**70}, {"n": 2, "note": "\ud800", "id": -(2**70)}]
    result = await finished(manager, definition, orders=orders)
    assert result.outputs["a"] == {"sum": [2, 3], "all": [orders[1]]}


async def test_an_int_beyond_64_bits_is_refused_by_name_where_it_is_calculated_with(manager: Manager) -> None:
    definition = pipeline(node("start", "trigger", "a"), node("a", sum="${trigger.id + 1}"))
    result = await finished(manager, definition, id=2**70)
    assert "expression 'trigger.id + 1' failed: trigger.id is an int beyond 64 bits" in str(result.error)


async def test_a_missing_key_names_the_keys_there_are(manager: Manager) -> None:
    definition = pipeline(node("a", path="/x", size=3, after="b"), node("b", x="${inputs.a.pth + ''}"))
    result = await finished(manager, definition)
    assert "no key 'pth', did you mean 'path'?; keys are: 'path', 'size'" in str(result.error)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("inputs.get-user.x", "write inputs['get-user']"),
        ("HOME", "a literal '${HOME}', as for a shell, is written '$${HOME}'"),
        ("trigger.a and trigger.b", "CEL writes && for 'and'"),
        ("len(trigger.a)", "CEL writes size(x) for 'len'"),
    ],
)
async def test_another_languages_words_are_refused_with_those_of_cel(
    manager: Manager, expression: str, hint: str
) -> None:
    definition = pipeline(
        node("start", "trigger", "get-user"), node("get-user", after="a"), node("a", x=f"${{{expression}}}")
    )
    with pytest.raises(playbill.DefinitionError) as caught:
        await manager.start_run(definition)
    assert hint in str(caught.value)


async def test_a_field_of_text_takes_what_a_template_gives_as_text(manager: Manager) -> None:
    definition = pipeline(
        node("start", "trigger", "lettered"),
        node(
            "lettered",
            "lettered",
            label="${trigger.n}",
            names=["${trigger.whole}", "x", "${trigger.yes}"],
            named={"list": "${trigger.list}", "map": "${trigger.map}"},
            note="${trigger.nothing}",
            either="${trigger.n}",
        ),
    )
    trigger = {"n": 5, "whole": 1.0, "yes": True, "list": [1, "é"], "map": {"z": 1, "a": None}, "nothing": None}
    result = await finished(manager, definition, **trigger)
    assert result.outputs["lettered"] == {
        "label": "5",
        "names": ["1.0", "x", "true"],
        "named": {"list": '[1, "é"]', "map": '{"z": 1, "a": null}'},
        "note": None,
        "either": 5,
    }


async def test_null_is_no_text(manager: Manager) -> None:
    definition = pipeline(node("start", "trigger", "a"), node("a", "lettered", label="${trigger.nothing}"))
    result = await finished(manager, definition, nothing=None)
    assert str(result.error) == "NodeConfigError: node 'a': label: input should be a valid string, not None"


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [
        ("${trigger.wait}", 0.25),
        ("${input.wait * 2.0}", 0.1),
        ("${trigger.text}", "0.5"),
        ("0.${trigger.text}", "5"),
        ("${trigger.text}ms", "500"),
    ],
)
async def test_a_delay_waits_as_long_as_its_template_says(manager: Manager, seconds: str, wait: Any) -> None:
    definition = pipeline(
        node("start", "trigger", "a"), node("a", wait=0.05, after="b"), node("b", "delay", seconds=seconds)
    )
    run = await manager.start_run(definition, {"wait": wait, "text": wait})
    assert (await run.result()).status == "completed"
    started = [e async for e in run.events() if e.type == "pipeline_node.started" and e.node_id == "b"]
    due = (started[0].data["due_at"] - started[0].at).total_seconds()
    assert due == pytest.approx({"5": 0.5, "500": 0.5}.get(wait) or float(wait), abs=1e-3)


@pytest.mark.parametrize(
    ("wait", "shown"),
    [
        (-1, "-1"),
        ("soon", "'soon'"),
        ("nan", "'nan'"),
        (1e18, "1e+18"),
        (True, "True"),
        (None, "null"),
        ([1], "[1]"),
        (10**400, "1"),
    ],
)
async def test_a_delay_that_is_no_length_of_time_fails_its_node(manager: Manager, wait: Any, shown: str) -> None:
    definition = pipeline(node("start", "trigger", "b"), node("b", "delay", seconds="${trigger.wait}"))
    result = await finished(manager, definition, wait=wait)
    assert str(result.error).startswith(f"NodeConfigError: config.seconds: {shown}")
    assert "is not a length of time: a number of seconds, 0 to 1e+09" in str(result.error)


async def test_a_delay_whose_template_fails_says_why(manager: Manager) -> None:
    definition = pipeline(node("start", "trigger", "b"), node("b", "delay", seconds="${trigger.waits}"))
    result = await finished(manager, definition, wait=1)
    assert "no key 'waits', did you mean 'wait'?" in str(result.error)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, "greater than or equal to 0"),
        ("soon", "seconds: 'soon' is not a duration"),
        ("${secrets.token}", "unknown name 'secrets'"),
        ("1$${trigger.x}", "seconds: '1$${trigger.x}' is not a duration"),
    ],
)
async def test_a_literal_delay_is_checked_before_the_run(manager: Manager, seconds: Any, told: str) -> None:
    with pytest.raises(playbill.DefinitionError) as caught:
        await manager.start_run(pipeline(node("b", "delay", seconds=seconds)))
    assert told in str(caught.value)


class Nested(pydantic.BaseModel):
    s: str


class OneOfSeveral(pydantic.BaseModel):
    to: Nested | str
    choice: Literal["1", "2"] = "1"


@playbill.node_type("several", config=OneOfSeveral)
async def several(node: Any, inputs: Any, context: playbill.NodeContext[OneOfSeveral]) -> dict[str, Any]:
    return context.config.model_dump()


async def test_a_field_of_several_kinds_stays_of_the_one_that_was_written() -> None:
    definition = pipeline(
        node("start", "trigger", "a"), node("a", "several", to={"s": "${trigger.n}"}, choice="${trigger.n}")
    )
    async with playbill.PipelineRunManager(types=[several]) as manager:
        assert (await finished(manager, definition, n=1)).outputs["a"] == {"to": {"s": "1"}, "choice": "1"}
        wrong = await finished(manager, definition, n=3)
    assert str(wrong.error) == "NodeConfigError: node 'a': choice: input should be '1' or '2', not '3'"
