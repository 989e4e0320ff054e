"""Whatever pipeline there is: what is stored of it and read back is planned alike, and stored alike."""

import json
from typing import Any

from hypothesis import given
from msgspec.structs import asdict

from playbill.model.builtin import BUILTIN
from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.plan import NodePlan
from playbill.model.planning import build_plan
from playbill.model.stored_form import canonical_json, definition_hash, definition_of, stored_form
from playbill.model.validation import validate
from playbill.runtime.simulation.strategies import definitions


def said(node: NodePlan) -> dict[str, Any]:
    """All that the plan of a node says but the node itself; of what was compiled its text."""
    edges = [{**asdict(edge), "condition": edge.condition and edge.condition.text} for edge in node.edges]
    return {**asdict(node), "node": None, "edges": edges, "condition": node.condition and node.condition.text}


@given(definitions())
def test_what_is_read_back_is_planned_alike(definition: PipelineDefinition) -> None:
    stored = json.loads(canonical_json(stored_form(definition)))
    read = definition_of(stored)
    assert validate(read) == []
    one, other = build_plan(definition), build_plan(read)
    assert (one.roots, one.outputs, one.stop) == (other.roots, other.outputs, other.stop)
    assert list(one.nodes) == list(other.nodes)
    for name, node in one.nodes.items():
        found = other.nodes[name]
        assert said(node) == said(found)
        node_type = BUILTIN.get(node.type)
        assert node_type is not None
        assert node_type.parse(node.node.config) == node_type.parse(found.node.config)
        bare: dict[str, Any] = {"config": {}, "retry": None}  # what is retried is in the plan
        assert node.node.model_copy(update=bare) == found.node.model_copy(update=bare)


@given(definitions())
def test_what_is_read_back_is_stored_alike_and_has_the_same_hash(definition: PipelineDefinition) -> None:
    stored = stored_form(definition)
    assert stored_form(definition_of(stored)) == stored
    again = definition_from(json.loads(definition.model_dump_json(by_alias=True)))
    assert definition_hash(stored_form(again)) == definition_hash(stored)


@given(definitions(), definitions())
def test_only_equal_definitions_have_one_hash(one: PipelineDefinition, other: PipelineDefinition) -> None:
    is_same = stored_form(one) == stored_form(other)
    assert (definition_hash(stored_form(one)) == definition_hash(stored_form(other))) is is_same
