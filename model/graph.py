"""Walks a graph of names without recursion: its topological order, or the cycle that forbids one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CycleError", "topological_order"]


class CycleError(ValueError):
    """The graph has a cycle; `nodes` names it in order, the first one again at the end."""

    def __init__(self, nodes: list[str]) -> None:
        super().__init__(nodes)
        self.nodes = nodes

    def __str__(self) -> str:
        return f"cycle: {' -> '.join(self.nodes)}"


def topological_order(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """Order nodes so that every edge leads forward; ties go by the given order.

    Args:
        nodes: Distinct names.
        edges: (source, target) pairs of them; a pair may come twice.

    Raises:
        CycleError: There is no such order.

    Source:
        Kahn, "Topological sorting of large networks", CACM 1962; generations as in networkx.
    """
    successors: dict[str, list[str]] = {node: [] for node in nodes}
    missing = dict.fromkeys(successors, 0)
    for source, target in edges:
        successors[source].append(target)
        missing[target] += 1
    place = {node: index for index, node in enumerate(successors)}
    order: list[str] = []
    ready = [node for node, count in missing.items() if not count]
    while ready:
        order += ready
        reached: list[str] = []
        for node in ready:
            for target in successors[node]:
                missing[target] -= 1
                if not missing[target]:
                    reached.append(target)
        ready = sorted(reached, key=place.__getitem__)
    if len(order) < len(successors):
        raise CycleError(_cycle(successors, missing))
    return order


def _cycle(successors: Mapping[str, list[str]], missing: Mapping[str, int]) -> list[str]:
    """Find one cycle: from any node left over, go back to a predecessor left over until one comes again."""
    left = [node for node in successors if missing[node]]
    before = {target: source for source in left for target in successors[source] if missing[target]}
    node = next(iter(before))
    seen: set[str] = set()
    while node not in seen:
        seen.add(node)
        node = before[node]
    cycle = [node]
    while (node := before[node]) != cycle[0]:
        cycle.append(node)
    cycle.reverse()
    place = {name: index for index, name in enumerate(successors)}
    first = cycle.index(min(cycle, key=place.__getitem__))
    return [*cycle[first:], *cycle[:first], cycle[first]]
