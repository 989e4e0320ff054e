"""The limits of a breaker or of one of its circuits: how many attempts at once, and how many starts a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playbill.model.policies import BreakerPolicy

NEVER: Final = float("inf")


class Capacity:
    """What a policy lets through; who asks says how many are at work."""

    __slots__ = ("max_concurrent", "next_start", "rate")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.max_concurrent = policy.max_concurrent
        self.rate = policy.rate
        self.next_start = 0.0
        """When the rate lets the next one start, in monotonic seconds."""

    def wait(self, at_work: int, now: float) -> float:
        """Return in how many seconds there is room for one more: 0 now; infinity: when somebody has ended."""
        if self.max_concurrent is not None and at_work >= self.max_concurrent:
            return NEVER
        if self.rate is None or self.next_start <= now:
            return 0.0
        return self.next_start - now

    def take(self, now: float) -> None:
        """Count a start."""
        if self.rate is not None:
            self.next_start = max(now, self.next_start) + 1 / self.rate
