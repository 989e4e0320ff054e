"""What a graph's shape says: its layers, its longest path, and the nodes that every way leads through."""

import networkx as nx
import pytest
from hypothesis import given

from playbill.model.definition import PipelineDefinition
from playbill.runtime.reports.analysis import describe_path, dominators, layers, longest_path, summary
from tests.model.machines.pipelines import definitions

EDGES = {"s": "a b", "a": "c", "b": "c d", "c": "e", "d": "e", "e": "f g"}
"""Two ways from s to e, of which one forks; two ends."""


def of(edges: dict[str, str], *alone: str) -> PipelineDefinition:
    names = list(dict.fromkeys([*edges, *(name for after in edges.values() for name in after.split()), *alone]))
    return PipelineDefinition.model_validate(
        {
            "nodes": [{"id": name, "type": "parallel"} for name in names],
            "edges": [{"from": source, "to": to} for source, after in edges.items() for to in after.split()],
        }
    )


def test_a_layer_holds_what_may_run_at_the_same_time() -> None:
    assert layers(of(EDGES)) == [["s"], ["a", "b"], ["c", "d"], ["e"], ["f", "g"]]
    assert layers(of({"s": "a b", "a": "b"})) == [["s"], ["a"], ["b"]]
    assert layers(of({}, "x", "y")) == [["x", "y"]]


def test_the_longest_path_is_that_of_most_nodes_or_of_most_seconds() -> None:
    assert longest_path(of({"s": "a b", "a": "b", "b": "c"})) == ["s", "a", "b", "c"]
    assert longest_path(of({"s": "a b", "a": "c"}), {"s": 1, "a": 1, "b": 3, "c": 1}) == ["s", "b"]
    assert longest_path(of({"s": "a"}, "x"), {"s": 1, "a": 1, "x": 2.5}) == ["x"]


def test_nodes_without_a_length_are_on_no_critical_path() -> None:
    assert longest_path(of({"s": "a", "a": "b"}), {"s": 1, "b": 2}) == ["b"]
    assert longest_path(of({"s": "a"}), {}) == []
    assert longest_path(of({"s": "a"}), {"s": 0.0, "a": 0.0}) == []


@pytest.mark.parametrize(("node", "through"), [("s", ""), ("c", "s"), ("d", "s b"), ("g", "s e"), (None, "s e")])
def test_dominators_are_what_every_way_leads_through(node: str | None, through: str) -> None:
    assert dominators(of(EDGES), node) == through.split()


def test_two_beginnings_or_two_ends_may_have_nothing_in_common() -> None:
    assert dominators(of({}, "x", "y")) == []
    assert dominators(of({"s": "e", "t": "e"})) == ["e"]


@given(definitions())
def test_without_a_dominator_a_node_cannot_be_reached(definition: PipelineDefinition) -> None:
    edges = [(edge.from_node, edge.to_node) for edge in definition.edges]
    roots = [node.id for node in definition.nodes if node.id not in {to for _, to in edges}]
    for node in definition.nodes:
        found = dominators(definition, node.id)
        for other in definition.nodes:
            graph = nx.DiGraph(edges)
            graph.add_nodes_from(each.id for each in definition.nodes)
            graph.remove_node(other.id)
            cut = other is not node and not any(root in graph and nx.has_path(graph, root, node.id) for root in roots)
            assert cut is (other.id in found)


def test_a_long_path_is_shown_by_its_ends() -> None:
    assert describe_path([str(number) for number in range(12)]).count("->") == 11
    assert describe_path([str(number) for number in range(100)]) == (
        "0 -> 1 -> 2 -> 3 -> 4 -> 5 -> ... -> 94 -> 95 -> 96 -> 97 -> 98 -> 99"
    )


def test_the_summary_says_nothing_that_is_no_news() -> None:
    assert [*summary(of(EDGES))] == [
        "5 layers; longest path: s -> a -> c -> e -> f",
        "every way leads through: s -> e",
    ]
    assert [*summary(of({"a": "b"}))] == ["2 layers; longest path: a -> b"]
    assert [*summary(of({}, "a"))] == ["1 layer; longest path: a"]
