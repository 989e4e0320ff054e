"""Takes: what each attempt of a replay does, from what was recorded and the rule for what was not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from playbill.model.facts import Stopped
from playbill.model.policies import RetryPolicy
from playbill.runtime.clocks.wheel import BUCKET_SECONDS

if TYPE_CHECKING:
    from playbill.model.definition import PipelineDefinition
    from playbill.model.facts import Failure, Output
    from playbill.runtime.simulation.whatif.timeline import AttemptBar, Timeline, Track

LATE_SECONDS: Final = 2 * BUCKET_SECONDS
"""A timer fires up to a bucket late; what was cut goes on for longer, so that it is cut again."""
AFTER_SECONDS: Final = 1e-6
"""What answers a stop answers after it; at the very moment it would have come in time."""
MIDDLE: Final = 0.5
"""The jitter of attempts that were not recorded."""


@dataclass(frozen=True, slots=True)
class Take:
    """What one attempt does."""

    seconds: float | None = 0.0
    """Until it ends by itself; None: never."""
    output: Output | None = None
    failure: Failure | None = None
    cleanup: float = 0.0
    """Seconds until it ends when it is asked to."""
    stopped: Stopped = Stopped.INTERRUPTED
    """How it takes being stopped."""
    silent_after: float | None = None
    """Seconds after which no heartbeat comes; None: they come in time."""
    jitter: float = MIDDLE
    """What was drawn for the back-off after it."""


EMPTY: Final = Take(output={})
"""What is assumed of a node that was never reached."""


class Script:
    """Gives the take of each attempt.

    Args:
        recording: what happened.
        definition: the pipeline as it was recorded.
        succeeds: what was not recorded succeeds as the node did; else it repeats the node's last attempt.
    """

    def __init__(self, recording: Timeline, definition: PipelineDefinition, *, succeeds: bool) -> None:
        self._tracks = recording.nodes
        self._succeeds = succeeds
        default = definition.defaults.retry or RetryPolicy()
        self._retry = {node.id: node.retry or default for node in definition.nodes}

    def recorded(self, node: str, attempt: int) -> AttemptBar | None:
        """Return an attempt as it was recorded."""
        track = self._tracks.get(node)
        return None if track is None else next((a for a in track.attempts if a.number == attempt), None)

    def take(self, node: str, attempt: int) -> Take:
        """Return what an attempt does."""
        track = self._tracks.get(node)
        if track is None or not track.attempts:
            return EMPTY
        recorded = self.recorded(node, attempt)
        if recorded is not None:
            return replace(self._of(track, recorded), jitter=self._jitter(node, recorded))
        if self._succeeds:
            return self._success(track, track.attempts[-1].seconds)
        return self._of(track, track.attempts[-1])

    def _of(self, track: Track, attempt: AttemptBar) -> Take:
        if not attempt.is_cut:
            return Take(attempt.seconds, attempt.output, attempt.failure)
        ran = attempt.seconds - attempt.stopping_seconds
        how = Stopped.INTERRUPTED if attempt.receipt is None else attempt.receipt.how
        least = AFTER_SECONDS if how is Stopped.COOPERATIVE else 0.0
        return replace(self._uncut(track, attempt, ran), cleanup=max(least, attempt.stopping_seconds), stopped=how)

    def _uncut(self, track: Track, attempt: AttemptBar, ran: float) -> Take:
        """Return what an attempt would do that was cut after `ran` seconds: at least it goes on a little longer."""
        timed_out = attempt.failure
        if timed_out is None:
            return replace(EMPTY, seconds=ran + LATE_SECONDS)
        if self._succeeds:
            return self._success(track, ran, ran + LATE_SECONDS)
        which, _, seconds = timed_out.message.partition(" of ")
        silent = max(0.0, ran - float(seconds.split()[0])) if which == "idle_timeout" else None
        return Take(None, silent_after=silent)

    def _success(self, track: Track, otherwise: float, least: float = 0.0) -> Take:
        """Return the success of a node; one that never had any gives nothing, after `otherwise` seconds."""
        success = track.success
        if success is None:
            return replace(EMPTY, seconds=max(otherwise, least))
        return Take(max(success.seconds, least), success.output)

    def _jitter(self, node: str, attempt: AttemptBar) -> float:
        """Return what was drawn: the recorded back-off, solved for it."""
        policy = self._retry[node]
        middle = policy.delay(attempt.number, MIDDLE)
        if attempt.back_off is None or not policy.jitter or not middle:
            return MIDDLE
        return min(1.0, max(0.0, ((attempt.back_off / middle - 1) / policy.jitter + 1) / 2))
