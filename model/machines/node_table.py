"""The node machine's rules, states and table; its actions are in node.py.

Told by: its supervisor, its breaker, the runner of its attempts, its timers. Tells: supervisor and breaker.

Rules:

1. It waits until every incoming edge is resolved (join all), or for the first live one (join any); all dead: skipped.
2. Trigger, parallel, condition and delay are done here; all others run a handler, after a run slot (if the run has
   them) and a breaker's permit. One permit, settled exactly once, for one attempt.
3. A failure that may be retried goes to the back-off and queues again; slot and permit are given back meanwhile.
4. A timeout sends the attempt down the ladder before the retry begins; so does a stop, without a retry.
5. While paused nothing new begins: every way to a permit passes `_enqueue`, which holds.
6. It tells its supervisor Ended exactly once, and is done.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from playbill.model.machines.machine import LATE, Rows, Table, row
from playbill.model.messages import (
    AskAgain,
    AttemptOverdue,
    Began,
    Due,
    GraceOver,
    Granted,
    Heartbeat,
    IdleOverdue,
    Input,
    KillOverdue,
    Parked,
    Pause,
    Proceed,
    Refused,
    Resume,
    Returned,
    Skip,
    SlotGranted,
    Stop,
    TotalOverdue,
)


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


S: Final = NodeState
BEGUN: Final = (S.HELD, S.QUEUED, S.ASKING, S.COMMITTING, S.RUNNING)
"""Where `_enqueue` leads: the furthest step that needs nobody's answer."""
RETRIED: Final = (S.BACKING_OFF, S.DONE)
STALE: Final[Rows] = {
    Returned: LATE,
    Heartbeat: LATE,
    Began: LATE,
    AttemptOverdue: LATE,
    IdleOverdue: LATE,
    GraceOver: LATE,
    KillOverdue: LATE,
    Granted: LATE,
    Parked: LATE,
    Refused: LATE,
    AskAgain: LATE,
}
"""Mail about an attempt or an ask that the node has left behind."""
PAUSING: Final[Rows] = {Pause: row("pause"), Resume: row("resume")}

TRANSITIONS: Final[Table] = {
    S.WAITING: {
        Input: row("join", S.WAITING, S.DELAYING, *BEGUN, S.DONE),
        Skip: row("skip", S.WAITING, S.DELAYING, *BEGUN, S.DONE),
        Stop: row("stop_idle", S.DONE),
        **PAUSING,
    },
    S.DELAYING: {
        Due: row("delay_over", S.HELD, S.DONE),
        TotalOverdue: row("total_overdue_idle", S.DONE, S.DELAYING),
        Stop: row("stop_idle", S.DONE),
        **PAUSING,
    },
    S.QUEUED: {
        **STALE,
        SlotGranted: row("slot_granted", S.HELD, S.ASKING, S.COMMITTING, S.RUNNING),
        TotalOverdue: row("total_overdue_idle", S.DONE, S.QUEUED),
        Stop: row("stop_idle", S.DONE),
        **PAUSING,
    },
    S.ASKING: {
        **STALE,
        Granted: row("granted", S.COMMITTING, S.RUNNING, S.ASKING),
        Parked: row("parked", S.PARKED, S.ASKING),
        Refused: row("refused", S.DONE, S.ASKING),
        AskAgain: row("ask_again", S.ASKING),
        TotalOverdue: row("total_overdue_idle", S.DONE),
        Stop: row("stop_idle", S.DONE),
        Pause: row("hold", S.HELD),
    },
    S.PARKED: {
        **STALE,
        Granted: row("granted", S.COMMITTING, S.RUNNING, S.PARKED),
        Refused: row("refused", S.DONE, S.PARKED),
        AskAgain: row("ask_again", S.ASKING, S.PARKED),
        TotalOverdue: row("total_overdue_idle", S.DONE),
        Stop: row("stop_idle", S.DONE),
        Pause: row("hold", S.HELD),
    },
    S.COMMITTING: {
        **STALE,
        Proceed: row("proceed", S.RUNNING),
        TotalOverdue: row("total_overdue_idle", S.DONE, S.COMMITTING),
        Stop: row("stop_idle", S.DONE),
        **PAUSING,
    },
    S.RUNNING: {
        **STALE,
        Began: row("began"),
        Heartbeat: row("heartbeat"),
        Returned: row("returned", *RETRIED, S.RUNNING),
        AttemptOverdue: row("attempt_overdue", S.INTERRUPTING, S.RUNNING),
        IdleOverdue: row("idle_overdue", S.INTERRUPTING, S.RUNNING),
        TotalOverdue: row("total_overdue", S.INTERRUPTING, S.RUNNING),
        Stop: row("stop_running", S.STOPPING),
        **PAUSING,
    },
    S.INTERRUPTING: {
        **STALE,
        Returned: row("interrupted", *RETRIED, S.INTERRUPTING),
        GraceOver: row("grace_over", S.INTERRUPTING),
        KillOverdue: row("give_up", *RETRIED, S.INTERRUPTING),
        TotalOverdue: row("total_overdue_interrupting", S.INTERRUPTING),
        Stop: row("stop_sooner", S.STOPPING),
        **PAUSING,
    },
    S.BACKING_OFF: {
        **STALE,
        Due: row("back_off_over", *BEGUN),
        TotalOverdue: row("total_overdue_idle", S.DONE, S.BACKING_OFF),
        Stop: row("stop_idle", S.DONE),
        **PAUSING,
    },
    S.HELD: {
        **STALE,
        TotalOverdue: LATE,
        Stop: row("stop_idle", S.DONE),
        Resume: row("resume_held", S.DONE, S.QUEUED, S.ASKING, S.COMMITTING, S.RUNNING),
    },
    S.STOPPING: {
        **STALE,
        TotalOverdue: LATE,
        Returned: row("stopped", S.DONE, S.STOPPING),
        GraceOver: row("grace_over", S.STOPPING),
        KillOverdue: row("give_up_stopping", S.DONE, S.STOPPING),
        Stop: row("stop_sooner", S.STOPPING),
    },
    S.DONE: {},
}
