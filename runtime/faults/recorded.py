"""Behaviours taken from a recorded run: how long each node's attempts took, and how they ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from playbill.model.events import EventType
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.model.facts import Failure

FAILED: Final = frozenset({EventType.PIPELINE_NODE_FAILED, EventType.PIPELINE_NODE_RETRYING})


class _Seen:
    """What was seen of one node."""

    def __init__(self) -> None:
        self.durations: list[float] = []
        self.output: dict[str, object] | None = None
        self.completed = 0
        self.failures: Counter[tuple[str, str, bool]] = Counter()
        self.data: dict[tuple[str, str, bool], dict[str, object] | None] = {}
        """What the last of these failures told beside its message."""

    def end(self, event: Event, seconds: float) -> None:
        """Note how an attempt ended, after so many seconds."""
        self.durations.append(max(0.0, seconds))
        if event.type is EventType.PIPELINE_NODE_COMPLETED:
            self.output = dict(event.data["output"])
            self.completed += 1
        else:
            failure: Failure = event.data["failure"]
            own = failure.kinds[0] if failure.kinds and failure.kinds[0].endswith(failure.type) else failure.type
            key = own, failure.message, failure.retryable
            self.failures[key] += 1
            self.data[key] = None if failure.data is None else dict(failure.data)

    def behaviour(self) -> Behaviour:
        """Return what stands in for it."""
        endings = [
            Ending(weight=count, error=key[0], message=key[1], retryable=key[2], data=self.data[key])
            for key, count in self.failures.items()
        ]
        if self.completed:
            endings.insert(0, Ending(weight=self.completed, output=self.output))
        return Behaviour(duration=Duration(recorded=tuple(self.durations)), outcomes=tuple(endings))


def recorded_behaviours(events: Iterable[Event]) -> Mapping[str, Behaviour]:
    """Return what stands in for each node that did work of its own in a recording.

    Durations are drawn evenly from the recorded ones of the node, endings in proportion to how often they came.
    """
    began: dict[str, datetime] = {}
    seen: defaultdict[str, _Seen] = defaultdict(_Seen)
    for event in events:
        node = event.node_id or ""
        if event.type is EventType.PIPELINE_NODE_STARTED:
            began[node] = event.at
        elif "passed_on" in event.data:
            began.pop(node, None)  # nothing stands in for what only passes on
        elif (event.type in FAILED or event.type is EventType.PIPELINE_NODE_COMPLETED) and node in began:
            seen[node].end(event, (event.at - began.pop(node)).total_seconds())
    return {node: attempts.behaviour() for node, attempts in seen.items()}
