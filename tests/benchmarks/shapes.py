"""The DAGs that are measured: nodes and edges as plain lists."""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Shape:
    """A DAG."""

    name: str
    nodes: list[str]
    edges: list[tuple[str, str]]


def chain(length: int) -> Shape:
    nodes = [f"n{i}" for i in range(length)]
    return Shape(f"chain-{length}", nodes, list(pairwise(nodes)))


def fan(width: int) -> Shape:
    nodes = [f"n{i}" for i in range(width)]
    return Shape(f"fan-{width}", nodes, [(nodes[0], node) for node in nodes[1:]])


def layered(layers: int, width: int, parents: int = 3) -> Shape:
    nodes = [f"l{i}_{j}" for i in range(layers) for j in range(width)]
    edges = [
        (f"l{i - 1}_{(j + k) % width}", f"l{i}_{j}")
        for i in range(1, layers)
        for j in range(width)
        for k in range(parents)
    ]
    return Shape(f"layered-{layers}x{width}", nodes, edges)
