"""The supervisor machine's rules, states and table; its actions are in supervisor.py.

Rules:

1. Roots begin at Start; every other node gets an actor when its first edge is resolved: live actors are the frontier.
2. A node's end is recorded first; then each outgoing edge tells its target Input or Skip.
3. The first recorded cause (failure, cancel, deadline) decides the run's status; later ones change nothing.
4. A failure that no live edge handles stops the run (on_failure stop) or lets the other branches end (finish).
5. Stopping begins nothing more and tells every live node Stop at once; a backstop timer bounds it.
6. Paused, or while the journal fails, ends are recorded and routing is held.
7. The last live node's end ends the run: one terminal event, one result, final.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from playbill.model.machines.machine import LATE, Table, row
from playbill.model.messages import (
    AttemptReady,
    Cancel,
    DeadlineReached,
    Ended,
    JournalBack,
    JournalFailed,
    Pause,
    Resume,
    Retrying,
    SlotWanted,
    Start,
    StopOverdue,
)


class SupervisorState(StrEnum):
    """Where a run's supervisor is."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    ENDED = "ended"


S: Final = SupervisorState

TRANSITIONS: Final[Table] = {
    S.NEW: {
        Start: row("start", S.RUNNING),
        Cancel: row("cancel_new", S.ENDED),
    },
    S.RUNNING: {
        SlotWanted: row("slot_wanted"),
        AttemptReady: row("attempt_ready"),
        Retrying: row("retrying"),
        Ended: row("ended", S.RUNNING, S.STOPPING, S.ENDED),
        Cancel: row("cancel", S.STOPPING),
        DeadlineReached: row("deadline_reached", S.STOPPING),
        Pause: row("pause", S.PAUSED),
        Resume: LATE,
        JournalFailed: row("journal_failed", S.PAUSED),
        JournalBack: LATE,
    },
    S.PAUSED: {
        SlotWanted: row("slot_wanted"),
        AttemptReady: row("attempt_ready"),
        Retrying: row("retrying"),
        Ended: row("ended_paused", S.PAUSED, S.STOPPING, S.ENDED),
        Cancel: row("cancel", S.STOPPING, S.ENDED),
        DeadlineReached: row("deadline_reached", S.STOPPING, S.ENDED, S.PAUSED),
        Pause: row("pause", S.PAUSED),
        Resume: row("resume", S.RUNNING, S.PAUSED, S.ENDED),
        JournalFailed: row("journal_failed", S.PAUSED),
        JournalBack: row("journal_back", S.RUNNING, S.PAUSED, S.ENDED),
    },
    S.STOPPING: {
        SlotWanted: LATE,
        AttemptReady: row("attempt_ready_stopping"),
        Retrying: row("retrying"),
        Ended: row("ended_stopping", S.STOPPING, S.ENDED),
        Cancel: row("cancel_sooner", S.STOPPING),
        StopOverdue: row("stop_overdue", S.ENDED),
        DeadlineReached: LATE,
        Pause: LATE,
        Resume: LATE,
        JournalFailed: LATE,
        JournalBack: LATE,
    },
    S.ENDED: dict.fromkeys(
        (
            SlotWanted,
            AttemptReady,
            Retrying,
            Ended,
            Cancel,
            DeadlineReached,
            StopOverdue,
            Pause,
            Resume,
            JournalFailed,
            JournalBack,
        ),
        LATE,
    ),
}
