"""The limits of a breaker or of one of its circuits: how many attempts at once, and how many starts a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playbill.model.policies import BreakerPolicy

NEVER: Final = float("inf")


class Capacity:
    """How much of a policy's concurrency and rate is taken."""

    __slots__ = ("at_work", "max_concurrent", "next_start", "rate")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.max_concurrent = policy.max_concurrent
        self.rate = policy.rate
        self.at_work: int = 0
        """Permits that are out, and settled ones whose work goes on."""
        self.next_start = 0.0
        """When the rate lets the next one start, in monotonic seconds."""

    def wait(self, now: float) -> float:
        """Return in how many seconds there is room for one more: 0 now; infinity: when somebody has ended."""
        if self.max_concurrent is not None and self.at_work >= self.max_concurrent:
            return NEVER
        if self.rate is None or self.next_start <= now:
            return 0.0
        return self.next_start - now

    def take(self, now: float) -> None:
        """Count a start."""
        self.at_work += 1
        if self.rate is not None:
            self.next_start = max(now, self.next_start) + 1 / self.rate

    def give(self) -> None:
        """Count the end of a start's work."""
        self.at_work -= 1
