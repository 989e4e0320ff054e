"""The states of a run's supervisor; its rules and its table are in supervisor.py."""

from __future__ import annotations

from enum import StrEnum


class SupervisorState(StrEnum):
    """Where a run's supervisor is."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    ENDED = "ended"
