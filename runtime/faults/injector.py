"""The injector: asks the tape which faults of a plan happen, occasion by occasion; and counts those that did.

Rules:

1. An occasion is an attempt, an event, a timer or a message; the faults of its kind are asked in the plan's order,
   and the first that happens is the one.
2. It is drawn how many occasions are spared until the next is hit, not one number an occasion: for all faults of a
   kind together if they may happen at each (chances.py), else for each fault.
3. A buggify site is a fault of our own code: on in a share of the seeds, and then it fires now and then.

Source of the sites: FoundationDB's BUGGIFY.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar, cast

from playbill.runtime.faults.chances import LANE, Chances, Choice
from playbill.runtime.faults.kinds import (
    ActorFails,
    AttemptFault,
    Crash,
    JournalFault,
    JournalSlow,
    MessageDelay,
    RecurringFault,
    TimedFault,
    TimerLate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape

F = TypeVar("F", bound=RecurringFault)
BUGGIFY: Final = "buggify"
MAX_HAPPENED: Final = 1_000
SITE_PROBABILITY: Final = 0.1
"""How likely each occasion is at a buggify site that is on."""
JOURNAL_SITE: Final = Choice[JournalFault]("buggify journal-late", JournalSlow(seconds=0.01), SITE_PROBABILITY)
TIMER_SITE: Final = Choice("buggify timer-late", TimerLate(seconds=0.01), SITE_PROBABILITY)
MESSAGE_SITE: Final = Choice("buggify message-late", MessageDelay(seconds=0.01), SITE_PROBABILITY)


class Happening(NamedTuple):
    """A fault that happened."""

    at: float
    """Seconds since the manager was there."""
    kind: str
    subject: str
    """The name of the node, the event, the message or the breaker, or how far a clock jumped; empty: it has none."""
    attempt: int
    """Of a node; else 0."""

    def __str__(self) -> str:
        attempt = f"#{self.attempt}" if self.attempt else ""
        return f"{self.at:12.3f}  {self.kind}  {self.subject}{attempt}".rstrip()


class Odds(Generic[F]):
    """One choice, and how many more occasions it spares."""

    __slots__ = ("_chances", "choice", "left", "spared")

    def __init__(self, choice: Choice[F]) -> None:
        self.choice = choice
        self.left = choice.fault.times
        self.spared: int | None = None
        """None: not drawn yet."""
        self._chances = Chances([choice])

    def happens(self, tape: Tape) -> bool:
        """Tell whether it happens at an occasion that is its own."""
        if self.left == 0:
            return False
        if self.spared is None:
            self.spared = self._chances.spares(tape)
        if self.spared:
            self.spared -= 1
            return False
        self.spared = None
        if self.left is not None:
            self.left -= 1
        return True


class Occasions(Generic[F]):
    """The occasions of one kind of fault.

    Args:
        injector: whose they are.
        kind: the class of the faults that may happen there.
        site: what our own code does there if it is on in this seed; None: there is no site.
    """

    __slots__ = ("_chances", "_injector", "_kind", "_odds", "_site", "calm")

    def __init__(self, injector: Injector, kind: type[F], site: Choice[F] | None = None) -> None:
        self.calm = 0
        """So many more occasions nothing happens for certain; who asks may count down by itself."""
        self._injector = injector
        self._kind = kind
        self._site = site
        self._chances: Chances[F] | None = None
        """Of all that may happen; None: not drawn from yet, or each has odds of its own."""
        self._odds: list[Odds[F]] | None = None

    @property
    def are_planned(self) -> bool:
        """Whether the plan names a fault of this kind."""
        return bool(self._injector.plan.of(self._kind))

    @property
    def are_possible(self) -> bool:
        """Whether the plan lets anything happen here at all."""
        return self.are_planned or (self._site is not None and self._injector.plan.buggify > 0.0)

    def happens(self, subject: str = "", node_type: str = "", attempt: int = 0) -> F | None:
        """Return the fault that happens at this occasion.

        Args:
            subject: the name of the node, the event or the message.
            node_type: of the node, where it is one; of a message, which kind of actor is told it.
            attempt: its number.
        """
        if not self.calm and self._chances is None and self._odds is None:
            self._first()
        if self.calm:
            self.calm -= 1
            return None
        injector = self._injector
        if self._chances is None:
            choice = self._by_odds(subject, node_type, attempt)
        else:
            choice = self._chances.which(injector.tape)
            self.calm = self._chances.spares(injector.tape)
        if choice is None:
            return None
        injector.note(choice.name, subject, attempt)
        return choice.fault

    def _first(self) -> None:
        """Draw whether the site is on, and when something happens first."""
        plan, tape = self._injector.plan, self._injector.tape
        is_on = self._site is not None and plan.buggify > 0.0 and tape.chance(BUGGIFY, plan.buggify)
        choices, self._chances = self._choices(is_on=is_on)
        if self._chances is not None:
            self.calm = self._chances.spares(tape)
        else:
            self._odds = [Odds(choice) for choice in choices]

    def _choices(self, *, is_on: bool) -> tuple[list[Choice[F]], Chances[F] | None]:
        """Return what may happen, and the chances of all of it together if it may anywhere; once for all seeds."""
        known = self._injector.plan.worked_out
        key = (self._kind, is_on)
        if key not in known:
            faults = self._injector.plan.of(self._kind)
            choices = [Choice(fault.kind, fault, fault.probability) for fault in faults]
            if is_on and self._site is not None:
                choices.append(self._site)
            is_anywhere = all(fault.is_everywhere and fault.times is None for fault in faults)
            known[key] = (choices, Chances(choices) if is_anywhere else None)
        return cast("tuple[list[Choice[F]], Chances[F] | None]", known[key])

    def _by_odds(self, subject: str, node_type: str, attempt: int) -> Choice[F] | None:
        injector = self._injector
        for odds in self._odds or ():
            fault = odds.choice.fault
            is_its_own = fault.is_everywhere or fault.touches(subject, node_type, attempt, injector.time())
            if is_its_own and odds.happens(injector.tape):
                return odds.choice
        return None


class Injector:
    """The faults of one manager.

    Args:
        plan: what may happen.
        tape: whether it does.
        time: seconds since the manager was there.
    """

    def __init__(self, plan: FaultPlan, tape: Tape, time: Callable[[], float]) -> None:
        self.fired: Counter[str] = Counter()
        """How often each kind happened; buggify sites by `buggify <name>`."""
        self.happened: deque[Happening] = deque(maxlen=MAX_HAPPENED)
        """The last of them, in order: a load has millions."""
        self.lateness = 0.0
        """Seconds by which timers and messages were late in all: a bound may be missed by as much."""
        self.time = time
        self.plan = plan
        self.tape = tape
        self.attempts = Occasions(self, AttemptFault)
        self.events = Occasions(self, JournalFault, JOURNAL_SITE)
        self.crashes = Occasions(self, Crash)
        self.actors = Occasions(self, ActorFails)
        self.timers = Occasions(self, TimerLate, TIMER_SITE)
        self.messages = Occasions(self, MessageDelay, MESSAGE_SITE)

    def note(self, kind: str, subject: str = "", attempt: int = 0) -> None:
        """Count a fault that happens now."""
        self.fired[kind] += 1
        self.happened.append(Happening(self.time(), kind, subject, attempt))

    def timed(self) -> Iterator[TimedFault]:
        """Yield those of the faults with a time of their own that happen."""
        for fault in self.plan.of(TimedFault):
            if self.tape.chance(LANE, fault.probability):
                yield fault
