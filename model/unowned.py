"""What may be done to a run that nobody has at work: cancel, pause and resume, without its nodes and their handlers.

It needs to know how the run stands and its last seq: so even a run can be cancelled whose events nobody can read.
What its nodes were at is over already: their process has ended, or will not go on with them. So a cancel ends the run
at once, and the fold settles the nodes that were running.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from playbill.model.events import NO_DATA, Event, EventType
from playbill.model.facts import Cause, RunStatus
from playbill.model.messages import Cancel, Pause, Resume

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

__all__ = ["UnownedRun"]

UNOWNED: Final = {"unowned": True}
"""What a pause says of which no owner of the run knew: until then its time had stood still."""


class UnownedRun:
    """A run as its row in the index tells it.

    Args:
        run_id: its id.
        status: how it stands.
        seq: of its last event.
        at: when that happened, as far as one knows.
    """

    def __init__(self, run_id: str, status: RunStatus, seq: int, at: datetime) -> None:
        self.run_id = run_id
        self.status = status
        self.seq = seq
        self.at = at

    def receive(self, message: Cancel | Pause | Resume, utc: datetime) -> list[Event]:
        """Take a message; return the events that are to be kept of it, none: it changes nothing."""
        action = self.TRANSITIONS.get(self.status, {}).get(type(message))
        return [] if action is None else action(self, message, utc)

    def cancel(self, message: Cancel, utc: datetime) -> list[Event]:
        """End the run."""
        cause = Cause(RunStatus.CANCELLED, source=message.source, reason=message.reason)
        asked = self._event(EventType.PIPELINE_RUN_CANCEL_REQUESTED, utc, {"cause": cause, "grace": message.grace})
        self.status = RunStatus.CANCELLED
        return [asked, self._event(EventType.PIPELINE_RUN_CANCELLED, utc, {"status": self.status, "cause": cause})]

    def pause(self, _message: Pause, utc: datetime) -> list[Event]:
        """Have whoever goes on with the run begin nothing."""
        self.status = RunStatus.PAUSED
        return [self._event(EventType.PIPELINE_RUN_PAUSED, utc, UNOWNED)]

    def resume(self, _message: Resume, utc: datetime) -> list[Event]:
        """Have whoever goes on with the run begin what it has to."""
        self.status = RunStatus.RUNNING
        return [self._event(EventType.PIPELINE_RUN_RESUMED, utc)]

    def _event(self, kind: EventType, utc: datetime, data: Mapping[str, Any] = NO_DATA) -> Event:
        self.seq += 1
        self.at = max(self.at, utc)  # somebody has set the clock back
        return Event(kind, self.run_id, self.seq, self.at, None, None, data)

    GOES_ON: ClassVar[Mapping[type, Callable[[Any, Any, datetime], list[Event]]]] = {Cancel: cancel, Pause: pause}
    TRANSITIONS: ClassVar[Mapping[RunStatus, Mapping[type, Callable[[Any, Any, datetime], list[Event]]]]] = {
        RunStatus.PENDING: GOES_ON,
        RunStatus.RUNNING: GOES_ON,
        RunStatus.PAUSED: {Cancel: cancel, Resume: resume},
    }
    """What changes a run in which status; a run that has ended is changed by nothing."""

    def __repr__(self) -> str:
        return f"<UnownedRun {self.run_id} {self.status} seq={self.seq}>"
