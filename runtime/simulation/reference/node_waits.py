"""A plain model of one node, its waits: for the run's slots and for permits, and what it must say of long ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.events import EventType
from playbill.runtime.simulation.checks.names import FACTS
from playbill.runtime.simulation.reference.attempt import EPSILON
from playbill.runtime.simulation.reference.node_ground import LONG_SECONDS, NodeGround

if TYPE_CHECKING:
    from playbill.model.facts import Now
    from playbill.model.messages import WaitedLong

WAITING: Final = EventType.PIPELINE_NODE_WAITING


class WaitsOfNode(NodeGround):
    """How a node waits."""

    _waits: int = 0
    """So many waits for slots and at breakers there were."""
    _circuit: str | None = None
    """Whose permit it waits for; None: for a slot."""
    _waited: dict[str, int] | None = None
    """What its next attempt has waited for, in whole milliseconds."""

    def begin_wait(self, circuit: str | None, now: Now) -> None:
        """Wait for a permit of `circuit`, or for a slot."""
        self._circuit, self._waits_since, self._is_long = circuit, now, False
        if circuit is None:
            self._waits += 1

    def park(self) -> None:
        """Wait at the breaker."""
        self._waits += 1

    def end_wait(self, name: str, now: Now) -> None:
        """Wait no more, and note for how long it did."""
        since, self._waits_since = self._waits_since, None
        waited = 0 if since is None else int((now.monotonic - since.monotonic) * 1000)
        if waited:
            self._waited = self._waited or {}
            self._waited[name] = self._waited.get(name, 0) + waited

    def take_waits(self) -> dict[str, int]:
        """Return what the event of an attempt's start must say of its waits."""
        waited, self._waited = self._waited, None
        return waited or {}

    def waited_long(self, message: WaitedLong, now: Now) -> None:
        """Have it said, once a wait and not before its time."""
        since = self._waits_since
        if since is None or self.at == "asking" or message.wait != self._waits:
            self.too_late()
            return
        if now.monotonic < since.monotonic + LONG_SECONDS - EPSILON:
            self.wrong(FACTS, f"says that it waits at {now.monotonic:g} s, since {since.monotonic:g} s")
        data = {"for": "slot" if self._circuit is None else "permit", "key": self._circuit, "since": since.utc}
        self.facts.append((WAITING, self.attempts + 1, data))
        self._is_long = True
