"""The faults of what carries facts and mail: the runtime itself, its actors, journal, timers and messages."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from msgspec import StructMeta
from pydantic import AfterValidator

from playbill.model import messages
from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.events import EventType
from playbill.model.fields import Seconds
from playbill.runtime.faults.kinds.base import RecurringFault

MESSAGES: Final = tuple(
    name
    for name, found in vars(messages).items()
    if isinstance(found, StructMeta) and found.__module__ == messages.__name__
)
"""The classes of all that actors are told."""


def _is_event(name: str) -> str:
    if name not in {*EventType}:
        hint = f"{did_you_mean(name, EventType)}; events are: {list_names(EventType, 40)}"
        raise ValueError(f"unknown event '{name}'{hint}")
    return name


def _is_message(name: str) -> str:
    if name not in MESSAGES:
        hint = f"{did_you_mean(name, MESSAGES)}; messages are: {list_names(MESSAGES, 50)}"
        raise ValueError(f"unknown message '{name}'{hint}")
    return name


class Crash(RecurringFault):
    """The runtime dies as an event is recorded.

    Where the journal is on a simulated disk (`Simulation(crashes=())`), the next process goes on with what was kept;
    elsewhere the simulation ends there.
    """

    fault: Literal["crash"] = "crash"
    event: Annotated[str, AfterValidator(_is_event)] | None = None
    """Which type of event; None: any."""

    @property
    def chooses(self) -> bool:
        """Whether it waits for a type of event."""
        return self.event is not None

    def _fits(self, subject: str, node_type: str, attempt: int) -> bool:
        return self.event in {None, subject}


class ActorFails(RecurringFault):
    """An actor of ours fails as it is told something; then it is told it."""

    fault: Literal["actor_fails"] = "actor_fails"
    actor: Literal["supervisor", "node", "breaker"] | None = None
    """Which; None: any."""
    message: Annotated[str, AfterValidator(_is_message)] | None = None
    """The class of the message; None: any."""

    @property
    def chooses(self) -> bool:
        """Whether it waits for an actor, or a class of message."""
        return self.actor is not None or self.message is not None

    def _fits(self, subject: str, node_type: str, attempt: int) -> bool:
        return self.message in {None, subject} and self.actor in {None, node_type}


class JournalFault(RecurringFault):
    """An event is kept `seconds` later, and those behind it with it."""

    error: ClassVar[str | None] = None
    """What the run is told; None: nothing."""
    seconds: Seconds = 1.0


class JournalSlow(JournalFault):
    """The journal keeps an event `seconds` later."""

    fault: Literal["journal_slow"] = "journal_slow"


class JournalFailing(JournalFault):
    """The journal keeps an event `seconds` later, and tells the run that the disk fails."""

    fault: Literal["journal_failing"] = "journal_failing"
    error = "injected: the disk fails"


class JournalFull(JournalFault):
    """The journal keeps an event `seconds` later, and tells the run that the disk is full."""

    fault: Literal["journal_full"] = "journal_full"
    error = "injected: the disk is full"


class MailFault(RecurringFault):
    """What is told comes `seconds` late."""

    message: Annotated[str, AfterValidator(_is_message)] | None = None
    """The class of the message; None: any."""
    seconds: Seconds = 1.0

    @property
    def chooses(self) -> bool:
        """Whether it waits for a class of message."""
        return self.message is not None

    def _fits(self, subject: str, node_type: str, attempt: int) -> bool:
        return self.message in {None, subject}


class TimerLate(MailFault):
    """A timer fires `seconds` late."""

    fault: Literal["timer_late"] = "timer_late"


class MessageDelay(MailFault):
    """A message of one actor to another takes `seconds`."""

    fault: Literal["message_delay"] = "message_delay"
