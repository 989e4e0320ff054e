"""The index of runs: one row a run, and how an event changes it; pure, for every journal.

1. The row is made when its run begins, in the same commit as the run's first event.
2. What an event changes is `change_of(event)`, and nothing else of the event is looked at; kept in its commit.
3. The rest (attributes, when a passive run wakes, why it is set aside) others say, by `change`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import field
from msgspec.structs import replace

from playbill.model.attributes import Scalar, check_attributes
from playbill.model.events import NO_DATA, TERMINAL, EventType
from playbill.model.facts import RunStatus, Value
from playbill.model.machines.conclusion import RUN_END_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.model.events import Event

__all__ = [
    "ALIVE",
    "ENDED",
    "Change",
    "RunRow",
    "Scalar",
    "change_of",
    "changed",
    "check_change",
    "check_row",
    "row_of",
]

Change: TypeAlias = "dict[str, Any]"
"""Fields of a RunRow, and what they become."""

ALIVE: Final = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED)
"""The statuses of runs that have not ended."""
ENDED: Final = tuple(status for status in RunStatus if status not in ALIVE)
"""The statuses of runs that have."""
ENDS: Final[Mapping[EventType, RunStatus]] = {kind: status for status, kind in RUN_END_EVENTS.items()}
CHANGEABLE: Final = frozenset({"wake_at", "suspended_reason", "suspended_at", "attributes"})
"""What others than events may change."""


class RunRow(Value, kw_only=True):
    """What is known of a run without reading its events."""

    run_id: str
    pipeline: str
    created_at: datetime
    version: str = ""
    definition: str | None = None
    """The hash of its definition, see stored_form.py; None: none was kept."""
    status: RunStatus = RunStatus.PENDING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    wake_at: datetime | None = None
    """When a run that waits out of memory wants to go on."""
    last_seq: int = 0
    """Of the last event that is kept."""
    parent: str | None = None
    """The run whose node started it."""
    root: str | None = None
    """The run at the top of its tree; None: itself. A journal finds it by the parent."""
    origin: str | None = None
    """The run of which it is another try."""
    suspended_reason: str | None = None
    """Why it was set aside; None: it was not."""
    suspended_at: datetime | None = None
    attributes: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    """What people find it by."""


def row_of(event: Event) -> RunRow:
    """Return the row of a run of which nobody said more than its first event does."""
    data = event.data if event.type is EventType.PIPELINE_RUN_STARTED else NO_DATA
    pipeline, version, origin = str(data.get("pipeline", "")), str(data.get("version", "")), data.get("origin")
    of = None if origin is None else origin.run
    return RunRow(run_id=event.stream, pipeline=pipeline, version=version, created_at=event.at, origin=of)


def change_of(event: Event) -> Change | None:
    """Return what an event changes of its run's row, besides its last seq; None: nothing."""
    return None if event.node_id is not None else _change_of_run(event)


def _change_of_run(event: Event) -> Change | None:
    kind = event.type
    if kind is EventType.PIPELINE_RUN_STARTED:
        return {"status": RunStatus.RUNNING, "started_at": event.at}
    if kind is EventType.PIPELINE_RUN_PAUSED:
        return {"status": RunStatus.PAUSED}
    if kind is EventType.PIPELINE_RUN_RESUMED:
        return {"status": RunStatus.RUNNING}
    if kind is EventType.PIPELINE_RUN_RECOVERED:
        return {"suspended_reason": None, "suspended_at": None, "wake_at": None}
    if kind in TERMINAL:
        return {"status": ENDS[kind], "ended_at": event.at, "wake_at": None}
    return None


def changed(row: RunRow, events: Iterable[Event]) -> RunRow:
    """Return a row after these events."""
    for event in events:
        row = replace(row, **(change_of(event) or {}), last_seq=event.seq)
    return row


def check_row(row: RunRow) -> None:
    """Refuse a row that no journal takes: nothing of any run would be kept behind it.

    Raises:
        ValueError: a text is not one that UTF-8 can say, a moment has no time zone, or an attribute is no scalar.
    """
    for text in (row.run_id, row.origin, row.parent, row.definition):
        (text or "").encode()
    for at in (row.created_at, row.started_at, row.ended_at, row.wake_at):
        if at is not None and at.tzinfo is None:
            raise ValueError(f"run '{row.run_id}': a moment has its time zone, not {at}")
    check_change({"attributes": row.attributes})


def check_change(change: Mapping[str, Any]) -> None:
    """Refuse to change what only events do.

    Raises:
        ValueError: names the fields, or the attribute that is none.
    """
    if wrong := sorted(change.keys() - CHANGEABLE):
        raise ValueError(
            f"{', '.join(wrong)}: only events change these; others may change {', '.join(sorted(CHANGEABLE))}"
        )
    check_attributes(change.get("attributes") or {})


def check_ended(statuses: Iterable[str]) -> list[RunStatus]:
    """Return statuses of runs that have ended.

    Raises:
        ValueError: one is none of them.
    """
    given = list(statuses)
    for status in given:
        if status not in ENDED:
            raise ValueError(f"status {status!r:.60} is not that of a run that has ended: {', '.join(ENDED)}")
    return [RunStatus(status) for status in given]
