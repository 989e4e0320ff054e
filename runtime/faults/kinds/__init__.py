"""The kinds of faults: one class each, with the fields that its kind takes.

What they do is done where it is done without them: attempts begin in faults/runner.py; journal, timers and clock
are wrapped in faults/ports.py; those with a time of their own happen in faults/world.py; crashes, failing actors and
delays of mail in the simulation's world. To add one: write its class, name it in `Fault` below, do it there; one of
attempts, or with a time of its own, that nobody does is an InternalError.
"""

from typing import Final, TypeAlias, get_args

from playbill.runtime.faults.kinds.attempts import (
    AttemptFault,
    Garbage,
    Hang,
    IgnoreCancel,
    Late,
    Lost,
    Raise,
    Slow,
)
from playbill.runtime.faults.kinds.base import AnyFault, RecurringFault
from playbill.runtime.faults.kinds.carriers import (
    ActorFails,
    Crash,
    JournalFailing,
    JournalFault,
    JournalFull,
    JournalSlow,
    MailFault,
    MessageDelay,
    TimerLate,
)
from playbill.runtime.faults.kinds.timed import CancelRun, ClockSkew, ForceBreaker, PauseRun, TimedFault

__all__ = [
    "KINDS",
    "ActorFails",
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

Fault: TypeAlias = (
    Raise | Hang | Slow | IgnoreCancel | Garbage | Late | Lost | Crash | ActorFails | JournalSlow | JournalFailing
    | JournalFull | TimerLate | MessageDelay | ClockSkew | ForceBreaker | CancelRun | PauseRun
)  # fmt: skip
"""One fault of any kind; which it is stands in `fault`."""
KINDS: Final[dict[str, type[Fault]]] = {kind.model_fields["fault"].default: kind for kind in get_args(Fault)}
"""The kinds by what `fault` says."""
