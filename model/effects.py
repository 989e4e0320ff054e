"""The outbox: the whole vocabulary of what a machine may ask of its shell."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeAlias

from playbill.model.errors import InternalError

if TYPE_CHECKING:
    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Permit
    from playbill.model.messages import Ask, Token
    from playbill.model.results import RunResult


class Timer(StrEnum):
    """The timers of all machines: each actor has at most one of a name (see TimerName)."""

    DEADLINE = "deadline"
    OVERDUE = "overdue"
    ATTEMPT = "attempt"
    IDLE = "idle"
    TOTAL = "total"
    DUE = "due"
    WAITING = "waiting"
    LADDER = "ladder"
    OPEN = "open"
    HALF_OPEN = "half_open"
    RATE = "rate"


TimerName: TypeAlias = "Timer | tuple[Timer, str]"
"""A timer of an actor; breakers have one of a kind for each target."""

COARSE: frozenset[TimerName] = frozenset({Timer.DEADLINE, Timer.ATTEMPT, Timer.IDLE, Timer.TOTAL, Timer.WAITING})
"""Timers that hardly ever fire: a coarse wheel may round long ones up."""


class Outbox(Protocol):
    """Where a machine puts its effects, in order; the shell performs them, nobody else does."""

    def tell(self, to: Token, message: Any, /) -> None:
        """Send `message` to the actor at `to`."""

    def permit(self, breaker: Token, ask: Ask, /) -> Permit | None:
        """Send `ask` to a breaker; return the permit, if it gives one at once (nodes)."""

    def record(self, event: Event) -> None:
        """Keep `event` in the journal (supervisors and breakers)."""

    def spawn(self, node: str) -> None:
        """Make the actor of `node` (supervisors)."""

    def forget(self, node: str) -> None:
        """Let go of the actor of `node`, which has ended (supervisors)."""

    def begin(self, attempt: int, inputs: Inputs) -> None:
        """Run the node's handler (nodes)."""

    def interrupt(self, attempt: int) -> None:
        """Ask the attempt to end: task cancel, cancelled flag, SIGTERM."""

    def kill(self, attempt: int) -> None:
        """End the attempt by force."""

    def abandon(self, attempt: int, permit: Permit | None) -> None:
        """Give the attempt up: the runner keeps it as an orphan and releases `permit` when it ends."""

    def set_timer(self, name: TimerName, delay: float, message: Any) -> None:
        """Tell this actor `message` in `delay` seconds; replaces the timer of that name."""

    def drop_timer(self, name: TimerName) -> None:
        """Forget the timer of that name, if there is one."""

    def dead_letter(self, message: Any) -> None:
        """Count a message that came legally, but too late to change anything."""

    def finish(self, result: RunResult | None) -> None:
        """End this actor; a supervisor gives its run's result."""


class NullOutbox:
    """An outbox that refuses: shells override what their machine may ask for; all else is a fault of ours."""

    def permit(self, breaker: Token, ask: Ask, /) -> Permit | None:
        """Raise InternalError: only nodes ask for permits."""
        self._refuse("ask for a permit with", ask)

    def record(self, event: Event) -> None:
        """Raise InternalError: only supervisors and breakers record."""
        self._refuse("record", event)

    def spawn(self, node: str) -> None:
        """Raise InternalError: only supervisors have nodes."""
        self._refuse("spawn", node)

    def forget(self, node: str) -> None:
        """Raise InternalError: only supervisors have nodes."""
        self._refuse("forget", node)

    def begin(self, attempt: int, inputs: Inputs) -> None:
        """Raise InternalError: only nodes have attempts."""
        self._refuse("begin attempt", attempt)

    def interrupt(self, attempt: int) -> None:
        """Raise InternalError: only nodes have attempts."""
        self._refuse("interrupt attempt", attempt)

    def kill(self, attempt: int) -> None:
        """Raise InternalError: only nodes have attempts."""
        self._refuse("kill attempt", attempt)

    def abandon(self, attempt: int, permit: Permit | None) -> None:
        """Raise InternalError: only nodes have attempts."""
        self._refuse("abandon attempt", attempt)

    def finish(self, result: RunResult | None) -> None:
        """Raise InternalError: only supervisors and nodes finish."""
        self._refuse("finish with", result)

    def _refuse(self, what: str, argument: object) -> NoReturn:
        raise InternalError(f"{self!r} cannot {what} {argument!r}")
