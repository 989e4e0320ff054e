"""Loading YAML and JSON text."""

import pytest

from playbill.model import strict_yaml
from playbill.model.errors import DefinitionError
from playbill.model.loading import MAX_BYTES, decode, parse_text

PIPELINE = """
name: demo
version: 2
nodes:
  - {id: a, type: trigger, next: {to: b, condition: true}}
  - {id: b, type: delay, config: {seconds: 1.0e+3}}
"""


def refusal(text: str, source: str = "p.yaml") -> str:
    with pytest.raises(DefinitionError) as caught:
        parse_text(text, source=source)
    return str(caught.value)


def test_yaml_and_json_give_the_same_definition() -> None:
    definition = parse_text(PIPELINE, source="p.yaml")
    assert (definition.version, definition.edges[0].condition) == ("2", "true")
    assert parse_text(definition.model_dump_json(by_alias=True), source="p.json") == definition


def test_the_form_with_two_lists_is_a_definition() -> None:
    text = '{"nodes": [{"id": "a", "type": "trigger"}], "edges": []}'
    assert parse_text(text, source="p.json") == parse_text(text, source="stdin")


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("nodes: [\n  a: {\n", "p.yaml", "p.yaml:3:1: is not valid YAML: "),
        ("a: 1\n\tb: 2", "p.yaml", "p.yaml:2:1: is not valid YAML: found a tab character that violates indentation"),
        (
            "nodes: []\nname: x\nnodes: []",
            "p.yaml",
            "p.yaml:3:1: is not valid YAML: the key 'nodes' stands twice in one mapping",
        ),
        ("a: 1\n---\nb: 1", "p.yaml", "and here begins another"),
        ("!!python/object:os.x {}", "p.yaml", "the tag '!!python/object:os.x' is not for what stands here"),
        ("\x00", "p.yaml", "is not valid YAML"),
        ('{"nodes": [\n,', "p.json", "p.json:2:1: is not valid JSON: Expecting value"),
        ('{"nodes": [], "x": {"b": 1, "b": 2}}', "p.json", "p.json:1:29: has the key 'b' twice"),
        ('{"nodes": NaN}', "p.json", "p.json:1:11: holds NaN"),
        ("- a", "p.yaml", "must hold a mapping with nodes and edges, not a list"),
        ("", "p.yaml", "not nothing"),
        (
            "nodes: [{id: a, type: t, config: {true: [X]}}]",
            "p.yaml",
            "a key that is not text, True: put it in quotes",
        ),
        (
            "timeout: '1e3'\nnodes: []",
            "p.yaml",
            "p.yaml:1:10: timeout: '1e3' is not a duration: write seconds as a number, or",
        ),
        ("[" * 20000, "p.yaml", "is not valid YAML: nested too deeply"),
        ("[" * 99999 + "]" * 99999, "p.json", "nested too deeply"),
        ("x" * (MAX_BYTES + 1), "p.yaml", "larger than 8 MiB"),
        ("a: &a {x: *a}", "p.yaml", "p.yaml:1:11: is not valid YAML: an alias stands inside its own anchor"),
    ],
    ids=range(17),
)
def test_a_wrong_text_is_named_with_its_place(text: str, source: str, expected: str) -> None:
    assert expected in refusal(text, source)


def test_a_flood_of_aliases_is_refused_before_it_comes() -> None:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for old, new in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    assert "p.yaml:5:36: is not valid YAML: aliases stand for over 100000 values" in refusal("\n".join(lines))


def test_aliases_and_merged_keys_work() -> None:
    text = """
nodes:
  - &base {id: a, type: agent, config: {agent_id: x, task: y}}
  - {<<: *base, id: b}
"""
    assert [node.id for node in parse_text(text, source="p.yaml").nodes] == ["a", "b"]


def test_bytes_that_are_not_utf8_are_named_by_their_offset() -> None:
    with pytest.raises(DefinitionError, match=r"p\.yaml is not UTF-8: byte 0xff at offset 3"):
        decode(b"abc\xff", "p.yaml")
    with pytest.raises(DefinitionError, match="larger than 8 MiB"):
        decode(b"x" * (MAX_BYTES + 1), "p.yaml")
    assert decode(b"\xef\xbb\xbfname: \xc3\xa9", "p.yaml") == "name: é"


def test_a_file_of_the_greatest_size_is_read() -> None:
    assert decode(b"x" * MAX_BYTES, "p.yaml") == "x" * MAX_BYTES


def test_the_end_of_a_name_says_json_in_any_case() -> None:
    assert "is not valid JSON" in refusal("nodes: []", "P.JSON")
    assert refusal("[]", "p.json") == "p.json:1:1: must hold a mapping with nodes and edges, not a list"
    assert refusal("3") == "p.yaml:1:1: must hold a mapping with nodes and edges, not a int"


def test_a_key_that_is_no_text_is_named_at_every_depth() -> None:
    assert "has a key that is not text, 3: put it in quotes" in refusal("nodes: [{config: {a: [{3: x}]}}]")


def test_one_json_object_may_have_a_key_that_another_has() -> None:
    text = '{"nodes": [{"id": "a", "type": "t"}, {"id": "b", "type": "t"}]}'
    assert [node.id for node in parse_text(text, source="p.json").nodes] == ["a", "b"]


@pytest.mark.parametrize(
    ("aliases", "expected"), [(1000, "field 'nodes' is missing"), (1001, "aliases stand for over")]
)
def test_an_alias_stands_for_its_anchor_and_all_that_it_holds(aliases: int, expected: str) -> None:
    anchor = f"a: &a [{', '.join('1' * 99)}]"
    assert expected in refusal(f"{anchor}\nb: [{', '.join(['*a'] * aliases)}]")


def test_a_key_called_on_is_a_word_and_so_is_a_value() -> None:
    assert strict_yaml.read("{on: [a], Off: 1, yes: on}", "p").root.value == {"on": ["a"], "Off": 1, "yes": "on"}
    assert "the key 'on' stands twice" in refusal("{on: 1, on: 2}")
