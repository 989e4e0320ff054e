"""A timeline: what the events of one run tell of each node and each attempt, in seconds since the run began."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from playbill.model.events import TERMINAL, EventType
from playbill.model.facts import Failure, NodeStatus, RunStatus, Stopped
from playbill.model.runstate import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbill.model.events import Event
    from playbill.model.facts import Cause, Output, Receipt

ENDS: Final = frozenset(
    {
        EventType.PIPELINE_NODE_RETRYING,
        EventType.PIPELINE_NODE_INTERRUPTED,
        EventType.PIPELINE_NODE_COMPLETED,
        EventType.PIPELINE_NODE_FAILED,
        EventType.PIPELINE_NODE_CANCELLED,
    }
)
"""The events that end an attempt, if one runs."""
AGAIN: Final = frozenset({EventType.PIPELINE_NODE_RETRYING, EventType.PIPELINE_NODE_INTERRUPTED})
"""Those after which another one follows."""
CONTROLS: Final = frozenset(
    {
        EventType.PIPELINE_RUN_CANCEL_REQUESTED,
        EventType.PIPELINE_RUN_PAUSED,
        EventType.PIPELINE_RUN_RESUMED,
    }
)

INSTANT_SECONDS: Final = 1e-5
"""Two moments that are no further apart are one: an event's time has microseconds."""


@dataclass(slots=True)
class AttemptBar:
    """One execution of a handler."""

    number: int
    began: float
    ended: float
    """Of one that has no end: when the recording does."""
    output: Output | None = None
    failure: Failure | None = None
    receipt: Receipt | None = None
    """How it was stopped; None: it ended by itself."""
    back_off: float | None = None
    """Seconds until the next one."""
    is_open: bool = True
    """Its end is not in the recording."""

    @property
    def seconds(self) -> float:
        """How many seconds it took, from its begin to its end."""
        return self.ended - self.began

    @property
    def stopping_seconds(self) -> float:
        """How long it took to stop it."""
        return 0.0 if self.receipt is None else self.receipt.ms / 1000

    @property
    def is_cut(self) -> bool:
        """Whether something ended it, so that nobody knows how it would have."""
        return self.is_open or (self.receipt is not None and self.receipt.how is not Stopped.NOT_STARTED)


@dataclass(slots=True)
class Track:
    """What happened to one node: its attempts, its end, its waits."""

    node: str
    status: NodeStatus = NodeStatus.NOT_STARTED
    attempts: list[AttemptBar] = field(default_factory=list[AttemptBar])
    ended: float | None = None
    output: Output | None = None
    failure: Failure | None = None

    @property
    def began(self) -> float | None:
        """When its first attempt began."""
        return self.attempts[0].began if self.attempts else None

    @property
    def seconds(self) -> float | None:
        """From its first attempt's beginning to its end."""
        return None if self.began is None or self.ended is None else self.ended - self.began

    @property
    def followed(self) -> list[tuple[AttemptBar, AttemptBar | None]]:
        """Each attempt with the one after it."""
        return list(zip(self.attempts, [*self.attempts[1:], None], strict=False))

    @property
    def success(self) -> AttemptBar | None:
        """The attempt that completed."""
        return next((attempt for attempt in self.attempts if attempt.output is not None), None)


@dataclass(frozen=True, slots=True)
class Control:
    """Somebody cancelled, paused or resumed the run."""

    at: float
    kind: EventType
    cause: Cause | None
    """Of a cancel."""
    grace: float | None
    """Of a cancel, in seconds; None: the recording does not say."""


@dataclass(slots=True)
class Timeline:
    """What happened to one run, node by node, in seconds from its start."""

    pipeline: str
    version: str
    trigger_data: Output
    status: RunStatus
    cause: Cause | None
    seconds: float
    """From its beginning to its last event."""
    complete: bool
    """Its terminal event is there."""
    nodes: dict[str, Track]
    """Those that were reached."""
    controls: list[Control]
    timeout: float | None
    """Seconds, as it was started with; None (and so below): a recording of an older playbill, which does not say."""
    grace: float | None
    kill_bound: float | None

    @property
    def node_seconds(self) -> dict[str, float]:
        """How long each node that began took, from its first attempt's beginning to its last one's end."""
        ran = {name: track.attempts for name, track in self.nodes.items() if track.attempts}
        return {name: attempts[-1].ended - attempts[0].began for name, attempts in ran.items()}

    @property
    def whole(self) -> Track:
        """The run as if it were a node of one attempt."""
        attempt = AttemptBar(1, 0.0, self.seconds, is_open=not self.complete or self.status is RunStatus.CANCELLED)
        attempt.failure = None if self.cause is None else self.cause.error
        if self.status is RunStatus.TIMEOUT and self.cause is not None:
            attempt.failure = Failure(
                "RunTimedOut", f"run timeout of {self.cause.seconds:g} s is over", retryable=False
            )
        return Track("run", attempts=[attempt])


def timeline_of(events: Sequence[Event]) -> Timeline:
    """Return what the events of one run tell; the first is that of its start."""
    first, last = events[0], events[-1]
    state, tracks, controls = RunState(), dict[str, Track](), list[Control]()
    stopped: float | None = None
    for event in events:
        state.apply(event)
        at = (event.at - first.at).total_seconds()
        if state.cause is not None and stopped is None:
            stopped = at
        if event.type in CONTROLS:
            cause = event.data.get("cause")
            if cause is None or cause.status is RunStatus.CANCELLED:  # a deadline comes by itself
                controls.append(Control(at, event.type, cause, event.data.get("grace")))
        elif event.node_id is not None and event.type is not EventType.PIPELINE_NODE_WAITING:
            _take(tracks.setdefault(event.node_id, Track(event.node_id)), event, at, stopped)
    end = max(0.0, (last.at - first.at).total_seconds())
    for node, track in tracks.items():
        result = state.nodes[node]
        track.status, track.output, track.failure = result.status, result.output, result.error
        for attempt in track.attempts:
            if attempt.is_open:
                attempt.ended = end
    return Timeline(
        str(first.data["pipeline"]),
        str(first.data["version"]),
        state.trigger_data,
        state.status,
        state.cause,
        end,
        last.type in TERMINAL,
        tracks,
        controls,
        *(first.data.get(name) for name in ("timeout", "grace", "kill_bound")),
    )


def _take(track: Track, event: Event, at: float, stopped: float | None) -> None:
    """Go on by an event of the node; `stopped` is when the run began to stop."""
    if event.type is EventType.PIPELINE_NODE_STARTED:
        track.attempts.append(AttemptBar(event.attempt or 1, at, at))
        return
    if event.type not in AGAIN:
        track.ended = at
    if event.type in ENDS and track.attempts and track.attempts[-1].is_open:
        attempt = track.attempts[-1]
        attempt.is_open, attempt.ended = False, at
        attempt.output = event.data.get("output")
        attempt.receipt = event.data.get("receipt")
        is_own = event.type in {EventType.PIPELINE_NODE_RETRYING, EventType.PIPELINE_NODE_FAILED}
        if is_own or (stopped is not None and at - attempt.stopping_seconds < stopped - INSTANT_SECONDS):
            attempt.failure = event.data.get("failure")  # else that of the attempt before
        if event.type is EventType.PIPELINE_NODE_RETRYING:
            attempt.back_off = (event.data["due_at"] - event.at).total_seconds()
