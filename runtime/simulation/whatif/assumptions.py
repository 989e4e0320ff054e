"""Assumptions: where a replay went beyond what was recorded, and what it took for granted there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbill.model.plan import BUILT_IN
from playbill.runtime.simulation.whatif.takes import LATE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbill.model.definition import PipelineDefinition, PipelineNode
    from playbill.runtime.simulation.whatif.changes import Change
    from playbill.runtime.simulation.whatif.timeline import AttemptBar, Timeline, Track


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something that nobody knows."""

    node: str | None
    """None: it is about the run."""
    text: str

    def __str__(self) -> str:
        return self.text if self.node is None else f"node '{self.node}': {self.text}"


def assumptions_of(
    definition: PipelineDefinition, before: Timeline, after: Timeline, change: Change
) -> list[Assumption]:
    """Return what a replay had to assume, compared with what was recorded."""
    return list(_Assumed(before, after, change).all(definition))


class _Assumed:
    def __init__(self, before: Timeline, after: Timeline, change: Change) -> None:
        self._before = before
        self._after = after
        self._change = change

    def all(self, definition: PipelineDefinition) -> Iterator[Assumption]:
        if not self._before.complete:
            text = f"the recording is cut short after {self._before.seconds:.3g} s; what follows is assumed"
            yield Assumption(None, text)
        if self._before.version != definition.version:
            text = f"recorded with version {self._before.version}, replayed with version {definition.version}"
            yield Assumption(None, text)
        if self._before.controls and self._after.seconds > self._before.controls[0].at:
            yield Assumption(None, "whoever cancelled, paused or resumed it does so at the same time again")
        for node in definition.nodes:
            track = self._after.nodes.get(node.id)
            if track is not None and node.type not in BUILT_IN:
                for text in self._node(node, track, self._before.nodes.get(node.id)):
                    yield Assumption(node.id, text)

    def _node(self, node: PipelineNode, after: Track, before: Track | None) -> Iterator[str]:
        recorded = {attempt.number: attempt for attempt in before.attempts} if before is not None else {}
        added = [attempt for attempt in after.attempts if attempt.number not in recorded]
        if added:
            yield self._added(node, added, before)
        for attempt in after.attempts:
            was = recorded.get(attempt.number)
            if was is not None and was.is_cut and attempt.seconds > was.seconds + LATE_SECONDS / 2:
                yield self._longer(attempt, was, before)
        if node.idle_timeout is not None and any(attempt.seconds > node.idle_timeout for attempt in after.attempts):
            yield "heartbeats are not recorded; they are assumed to come in time where no idle_timeout ended it"

    def _added(self, node: PipelineNode, added: list[AttemptBar], before: Track | None) -> str:
        first, last = added[0].number, added[-1].number
        which = f"attempt {first}" if first == last else f"attempts {first} to {last}"
        behaviours = self._change.behaviours
        if behaviours.of(node.id, node.type) or behaviours.default:
            return f"{which} not recorded; does as its behaviour says"
        if before is None or not before.attempts:
            return f"{which} not recorded, for it was never reached; assumed to give {{}} at once"
        if self._change.beyond == "repeat-last":
            return f"{which} not recorded; assumed to end as attempt {before.attempts[-1].number} did"
        if before.success is None:
            return f"{which} not recorded; assumed to succeed with {{}}, for it never did"
        return f"{which} not recorded; assumed to succeed as attempt {before.success.number} did"

    def _longer(self, attempt: AttemptBar, was: AttemptBar, before: Track | None) -> str:
        ran = was.seconds - was.stopping_seconds
        reason = "the recording ended" if was.is_open else "it was stopped" if was.failure is None else "it timed out"
        start = f"attempt {attempt.number}: its true duration is unknown, for {reason} after {ran:.3g} s"
        if attempt.output is None:
            return f"{start}; assumed to go on until something ends it"
        if before is not None and before.success is not None:
            return f"{start}; assumed to succeed then, as attempt {before.success.number} did"
        return f"{start}; assumed to give {{}} then"
