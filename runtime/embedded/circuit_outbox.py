"""What the breaker machine asks for when there are no actors: boxes, timers and events of one CircuitBreaker."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from playbill.model.effects import NullOutbox

if TYPE_CHECKING:
    from playbill.model.effects import TimerName
    from playbill.model.events import Event

__all__ = ["CircuitOutbox"]


class CircuitOutbox(NullOutbox):
    """Answers go into the askers' boxes, timers are looked at, events are kept until the listener hears of them."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        """That the listener has not heard of."""
        self.telling = threading.Lock()
        """Held by who tells the listener; who comes meanwhile leaves its events to them."""
        self._timers: dict[TimerName, tuple[float, Any]] = {}
        self.at = 0.0

    def next_due(self, at: float) -> tuple[float, Any] | None:
        """Remove and return the earliest timer that is due at `at`."""
        self.at = at
        due = [(when, name) for name, (when, _) in self._timers.items() if when <= at]
        if not due:
            return None
        when, name = min(due)
        self.at = when
        return self._timers.pop(name)

    def tell(self, to: Any, message: Any, /) -> None:
        """Put an answer into the asker's box."""
        to.append(message)

    def record(self, event: Event) -> None:
        """Keep a change of state for the listener."""
        self.events.append(event)

    def set_timer(self, name: TimerName, delay: float, message: Any) -> None:
        """Remember when `message` is due."""
        self._timers[name] = (self.at + delay, message)

    def drop_timer(self, name: TimerName) -> None:
        """Forget it."""
        self._timers.pop(name, None)

    def dead_letter(self, message: Any) -> None:
        """Need no count: who settles is told by the report."""
