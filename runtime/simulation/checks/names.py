"""The names of the invariants: what holds in every run of every pipeline, and is found out when it does not."""

from __future__ import annotations

from typing import Final

IN_TIME: Final = "ends in time"
"""A run ends within timeout + grace + kill bound, plus what a plan's faults made late."""
FINAL: Final = "terminal is final"
"""Nothing is recorded after the terminal event, of which there is exactly one."""
GAPLESS: Final = "seq gapless"
"""The events of a run are numbered 1, 2, 3..."""
RESOLVED: Final = "inputs resolved"
"""No attempt begins before what it waits for is kept: its predecessors' ends; with on_crash fail its own start."""
LEFT: Final = "nothing left"
"""No actor, timer or task of an ended run is left."""
LETTERS: Final = "dead letters"
"""Mail to an actor that has ended is counted."""
FAULT: Final = "no fault"
"""No machine is told what its table has no row for, and no actor of ours fails."""
BEYOND: Final = "beyond the model"
"""Nobody is told what makes no sense at all."""

ROUTES: Final = "routes"
"""A node is told of each edge into it once, in order, whether it is live, and what it carries."""
BEGINS: Final = "begins"
"""An attempt begins when it may and must, once, with the inputs it has; never while paused or after a stop."""
SLOTS: Final = "slots"
"""At most max_concurrency nodes have a slot, first come first served, and none is left free while somebody waits."""
PAUSES: Final = "pauses"
"""Live nodes are told of pauses and resumes when the run has them, once."""
RETRIES: Final = "retries"
"""What may be retried is, max_attempts times at most, and not before its back-off is over."""
TIMEOUTS: Final = "timeouts"
"""Each timeout ends what it bounds, when it is over and not before."""
LADDER: Final = "ladder"
"""Stops go down the ladder: asked, killed after the grace, given up after the kill bound."""
RECEIPTS: Final = "receipts"
"""A receipt says what was really done, and how long it took."""
VERDICTS: Final = "verdicts"
"""A breaker is asked, and told how each attempt ended, once and truly."""
CIRCUITS: Final = "circuits"
"""A breaker does as a plain one would: states, answers, waiters in order, shares, moments."""
FACTS: Final = "facts"
"""What is recorded is what happened: outputs, failures, live edges, and each of it once."""
STATUS: Final = "status"
"""A run's status follows from its first cause."""
RESULT: Final = "result"
"""Result, orphans and durable state are what the events say."""
OWED: Final = "nothing owed"
"""When nothing is under way, all that must have happened has."""

INVARIANTS: Final = (
    IN_TIME, FINAL, GAPLESS, RESOLVED, LEFT, LETTERS, FAULT, BEYOND,
    ROUTES, BEGINS, SLOTS, PAUSES, RETRIES, TIMEOUTS, LADDER, RECEIPTS, VERDICTS, CIRCUITS, FACTS, STATUS, RESULT,
    OWED,
)  # fmt: skip

KEPT: Final = "kept once"
"""The events of a run on the disk are numbered 1, 2, 3..., in time; the last is its one terminal event."""
TOLD: Final = "told is kept"
"""What a listener, an answer or a result has told is on the disk."""
BEGUN: Final = "begun once"
"""No handler begins before what it waits for is on the disk, after its node's end is, or twice if it must not."""
SAME_KEY: Final = "same key"
"""All attempts of a node have one idempotency key, before and after crashes."""
WAITS: Final = "waits go on"
"""What is left of a wait or a timeout after a crash is not more than all of it; an outage is no part of timeouts."""
SAME_END: Final = "same end"
"""A run ends as it does without a crash: status, nodes and outputs."""
BARRED: Final = "circuits stay"
"""A circuit that let nobody through when a process died lets nobody through until its breaker says so."""
TAKEN_UP: Final = "taken up"
"""A run that has not ended goes on in the next process."""

DURABLE: Final = (KEPT, TOLD, BEGUN, SAME_KEY, WAITS, SAME_END, BARRED, TAKEN_UP)
"""What holds, besides, of runs whose process may die."""
