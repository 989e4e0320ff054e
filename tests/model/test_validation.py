"""Validation: all problems at once, each with its place and its words."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.errors import DefinitionError
from playbill.model.graph import CycleError, topological_order
from playbill.model.run_inputs import check_trigger_data
from playbill.model.sizes import MAX_BYTES
from playbill.model.validation import get_execution_order, validate


def texts_of(definition: PipelineDefinition) -> list[str]:
    return [problem.message for problem in validate(definition)]


def trigger(node_id: str, **more: Any) -> dict[str, Any]:
    return {"id": node_id, "type": "parallel", **more}


def python(node_id: str, **args: Any) -> dict[str, Any]:
    return {"id": node_id, "type": "python", "config": {"call": "m:f", "args": args}}


def condition(node_id: str, text: str) -> dict[str, Any]:
    return {"id": node_id, "type": "condition", "config": {"condition": text}}


def pipeline(nodes: list[dict[str, Any]], *edges: str, **more: Any) -> PipelineDefinition:
    ends = (edge.split("->") for edge in edges)
    return definition_from({"nodes": nodes, "edges": [{"from": a, "to": b} for a, b in ends], **more})


def found(definition: PipelineDefinition) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in validate(definition)]


def test_a_sound_pipeline_has_no_problem() -> None:
    nodes = [trigger("a"), condition("b", "input.x > 1"), python("c", x="${inputs['a'].x}")]
    assert validate(pipeline(nodes, "a->b", "b->c", outputs={"o": "inputs.c.x"})) == []


def test_an_empty_pipeline_needs_at_least_one_node() -> None:
    assert texts_of(pipeline([])) == ["a pipeline needs at least one node"]


def test_all_problems_are_told_at_once() -> None:
    definition = pipeline(
        [
            trigger("a"), trigger("a"), {"id": "b", "type": "agnt"}, {"id": "c", "type": "agent"},
            {"id": "d", "type": "condition"}, condition("e", "inptu.x > "), condition("f", "inptu.x > 1"),
            python("g", x="${foo}"), {**python("h"), "limits": {"open_files": 9}},
            {"id": "i", "type": "action", "config": {"action": "execute_pipeline", "pipeline": "x"}},
        ],
        "a->zz", "yy->a", "a->c", "a->c", "g->g",
        inputs={"type": "objekt"}, outputs={"o": "inputs.zz.x", "p": "input.x"}, breakers={"pyhton": {}},
    )  # fmt: skip
    assert found(definition) == [
        ("duplicate-id", "nodes[1].id"),
        ("invalid-type", "nodes[2].type"),
        ("missing-field", "nodes[3].config.agent_id"),
        ("missing-field", "nodes[3].config.task"),
        ("missing-field", "nodes[4].config.condition"),
        ("invalid-expression", "nodes[5].config.condition"),
        ("unknown-name", "nodes[6].config.condition"),
        ("unknown-name", "nodes[7].config.args.x"),
        ("isolation", "nodes[8].limits"),
        ("not-yet", "nodes[9].config.action"),
        ("unknown-target", "edges[0]"),
        ("unknown-source", "edges[1]"),
        ("duplicate-edge", "edges[3]"),
        ("self-edge", "edges[4]"),
        ("unknown-node", "outputs.o"),
        ("unknown-name", "outputs.p"),
        ("unknown-breaker", "breakers.pyhton"),
        ("invalid-schema", "inputs.type"),
    ]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (pipeline([trigger("a")], "a->b"), "edge 'a->b' names unknown target 'b'; nodes are: 'a'"),
        (pipeline([trigger("a")], "b->a"), "edge 'b->a' names unknown source 'b'; nodes are: 'a'"),
        (pipeline([{"id": "a", "type": "agnt"}]), "node 'a' has invalid type 'agnt', did you mean 'agent'?"),
        (
            pipeline([trigger("a"), trigger("b"), trigger("c")], "b->c", "c->a", "a->b"),
            "cycle: a -> b -> c -> a",
        ),
        (
            pipeline([{**trigger("a"), "isolation": "process"}]),
            "node 'a': isolation 'process' is not for 'parallel': playbill does its work itself; leave it out",
        ),
        (
            pipeline([{"id": "a", "type": "command", "config": {"argv": ["x"]}, "isolation": "process"}]),
            "is not for 'command': it runs in a process of its own already",
        ),
        (pipeline([trigger("a")], "a->a"), "edge 'a->a' leads back to its own node: a cycle of one"),
        (pipeline([trigger("a"), {"id": "t", "type": "trigger"}], "a->t"), "triggers have no incoming edges"),
        (pipeline([condition("a", "1 +")]), "expression '1 +': mismatched input '<EOF>' at column 4"),
        (pipeline([python("a", x="${")]), "'${' is never closed at column 1"),
        (pipeline([python("a", x="${inputs['b'].x}")]), "inputs['b'] names no node"),
        (
            pipeline([trigger("a", next={"to": "b", "condition": "nope.x"}), trigger("b")]),
            "unknown name 'nope'",
        ),
        (pipeline([trigger("a", next={"to": "b", "condition": False}), trigger("b")]), "constantly 'false'"),
    ],
    ids=range(13),
)
def test_messages_name_the_thing_and_the_rule(definition: PipelineDefinition, message: str) -> None:
    [text] = texts_of(definition)
    assert message in text


def test_false_is_the_else_branch_of_a_condition_node() -> None:
    nodes = [{**condition("a", "true"), "next": {"to": "b", "condition": "false"}}, trigger("b")]
    assert validate(pipeline(nodes)) == []


def test_inputs_come_through_transparent_nodes_only() -> None:
    nodes = [python("a"), trigger("b"), python("c", x="${inputs.a.x}"), python("d", x="${inputs.a.x}")]
    [problem] = validate(pipeline(nodes, "a->b", "b->c", "c->d"))
    assert problem.message == "node 'd': inputs['a'] is never there: 'd' receives only the outputs of: 'c'"


def test_a_breaker_may_name_a_type_or_a_key_in_use() -> None:
    nodes = [{**python("a"), "breaker": "api"}, python("b")]
    assert validate(pipeline(nodes, breakers={"api": {}, "python": {}})) == []


def test_the_order_goes_by_edges_and_then_by_the_definition() -> None:
    nodes = [trigger(node_id) for node_id in "dcba"]
    assert get_execution_order(pipeline(nodes, "a->b", "a->c")) == ["d", "a", "c", "b"]


def test_no_order_for_a_cycle_or_an_unknown_node() -> None:
    with pytest.raises(ValueError, match="cycle: a -> b -> a"):
        get_execution_order(pipeline([trigger("a"), trigger("b")], "a->b", "b->a"))
    with pytest.raises(DefinitionError, match="unknown target 'z'"):
        get_execution_order(pipeline([trigger("a")], "a->z"))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=20))
def test_there_is_an_order_or_a_real_cycle(edges: list[tuple[str, str]]) -> None:
    cycle: list[str] = []
    order: list[str] = []
    try:
        order = topological_order("abcdefgh", edges)
    except CycleError as error:
        cycle = error.nodes
    if cycle:
        assert all(step in edges for step in itertools.pairwise(cycle))
        assert cycle[0] == cycle[-1]
    else:
        assert sorted(order) == list("abcdefgh")
        assert all(order.index(source) < order.index(target) for source, target in edges)


@pytest.mark.no_cover
@pytest.mark.parametrize("count", [10_000, 100_000])
def test_a_long_chain_is_validated_and_ordered_without_recursion(count: int) -> None:
    nodes = [trigger(f"n{i}") for i in range(count)]
    edges = [{"from": f"n{i}", "to": f"n{i + 1}"} for i in range(count - 1)]
    definition = definition_from({"nodes": nodes, "edges": edges})
    assert validate(definition) == []
    assert get_execution_order(definition)[-1] == f"n{count - 1}"


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "default": "Lyon"},
        "limits": {
            "type": "object",
            "default": {},
            "properties": {"most": {"type": "integer", "default": 3}},
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "free": True,
    },
    "required": ["city", "day"],
}


def test_trigger_data_gets_the_defaults_at_every_depth_and_is_not_changed() -> None:
    given_data = {"day": 1}
    definition = pipeline([trigger("a")], inputs=SCHEMA)
    assert check_trigger_data(definition, given_data) == {"day": 1, "city": "Lyon", "limits": {"most": 3}}
    assert given_data == {"day": 1}
    assert check_trigger_data(pipeline([trigger("a")]), given_data) == given_data


def test_trigger_data_that_violates_the_schema_is_refused_with_every_path() -> None:
    with pytest.raises(DefinitionError) as caught:
        check_trigger_data(pipeline([trigger("a")], inputs=SCHEMA), {"city": 3, "tags": ["x", 4]})
    assert [problem.where for problem in caught.value.problems] == [
        "trigger_data", "trigger_data.city", "trigger_data.tags[1]",
    ]  # fmt: skip


def test_a_schema_that_refers_to_nothing_is_the_definitions_fault() -> None:
    with pytest.raises(DefinitionError, match="refers to an unknown schema"):
        check_trigger_data(pipeline([trigger("a")], inputs={"$ref": "#/nowhere"}), {})


def test_an_edge_may_come_twice_with_another_condition_or_another_when() -> None:
    edges = [
        {"from": "a", "to": "b"},
        {"from": "a", "to": "b", "when": "failure"},
        {"from": "a", "to": "b", "condition": "a"},
    ]
    assert validate(definition_from({"nodes": [trigger("a"), trigger("b")], "edges": edges})) == []


def test_a_condition_of_an_edge_sees_its_source_and_what_that_passes_on() -> None:
    nodes = [python("a"), python("b"), trigger("c")]
    edges = [
        {"from": "a", "to": "c", "condition": "inputs.a.x"},
        {"from": "b", "to": "c", "condition": "inputs.a.x"},
        {"from": "b", "to": "c", "condition": "inputs.z.x"},
    ]
    texts = texts_of(definition_from({"nodes": nodes, "edges": edges}))
    assert texts == [
        "edge 'b->c': inputs['a'] is never there: 'b' receives only the outputs of: 'b'",
        "edge 'b->c': inputs['z'] names no node of the pipeline",
    ]


def test_a_condition_node_sees_what_comes_through_transparent_ones() -> None:
    nodes = [
        python("a"),
        trigger("b"),
        condition("c", "inputs.a.x > 1"),
        condition("d", "inputs.e.x > 1"),
        python("e"),
    ]
    [problem] = validate(pipeline(nodes, "a->b", "b->c", "c->d"))
    assert problem.message == (
        "node 'd': inputs['e'] is never there: 'd' receives only the outputs of: 'a', 'b', 'c'"
    )


def test_a_cycle_of_transparent_nodes_traps_nobody_who_looks_for_inputs() -> None:
    nodes = [trigger("a"), trigger("b"), python("c", x="${inputs.a.x}"), python("d", x="${inputs.c.x}")]
    texts = texts_of(pipeline(nodes, "a->b", "b->a", "b->c", "b->d"))
    assert [text.partition(";")[0] for text in texts] == [
        "node 'd': inputs['c'] is never there: 'd' receives only the outputs of: 'a', 'b'",
        "cycle: a -> b -> a",
    ]


def test_close_names_are_looked_for_only_in_small_pipelines() -> None:
    for count, guess in ((500, True), (501, False)):
        nodes = [trigger(f"node{i}") for i in range(count)]
        [text] = texts_of(pipeline(nodes, "node1->nodee2"))
        assert ("did you mean" in text) is guess
        assert text.endswith(f" and {count - 10} more")


def test_only_an_else_branch_of_a_condition_may_be_constantly_false() -> None:
    nodes = [{**trigger("a"), "next": {"to": "b", "condition": " FALSE "}}, trigger("b")]
    [problem] = validate(pipeline(nodes))
    assert (problem.code, problem.where) == ("never-live", "edges[0].condition")


def test_a_cycle_beside_unknown_nodes_is_told() -> None:
    texts = texts_of(pipeline([trigger("a"), trigger("b")], "a->b", "b->a", "a->z"))
    assert [text.split(";")[0] for text in texts] == ["edge 'a->z' names unknown target 'z'", "cycle: a -> b -> a"]


def test_limits_are_for_what_runs_in_a_process() -> None:
    limited = {**python("a"), "limits": {"open_files": 9}}
    assert [code for code, _ in found(pipeline([limited]))] == ["isolation"]
    assert found(pipeline([{**limited, "isolation": "process"}])) == []
    assert found(pipeline([{**python("a"), "isolation": "process"}])) == []


def test_only_one_action_is_not_supported_yet() -> None:
    api = {"id": "a", "type": "action", "config": {"action": "call_api", "url": "u"}}
    assert validate(pipeline([api])) == []
    assert (
        validate(
            pipeline(
                [{"id": "a", "type": "python", "config": {"call": "m:f", "args": {"action": "execute_pipeline"}}}]
            )
        )
        == []
    )


def test_an_output_reads_any_node_of_the_pipeline() -> None:
    nodes = [trigger("a"), trigger("b")]
    assert validate(pipeline(nodes, outputs={"o": "inputs.a", "p": "inputs['b']"})) == []


def test_a_breaker_that_nobody_uses_is_told_with_a_guess() -> None:
    [text] = texts_of(pipeline([python("a"), trigger("b")], breakers={"pyhton": {}}))
    assert text == "breaker 'pyhton' is used by no node, did you mean 'python'?; keys in use are: 'python'"


def test_trigger_data_that_json_cannot_say_is_refused_by_its_place() -> None:
    with pytest.raises(DefinitionError, match=r"trigger_data\.x is a set of what cannot be sorted") as caught:
        check_trigger_data(pipeline([trigger("a")]), {"x": {1, None}})
    assert [problem.code for problem in caught.value.problems] == ["invalid-trigger-data"]


def test_a_default_does_not_replace_what_is_there_and_is_not_shared() -> None:
    definition = pipeline([trigger("a")], inputs=SCHEMA)
    assert check_trigger_data(definition, {"city": "Rome", "day": 1, "limits": {"most": 7}}) == {
        "city": "Rome", "day": 1, "limits": {"most": 7},
    }  # fmt: skip
    first = check_trigger_data(definition, {"day": 1})
    first["limits"]["most"] = 99
    assert check_trigger_data(definition, {"day": 1})["limits"] == {"most": 3}


def test_trigger_data_is_copied_to_its_depth() -> None:
    data = {"a": {"b": [1]}}
    assert check_trigger_data(pipeline([trigger("a")]), data)["a"]["b"] is not data["a"]["b"]


def test_each_violation_says_what_is_wrong_with_what() -> None:
    with pytest.raises(DefinitionError) as caught:
        check_trigger_data(pipeline([trigger("a")], inputs=SCHEMA), {"day": 1, "city": 3})
    assert [str(problem) for problem in caught.value.problems] == ["trigger_data.city: 3 is not of type 'string'"]


TRANSPARENT: list[dict[str, Any]] = [
    {"id": "a", "type": "trigger"},
    {"id": "a", "type": "parallel"},
    {"id": "a", "type": "delay", "config": {"seconds": 1}},
    condition("a", "true"),
]


@pytest.mark.parametrize("node", TRANSPARENT, ids=lambda node: str(node["type"]))
@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("retry", {"max_attempts": 2}, "retry is not for"),
        ("timeout", 5, "timeout 5 is not for"),
        ("idle_timeout", 0.5, "idle_timeout 0.5 is not for"),
        ("breaker", "mine", "breaker 'mine' is not for"),
        ("on_open", "wait", "on_open 'wait' is not for"),
        ("on_crash", "fail", "on_crash 'fail' is not for"),
        ("limits", {"cpu_seconds": 1}, "limits is not for"),
        ("isolation", "process", "isolation 'process' is not for"),
    ],
)
def test_a_node_without_a_handler_takes_no_field_for_one(
    node: dict[str, Any], field: str, value: object, shown: str
) -> None:
    (problem,) = validate(pipeline([{**node, field: value}]))
    assert problem.where == f"nodes[0].{field}"
    assert problem.message.startswith(f"node 'a': {shown} '{node['type']}': playbill does its work itself")
    assert problem.message.endswith("leave it out")


@pytest.mark.parametrize("node", TRANSPARENT, ids=lambda node: str(node["type"]))
def test_a_node_without_a_handler_may_say_what_holds_anyway(node: dict[str, Any]) -> None:
    assert found(pipeline([node])) == []
    definition = pipeline([{**node, "total_timeout": 5, "on_error": "continue", "join": "any", "grace": 1}])
    assert found(definition) == []
    assert found(definition_from(definition.model_dump())) == []
    anyway = {"retry": {}, "breaker": node["type"], "on_open": "fail", "on_crash": "retry", "isolation": "inline"}
    assert found(pipeline([{**node, **anyway}], defaults={"retry": {"max_attempts": 2}, "timeout": 5})) == []


def test_what_a_run_is_started_with_has_a_limit() -> None:
    fits = {"text": "x" * (MAX_BYTES - len('{"text": ""}'))}
    assert check_trigger_data(pipeline([trigger("a")]), fits) == fits
    said = "trigger_data is 1,048,577 bytes as JSON, over the limit of 1,048,576: hand over a reference"
    with pytest.raises(DefinitionError, match=said):
        check_trigger_data(pipeline([trigger("a")]), {"text": fits["text"] + "x"})
