"""The faults with a time of their own: a clock that jumps, a breaker that is forced, a run cancelled or paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from playbill.model.fields import Seconds, SignedSeconds
from playbill.runtime.faults.kinds.base import AnyFault

if TYPE_CHECKING:
    from collections.abc import Iterator


class TimedFault(AnyFault):
    """Faults that happen once, so many seconds after the manager is there."""

    at: Seconds | None = None
    after: Seconds = 0.0
    """The same, where `at` says nothing."""

    @property
    def due(self) -> float:
        """After how many seconds it happens."""
        return self.after if self.at is None else self.at


class ClockSkew(TimedFault):
    """UTC jumps by `seconds`, forwards or back."""

    fault: Literal["clock_skew"] = "clock_skew"
    seconds: SignedSeconds = 1.0


class ForceBreaker(TimedFault):
    """A breaker is forced to a state for `seconds`."""

    fault: Literal["breaker"] = "breaker"
    breaker: str
    """Its key: by default a node type."""
    state: Literal["forced_open", "disabled", "metrics_only", "closed"] = "forced_open"
    seconds: Seconds = 1.0

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield its breaker."""
        yield "breaker", self.breaker


class CancelRun(TimedFault):
    """The oldest run is cancelled."""

    fault: Literal["cancel"] = "cancel"
    grace: Seconds | None = None
    """Seconds that handlers have to clean up; None: the manager's."""


class PauseRun(TimedFault):
    """The oldest run is paused for `seconds`."""

    fault: Literal["pause"] = "pause"
    seconds: Seconds = 1.0
