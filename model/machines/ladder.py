"""The ladder of one attempt that must end: asked, then killed, then given up; and the receipt of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbill.model.facts import Receipt, Stopped

if TYPE_CHECKING:
    from playbill.model.facts import Failure
    from playbill.model.messages import Returned


@dataclass(slots=True)
class Ladder:
    """Where on the ladder an attempt is."""

    asked: float
    """When it was told to end, in monotonic seconds."""
    won_by: float
    """A result that ended up to here came in time: the deadline, or the moment of the stop."""
    grace_ends: float
    failure: Failure | None = None
    """The timeout it outlived; None: the run stops it."""
    final: bool = False
    """No attempt follows, whatever the retry policy says."""
    killed_at: float | None = None
    is_extended: bool = False
    """Its last step came so late once, that the answer may be on its way."""

    def in_time(self, returned: Returned) -> bool:
        """Tell whether `returned` ended before anybody wanted it to end."""
        interrupted = returned.output is None and returned.failure is None
        return returned.ended <= self.won_by and not interrupted

    def receipt(self, returned: Returned) -> Receipt:
        """Return the proof that the attempt has ended."""
        if not returned.begun:
            how = Stopped.NOT_STARTED
        elif self.killed_at is not None and returned.ended >= self.killed_at:
            how = Stopped.KILLED
        elif returned.output is None and returned.failure is None:
            how = Stopped.INTERRUPTED
        else:
            how = Stopped.COOPERATIVE
        killed_at = self.killed_at if how is Stopped.KILLED else None
        kill_ms = None if killed_at is None else (returned.ended - killed_at) * 1000
        return Receipt(how, max(0.0, returned.ended - self.asked) * 1000, kill_ms)

    def given_up(self, now: float) -> Receipt:
        """Return the receipt of an attempt that did not end, at monotonic time `now`."""
        kill_ms = None if self.killed_at is None else (now - self.killed_at) * 1000
        return Receipt(Stopped.ABANDONED, (now - self.asked) * 1000, kill_ms)
