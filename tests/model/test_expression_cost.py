"""What an expression may cost: CEL cannot be interrupted, so what might take long is refused, in numbers."""

from collections import UserDict
from typing import Any

import pytest

from playbill.model import cel_cost
from playbill.model.cel_cost import MAX_VALUES, measure
from playbill.model.errors import NodeConfigError
from playbill.model.expressions import EDGE_ROOTS, ExpressionError, compile_expression


def value_of(text: str, **output: Any) -> Any:
    return compile_expression(text, EDGE_ROOTS).evaluate({"output": output})


def refusal_of(text: str, **output: Any) -> str:
    """Why it is refused; the library itself must not be asked, or the test would take minutes."""
    with pytest.raises(NodeConfigError, match="CEL cannot be interrupted") as caught:
        value_of(text, **output)
    return str(caught.value)


def numbers(count: int) -> list[int]:
    return list(range(count))


def records(count: int) -> list[dict[str, Any]]:
    return [{"a": index, "b": str(index)} for index in range(count)]


def test_a_nested_macro_over_many_items_is_refused_with_its_numbers() -> None:
    said = refusal_of("output.l.all(x, output.l.exists(y, y == x))", l=numbers(3000))
    assert said == (
        "expression 'output.l.all(x, output.l.exists(y, y == x))' failed: its macros might visit 9,000,000 items,"
        " over 100,000: it is given 3,003 values, nested ones counted, in collections of up to 3,000 items;"
        " CEL cannot be interrupted: reduce it in a python node before"
    )


def test_a_map_that_builds_a_large_list_is_refused_with_its_numbers() -> None:
    said = refusal_of("output.l.map(x, x)", l=records(1000))
    assert "it might copy and compare 3," in said
    assert "over 1,000,000: it is given 3,003 values" in said


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("output.l.filter(x, x.a > 0)", records(1000)),
        ("output.l.all(x, size(output.l) > 0)", records(1000)),
        ("output.l.all(x, x in output.l)", numbers(2000)),
        ("output.l.map(x, {'a': x, 'b': x})", records(500)),
        ("output.l.map(x, [x, x, x, x, x, x, x, x, x, x])", numbers(600)),
        ("output.l.map(x, output.l)", numbers(200)),
        ("output.l.map(x, 'ab')", numbers(3000)),
        ("output.l.map(x, size('ab'))", numbers(3000)),
        ("output.l.map(x, output.l).all(y, size(y) > 0)", numbers(200)),
        ("output.l.map(x, x).map(y, y)", numbers(900)),
        ("output.l.map(x, output.l.map(y, y))", numbers(200)),
        ("output.l.existsOne(x, output.l.existsOne(y, x == y))", numbers(3000)),
        ("(output.l + output.l + output.l).map(x, x)", numbers(500)),
        ("[output.l, output.l, output.l].map(x, x.map(y, y))", numbers(900)),
        ("output.l.map(x, x + x + x + x)", [[1] * 100] * 100),
        ("output.l.all(row, row.all(cell, cell in row))", [numbers(2000)]),
        ("output.l.exists(k, output.l[k] == -1)", {str(index): index for index in range(3000)}),
        ("[1,2,3,4,5,6,7,8,9].map(x, [1,2,3,4,5,6,7,8,9].map(y, output.l))", numbers(100)),
        ("size(output.l" + " + output.l" * 80 + ") > 0", numbers(1000)),
        ("size(output.l" + " + output.l" * 80 + ") > 0", "s" * 1_000_000),
        (" && ".join(["output.l == output.l"] * 40), records(10_000)),
        ("output.l.all(x, x == '' || x.contains('y') || true)", ["s" * 1_000_000] * 300),
        ("size(output.l) > 0", numbers(1_000_000)),
        ("size(output.l) > 0", [{"k" * 1_000_000: 1}] * 300),
        ("output.l.matches('(a|b)*a(a|b){1000}x')", "ab" * 50_000),
        ("output.l.all(x, x.matches('^[a-z]+$'))", ["abc"] * 10_000),
        ("output.l.all(x, x.matches('^\\\\w+$'))", ["abc"] * 1000),
        ("output.l.all(x, x.matches('^\\\\pL{1,100}$'))", ["abc"] * 50),
    ],
)
def test_what_might_take_long_is_refused(text: str, many: Any) -> None:
    refusal_of(text, l=many)


@pytest.mark.parametrize(
    ("text", "many", "result"),
    [
        ("output.l.all(x, x >= 0)", numbers(90_000), True),
        ("output.l.all(x, x.a >= 0 && x.b != '')", records(10_000), True),
        ("output.l.exists(x, output.l.exists(y, x == y + 299))", numbers(300), True),
        ("output.l.exists_one(x, x.a == 3)", records(1000), True),
        ("size(output.l.filter(x, x.a > 4))", records(500), 495),
        ("output.l.map(x, x * 2)[9]", numbers(900), 18),
        ("output.l.map(x, x.a)[9]", records(500), 9),
        ("output.l.all(row, row.all(cell, cell >= 0))", [numbers(10)] * 3000, True),
        ("size(output.l) > 0", numbers(150_000), True),
        ("size(output.l + output.l)", numbers(1000), 2000),
        ("output.l.matches('^[a-z]+$')", "a" * 100_000, True),
        ("output.l.all(x, x.matches('^[0-9a-f]{8}-[0-9a-f]{4}$'))", ["01234567-89ab"] * 300, True),
    ],
)
def test_what_cannot_take_long_is_evaluated(text: str, many: Any, result: object) -> None:
    assert value_of(text, l=many) == result


def test_a_macro_over_parts_of_an_outer_ones_items_visits_no_more_than_there_are() -> None:
    """Nested lists are a product of lengths, one of which may be large: not a power of it."""
    assert value_of("output.rows.all(row, row.cells.all(c, c > 0))", rows=[{"cells": [1, 2]}] * 5000) is True


def test_only_the_parts_that_are_named_are_handed_over_and_counted() -> None:
    assert value_of("output.small.map(x, x)", small=[1, 2], large=numbers(2_000_000), odd=object()) == [1, 2]
    assert value_of("has(output.small) && !has(output.none)", small=1, odd=object()) is True
    assert value_of("output.a.b + output['a']['c'] + output.d.size()", a={"b": 1, "c": 2, "o": object()}, d=[0]) == 4
    assert value_of("output.a == output.a && output.a.b == 1", a={"b": 1}) is True
    with pytest.raises(NodeConfigError, match="no key 'b'"):
        value_of("output.a.b > 1", a={"c": 1})
    with pytest.raises(NodeConfigError, match="no key 'a'"):
        value_of("output.a.b > 1")
    with pytest.raises(NodeConfigError, match="failed"):
        value_of("output.a.b > 1", a=[1])


def test_a_mapping_of_another_kind_is_handed_over_too() -> None:
    assert compile_expression("secrets.a + 'b'", ["secrets"]).evaluate(UserDict({"secrets": UserDict(a="a")})) == "ab"


def test_a_pattern_that_comes_from_data_is_refused_before_the_run() -> None:
    for text in ("output.s.matches(output.p)", "output.s.matches('a' + 'b')", "'a'.matches(string(1))"):
        with pytest.raises(ExpressionError, match="matches takes its pattern as a text in quotes") as caught:
            compile_expression(text, EDGE_ROOTS)
        assert caught.value.code == "computed-pattern"


@pytest.mark.parametrize(
    ("pattern", "code"),
    [("(", "invalid-pattern"), ("a(?=b)", "invalid-pattern"), ("((a{1,999}){1,999}){1,999}", "pattern-too-large")],
)
def test_a_wrong_pattern_is_refused_before_the_run(pattern: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(f"output.s.matches('{pattern}')", EDGE_ROOTS)
    assert caught.value.code == code


def test_the_camel_case_macro_counts_as_one() -> None:
    with pytest.raises(ExpressionError, match="3 macro calls"):
        compile_expression("[1].existsOne(a, [1].existsOne(b, [1].existsOne(c, true)))", EDGE_ROOTS)


def test_single_values_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expression over numbers and texts costs a few microseconds: counting would double that."""
    monkeypatch.setattr(cel_cost, "measure", None)
    assert value_of("output.x > 3 && output.y == 'a' && has(output.z.a)", x=4, y="a", z={"a": None}) is True


def test_what_can_be_reached_is_counted_with_nested_values() -> None:
    assert measure(1) == (1, 0, 0)
    assert measure("s" * 1000) == (4, 0, 0)
    assert measure({"a": [1, 2, {"b": (3,)}], "k" * 1000: "s" * 1000}) == (14, 3, 3)


@pytest.mark.no_cover
def test_what_contains_itself_is_too_much() -> None:
    endless: list[object] = []
    endless += [endless, endless]
    assert measure(endless).values == MAX_VALUES + 1
    refusal_of("size(output.l) > 1", l=endless)
