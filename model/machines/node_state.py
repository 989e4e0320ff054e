"""The states of a node; its rules and its table are in node.py."""

from __future__ import annotations

from enum import StrEnum


class NodeState(StrEnum):
    """Where a node is in its life."""

    WAITING = "waiting"
    DELAYING = "delaying"
    QUEUED = "queued"
    ASKING = "asking"
    PARKED = "parked"
    COMMITTING = "committing"
    RUNNING = "running"
    INTERRUPTING = "interrupting"
    BACKING_OFF = "backing_off"
    HELD = "held"
    STOPPING = "stopping"
    DONE = "done"
