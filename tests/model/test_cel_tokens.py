"""How CEL text is split: braces, macros and node ids are told from what only looks like them."""

import pytest

from playbill.model.cel_tokens import (
    bound_names,
    closing_brace,
    compared_strings,
    keys_read,
    macro_calls,
    node_references,
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("}", 0),
        ("a}", 1),
        ("{}}", 2),
        ("{{}}", -1),
        ("{{}}}", 4),
        ("'}'}", 3),
        ('"\\"}"}', 5),
        ("r'\\'}", 4),
        ("'''}'}'''}", 9),
        ("// }\n}", 5),
        ("'}", 1),
        ("", -1),
    ],
)
def test_the_brace_that_closes_is_found(text: str, place: int) -> None:
    assert closing_brace(text, 0) == place
    assert closing_brace(f"}} {text}", 2) == (place if place < 0 else place + 2)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a.all(x, x)", 1),
        ("a.exists(x, x) || a.exists_one(x, x)", 2),
        ("a . map ( x, b.filter(y, y))", 2),
        ("a.allow(x, x)", 0),
        ("all(x, x)", 0),
        ("a.all", 0),
        ("a.all == 1", 0),
        ("'a.all(x, x)'", 0),
        ("1 // a.all(x, x)", 0),
        ("a. // where\n all(x, x)", 1),
        ("a.all(", 0),
        ("a.all(x", 1),
    ],
)
def test_macro_calls_are_counted(text: str, count: int) -> None:
    assert macro_calls(text) == count


def test_macros_bind_the_names_that_stand_first_in_them() -> None:
    assert bound_names("a.all(x, b.map(y, y == x)) && c.d(z, z)") == {"x", "y"}
    assert bound_names("a.all(1, true)") == set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("inputs.a", {"a"}),
        ("inputs.a.x > 1 && inputs . b", {"a", "b"}),
        ("inputs['a-b'].x + inputs[\"c\"]", {"a-b", "c"}),
        ("inputs[name]", set()),
        ("inputs['a' + 'b']", set()),
        ("inputs['it\\'s']", set()),
        ("inputs.size()", set()),
        ("inputs.all(k, true)", set()),
        ("x.inputs.a", set()),
        ("x.inputs['a']", set()),
        ("inputs", set()),
        ("'inputs.a'", set()),
        ("size(inputs.a)", {"a"}),
        ("true || inputs['a']", {"a"}),
        ("inputs.a\n", {"a"}),
    ],
)
def test_node_ids_are_read_from_inputs(text: str, names: set[str]) -> None:
    assert node_references(text) == names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("event.node == 'a'", {"a"}),
        ('event.node != "a" && event.node=="b"', {"a", "b"}),
        ("event.node in ['a', 'b'] || 'c' in trigger", {"a", "b"}),
        ("event.node in trigger.nodes", set()),
        ("event.node in ['a'", set()),
        ("x.event.node == 'a'", set()),
        ("event.nodes == 'a' // event.node == 'b'", set()),
        ("'event.node' == 'a'", set()),
    ],
)
def test_strings_that_a_field_is_compared_with(text: str, found: set[str]) -> None:
    assert compared_strings(text, "event", "node") == found


def test_ids_of_another_root_are_found_as_those_of_inputs_are() -> None:
    text = "nodes.a.status == nodes['b-c'].status && has(nodes.d) && event.nodes.e && inputs.f"
    assert node_references(text, "nodes") == {"a", "b-c", "d"}
    assert node_references(text) == {"f"}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("nodes.a.status == nodes['b-c'].status && has(nodes.d)", {"a", "b-c", "d"}),
        ("event.nodes.e == 'nodes.f'", set()),
        ("nodes.exists(n, true)", None),
        ("nodes[trigger.x].y", None),
        ("size(nodes) > 1 && nodes.a == 1", None),
        ("nodes", None),
        ("trigger.all(nodes, nodes.a == 1)", None),
    ],
)
def test_keys_that_are_read_of_a_root_unless_it_is_used_as_a_whole(text: str, keys: set[str] | None) -> None:
    assert keys_read(text, "nodes") == keys
