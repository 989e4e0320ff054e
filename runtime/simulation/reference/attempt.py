"""A plain model of one attempt: when it began, when it must have been ended, and what its receipt must say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.facts import Receipt, Stopped

if TYPE_CHECKING:
    from playbill.model.facts import Failure
    from playbill.model.messages import Returned
    from playbill.runtime.simulation.reference.rules import NodeRules

COARSE_SECONDS: Final = 0.5
"""How late a timeout's timer may be: the wheel's bucket, rounded up."""
NEVER: Final = float("inf")
EPSILON: Final = 1e-6
"""Seconds that two ways to reckon a moment may differ by, some years into virtual time, too."""


class AttemptModel:
    """One attempt of a node.

    Args:
        number: the how manieth it is.
        now: when it began, in virtual seconds.
        rules: its node's.
    """

    # No slots: most of these keep their defaults.
    asked_at: float | None = None
    """When it was told to end; None: nobody wants it to."""
    won_by = grace_ends = 0.0
    killed_at: float | None = None
    extended = False
    """Its kill was found overdue so late, that it is waited for once more."""
    patience = 0.0
    """By how much that is after its kill."""
    failure: Failure | None = None
    """The timeout that ends it."""
    final = False
    """No other follows."""
    stopped = False
    """The run stops it."""

    def __init__(self, number: int, now: float, rules: NodeRules) -> None:
        self.number = number
        self.rules = rules
        self.began_at = self.heard_at = now
        self.counts = not rules.threaded
        """Its timeouts run: its handler has really begun."""

    def deadline(self, kill_bound: float) -> float:
        """Return by when something must happen to it."""
        if self.killed_at is not None:
            return self.killed_at + self.patience + kill_bound
        if self.asked_at is not None:
            return self.grace_ends
        if not self.counts:
            return NEVER
        timeout, idle = self.rules.timeout, self.rules.idle_timeout
        ends = NEVER if timeout is None else self.began_at + timeout + COARSE_SECONDS
        return ends if idle is None else min(ends, self.heard_at + idle + COARSE_SECONDS)

    def ask(self, now: float, grace: float, won_by: float) -> list[str]:
        """Have it asked to end; return what is done to it."""
        self.asked_at, self.won_by, self.grace_ends = now, won_by, now + grace
        return ["interrupt"] if grace > 0 else ["interrupt", *self.kill(now)]

    def shorten(self, now: float, grace: float) -> list[str]:
        """Have it ended sooner; return what is done to it."""
        if self.killed_at is not None or now + grace >= self.grace_ends:
            return []
        self.grace_ends = now + grace
        return [] if grace > 0 else self.kill(now)

    def kill(self, now: float) -> list[str]:
        """Have it killed; return what is done to it."""
        self.killed_at = now
        return ["kill"]

    def came_in_time(self, returned: Returned) -> bool:
        """Tell whether its result counts although somebody wanted it to end."""
        has_result = returned.output is not None or returned.failure is not None
        return has_result and returned.ended <= self.won_by

    def receipt(self, returned: Returned) -> Receipt:
        """Return what its receipt must say when it has ended so."""
        if not returned.begun:
            how = Stopped.NOT_STARTED
        elif self.killed_at is not None and returned.ended >= self.killed_at:
            how = Stopped.KILLED
        elif returned.output is not None or returned.failure is not None:
            how = Stopped.COOPERATIVE
        else:
            how = Stopped.INTERRUPTED
        after_kill = self._after_kill(returned.ended) if how is Stopped.KILLED else None
        return Receipt(how, max(0.0, returned.ended - (self.asked_at or 0.0)) * 1000, after_kill)

    def given_up(self, now: float) -> Receipt:
        """Return what its receipt must say when it is given up."""
        return Receipt(Stopped.ABANDONED, (now - (self.asked_at or 0.0)) * 1000, self._after_kill(now))

    def _after_kill(self, now: float) -> float | None:
        return None if self.killed_at is None else (now - self.killed_at) * 1000
