"""Events: the facts a journal keeps and listeners see."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from playbill.model.facts import value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class EventType(StrEnum):
    """The types of events, named noun.past."""

    PIPELINE_RUN_STARTED = "pipeline_run.started"
    PIPELINE_RUN_COMPLETED = "pipeline_run.completed"
    PIPELINE_RUN_FAILED = "pipeline_run.failed"
    PIPELINE_RUN_CANCELLED = "pipeline_run.cancelled"
    PIPELINE_RUN_TIMEOUT = "pipeline_run.timeout"
    PIPELINE_RUN_CANCEL_REQUESTED = "pipeline_run.cancel_requested"
    PIPELINE_RUN_PAUSED = "pipeline_run.paused"
    PIPELINE_RUN_RESUMED = "pipeline_run.resumed"
    PIPELINE_RUN_RECOVERED = "pipeline_run.recovered"
    PIPELINE_NODE_STARTED = "pipeline_node.started"
    PIPELINE_NODE_COMPLETED = "pipeline_node.completed"
    PIPELINE_NODE_FAILED = "pipeline_node.failed"
    PIPELINE_NODE_SKIPPED = "pipeline_node.skipped"
    PIPELINE_NODE_RETRYING = "pipeline_node.retrying"
    PIPELINE_NODE_CANCELLED = "pipeline_node.cancelled"
    BREAKER_OPENED = "breaker.opened"
    BREAKER_HALF_OPENED = "breaker.half_opened"
    BREAKER_CLOSED = "breaker.closed"
    BREAKER_FORCED = "breaker.forced"
    BREAKER_RESET = "breaker.reset"
    LOOP_BLOCKED = "loop.blocked"


NO_DATA: Mapping[str, Any] = MappingProxyType({})
"""The data of events whose type says it all."""

TERMINAL: frozenset[EventType] = frozenset(
    {
        EventType.PIPELINE_RUN_COMPLETED,
        EventType.PIPELINE_RUN_FAILED,
        EventType.PIPELINE_RUN_CANCELLED,
        EventType.PIPELINE_RUN_TIMEOUT,
    }
)
"""The events that end a run: exactly one in its stream, the last."""


@value
class Event:
    """A fact: the `seq`-th of `stream` (a run id, or `breaker:<key>`), at `at` (UTC)."""

    type: EventType
    stream: str
    seq: int
    """Counts from 1, gapless per stream."""
    at: datetime
    node_id: str | None
    attempt: int | None
    data: Mapping[str, Any]
    """What the type says of it; with the live objects (Failure, Receipt) while in memory."""
