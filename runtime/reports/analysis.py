"""Analyses a definition's graph: its layers, its longest path, and what every way through it leads over.

Only what people look at needs this, never a run: networkx takes longer to import than playbill does, so import this
module where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playbill.model.definition import PipelineDefinition

__all__ = ["describe_path", "dominators", "layers", "longest_path", "summary"]

BEGINNING: Final = 0
END: Final = 1
"""Beside the nodes, whose names are texts: what all roots follow, and what follows all leaves."""
MAX_SHOWN: Final = 12
"""Nodes of a path that one line shows."""


def layers(definition: PipelineDefinition) -> list[list[str]]:
    """Return the nodes by layer, each in the definition's order: a node stands one below its lowest predecessor.

    Args:
        definition: a pipeline without cycles.
    """
    return [[str(node) for node in layer] for layer in nx.topological_generations(_graph(definition))]


def longest_path(definition: PipelineDefinition, seconds: Mapping[str, float] | None = None) -> list[str]:
    """Return the longest path from a root: the critical one, if the lengths are those of a run; empty if all are 0.

    Args:
        definition: a pipeline without cycles.
        seconds: how long each node takes; those that are not in it are left out. None: each counts one.
    """
    graph = _graph(definition)
    if seconds is not None:
        graph.remove_nodes_from([node.id for node in definition.nodes if node.id not in seconds])
    nodes = [*graph]
    graph.add_edges_from((BEGINNING, node) for node in nodes)
    for source, target in graph.edges:
        graph.edges[source, target]["seconds"] = 1.0 if seconds is None else seconds[str(target)]
    return [str(node) for node in nx.dag_longest_path(graph, weight="seconds") if node != BEGINNING]


def dominators(definition: PipelineDefinition, node: str | None = None) -> list[str]:
    """Return the nodes that every way to `node` leads through, in order: if one of them is skipped, so is `node`.

    Args:
        definition: a pipeline without cycles.
        node: a node's id; None: what all ends of the pipeline have in common.

    Source:
        Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm", 2001; as in networkx.
    """
    graph = _graph(definition)
    roots = [name for name, count in graph.in_degree() if not count]
    leaves = [name for name, count in graph.out_degree() if not count]
    graph.add_edges_from((BEGINNING, root) for root in roots)
    graph.add_edges_from((leaf, END) for leaf in leaves)
    above = nx.immediate_dominators(graph, BEGINNING)
    found: list[str] = []
    place = above[END if node is None else node]
    while place != BEGINNING:
        found.append(str(place))
        place = above[place]
    return found[::-1]


def describe_path(path: list[str]) -> str:
    """Write a path in one line; of a long one its beginning and its end."""
    if len(path) > MAX_SHOWN:
        path = [*path[: MAX_SHOWN // 2], "...", *path[-MAX_SHOWN // 2 :]]
    return " -> ".join(path)


def summary(definition: PipelineDefinition) -> Iterator[str]:
    """Yield the lines that sum up the graph of a definition without cycles."""
    path, depth = longest_path(definition), len(layers(definition))
    yield f"{depth} layer{'s' if depth > 1 else ''}; longest path: {describe_path(path)}"
    common = dominators(definition)
    if 0 < len(common) < len(definition.nodes):
        yield f"every way leads through: {describe_path(common)}"


def _graph(definition: PipelineDefinition) -> nx.DiGraph[str | int]:
    graph: nx.DiGraph[str | int] = nx.DiGraph()
    graph.add_nodes_from(node.id for node in definition.nodes)
    graph.add_edges_from((edge.from_node, edge.to_node) for edge in definition.edges)
    return graph
