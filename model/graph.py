"""Walks a graph of names without recursion: its topological order, or the cycle that forbids one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.steps import STEP, finished

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.steps import Steps

__all__ = ["CycleError", "ordering", "topological_order"]


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
    return finished(ordering(nodes, edges))


def ordering(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> Steps[list[str]]:
    """Do what `topological_order` does, in steps."""
    successors: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    place: dict[str, int] = {}
    for index, node in enumerate(nodes):
        successors[node], missing[node], place[node] = [], 0, index
        if not index % STEP:
            yield
    for index, (source, target) in enumerate(edges):
        successors[source].append(target)
        missing[target] += 1
        if not index % STEP:
            yield
    order: list[str] = []
    ready = [node for node, count in missing.items() if not count]
    while ready:
        order += ready
        ready = yield from _after(ready, successors, missing)
        ready.sort(key=place.__getitem__)
    if len(order) < len(successors):
        raise CycleError(_cycle(successors, missing))
    return order


def _after(ready: list[str], successors: Mapping[str, list[str]], missing: dict[str, int]) -> Steps[list[str]]:
    """Find the nodes that miss nobody any more once these are through."""
    reached: list[str] = []
    for index, node in enumerate(ready):
        for target in successors[node]:
            missing[target] -= 1
            if not missing[target]:
                reached.append(target)
        if not index % STEP:
            yield
    return reached


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
