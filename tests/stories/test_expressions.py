"""What expressions give: the very values, in their order, or an error that says what to write instead."""

import json
from typing import Any

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
        outputs={"copy": "{'z': inputs.a.whole, 'a': [trigger.map]}"},
    )
    result = await finished(manager, definition, map=ORDERED)
    assert json.dumps(result.outputs["copy"]) == json.dumps({"z": ORDERED, "a": [ORDERED]})
    given: dict[str, Any] = (result.nodes["a"].output) or {}
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
    definition = pipeline(node("start", "trigger", "a"), node("a", next="${trigger.id + 1}"))
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
