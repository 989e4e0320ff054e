"""Loading YAML and JSON text."""

import pytest

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
        ("nodes: [\n  a: {\n", "p.yaml", "at line 3, column 1"),
        ("a: 1\n\tb: 2", "p.yaml", "found character '\\t' that cannot start any token at line 2, column 1"),
        (
            "nodes: []\nname: x\nnodes: []",
            "p.yaml",
            "the key 'nodes' stands twice in one mapping at line 3, column 1",
        ),
        ("a: 1\n---\nb: 1", "p.yaml", "another document"),
        ("!!python/object:os.x {}", "p.yaml", "could not determine a constructor"),
        ("\x00", "p.yaml", "is not valid YAML"),
        ('{"nodes": [\n,', "p.json", "Expecting value at line 2, column 1"),
        ('{"nodes": [], "x": {"b": 1, "b": 2}}', "p.json", "has the key 'b' twice"),
        ('{"nodes": NaN}', "p.json", "holds NaN"),
        ("- a", "p.yaml", "must hold a mapping with nodes and edges, not a list"),
        ("", "p.yaml", "not nothing"),
        ("nodes: [{id: a, type: t, retry: {on: [X]}}]", "p.yaml", "on, off, yes and no as booleans"),
        ("timeout: 1e3\nnodes: []", "p.yaml", "1e3 is 1.0e+3"),
        ("[" * 20000, "p.yaml", "nested too deeply"),
        ("[" * 99999 + "]" * 99999, "p.json", "nested too deeply"),
        ("x" * (MAX_BYTES + 1), "p.yaml", "larger than 8 MiB"),
        ("a: &a {x: *a}", "p.yaml", "an alias stands inside its own anchor at line 1, column 11"),
    ],
    ids=range(17),
)
def test_a_wrong_text_is_named_with_its_place(text: str, source: str, expected: str) -> None:
    assert expected in refusal(text, source)


def test_a_flood_of_aliases_is_refused_before_it_comes() -> None:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for old, new in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    assert "aliases stand for over 100000 values at line 5" in refusal("\n".join(lines))


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
