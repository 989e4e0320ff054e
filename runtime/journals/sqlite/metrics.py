"""What a journal counts, and what its reader does at the moment: for who looks after it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["JournalMetrics", "ReadInProgress"]


@dataclass(slots=True)
class JournalMetrics:
    """What a journal counts; written by its thread, read by anybody."""

    groups: int = 0
    events: int = 0
    failures: int = 0
    """Tries to keep a group that went wrong."""
    checkpoints: int = 0
    forced_checkpoints: int = 0
    """Those of them between two groups, since the WAL was too long."""
    hindered_checkpoints: int = 0
    """Those that a reader kept from copying all."""
    wal_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ReadInProgress:
    """What a reader does at the moment."""

    what: str
    since: float
    """Monotonic seconds."""
