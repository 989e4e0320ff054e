"""The states of a circuit, what it answers, and what all circuits of a breaker share; the rules are in circuit.py."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from playbill.model.events import BREAKERS, NO_DATA, Event, EventType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.effects import Outbox
    from playbill.model.facts import Now


class CircuitState(StrEnum):
    """Where a circuit stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


FORCED: Final = (
    CircuitState.CLOSED,
    CircuitState.FORCED_OPEN,
    CircuitState.DISABLED,
    CircuitState.METRICS_ONLY,
)
"""What a circuit may be set to by hand; closed lets it run by itself again."""
BARRED: Final = frozenset({CircuitState.OPEN, CircuitState.FORCED_OPEN})
"""Where nobody gets a permit."""


class Report(StrEnum):
    """What became of a settled permit."""

    COUNTED = "counted"
    STALE = "stale"
    DUPLICATE = "duplicate"


class Ledger:
    """What all circuits of a breaker write in: the stream of its events, and the counter of their epochs."""

    __slots__ = ("epoch", "key", "seq")

    def __init__(self, key: str) -> None:
        self.key = key
        self.seq: int = 0
        self.epoch: int = 0

    def next_epoch(self) -> int:
        """Return an epoch that no circuit of this breaker has had."""
        self.epoch += 1
        return self.epoch

    def record(self, kind: EventType, target: str, now: Now, out: Outbox, data: Mapping[str, Any] = NO_DATA) -> None:
        """Have an event of the circuit of `target` kept; the type's own is the one without."""
        self.seq += 1
        if target:
            data = {**data, "target": target}
        out.record(Event(kind, f"{BREAKERS}{self.key}", self.seq, now.utc, None, None, data))
