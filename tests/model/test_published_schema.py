"""The published schema takes what the runtime takes: one list of definitions goes through both."""

import json
from typing import Any

import jsonschema_rs
import pytest

from playbill.model.errors import DefinitionError
from playbill.model.loading import parse_text
from playbill.model.published_schema import json_schema

A, B = {"id": "a", "type": "trigger"}, {"id": "b", "type": "parallel"}
STORED = {
    "name": "stored",
    "version": "3",
    "nodes": [{**A, "position": {"x": 1, "y": 2.5}, "ui": {"color": "red"}}, B],
    "edges": [{"id": "e1", "from_node": "a", "to_node": "b", "ui": {"type": "smooth"}}],
    "ui": {"viewport": {"zoom": 1}},
}
ACCEPTED: list[dict[str, Any]] = [
    {"nodes": [A]},
    {"nodes": [A], "version": 2},
    {"nodes": [A], "version": 1.5, "name": 2024, "tags": [1, True]},
    {"nodes": [{**A, "next": "b"}, B]},
    {"nodes": [{**A, "next": ["b"]}, B]},
    {"nodes": [{**A, "next": {"to": "b", "when": "always"}}, B]},
    {"nodes": [{**A, "next": [{"to": "b", "condition": True}, "b"]}, B]},
    {"nodes": [{**A, "next": None}, B], "edges": [{"from": "a", "to": "b", "condition": True}]},
    {"nodes": [{**A, "id": 1}, {**B, "id": 2}], "edges": [{"from": 1, "to": 2}]},
    {"nodes": [A, B], "edges": [{"from_node": "a", "to_node": "b", "condition": "false"}]},
    {"nodes": [A, B], "edges": [{"from": "a", "to_node": "b", "id": "x"}, {"from_node": "a", "to": "b", "id": "x"}]},
    {"nodes": [A], "outputs": {"n": 3}, "inputs": {"type": "object"}, "breakers": {"agent": {"failures": None}}},
    {"nodes": [A], "defaults": {"retry": {"max_attempts": 2}, "timeout": 5}, "on_failure": "finish"},
    STORED,
]
REFUSED: list[dict[str, Any]] = [
    {},
    {"nodes": [{"id": "a"}]},
    {"nodes": [A], "edges": [{"from": "a"}]},
    {"nodes": [A], "edges": [{"to_node": "b"}]},
    {"nodes": [{**A, "next": 3.5, "nxt": "b"}]},
    {"nodes": [{**A, "when": "never"}]},
    {"nodes": [A], "timeout": "soon"},
]


def taken_by_both(definition: dict[str, Any]) -> tuple[bool, bool]:
    try:
        parse_text(json.dumps(definition), source="p.json")
        runs = True
    except DefinitionError:
        runs = False
    return jsonschema_rs.is_valid(json_schema(), definition), runs


@pytest.mark.parametrize("definition", ACCEPTED)
def test_the_published_schema_takes_what_the_runtime_takes(definition: dict[str, Any]) -> None:
    assert taken_by_both(definition) == (True, True)


@pytest.mark.parametrize("definition", REFUSED)
def test_the_published_schema_refuses_what_the_runtime_refuses(definition: dict[str, Any]) -> None:
    assert taken_by_both(definition) == (False, False)


def test_a_dumped_definition_is_taken_in_both_spellings() -> None:
    definition = parse_text(json.dumps(STORED), source="p.json")
    for by_alias in (True, False):
        dumped = definition.model_dump(mode="json", by_alias=by_alias)
        assert taken_by_both(dumped) == (True, True)
        assert parse_text(json.dumps(dumped), source="p.json") == definition
