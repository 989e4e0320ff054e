"""Mutants that change nothing anybody could see, each with the reason: they are left out of the scores.

Only what was proven by reading stands here. One that a run finds after all, or that is no longer made, is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.mutants.mutant import Key


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One mutant that is as good as the original."""

    module: str
    scope: str
    """The classes and functions around it."""
    before: str
    after: str
    reason: str
    times: int = 1
    """The how manieth of these in its scope."""

    @property
    def key(self) -> Key:
        """What its mutant is found by."""
        return (self.module, self.scope, self.before, self.after, self.times)


ROUTING, BASE = "model/machines/supervisor_routing.py", "model/machines/supervisor_base.py"
FOLLOW, CHOSEN = "SupervisorRouting._follow", "chosen = live if len(live) < MANY else frozenset(live)"
SPEED = "a tuple or a set, the same indexes are in it: from how many on it is a set matters to the time alone"
UNUSED = "nobody looks at what is popped"
DEADLINE = "start sets deadline_at and pause sets deadline_left before anything reads them"
STOPPED = "both are read only while stopping, which _stop begins by setting them"

EQUIVALENT: Final = (
    Equivalent(ROUTING, "MANY", "MANY: Final = 8", "MANY: Final = 9", SPEED),
    Equivalent(ROUTING, "MANY", "MANY: Final = 8", "MANY: Final = 0", SPEED),
    Equivalent(ROUTING, FOLLOW, CHOSEN, "chosen = live if len(live) >= MANY else frozenset(live)", SPEED),
    Equivalent(ROUTING, FOLLOW, CHOSEN, "chosen = live if len(live) <= MANY else frozenset(live)", SPEED),
    Equivalent(ROUTING, FOLLOW, CHOSEN, "chosen = live if True else frozenset(live)", SPEED),
    Equivalent(ROUTING, FOLLOW, CHOSEN, "chosen = live if False else frozenset(live)", SPEED),
    Equivalent(
        ROUTING, "SupervisorRouting._note_end", "self.live.pop(node.id, None)", "self.live.pop(node.id, 0)", UNUSED
    ),
    Equivalent(
        "model/machines/supervisor_slots.py",
        "SupervisorSlots._take_slot",
        "self.slot_queue.pop(node, None)",
        "self.slot_queue.pop(node, 0)",
        UNUSED,
    ),
    Equivalent(
        "model/machines/salvage.py",
        "SalvageMachine._let_go",
        "self.live.pop(message.node, None)",
        "self.live.pop(message.node, 0)",
        UNUSED,
    ),
    *(
        Equivalent(BASE, "SupervisorBase.__init__", before, after, reason)
        for before, value, reason in (
            ("self.deadline_at = 0.0", "self.deadline_at = 1.0", DEADLINE),
            ("self.deadline_left: float | None = None", "self.deadline_left: float | None = 0", DEADLINE),
            ("self.grace_ends = self.stop_asked = 0.0", "self.grace_ends = self.stop_asked = 1.0", STOPPED),
        )
        for after in (value, "pass")
    ),
    Equivalent(
        "model/machines/supervisor_pausing.py",
        "SupervisorPausing.resume",
        "self.deadline_at, self.deadline_left = (now.monotonic + left, None)",
        "self.deadline_at, self.deadline_left = (now.monotonic + left, 0)",
        DEADLINE,
    ),
    Equivalent(
        "model/diagnostics.py",
        "_model_in",
        "next((found for part in get_args(annotation) if (found := _model_in(part))), None)",
        "next((found for part in get_args(annotation) if (found := _model_in(part))), 0)",
        "both callers only ask whether it is true",
    ),
    Equivalent(
        "model/diagnostics.py",
        "_fields_at",
        "model = (_model_in(field.annotation) if field else None) or model",
        "model = (_model_in(field.annotation) if field else 0) or model",
        "of anything that is false the model is taken instead",
    ),
    Equivalent(
        "model/machines/node_stopping.py",
        "NodeStopping.total_overdue",
        "if self.ladder is not None:",
        "if True:",
        "_time_out has just set the ladder; the condition is for type checkers",
    ),
    Equivalent(
        "model/machines/node_stopping.py",
        "NodeStopping._end_stopped",
        "(None if self.ladder is None else self.ladder.failure) or raised or self.failure",
        "(None if False else self.ladder.failure) or raised or self.failure",
        "both callers have seen a ladder; the condition is for type checkers",
    ),
    Equivalent(
        "model/policies.py",
        "RetryPolicy.should_retry",
        "if not self.never and (not self.on):",
        "if False:",
        "a short way for most policies: without never and on the lines after it say the same",
    ),
)
