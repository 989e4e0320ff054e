"""What of the machines' tables one run can reach, and why it cannot reach the rest.

Mail of one sender to one receiver is in order within its lane, and all from outside (timers, runners, users) is one
sender; in a live manager each lane of a mailbox is in order altogether. Rows for mail out of this order are the
machines' own caution.
"""

from typing import Final

from playbill.runtime.simulation.coverage import Pair, all_pairs

LADDER: Final = ("GraceOver", "KillOverdue")
TIMERS: Final = ("AttemptOverdue", "IdleOverdue", *LADDER)
ANSWERS: Final = ("Granted", "Parked", "Refused", "AskAgain")


def _node(states: tuple[str, ...], messages: tuple[str, ...]) -> frozenset[Pair]:
    return frozenset(("NodeMachine", state, message) for state in states for message in messages)


BEYOND: Final[dict[str, frozenset[Pair]]] = {
    "an attempt's timers come before the end of the back-off that follows it": _node(
        ("queued", "asking", "parked", "committing", "held"), TIMERS
    )
    | _node(("running",), LADDER),
    "a breaker's answers to an earlier ask come before the grant of the last": _node(
        ("committing", "running", "interrupting", "stopping", "backing_off", "queued"), ANSWERS
    )
    | _node(("parked",), ("Parked",)),
    "the timer of an earlier opening comes before that of the last": frozenset(
        {("CircuitMachine", "half_open", "OpenOver")}
    ),
    "JournalFailed comes before it, and pauses": frozenset({("SupervisorMachine", "running", "JournalBack")}),
    "Start comes before it, of the same sender": frozenset({("SupervisorMachine", "new", "Cancel")}),
}
"""The pairs that no run reaches, by the reason."""


def beyond_reach() -> frozenset[Pair]:
    """Return the pairs that no run can reach."""
    return frozenset(pair for pairs in BEYOND.values() for pair in pairs)


def reachable() -> frozenset[Pair]:
    """Return the pairs that a run can reach."""
    return frozenset(all_pairs()) - beyond_reach()
