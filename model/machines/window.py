"""The sliding window of a breaker: the calls it judges its rates by, the last N or the last seconds."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbill.model.policies import BreakerPolicy


class Window:
    """Counts of the calls in the window; adding and ageing are constant time a call."""

    __slots__ = ("_calls", "_policy", "failed", "slow")

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._calls: deque[tuple[float, bool, bool]] = deque()
        self.failed = 0
        self.slow = 0

    def add(self, at: float, seconds: float, *, failed: bool) -> None:
        """Take in a call that ended at monotonic time `at` after `seconds`."""
        slow_at = self._policy.slow_call_seconds
        slow = slow_at is not None and seconds >= slow_at
        self._calls.append((at, failed, slow))
        self.failed += failed
        self.slow += slow
        self.age(at)

    def trips(self) -> bool:
        """Tell whether a rate is over its limit."""
        calls, policy = len(self._calls), self._policy
        if calls < policy.minimum_calls:
            return False
        too_many = policy.failure_rate is not None and self.failed / calls >= policy.failure_rate
        return too_many or (policy.slow_rate is not None and self.slow / calls >= policy.slow_rate)

    def age(self, now: float) -> None:
        """Let go of the calls that are too old or too many at monotonic time `now`."""
        policy = self._policy
        while self._calls:
            at = self._calls[0][0]
            too_many = policy.window_calls is not None and len(self._calls) > policy.window_calls
            too_old = policy.window_seconds is not None and at <= now - policy.window_seconds
            if not (too_many or too_old):
                return
            _, failed, slow = self._calls.popleft()
            self.failed -= failed
            self.slow -= slow
