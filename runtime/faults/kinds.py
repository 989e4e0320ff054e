"""The kinds of faults: one class each, with the fields that its kind takes; what they do is done elsewhere."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self, TypeAlias, get_args

from pydantic import model_validator

from playbill.model.fields import Count, Number, Seconds, Settings, Share
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "KINDS",
    "AnyFault",
    "AttemptFault",
    "CancelRun",
    "ClockSkew",
    "Crash",
    "Fault",
    "ForceBreaker",
    "Garbage",
    "Hang",
    "IgnoreCancel",
    "JournalFailing",
    "JournalFault",
    "JournalFull",
    "JournalSlow",
    "Late",
    "Lost",
    "MailFault",
    "MessageDelay",
    "PauseRun",
    "Raise",
    "RecurringFault",
    "Slow",
    "TimedFault",
    "TimerLate",
]

HANGS: Final = Behaviour(outcomes=(Ending(hangs=True),))
GARBAGE: Final = Behaviour(output={"garbage": object()})


class AnyFault(Settings):
    """What all kinds have."""

    probability: Share = 1.0
    """How likely it is: at each occasion, or at its one time."""

    @property
    def kind(self) -> str:
        """What `fault` says."""
        return str(type(self).model_fields["fault"].default)

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the field and the name of each node, type or breaker of the pipeline that it speaks of."""
        yield from ()

    def certain(self) -> Iterator[Self]:
        """Yield it as it would be without chance, the least changed first; nothing if it is certain."""
        if self.probability < 1.0:
            yield self.model_copy(update={"probability": 1.0})


class RecurringFault(AnyFault):
    """Faults that may happen at every occasion of their kind: an attempt, an event, a timer or a message."""

    after: Seconds = 0.0
    """Not before so many seconds."""
    until: Seconds | None = None
    """Not from so many seconds on; None: for ever."""
    times: Count | None = None
    """At most so often; None: as often as it happens."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until is not None and self.until <= self.after:
            raise ValueError(f"until ({self.until:g}) comes after `after` ({self.after:g})")
        return self

    def certain(self) -> Iterator[Self]:
        """Yield it as it would be without chance: as often as before, and once."""
        for certain in super().certain():
            yield certain
            yield certain.model_copy(update={"times": 1})

    @property
    def chooses(self) -> bool:
        """Whether it happens at some occasions of its kind only."""
        return False

    @cached_property
    def is_everywhere(self) -> bool:
        """Whether it may happen at any occasion of its kind, at any time."""
        return not self.after and self.until is None and not self.chooses

    def touches(self, subject: str, kind: str, attempt: int, seconds: float) -> bool:
        """Tell whether it may happen at this occasion.

        Args:
            subject: the name of the node, the event or the message.
            kind: the node's type.
            attempt: its number.
            seconds: since the manager was there.
        """
        in_time = seconds >= self.after and (self.until is None or seconds < self.until)
        return in_time and self._fits(subject, kind, attempt)

    def _fits(self, subject: str, kind: str, attempt: int) -> bool:
        return True


# ---- faults of attempts ----------------------------------------------------------------------------------------


class AttemptFault(RecurringFault):
    """Faults of attempts."""

    node: str | None = None
    """Of this node only."""
    type: str | None = None
    """Of nodes of this type only."""
    attempts: tuple[Count, ...] = ()
    """Which attempts of a node; empty: all."""

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield its node and its type."""
        yield from ((field, name) for field, name in (("node", self.node), ("type", self.type)) if name is not None)

    @property
    def chooses(self) -> bool:
        """Whether it hits some attempts only."""
        return bool(self.attempts) or self.node is not None or self.type is not None

    @property
    def instead(self) -> Behaviour | None:
        """What an attempt does in the place of its handler; None: its handler runs."""
        return None

    def may_hit(self, node: str, kind: str) -> bool:
        """Tell whether any attempt of a node of this type may be hit."""
        return self.node in {None, node} and self.type in {None, kind}

    def _fits(self, subject: str, kind: str, attempt: int) -> bool:
        return self.may_hit(subject, kind) and (not self.attempts or attempt in self.attempts)


class Raise(AttemptFault):
    """The handler fails at once."""

    fault: Literal["raise"] = "raise"
    error: str = "ConnectionError"
    """The class name of the exception."""
    message: str | None = None
    retryable: bool = True

    @property
    def instead(self) -> Behaviour:
        """Fail."""
        return self._failing

    @cached_property
    def _failing(self) -> Behaviour:
        text = "injected" if self.message is None else self.message
        error = Ending(error=self.error, message=text, retryable=self.retryable)
        return Behaviour(outcomes=(error,), duration=Duration(constant=0.0))


class Hang(AttemptFault):
    """The handler never ends by itself."""

    fault: Literal["hang"] = "hang"

    @property
    def instead(self) -> Behaviour:
        """Hang."""
        return HANGS


class Slow(AttemptFault):
    """The handler begins `seconds` later."""

    fault: Literal["slow"] = "slow"
    seconds: Seconds = 1.0


class IgnoreCancel(AttemptFault):
    """The handler goes on when it is asked to end."""

    fault: Literal["ignore_cancel"] = "ignore_cancel"
    kill: bool = False
    """And when it is killed."""


class Garbage(AttemptFault):
    """The handler returns what is no output."""

    fault: Literal["garbage"] = "garbage"

    @property
    def instead(self) -> Behaviour:
        """Give an object, which is no output."""
        return GARBAGE


class Late(AttemptFault):
    """The handler ends, but only `seconds` after it was asked to and killed."""

    fault: Literal["late"] = "late"
    seconds: Seconds = 1.0


class Lost(AttemptFault):
    """The handler hangs, and its worker dies after `seconds`."""

    fault: Literal["lost"] = "lost"
    seconds: Seconds = 1.0

    @property
    def instead(self) -> Behaviour:
        """Hang."""
        return HANGS


# ---- faults of events ------------------------------------------------------------------------------------------


class Crash(RecurringFault):
    """The runtime dies as an event is recorded."""

    fault: Literal["crash"] = "crash"
    event: str | None = None
    """Which type of event; None: any."""

    @property
    def chooses(self) -> bool:
        """Whether it waits for a type of event."""
        return self.event is not None

    def _fits(self, subject: str, kind: str, attempt: int) -> bool:
        return self.event in {None, subject}


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


# ---- faults of timers and messages -----------------------------------------------------------------------------


class MailFault(RecurringFault):
    """What is told comes `seconds` late."""

    message: str | None = None
    """The class of the message; None: any."""
    seconds: Seconds = 1.0

    @property
    def chooses(self) -> bool:
        """Whether it waits for a class of message."""
        return self.message is not None

    def _fits(self, subject: str, kind: str, attempt: int) -> bool:
        return self.message in {None, subject}


class TimerLate(MailFault):
    """A timer fires `seconds` late."""

    fault: Literal["timer_late"] = "timer_late"


class MessageDelay(MailFault):
    """A message of one actor to another takes `seconds`."""

    fault: Literal["message_delay"] = "message_delay"


# ---- faults with a time of their own ---------------------------------------------------------------------------


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
    seconds: Number = 1.0


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


Fault: TypeAlias = (
    Raise | Hang | Slow | IgnoreCancel | Garbage | Late | Lost | Crash | JournalSlow | JournalFailing | JournalFull
    | TimerLate | MessageDelay | ClockSkew | ForceBreaker | CancelRun | PauseRun
)  # fmt: skip
"""One fault of any kind; which it is stands in `fault`."""
KINDS: Final[dict[str, type[Fault]]] = {kind.model_fields["fault"].default: kind for kind in get_args(Fault)}
"""The kinds by what `fault` says."""
