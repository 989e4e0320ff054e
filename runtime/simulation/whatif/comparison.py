"""Compares two timelines: what differs, node by node, beyond what a timer's granularity explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from playbill.model.facts import NodeStatus
from playbill.model.wording import describe_seconds
from playbill.runtime.reports.analysis import describe_path, longest_path
from playbill.runtime.simulation.whatif.takes import LATE_SECONDS
from playbill.runtime.simulation.whatif.timeline import Track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.definition import PipelineDefinition
    from playbill.model.facts import Failure
    from playbill.runtime.simulation.whatif.timeline import Timeline

SAME_SHARE: Final = 0.02
"""Real runs take a little longer between their nodes than replays do: so much of their length is no difference."""


@dataclass(frozen=True, slots=True)
class NodePair:
    """One node, before and after."""

    before: Track
    after: Track

    @property
    def node(self) -> str:
        """Its id."""
        return self.before.node

    @property
    def differences(self) -> list[str]:
        """What is different about it."""
        return list(_differences(self.before, self.after))


def pair_nodes(definition: PipelineDefinition, before: Timeline, after: Timeline) -> list[NodePair]:
    """Return the nodes that were reached before or after, in the definition's order."""
    names = [node.id for node in definition.nodes if node.id in before.nodes or node.id in after.nodes]
    return [NodePair(before.nodes.get(name, Track(name)), after.nodes.get(name, Track(name))) for name in names]


def _differences(before: Track, after: Track) -> Iterator[str]:
    if before.status != after.status:
        yield f"{before.status} -> {after.status}".replace("_", " ")
    if 0 < len(before.attempts) != len(after.attempts) > 0:
        yield f"{len(before.attempts)} -> {len(after.attempts)} attempts"
    elif before.status == after.status and str(before.failure) != str(after.failure):
        yield _failures(before.failure, after.failure)
    if before.output is not None and after.output is not None and before.output != after.output:
        yield "other output"
    old, new = before.seconds, after.seconds
    if old is not None and new is not None and differ(old, new):
        yield f"{describe_seconds(old)} -> {describe_seconds(new)} ({describe_difference(new - old)})"


def _failures(old: Failure | None, new: Failure | None) -> str:
    if old is not None and new is not None and old.type == new.type:
        return f"{old.message} -> {new.message}"
    return f"{old or 'no failure'} -> {new or 'no failure'}"


def differ(old: float, new: float) -> bool:
    """Tell whether two lengths differ, in seconds."""
    return abs(new - old) > LATE_SECONDS / 2 + SAME_SHARE * max(old, new)


def describe_difference(seconds: float) -> str:
    """Write a difference of seconds."""
    return f"{'-' if seconds < 0 else '+'}{describe_seconds(abs(seconds))}"


def totals(pairs: list[NodePair], before: Timeline, after: Timeline) -> list[str]:
    """Return a line for the run, and one for its failures."""
    old, new = before.seconds, after.seconds
    was = f"{before.status if before.complete else 'cut short'} in {describe_seconds(old)}"
    difference = f" ({describe_difference(new - old)})" if differ(old, new) else ""
    became = f"{after.status} in {describe_seconds(new)}{difference}"
    lines = [f"run         {was} -> {became}"]
    counts = [sum(len(track.attempts) for track in timeline.nodes.values()) for timeline in (before, after)]
    if counts[0] != counts[1]:
        lines.append(f"attempts    {counts[0]} -> {counts[1]} ({counts[1] - counts[0]:+})")
    failed = NodeStatus.FAILED
    was_failed = [pair for pair in pairs if pair.before.status is failed]
    avoided = [pair.node for pair in was_failed if pair.after.status is NodeStatus.COMPLETED]
    added = [pair.node for pair in pairs if pair.after.status is failed and pair.before.status is not failed]
    lines += [f"failures    avoided: {', '.join(avoided)}"] if avoided else []
    lines += [f"failures    added: {', '.join(added)}"] if added else []
    return lines


def critical_paths(definition: PipelineDefinition, before: Timeline, after: Timeline) -> list[str]:
    """Return a line each for before and after: the longest way through the nodes that ran."""
    return [
        f"{word:<12}critical path {describe_path(path)}, {describe_seconds(sum(seconds[node] for node in path))}"
        for word, seconds in (("before", before.node_seconds), ("after", after.node_seconds))
        if (path := longest_path(definition, seconds))
    ]


def is_same(pairs: list[NodePair], before: Timeline, after: Timeline) -> bool:
    """Tell whether nothing differs."""
    same_run = before.status == after.status and not differ(before.seconds, after.seconds)
    return same_run and not any(pair.differences for pair in pairs)
