"""What a journal keeps of a definition: all that it says, every default, one text and one hash."""

import hashlib
import json
from typing import Any

import pytest
from pydantic import BaseModel

from playbill.model import stored_form as subject
from playbill.model.builtin import BUILTIN
from playbill.model.catalog import NodeType
from playbill.model.definition import (
    PipelineDefaults,
    PipelineDefinition,
    PipelineEdge,
    PipelineNode,
    definition_from,
)
from playbill.model.errors import DefinitionError
from playbill.model.loading import parse_text
from playbill.model.planning import build_plan
from playbill.model.policies import BreakerPolicy, LimitsPolicy, RetryPolicy
from playbill.model.stored_form import canonical_json, definition_hash, definition_of, stored_form

COMMAND = {"id": "a", "type": "command", "config": {"argv": ["true"]}}
KNOWN_TEXT = (
    '{"breakers":{},"defaults":{"idle_timeout":null,"retry":{"base":1.0,"cap":60.0,"factor":2.0,"jitter":0.1,'
    '"max_attempts":3,"max_retry_after":null,"never":[],"on":[]},"timeout":null,"total_timeout":null},'
    '"description":null,"edges":[],"format":1,"imports":[],"inputs":null,"max_concurrency":null,"name":"pipeline",'
    '"nodes":[{"breaker":null,"config":{},"description":null,"grace":null,"id":"a","idle_timeout":null,'
    '"isolation":null,"join":"all","limits":null,"name":null,"on_crash":"retry","on_error":"fail","on_open":"fail",'
    '"position":null,"retry":null,"timeout":null,"total_timeout":null,"type":"trigger","ui":null}],'
    '"on_failure":"stop","outputs":{},"tags":[],"timeout":3600.0,"ui":null,"version":"1"}'
)
"""Of the smallest pipeline: who changes this text changes the hash of every definition, and needs another format."""


def of_config(**config: Any) -> dict[str, Any]:
    """The stored form of a node of a type without a model."""
    return stored_form(definition_from({"nodes": [{"id": "a", "type": "mine", "config": config}]}))


def hash_of(**config: Any) -> str:
    return definition_hash(of_config(**config))


def problems_of(stored: dict[str, Any]) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        definition_of(stored)
    return [str(caught.value)]


def test_the_text_of_the_smallest_pipeline_is_this_one() -> None:
    stored = stored_form(definition_from({"nodes": [{"id": "a", "type": "trigger"}]}))
    assert canonical_json(stored) == KNOWN_TEXT
    assert definition_hash(stored) == hashlib.sha256(KNOWN_TEXT.encode()).hexdigest()


def test_every_field_of_a_definition_its_nodes_edges_and_policies_is_there() -> None:
    definition = PipelineDefinition(
        nodes=[PipelineNode(id="a", type="mine", retry=RetryPolicy(), limits=LimitsPolicy(cpu_seconds=1.0))],
        edges=[PipelineEdge(from_node="a", to_node="a")],
        breakers={"mine": BreakerPolicy()},
    )
    stored = stored_form(definition)
    assert stored.keys() == {*PipelineDefinition.model_fields, "format"}
    assert stored["nodes"][0].keys() == PipelineNode.model_fields.keys() - {"next"}
    assert stored["edges"][0].keys() == {"from", "to", "condition", "when", "id", "ui"}
    assert stored["edges"][0].keys() == {
        field.serialization_alias or name for name, field in PipelineEdge.model_fields.items()
    }
    assert stored["defaults"].keys() == PipelineDefaults.model_fields.keys()
    assert stored["defaults"]["retry"].keys() == RetryPolicy.model_fields.keys()
    assert stored["nodes"][0]["retry"].keys() == RetryPolicy.model_fields.keys()
    assert stored["nodes"][0]["limits"].keys() == LimitsPolicy.model_fields.keys()
    assert stored["breakers"]["mine"].keys() == BreakerPolicy.model_fields.keys()


def test_what_the_manager_and_the_type_decide_stays_open() -> None:
    node = stored_form(definition_from({"nodes": [COMMAND]}))["nodes"][0]
    assert (node["grace"], node["breaker"], node["isolation"], node["limits"]) == (None, None, None, None)


def test_a_newer_default_changes_nothing_of_what_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = stored_form(definition_from({"nodes": [COMMAND]}))
    newer = RetryPolicy(max_attempts=9)
    monkeypatch.setattr("playbill.model.planning._BY_DEFAULT", newer)
    assert build_plan(definition_from({"nodes": [COMMAND]})).nodes["a"].retry == newer
    assert build_plan(definition_of(stored)).nodes["a"].retry == RetryPolicy(max_attempts=3)
    monkeypatch.setattr(subject, "_AS_NOW", {**subject._AS_NOW, "join": "any"})  # as if nodes joined any by default
    assert "join" in definition_of(stored).nodes[0].model_fields_set


def test_equal_definitions_have_one_hash_however_they_were_written() -> None:
    yaml = """
name: shop
timeout: 5m
nodes:
  - {id: a, type: command, config: {argv: ["true"], env: {X: "1", A: "2"}}, retry: 2, next: b}
  - {id: b, type: parallel}
"""
    mapping = {
        "nodes": [
            {
                "retry": {"max_attempts": 2},
                "type": "command",
                "config": {"env": {"A": "2", "X": "1"}, "argv": ["true"], "ok_codes": [0], "strip": False},
                "id": "a",
                "join": "all",
            },
            {"type": "parallel", "id": "b", "config": {}},
        ],
        "edges": [{"to": "b", "from": "a", "when": "success"}],
        "defaults": {"retry": 3},
        "timeout": 300,
        "name": "shop",
    }
    objects = PipelineDefinition(
        name="shop",
        nodes=[
            PipelineNode(
                id="a",
                type="command",
                config={"argv": ["true"], "env": {"X": "1", "A": "2"}},
                retry=RetryPolicy(max_attempts=2),
            ),
            PipelineNode(id="b", type="parallel"),
        ],
        edges=[PipelineEdge(from_node="a", to_node="b")],
        timeout=300.0,
    )
    definitions = (
        parse_text(yaml, source="shop.yaml"),
        parse_text(json.dumps(mapping), source="shop.json"),
        definition_from(mapping),
        objects,
    )
    assert len({definition_hash(stored_form(definition)) for definition in definitions}) == 1


def test_what_is_written_in_another_way_for_its_reader_has_another_hash() -> None:
    assert len({hash_of(x=value) for value in (1, 1.0, True, "1", None, 0.0, -0.0, 0, [1], {"a": 1}, {"a": 2})}) == 11
    assert hash_of(x={"a": 1, "b": 2}) == hash_of(x={"b": 2, "a": 1})
    assert hash_of(x=[1, 2]) != hash_of(x=[2, 1])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (1, "1"),
        (1e16, "1e+16"),
        (0.1, "0.1"),
        (5e-324, "5e-324"),
        (2**64 + 1, "18446744073709551617"),
        (-(10**4299), "-1" + "0" * 4299),
        ("é\u2028\ud800", '"\\u00e9\\u2028\\ud800"'),
    ],
)
def test_numbers_and_texts_are_written_in_one_way_and_read_back_as_they_were(value: object, text: str) -> None:
    stored = of_config(x=value)
    assert f'"config":{{"x":{text}}}' in canonical_json(stored)
    read = definition_of(json.loads(canonical_json(stored))).nodes[0].config["x"]
    assert (type(read), repr(read)) == (type(value), repr(value))


def test_the_text_is_what_json_writes_of_the_whole() -> None:
    nodes = [{"id": f"n{i}", "type": "mine", "config": {"z": i, "a": "ü"}} for i in range(100)]
    stored = stored_form(definition_from({"nodes": nodes}))
    assert canonical_json(stored) == json.dumps(stored, sort_keys=True, separators=(",", ":"))
    assert definition_hash(json.loads(canonical_json(stored))) == definition_hash(stored)


def test_what_is_no_json_is_refused_with_its_place() -> None:
    for config, said in (
        ({"x": [float("nan")]}, "nodes[0].config.x[0] is nan"),
        ({"x": object()}, "nodes[0].config.x is object"),
        ({"x": 10**4300}, "nodes[0].config.x has more than 4,300 digits"),
    ):
        with pytest.raises(DefinitionError) as caught:
            of_config(**config)
        assert said in str(caught.value)
        assert "needs a definition of plain JSON" in str(caught.value)


def test_nothing_in_it_is_the_definitions_own_and_nothing_is_changed_as_it_is_read() -> None:
    definition = definition_from({"nodes": [{"id": "a", "type": "mine", "config": {"x": [1]}, "ui": {"y": [1]}}]})
    stored = stored_form(definition)
    before = canonical_json(stored)
    read = definition_of(stored)
    definition.nodes[0].config["x"].append(2)
    read.nodes[0].config["x"].append(3)
    assert canonical_json(stored) == before


def test_what_is_read_back_is_stored_in_the_same_form() -> None:
    stored = stored_form(definition_from({"nodes": [COMMAND, {"id": "b", "type": "mine", "timeout": 2}]}))
    assert stored_form(definition_of(stored)) == stored


def test_a_node_that_says_nothing_of_its_own_says_nothing_when_it_is_read_back_and_shares_its_plan() -> None:
    read = definition_of(of_config())
    assert read.nodes[0].model_fields_set == {"id", "type", "config"}


def test_what_a_newer_playbill_wrote_is_refused() -> None:
    for found in (2, 0, "1", True, 1.0):
        assert problems_of({**of_config(), "format": found})[0].startswith(
            f"written by a newer playbill: format {found!r}, and this one reads 1"
        )
    assert "'format' is missing" in problems_of({"nodes": []})[0]


def test_what_does_not_validate_any_more_is_named() -> None:
    stored = of_config()
    stored["nodes"][0]["priority"] = None
    stored["region"] = "eu"
    said = problems_of(stored)[0]
    assert said.startswith("stored pipeline 'pipeline' has 2 problems")
    assert "node 'a': unknown field 'priority'" in said
    assert "unknown field 'region'" in said


def test_the_defaults_of_a_users_config_model_are_filled_in() -> None:
    class Mine(BaseModel):
        city: str
        units: str = "metric"

    catalog = BUILTIN.with_type(NodeType("mine", Mine))
    definition = definition_from({"nodes": [{"id": "a", "type": "mine", "config": {"city": "Lyon"}}]})
    assert stored_form(definition, catalog)["nodes"][0]["config"] == {"city": "Lyon", "units": "metric"}
    assert definition.nodes[0].config == {"city": "Lyon"}
