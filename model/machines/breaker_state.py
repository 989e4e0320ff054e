"""The states of a circuit breaker, and what it answers; its rules and its table are in breaker.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class CircuitState(StrEnum):
    """Where a breaker stands."""

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
"""What a breaker may be set to by hand; closed lets it run by itself again."""


class Report(StrEnum):
    """What became of a settled permit."""

    COUNTED = "counted"
    STALE = "stale"
    DUPLICATE = "duplicate"
