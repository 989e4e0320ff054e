"""Which circuits let nobody through when a process died: none may until its breaker says so in the next one.

It knows nothing of breakers but their events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.events import BREAKERS, EventType

if TYPE_CHECKING:
    from playbill.model.events import Event
    from playbill.model.plan import NodePlan

__all__ = ["BarredCircuits"]

T: Final = EventType
SAME: Final = frozenset({T.BREAKER_RECOVERED, T.BREAKER_POLICY_CHANGED})
"""What changes nothing of who is let through."""


class CircuitName(NamedTuple):
    """Which circuit."""

    stream: str
    target: str


class BarredCircuits:
    """Circuits by what is kept of them."""

    def __init__(self) -> None:
        self._kept: dict[CircuitName, bool] = {}
        """Whether it lets nobody through, by what is kept."""
        self._barred: dict[CircuitName, bool] = {}

    def kept(self, event: Event) -> None:
        """Look at an event as it is kept."""
        if event.type not in SAME:
            self._kept = _without(self._kept, event)
            is_forced = event.type is T.BREAKER_FORCED and event.data["state"] == "forced_open"
            is_open = event.type in {T.BREAKER_OPENED, T.BREAKER_HALF_OPENED}
            was_forced = event.type is T.BREAKER_RESET and event.data.get("state") == "forced_open"
            self._kept[_circuit_of(event)] = is_open or is_forced or was_forced

    def taken(self, event: Event) -> None:
        """Look at an event as it is recorded."""
        if event.type not in SAME:
            self._barred = _without(self._barred, event)

    def crashed(self) -> None:
        """Look at the death of a process."""
        self._barred = {name: True for name, is_barred in self._kept.items() if is_barred}

    def barring(self, plan: NodePlan) -> str | None:
        """Return the circuit that keeps an attempt from beginning; None: none does, as far as the plan tells."""
        if plan.breaker is None or plan.target_at is not None:
            return None
        name = CircuitName(f"{BREAKERS}{plan.breaker}", plan.target)
        return "/".join(filter(None, [plan.breaker, plan.target])) if name in self._barred else None


def _without(known: dict[CircuitName, bool], event: Event) -> dict[CircuitName, bool]:
    """Return what is known besides: of other circuits, or of other breakers, should all be set by hand."""
    name, of_all = _circuit_of(event), event.type is T.BREAKER_FORCED and "target" not in event.data
    return {
        each: is_barred
        for each, is_barred in known.items()
        if each != name and not (of_all and each.stream == name.stream)
    }


def _circuit_of(event: Event) -> CircuitName:
    return CircuitName(event.stream, event.data.get("target", ""))
