"""What of an earlier run another one need not do again: pure; it makes the history that the other begins with.

Rules:

1. Kept is what ended well, in nodes that are the same in both runs, had their inputs from the same nodes, and have
   nothing before them that runs again. Nodes that were skipped are skipped anew.
2. A retry keeps completed nodes, and their edges as they were judged. A failure runs again, though one was handled.
3. A fork runs its node and all after it again, keeps failures that are handled, too, and judges the edges of what it
   keeps by its own definition and trigger data, once: their events say so.
4. Outputs are copied: the new run stands alone when the old one is gone. Each names the run in which it was made.
5. All before a fork's node must be kept: else it would not be the first to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

from playbill.model.config_defaults import config_with_defaults
from playbill.model.diagnostics import did_you_mean
from playbill.model.errors import DefinitionError, NodeConfigError
from playbill.model.events import Event, EventType
from playbill.model.facts import NodeStatus, Outcome
from playbill.model.graph import topological_order
from playbill.model.machines.live_edges import live_edges
from playbill.model.plan import RunFacts
from playbill.model.runstate import RunState
from playbill.model.same_json import same_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition, PipelineNode
    from playbill.model.plan import Plan

__all__ = ["Earlier", "Fork", "check_began", "forked", "retried"]

COMPLETED: Final = EventType.PIPELINE_NODE_COMPLETED
FAILED: Final = EventType.PIPELINE_NODE_FAILED
BROKEN: Final = {COMPLETED: "failure", FAILED: "edge_failure"}
"""What the event of a node's end says of an edge that could not be judged."""


class Earlier(NamedTuple):
    """A run that another one goes on from."""

    definition: PipelineDefinition
    events: Sequence[Event]
    """All that are kept of it, from the first on."""


def check_began(earlier: Earlier) -> Earlier:
    """Return a run, if it has begun.

    Raises:
        DefinitionError: our own fault has ended it before.
    """
    if earlier.events[0].type is not EventType.PIPELINE_RUN_STARTED:
        text = f"run '{earlier.events[0].stream}' has failed as it began, and has nothing to keep: start another"
        raise DefinitionError.single("in-vain", "run_id", text)
    return earlier


class Fork(NamedTuple):
    """Where a run is forked, and how the other one differs."""

    node: str
    """The first that runs again."""
    plan: Plan
    catalog: Catalog
    """The types of its nodes, whose models have the defaults of their configs."""


def retried(earlier: Earlier, started: Event) -> list[Event]:
    """Return what a retry of a run begins with.

    Args:
        earlier: has failed, was cancelled or timed out.
        started: the first event of the retry.
    """
    return _Walk(earlier, earlier.definition, started, None).walked()


def forked(earlier: Earlier, started: Event, fork: Fork) -> list[Event]:
    """Return what a fork of a run begins with.

    Raises:
        DefinitionError: something before its node would have to run again; names it, and why.
    """
    definition, node = fork.plan.definition, fork.node
    if node not in fork.plan.nodes:
        text = f"the pipeline has no node {node!r:.60}{did_you_mean(node, fork.plan.nodes)}"
        raise DefinitionError.single("unknown-node", "node", text)
    walk = _Walk(earlier, definition, started, fork)
    history = walk.walked()
    walk.check(node)
    return history


class _Walk:
    """Goes through a definition in topological order, and tells of each node whether it is kept."""

    def __init__(self, earlier: Earlier, definition: PipelineDefinition, started: Event, fork: Fork | None) -> None:
        self._fork = fork
        self._changed = _changed(earlier.definition, fork) if fork is not None else frozenset[str]()
        self._ends = {event.node_id: event for event in earlier.events if event.type in BROKEN}
        self._sources = _live_sources(earlier.definition, self._ends)
        self._earlier = earlier.events[0].stream
        self._started = started
        self._incoming: dict[str, list[tuple[int, str]]] = {node.id: [] for node in definition.nodes}
        pairs: list[tuple[str, str]] = []
        for index, edge in enumerate(definition.edges):
            self._incoming[edge.to_node].append((index, edge.from_node))
            pairs.append((edge.from_node, edge.to_node))
        self._order = topological_order(self._incoming, pairs)
        self._settled: dict[str, tuple[int, ...]] = {}
        """The live edges of the nodes that are kept, or will be skipped."""
        self._again: dict[str, str] = {}
        """Why others run again."""
        self._skipped: set[str] = set()
        self._state = RunState()
        self._facts: RunFacts | None = None
        if fork is not None:
            self._facts = RunFacts(started.stream, fork.plan, started.data["trigger_data"])

    def walked(self) -> list[Event]:
        """Return the events that the other run begins with."""
        history = [self._started]
        self._state.apply(self._started)
        for node in self._order:
            if (event := self._kept(node, len(history) + 1)) is not None:
                history.append(event)
        return history

    def _kept(self, node: str, seq: int) -> Event | None:
        """Return the event of a node that is kept; None: it runs again, or is skipped again."""
        incoming = self._incoming[node]
        if any(source not in self._settled for _, source in incoming):
            self._again[node] = ""
            return None
        sources = {source for index, source in incoming if index in self._settled[source]}
        if incoming and not sources:
            self._settled[node] = ()
            self._skipped.add(node)
            return None
        end = self._ends.get(node)
        self._again[node] = self._why_again(node, end, sources)
        if end is None or self._again[node]:
            return None
        data = {**end.data, "reused_from": end.data.get("reused_from", self._earlier)}
        at = self._started.at
        return self._judged(node, Event(end.type, self._started.stream, seq, at, node, None, data))

    def _why_again(self, node: str, end: Event | None, sources: set[str]) -> str:
        """Tell why a node runs again whose predecessors do not; empty: it does not."""
        if self._fork is not None and node == self._fork.node:
            return "it is where the run is forked"
        if end is None:
            return "has not completed"
        if end.type is FAILED and (self._fork is None or not end.data["handled"]):
            return "has failed"
        if BROKEN[end.type] in end.data:
            return "has an edge whose condition could not be evaluated"
        if node in self._changed:
            return "has another type, config or join than it had"
        return "" if sources == self._sources.get(node, set()) else "gets its inputs from other nodes than it did"

    def _judged(self, node: str, event: Event) -> Event | None:
        """Judge the edges of a node that is kept; None: they cannot be, so that it runs again."""
        state, fork, facts = self._state, self._fork, self._facts
        state.apply(event)
        if fork is None or facts is None:
            self._settled[node] = event.data["live"]
            return event
        plan, known = fork.plan.nodes[node], state.nodes[node]
        outcome = Outcome(known.status, event.attempt or 0, known.output, failure=known.error)
        try:
            live = live_edges(plan, outcome, state.carried_by(node), facts)
        except NodeConfigError as error:
            live, self._again[node] = (), f"has an edge that cannot be judged: {error}"
        if known.status is NodeStatus.FAILED and not (
            plan.continues or any(edge.index in live for edge in plan.edges if edge.when != "success")
        ):
            self._again[node] = self._again[node] or "has failed, and nothing handles that any more"
        if self._again[node]:
            del state.nodes[node], state.live[node]
            return None
        self._settled[node] = state.live[node] = live
        return replace(event, data={**event.data, "live": live})

    def check(self, node: str) -> None:
        """Refuse a fork at a node before which something runs again, or that would be skipped.

        Raises:
            DefinitionError: names all that would run before it.
        """
        if node in self._skipped:
            text = f"'{node}' would be skipped: no edge to it is live; fork from a node before it"
            raise DefinitionError.single("fork", "node", text)
        before, left = set[str](), [node]
        while left:
            new = {source for _, source in self._incoming[left.pop()]} - before
            before |= new
            left += new
        first = {name: why for name, why in self._again.items() if why and name in before}
        if first:
            told = "; ".join(f"'{name}' {why}" for name, why in first.items())
            text = f"before '{node}' other nodes would run again: {told}: fork from {' or '.join(map(repr, first))}"
            raise DefinitionError.single("fork", "node", text)


def _changed(before: PipelineDefinition, fork: Fork) -> frozenset[str]:
    """Return the nodes whose type, config or join is another one now, once all defaults stand in both."""
    definition = fork.plan.definition
    if before is definition:
        return frozenset()
    old = {node.id: _said(node, fork.catalog) for node in before.nodes}
    new = {node.id: _said(node, fork.catalog) for node in definition.nodes}
    return frozenset([name for name, said in new.items() if name in old and not same_json(old[name], said)])


def _said(node: PipelineNode, catalog: Catalog) -> list[Any]:
    node_type = catalog.get(node.type)
    config = node.config if node_type is None else config_with_defaults(node, node_type)
    return [node.type, dict(config or {}), node.join]


def _live_sources(definition: PipelineDefinition, ends: Mapping[str | None, Event]) -> dict[str, set[str]]:
    """Return from which nodes each node had its inputs."""
    found: dict[str, set[str]] = {}
    live = {index for end in ends.values() for index in end.data["live"]}
    for index, edge in enumerate(definition.edges):
        if index in live:
            found.setdefault(edge.to_node, set()).add(edge.from_node)
    return found
