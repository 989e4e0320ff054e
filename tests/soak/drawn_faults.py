"""What goes wrong in the drawn studies: faults that make no mail and no timer late, and behaviours of stand-ins."""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

Said = dict[str, Any]

CALM: Final[tuple[Said, ...]] = (
    {"fault": "raise", "probability": 0.08},
    {"fault": "raise", "probability": 0.02, "error": "ValueError", "retryable": False},
    {"fault": "hang", "probability": 0.03},
    {"fault": "slow", "probability": 0.05, "seconds": 1.5},
    {"fault": "ignore_cancel", "probability": 0.05},
    {"fault": "ignore_cancel", "probability": 0.03, "kill": True},
    {"fault": "garbage", "probability": 0.01},
    {"fault": "late", "probability": 0.03, "seconds": 8.0},
    {"fault": "lost", "probability": 0.03},
)
"""The faults of attempts: one attempt in four is hit."""
JOURNAL: Final[tuple[Said, ...]] = (
    {"fault": "journal_slow", "probability": 0.06, "seconds": 0.4},
    {"fault": "journal_failing", "probability": 0.03, "seconds": 1.5},
    {"fault": "journal_full", "probability": 0.01, "seconds": 6.0},
)
FAILING: Final[tuple[Said, ...]] = (
    {"fault": "actor_fails", "actor": "supervisor", "probability": 0.002},
    {"fault": "actor_fails", "actor": "node", "probability": 0.004},
    {"fault": "actor_fails", "actor": "breaker", "probability": 0.01},
)
"""Faults of our own: one seed in four sees one."""
FORCED: Final = ("forced_open", "disabled", "metrics_only", "closed")
ENDINGS: Final[tuple[Said, ...]] = (
    {"output": {"ok": True, "n": 2}, "weight": 3},
    {"output": {"ok": False, "n": 0, "attempt": 2}},
    {"output": {}},
    {"error": "ConnectionError", "weight": 2},
    {"error": "ValueError", "retryable": False, "weight": 0.5, "data": {"code": 3}},
    {"error": "OSError", "message": "the disk"},
    {"hangs": True, "weight": 0.5},
)


def calm_faults(random: Random) -> Iterator[Said]:
    """Draw faults of attempts, some of certain attempts or times only, and in half of the studies the journal's."""
    for fault in CALM:
        if random.random() < 0.75:
            yield {**fault, **random.choice(({}, {}, {}, {"times": 1}, {"attempts": [1]}, {"until": 6.0}))}
    if random.random() < 0.5:
        yield from JOURNAL


def timed_faults(random: Random, span: float, breakers: list[str]) -> Iterator[Said]:
    """Draw cancels, pauses, jumps of the clock and forced breakers, at times in which the run is likely to be on."""

    def when() -> float:
        return round(random.uniform(0.0, span), 2)

    first, share = when(), random.choice((0.0, 0.1, 0.1, 0.1, 0.6))
    if share:
        yield {"fault": "cancel", "probability": share, "at": first, "grace": random.choice((0.0, 1.0, 4.0))}
        yield {"fault": "cancel", "probability": share, "at": first + random.choice((0.0, 0.5, 2.0)), "grace": 0.2}
        yield {"fault": "cancel", "probability": 0.05, "at": when()}
    for _ in range(random.randrange(4)):
        yield {"fault": "pause", "probability": 0.25, "at": when(), "seconds": random.choice((0.3, 2.0, 6.0))}
    if random.random() < 0.3:
        yield {"fault": "clock_skew", "probability": 0.3, "at": when(), "seconds": random.choice((-3600.0, 60.0))}
    for key in breakers:
        for state in FORCED:
            if random.random() < 0.35:
                seconds = random.choice((0.5, 2.0, 5.0))
                forced = {"at": when(), "state": state, "seconds": seconds}
                yield {"fault": "breaker", "breaker": key, "probability": 0.2, **forced}


def behaviour(random: Random) -> Said:
    """Draw how a stand-in behaves."""
    said: Said = {"duration": duration(random)}
    if random.random() < 0.2:
        said["output"] = {"ok": True, "n": 1}
    else:
        said["outcomes"] = random.sample(ENDINGS, random.randint(1, 4))
    if random.random() < 0.5:
        said["cleanup"] = duration(random)
    for name, share in (("cooperative", 0.3), ("ignores_cancel", 0.2), ("ignores_kill", 0.15)):
        if random.random() < share:
            said[name] = True
    return said


def duration(random: Random) -> Any:
    """Draw a distribution of seconds."""
    return random.choice(
        (
            0.0,
            0.8,
            {"uniform": [0.1, 2.5]},
            {"exponential": 0.9},
            {"lognormal": {"median": 0.7, "sigma": 0.8}},
            {"recorded": [0.1, 0.5, 3.0]},
        )
    )
