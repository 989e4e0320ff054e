"""What of a pipeline was reached: how its nodes ended, which of its edges were live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from playbill.model.events import EventType
from playbill.model.facts import Stopped
from playbill.model.plan import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from playbill.model.events import Event
    from playbill.model.plan import NodePlan, Plan

__all__ = ["BEGAN", "COMPLETED", "FATES", "Mark", "Outline", "Sight", "marks_of", "outline_of", "sights_of"]

Sight = tuple[str, EventType, tuple[int, ...], str, str]
"""A node, an event of it, its live edges, the error's class and how it was stopped, if they are in the event."""
Mark = tuple[str, str | int]
"""A node and what became of it, or an empty text and the index of an edge that was live."""
BEGAN: Final = "began"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
RETRIED: Final = "retried"
TIMED_OUT: Final = "timed out"
STOPPED: Final = "stopped"
FATES: Final = (FAILED, RETRIED, TIMED_OUT, STOPPED)
"""What becomes of some nodes only: of those with a handler, and a condition may fail."""
ENDS: Final[Mapping[EventType, str]] = {
    EventType.PIPELINE_NODE_STARTED: BEGAN,
    EventType.PIPELINE_NODE_COMPLETED: COMPLETED,
    EventType.PIPELINE_NODE_FAILED: FAILED,
    EventType.PIPELINE_NODE_RETRYING: RETRIED,
    EventType.PIPELINE_NODE_CANCELLED: STOPPED,
}


def sights_of(events: Iterable[Event]) -> set[Sight]:
    """Return what the events of a run say of nodes, as it is noted for each: what is cheapest."""
    sights: set[Sight] = set()
    for event in events:
        if event.node_id is None or event.type is EventType.PIPELINE_NODE_WAITING:
            continue
        data, kind = event.data, event.type
        if kind is EventType.PIPELINE_NODE_STARTED or kind is EventType.PIPELINE_NODE_SKIPPED:
            sights.add((event.node_id, kind, (), "", ""))
        elif kind is EventType.PIPELINE_NODE_COMPLETED:
            sights.add((event.node_id, kind, data["live"], "", ""))
        else:
            failure, receipt = data.get("failure"), data["receipt"]
            how = "" if receipt is None else receipt.how
            error = "" if failure is None else failure.type
            sights.add((event.node_id, kind, data.get("live", ()), error, how))
    return sights


def marks_of(sights: Iterable[Sight]) -> set[Mark]:
    """Return what was reached."""
    reached: set[Mark] = set()
    for node, kind, live, error, how in sights:
        mark = ENDS.get(kind)
        reached.update(("", index) for index in live)
        if mark is None or (mark is STOPPED and how in {"", Stopped.NOT_STARTED}):
            continue
        reached.add((node, mark))
        if error == "AttemptTimedOut" and mark is not STOPPED:
            reached.add((node, TIMED_OUT))
    return reached


@dataclass(frozen=True, slots=True)
class Outline:
    """What can be reached of a pipeline; plain data that any process may have."""

    nodes: tuple[str, ...]
    """In topological order."""
    edges: tuple[str, ...]
    """As `a->b`, by the index that events call them by."""
    fates: Mapping[str, tuple[str, ...]]
    """By fate, the nodes that may have it."""

    def without(self, mark: str, reached: AbstractSet[Mark]) -> list[str]:
        """Return the nodes that may have a mark and did not get it."""
        return [node for node in self.fates.get(mark, self.nodes) if (node, mark) not in reached]

    def spares_all(self, mark: str, reached: AbstractSet[Mark]) -> bool:
        """Tell whether no node at all got a mark, be it expected of it or not."""
        return not any((node, mark) in reached for node in self.nodes)

    def dead_edges(self, reached: AbstractSet[Mark]) -> list[str]:
        """Return the edges that were never live."""
        return [edge for index, edge in enumerate(self.edges) if ("", index) not in reached]


def outline_of(plan: Plan) -> Outline:
    """Return what can be reached of a pipeline."""
    handlers = [node for node in plan.nodes.values() if node.kind is Kind.HANDLER]
    fates = {
        FAILED: [node for node in plan.nodes.values() if node.kind in {Kind.HANDLER, Kind.CONDITION}],
        RETRIED: [node for node in handlers if node.retry.max_attempts > 1],
        TIMED_OUT: [node for node in handlers if _has_timeout(node)],
        STOPPED: handlers,
    }
    return Outline(
        nodes=tuple(plan.nodes),
        edges=tuple(f"{edge.from_node}->{edge.to_node}" for edge in plan.definition.edges),
        fates={fate: tuple(node.id for node in nodes) for fate, nodes in fates.items()},
    )


def _has_timeout(node: NodePlan) -> bool:
    return not (node.timeout is None and node.idle_timeout is None and node.total_timeout is None)
