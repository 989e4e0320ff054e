"""Definitions: shapes, shorthand, and errors that name the place."""

import pytest

from playbill.model.definition import (
    PipelineDefinition,
    PipelineEdge,
    PipelineNode,
    definition_from,
    parse_pipeline_definition,
)
from playbill.model.errors import DefinitionError
from playbill.model.published_schema import json_schema


def problems_in(**mapping: object) -> list[tuple[str, str, str]]:
    with pytest.raises(DefinitionError) as caught:
        definition_from(mapping)
    return [(p.code, p.where, p.message) for p in caught.value.problems]


def test_an_edge_takes_both_spellings_of_its_ends() -> None:
    short = PipelineEdge.model_validate({"from": "a", "to": "b"})
    assert short == PipelineEdge(from_node="a", to_node="b")
    assert (short.id, short.arrow) == ("a->b", "a->b")
    assert short.model_dump(by_alias=True)["from"] == "a"


@pytest.mark.parametrize(("written", "text"), [(True, "true"), (False, "false"), ("input.x", "input.x")])
def test_a_boolean_condition_becomes_text(written: object, text: str) -> None:
    assert PipelineEdge.model_validate({"from": "a", "to": "b", "condition": written}).condition == text


def test_next_becomes_edges_and_is_left_out() -> None:
    definition = definition_from(
        {
            "nodes": [
                {"id": "a", "type": "trigger", "next": "b"},
                PipelineNode(id="b", type="parallel", next=["c", {"to": "d", "when": "failure"}]),
                {"id": "c", "type": "parallel"},
                {"id": "d", "type": "parallel"},
            ],
            "edges": [{"from": "c", "to": "d"}],
        }
    )
    assert [(edge.id, edge.when) for edge in definition.edges] == [
        ("c->d", "success"), ("a->b", "success"), ("b->c", "success"), ("b->d", "failure"),
    ]  # fmt: skip
    assert [node.next for node in definition.nodes] == [None] * 4


def test_next_works_in_a_definition_made_by_hand() -> None:
    definition = PipelineDefinition(nodes=[PipelineNode(id="a", type="trigger", next="b")])
    assert [edge.id for edge in definition.edges] == ["a->b"]


def test_a_next_of_the_wrong_shape_names_its_node() -> None:
    found = problems_in(nodes=[{"id": "a", "type": "trigger", "next": 3}])
    assert found[0][:2] == ("invalid-value", "nodes[0].next")
    assert found[0][2].startswith("node 'a': next: takes an id, an edge")


def test_unknown_fields_are_named_with_a_guess_in_all_models_at_once() -> None:
    found = problems_in(
        nmae="x",
        nodes=[{"id": "a", "type": "t", "tiemout": 1, "retry": {"max_atempts": 2}}],
        edges=[{"from": "a", "to": "b", "wehn": "always"}],
        breakers={"k": {"failure": 3}},
    )
    guesses = {where: message.split("; fields")[0] for code, where, message in found if code == "unknown-field"}
    assert guesses == {
        "nmae": "unknown field 'nmae', did you mean 'name'?",
        "nodes[0].tiemout": "node 'a': unknown field 'tiemout', did you mean 'timeout'?",
        "nodes[0].retry.max_atempts": "node 'a': unknown field 'max_atempts', did you mean 'max_attempts'?",
        "edges[0].wehn": "edge 'a->b': unknown field 'wehn', did you mean 'when'?",
        "breakers.k.failure": "breaker 'k': unknown field 'failure', did you mean 'failures'?",
    }


@pytest.mark.parametrize("value", [-1, 0, float("nan"), float("inf"), "1e3", True])
@pytest.mark.parametrize("field", ["timeout", "idle_timeout", "total_timeout"])
def test_a_negative_or_nan_number_is_refused(field: str, value: object) -> None:
    [(code, where, message)] = problems_in(nodes=[{"id": "a", "type": "t", field: value}])
    assert (code, where) == ("invalid-value", f"nodes[0].{field}")
    assert repr(value) in message


def test_a_number_as_text_gets_a_hint() -> None:
    assert "(a number has no quotes)" in problems_in(nodes=[], timeout="1e3")[0][2]


def test_things_without_an_id_are_named_by_their_place() -> None:
    assert [p[2].split(":")[0] for p in problems_in(nodes=[3, {"type": "t"}], edges=[4])] == [
        "nodes[0]", "nodes[1]", "edges[0]",
    ]  # fmt: skip


def test_a_version_may_be_a_number() -> None:
    assert definition_from({"nodes": [], "version": 1.5}).version == "1.5"


def test_parsing_two_lists_says_which_data_is_invalid() -> None:
    with pytest.raises(ValueError, match="Invalid node data: node 'a': field 'type' is missing"):
        parse_pipeline_definition([{"id": "a"}])
    with pytest.raises(ValueError, match="Invalid edge data: edge 'a->\\?': field 'to' is missing"):
        parse_pipeline_definition([{"id": "a", "type": "t"}], [{"from": "a"}])
    assert parse_pipeline_definition([{"id": "a", "type": "t"}], name="demo").name == "demo"


def test_the_schema_names_the_fields_as_files_write_them() -> None:
    assert {"from", "to"} <= json_schema()["$defs"]["PipelineEdge"]["properties"].keys()


def test_a_dumped_definition_reads_back_as_itself() -> None:
    definition = definition_from({"nodes": [{"id": "a", "type": "t", "next": "b"}, {"id": "b", "type": "t"}]})
    assert definition_from(definition.model_dump(by_alias=True)) == definition
    assert definition_from(definition.model_dump(mode="json")) == definition


def test_a_wrong_value_is_told_by_its_path_below_what_has_it() -> None:
    found = problems_in(
        nodes=[{"id": "a", "type": "t", "retry": {"max_attempts": 0}}],
        edges=[{"from": "a", "to": "b", "when": "never"}],
        breakers={"k": {"failures": 0}},
        defaults={"timeout": -1},
    )
    assert [(where, message.split(": input")[0]) for _, where, message in found] == [
        ("nodes[0].retry.max_attempts", "node 'a': retry.max_attempts"),
        ("edges[0].when", "edge 'a->b': when"),
        ("breakers.k.failures", "breaker 'k': failures"),
        ("defaults.timeout", "defaults.timeout"),
    ]


def test_an_edge_whose_ends_are_missing_is_named_by_what_is_there() -> None:
    found = problems_in(nodes=[], edges=[{"to": "b"}, {"from_node": "a"}, {}])
    assert [message for _, _, message in found] == [
        "edge '?->b': field 'from' is missing",
        "edge 'a->?': field 'to' is missing",
        "edges[2]: field 'from' is missing",
        "edges[2]: field 'to' is missing",
    ]


def test_the_name_of_a_definition_is_in_its_error() -> None:
    with pytest.raises(DefinitionError, match=r"^pipeline 'demo': field 'nodes' is missing$"):
        definition_from({"name": "demo"})
    with pytest.raises(DefinitionError, match=r"^name: input should be a valid string, not 3$"):
        definition_from({"name": 3, "nodes": []})


def test_a_wrong_list_is_left_for_the_check_of_shapes() -> None:
    assert problems_in(nodes=3)[0][1] == "nodes"
    assert problems_in(nodes=[], edges=3)[0][1] == "edges"
    assert problems_in(nodes=[], edges=None)[0][1] == "edges"
    assert definition_from({"nodes": ({"id": "a", "type": "t", "next": "b"},)}).edges[0].id == "a->b"


@pytest.mark.parametrize("following", [None, []])
def test_an_empty_next_makes_no_edge(following: object) -> None:
    definition = definition_from({"nodes": [{"id": "a", "type": "t", "next": following}]})
    assert definition.edges == []


def test_a_node_of_the_wrong_shape_beside_a_next_is_told() -> None:
    found = problems_in(nodes=[{"id": "a", "type": "t", "next": "b"}, 3, {"type": "t", "next": "b"}])
    assert [where for _, where, _ in found] == ["nodes[1]", "nodes[2].id"]


def test_a_long_value_is_cut_in_a_message() -> None:
    message = problems_in(nodes=[], tags=["x"], imports="y" * 100)[0][2]
    assert message == f"imports: input should be a valid list, not '{'y' * 56}..."
