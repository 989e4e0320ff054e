"""What the events of a run tell of its past beyond its state: what a recovery needs, and no run that lives.

Rules:

1. A run's time is that in which somebody owned it and nobody paused it: at a crash it ends with the last event. Who
   pauses or resumes a run that nobody owns adds none. By how much a clock was set is no part of it; but while one
   that was set back has not caught up with the last event, nobody knows how long anything takes.
2. An attempt that was running at a crash is lost: it is not charged to `max_attempts`. Crashes are counted a node
   since an attempt of it last came to an end by itself; to be parked is no crash. One that was ended so that its run
   could be parked is lost as well.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from playbill.model.events import EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from playbill.model.events import Event


class Past:
    """The past of one run, as far as its events tell.

    Args:
        events: those there are, in order.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.epoch: int = 0
        """How often it was recovered."""
        self.running: dict[str, None] = {}
        """The nodes whose attempt has begun and has not ended, in the order of their beginning."""
        self.cut: dict[str, None] = {}
        """The nodes whose last attempt was lost, in a crash or as it was left, and has had no successor yet."""
        self.due: dict[str, tuple[datetime, float]] = {}
        """When delays and back-offs under way are over, and how many seconds they take in all."""
        self.lost: Counter[str] = Counter()
        """So many attempts of a node were lost in crashes, in all."""
        self.crashes: Counter[str] = Counter()
        """So many in a row."""
        self._is_parked = False
        """Whether it was left in good order: what is running then is lost, and no crash."""
        self._since: datetime | None = None
        """From when on its time goes; None: it stands still."""
        self._seconds = 0.0
        """How much of it was over then."""
        self._begun: dict[str, float] = {}
        """What its time was as a node first began."""
        self._at: datetime | None = None
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Go on by an event."""
        row = self.ROWS.get(event.type)
        if row is not None:
            row(self, event)
        self._at = event.at

    def go_on_from(self, seconds: float, at: datetime) -> None:
        """Let so much of its time be over now: it had an owner since its last event, who knows."""
        self._seconds, self._at = seconds, at
        if self._since is not None:
            self._since = at

    @property
    def cut_off(self) -> list[str]:
        """The nodes whose attempt was cut off where its events end: no delay, and none if it was parked."""
        return [] if self._is_parked else [node for node in self.running if node not in self.due]

    @property
    def struck(self) -> list[str]:
        """The same, and those that would begin again since an earlier crash."""
        return [] if self._is_parked else [*dict.fromkeys([*self.cut, *self.cut_off])]

    @property
    def seconds(self) -> float:
        """How long it has run until the last event: its timeout counts this."""
        return self._seconds_at(self._at)

    def seconds_of(self, node: str) -> float:
        """Return how much of that was after a node first began: its total timeout counts this."""
        return self.seconds - self._begun.get(node, self.seconds)

    def _seconds_at(self, at: datetime | None) -> float:
        if self._since is None or at is None:
            return self._seconds
        return self._seconds + max(0.0, (at - self._since).total_seconds())

    def _goes_on(self, event: Event) -> None:
        self._since = event.at

    def _paused(self, event: Event) -> None:
        self._seconds, self._since = self._seconds_at(self._at if "unowned" in event.data else event.at), None

    def _recovered(self, event: Event) -> None:
        self.epoch += 1
        if self._since is not None:
            self._seconds, self._since = self.seconds, event.at
        for node in event.data["attempts"]:
            self.running.pop(node, None)
            self.cut[node] = None
            self.lost[node] += 1
            if not self._is_parked:
                self.crashes[node] += 1
        self._is_parked = False

    def _clock_stepped(self, event: Event) -> None:
        self._seconds = elapsed = max(0.0, event.data["elapsed"])
        self._begun = {node: min(began, elapsed) for node, began in self._begun.items()}
        if self._since is not None:
            self._since = event.at

    def _parked(self, _event: Event) -> None:
        self._is_parked = True

    def _node_started(self, event: Event) -> None:
        node = event.node_id or ""
        self._begun.setdefault(node, self._seconds_at(event.at))
        self.due.pop(node, None)
        self.cut.pop(node, None)
        if "due_at" in event.data:
            self.due[node] = _wait(event)
        self.running[node] = None

    def _node_retrying(self, event: Event) -> None:
        node = event.node_id or ""
        self.due[node] = _wait(event)
        self.running.pop(node, None)
        self.crashes.pop(node, None)

    def _node_interrupted(self, event: Event) -> None:
        node = event.node_id or ""
        self.running.pop(node, None)
        self.cut[node] = None
        self.lost[node] += 1

    def _node_ended(self, event: Event) -> None:
        node = event.node_id or ""
        for known in (self.running, self.cut, self.due):
            known.pop(node, None)

    ROWS: ClassVar[Mapping[EventType, Callable[[Any, Event], None]]] = {
        EventType.PIPELINE_RUN_STARTED: _goes_on,
        EventType.PIPELINE_RUN_PAUSED: _paused,
        EventType.PIPELINE_RUN_RESUMED: _goes_on,
        EventType.PIPELINE_RUN_CLOCK_STEPPED: _clock_stepped,
        EventType.PIPELINE_RUN_PARKED: _parked,
        EventType.PIPELINE_RUN_RECOVERED: _recovered,
        EventType.PIPELINE_NODE_STARTED: _node_started,
        EventType.PIPELINE_NODE_RETRYING: _node_retrying,
        EventType.PIPELINE_NODE_INTERRUPTED: _node_interrupted,
        EventType.PIPELINE_NODE_COMPLETED: _node_ended,
        EventType.PIPELINE_NODE_FAILED: _node_ended,
        EventType.PIPELINE_NODE_SKIPPED: _node_ended,
        EventType.PIPELINE_NODE_CANCELLED: _node_ended,
    }
    """What each type of event says of it."""


def _wait(event: Event) -> tuple[datetime, float]:
    due: datetime = event.data["due_at"]
    return due, max(0.0, (due - event.at).total_seconds())
