"""What the events of a breaker tell of its circuits: what a breaker needs that comes back after a restart.

Of each circuit the last event of each type is enough, so that the others may be forgotten. Windows, counts and
permits are of the process that is gone: they begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from msgspec.structs import replace

from playbill.model.events import NO_DATA, EventType
from playbill.model.facts import Failure, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playbill.model.events import Event

__all__ = ["BreakerPast", "CircuitPast"]

CLOSED: Final = "closed"
OPEN: Final = "open"


class CircuitPast(Value):
    """Where a circuit stood."""

    state: str
    """Closed, open, or what was set by hand; half-open is open with nothing left."""
    openings: int = 0
    """How often it has opened since it was last closed."""
    since: datetime | None = None
    """When it opened."""
    seconds: float = 0.0
    """For how long."""
    failure: str = ""
    """The last that counted, in short."""
    policy: Mapping[str, Any] = NO_DATA
    """By which it opened: what that says besides the defaults."""

    def left(self, now: datetime) -> float:
        """Return how many seconds it stays open: whatever the clock says, no more than in all."""
        gone = 0.0 if self.since is None else (now - self.since).total_seconds()
        return min(max(0.0, self.seconds - gone), self.seconds)

    @property
    def last_failure(self) -> Failure | None:
        """The last failure that counted, as far as anybody wrote it down."""
        kind, _, message = self.failure.partition(": ")
        return Failure(kind, message, retryable=True) if kind else None


class BreakerPast:
    """The past of one breaker.

    Args:
        events: of its stream, in order; of each circuit the last of each type at least.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.epoch: int = 0
        """The last that it has had."""
        self.circuits: dict[str, CircuitPast] = {}
        """By target; empty: of the type's own."""
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Go on by an event."""
        data = event.data
        self.epoch = max(self.epoch, data.get("epoch", 0))
        if (row := self.ROWS.get(event.type)) is not None:
            target = data.get("target", "")
            self.circuits[target] = row(self, event, self.circuits.get(target, CircuitPast(CLOSED)))

    @property
    def forced(self) -> str:
        """What was set by hand for all circuits, later ones too; closed: nothing."""
        own = self.circuits.get("")
        return CLOSED if own is None or own.state == OPEN else own.state

    @property
    def standing(self) -> dict[str, CircuitPast]:
        """The circuits that are not what a new one would be, the type's own first."""
        targets = sorted(self.circuits)
        of_new = {target: CLOSED if target == "" else self.forced for target in targets}
        return {name: self.circuits[name] for name in targets if self.circuits[name].state != of_new[name]}

    def _opened(self, event: Event, before: CircuitPast) -> CircuitPast:
        data = event.data
        policy = data.get("policy", NO_DATA)
        return CircuitPast(OPEN, data.get("openings", 1), event.at, data["seconds"], data.get("failure", ""), policy)

    def _half_opened(self, event: Event, before: CircuitPast) -> CircuitPast:
        return CircuitPast(OPEN, before.openings, event.at, 0.0, before.failure, before.policy)

    def _closed(self, event: Event, before: CircuitPast) -> CircuitPast:
        return CircuitPast(CLOSED, failure=before.failure)

    def _forced(self, event: Event, before: CircuitPast) -> CircuitPast:
        if "target" not in event.data:
            self.circuits.clear()  # all are; those there are say so next, and those that were forgotten are like new
        return CircuitPast(event.data["state"], failure=before.failure)

    def _reset(self, event: Event, _before: CircuitPast) -> CircuitPast:
        return CircuitPast(event.data.get("state", CLOSED))

    def _recovered(self, event: Event, before: CircuitPast) -> CircuitPast:
        state = event.data["state"]
        return self._opened(event, before) if state == OPEN else CircuitPast(state, failure=before.failure)

    def _policy_changed(self, event: Event, before: CircuitPast) -> CircuitPast:
        return replace(before, policy=event.data["policy"])

    ROWS: ClassVar[Mapping[EventType, Callable[[Any, Event, CircuitPast], CircuitPast]]] = {
        EventType.BREAKER_OPENED: _opened,
        EventType.BREAKER_HALF_OPENED: _half_opened,
        EventType.BREAKER_CLOSED: _closed,
        EventType.BREAKER_FORCED: _forced,
        EventType.BREAKER_RESET: _reset,
        EventType.BREAKER_RECOVERED: _recovered,
        EventType.BREAKER_POLICY_CHANGED: _policy_changed,
    }
    """What each type of event makes of a circuit."""
