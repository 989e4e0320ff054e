"""What CEL gives back keeps value, type and order; what CEL cannot hold harms nobody who does not touch it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from playbill.model.cel_values import all_fit
from playbill.model.errors import NodeConfigError
from playbill.model.expressions import compile_expression

BIG = 2**80
HALF = "\ud800"
MAP = {"z": 1, "a": 2.0, "m": True, "q": {"y": None, "b": [{"t": 1, "c": 5, "a": 7}]}}


def value(text: str, /, **trigger: Any) -> Any:
    return compile_expression(text, ["trigger"]).evaluate({"trigger": trigger})


def written(text: str, /, **trigger: Any) -> str:
    return json.dumps(value(text, **trigger))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[trigger.map]", [MAP]),
        ("true ? trigger.map : {}", MAP),
        ("{'z': 1, 'a': trigger.map, 'k': {'x': 1, 'c': 2}}", {"z": 1, "a": MAP, "k": {"x": 1, "c": 2}}),
        ("trigger.map.map(k, k)", ["z", "a", "m", "q"]),
        ("trigger.map.filter(k, k != 'a').map(k, k + '!')", ["z!", "m!", "q!"]),
        ("(true ? trigger.map : {}).map(k, k)", ["z", "a", "m", "q"]),
        ("[trigger].map(t, t.map.map(k, k))", [["z", "a", "m", "q"]]),
        ("[trigger].map(t, t.map)[0].map(k, k)", ["z", "a", "m", "q"]),
        ("{'zz': 1, 'aa': 2, 'mm': 3}.map(k, k)", ["zz", "aa", "mm"]),
        ("{trigger.key: 1, 'a': 2}", {"here": 1, "a": 2}),
        ("[trigger.map].map(i, {'n': i.q, 'a': i.z})", [{"n": MAP["q"], "a": 1}]),
        ("[trigger.other, trigger.map]", [{"q": 1, "a": 2}, MAP]),
    ],
)
def test_maps_keep_their_order(text: str, expected: Any) -> None:
    for _ in range(5):  # the library's own order differs from call to call
        assert written(text, map=MAP, other={"q": 1, "a": 2}, key="here") == json.dumps(expected)


def test_what_stands_in_no_source_and_no_literal_has_the_order_of_its_keys() -> None:
    text = "['b', 'a'].map(k, {k + '1': 1, k + '0': 2})"
    assert written(text) == json.dumps([{"b0": 2, "b1": 1}, {"a0": 2, "a1": 1}])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[trigger.big, trigger.text]", [BIG, HALF]),
        ("trigger.items.map(i, i)", [{"big": -BIG, "n": 1}, {"n": 2, HALF: 3}]),
        ("trigger.items.map(i, i.n)", [1, 2]),
        ("trigger.items[1].map(k, k)", ["n", HALF]),
        ("trigger.big == 5", False),
        ("trigger.big == trigger.same", True),
        ("trigger.big > trigger.items[0].big", True),
        ("trigger.ok + 1", 2),
        ("size(trigger)", 6),
        ("size(trigger.text)", 1),
        ("trigger.unsigned > 5", True),
        ("[trigger.unsigned]", [2**63]),
        ("has(trigger.big)", True),
    ],
)
def test_what_cel_cannot_hold_is_handed_on_as_it_is(text: str, expected: Any) -> None:
    trigger = {"big": BIG, "same": BIG, "text": HALF, "ok": 1, "unsigned": 2**63}
    assert value(text, **trigger, items=[{"big": -BIG, "n": 1}, {"n": 2, HALF: 3}]) == expected


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("trigger.big + 1", "trigger.big is an int beyond 64 bits"),
        ("trigger.big > 5", "trigger.big is an int beyond 64 bits"),
        ("string(trigger.big) + ''", "trigger.big is an int beyond 64 bits"),
        ("size(trigger.big)", "trigger.big is an int beyond 64 bits"),
        ("trigger.text + 'x'", "trigger.text is a text with half a surrogate pair in it"),
        ("trigger.text.startsWith('x')", "trigger.text is a text with half a surrogate pair in it"),
        ("trigger.items.map(i, i.big + 1)", "trigger.items[0].big is an int beyond 64 bits"),
        ("trigger.items[1].map(k, k + 'x')", "JSON cannot say"),
    ],
)
def test_what_cel_cannot_hold_is_refused_by_name_where_it_is_used(text: str, cause: str) -> None:
    with pytest.raises(NodeConfigError) as caught:
        value(text, big=BIG, text=HALF, items=[{"big": -BIG}, {HALF: 3}])
    assert cause in str(caught.value)


def test_an_error_of_another_part_does_not_name_what_nobody_touched() -> None:
    with pytest.raises(NodeConfigError) as caught:
        value("trigger.items.map(i, i.n + 'x')", items=[{"n": 1, "big": BIG}])
    assert "64 bits" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timestamp('2026-01-02T03:04:05+01:00')", "2026-01-02T03:04:05+01:00"),
        ("[duration('1m30s'), duration('1.5s')]", [90.0, 1.5]),
        ("7u", 7),
        ("type(1.0)", "double"),
        ("[1, 1.0, true, null]", [1, 1.0, True, None]),
    ],
)
def test_values_that_json_has_no_word_for_are_written_as_those_of_outputs_are(text: str, expected: Any) -> None:
    assert written(text) == json.dumps(expected)


@pytest.mark.parametrize(
    ("text", "cause"),
    [("1.0 / 0.0", "it gives inf"), ("b'ab'", "it gives b'ab'"), ("{1: 'a'}", "it gives a map with the key 1")],
)
def test_what_json_cannot_say_is_refused_by_name(text: str, cause: str) -> None:
    with pytest.raises(NodeConfigError, match=cause):
        value(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size('é😀')", 2),
        ("'é😀'.size()", 2),
        ("size(trigger.text)", 2),
        ("trigger.text.size()", 2),
        ("size(trigger.text + 'a')", 3),
        ("['é', 'ab'].map(t, size(t))", [1, 2]),
        ("trigger.list.filter(t, t.size() == 2)", ["é😀"]),
        ("size(trigger.list)", 2),
        ("size(trigger.map)", 1),
        ("[[1, 2], [3]].map(x, x.size())", [2, 1]),
        ("size(bytes('é'))", 2),
        ("has(trigger.nope) && size(trigger.nope) > 1", False),
    ],
)
def test_size_counts_characters(text: str, expected: Any) -> None:
    assert value(text, text="é😀", list=["é😀", "é"], map={"a": 1}) == expected


@pytest.mark.parametrize(
    ("data", "fits"),
    [({"a": [1, "é", 2.5, None, {"b": 2**64 - 1}]}, True), ({"a": [2**64]}, False), ({"a": {HALF: 1}}, False)],
)
def test_what_fits(data: Any, fits: bool) -> None:
    assert all_fit([data]) is fits


def test_order_does_not_depend_on_the_process() -> None:
    code = """
import json
from playbill.model.expressions import compile_expression
text = "[trigger.m, {'b': 1, 'a': 2}, trigger.m.map(k, k), ['x', 'y'].map(k, {k + 'b': 1, k + 'a': 2})]"
print(json.dumps(compile_expression(text, ['trigger']).evaluate({'trigger': {'m': {'z': 1, 'a': 2, 'k': 3}}})))
"""
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1
