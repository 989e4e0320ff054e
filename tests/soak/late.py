"""Studies of late mail: each delays what makes some rows of the tables happen that are there for mail out of time.

Mail of one sender to one receiver is in order, and all that comes from outside (runners, timers, users) is one
sender: so a result that is late holds up the timers behind it, and a control message of another actor overtakes them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import playbill
from playbill.model.plan import BUILT_IN
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.options import SimulatedOptions
from playbill.runtime.simulation.study import Study
from tests.soak.handlers import HANDLERS

Said = dict[str, Any]

RETRY: Final[Said] = {"max_attempts": 4, "base": 0.2, "factor": 1.0, "jitter": 0.0}


def late(message: str, probability: float, seconds: float) -> Said:
    return {"fault": "message_delay", "message": message, "probability": probability, "seconds": seconds}


def pauses(probability: float, *at: float, seconds: float = 0.7) -> list[Said]:
    return [{"fault": "pause", "probability": probability, "at": when, "seconds": seconds} for when in at]


def cancels(probability: float, *at: float) -> list[Said]:
    return [{"fault": "cancel", "probability": probability, "at": when, "grace": 0.3} for when in at]


def fan(*nodes: Said, **more: Any) -> Said:
    """Return a pipeline of nodes side by side."""
    of_handlers = {"on_open": "wait", "retry": RETRY}
    named = [
        {"id": f"n{index}", **({} if node["type"] in BUILT_IN else of_handlers), **node}
        for index, node in enumerate(nodes)
    ]
    return {"nodes": named, "timeout": 15.0, "on_failure": "finish", **more}


UNDEAD: Final[Said] = {"type": "soak_undead", "timeout": 0.6, "grace": 0.0}
ATTEMPTS: Final = fan(
    UNDEAD,
    UNDEAD | {"on_crash": "fail"},
    UNDEAD | {"on_crash": "fail", "config": {"seconds": 4.0}},
    max_concurrency=2,
    breakers={"soak_undead": {"failures": 50, "rate": 2.0}},
)
"""Attempts that were given up and go on: they beat and return while their node is anywhere else."""
OF_ATTEMPTS: Final = [
    {"fault": "journal_slow", "probability": 0.3, "seconds": 0.5},
    late("Ask", 0.5, 0.5),
    late("SlotWanted", 0.3, 0.4),
    *pauses(0.4, 0.9, 1.6, 2.8),
    *cancels(0.15, 1.2, 2.0),
]
THREAD: Final[Said] = {"type": "soak_threaded", "timeout": 0.5, "idle_timeout": 0.4, "grace": 0.3}
THREADS: Final = fan(
    THREAD,
    THREAD | {"on_crash": "fail", "total_timeout": 2.5},
    THREAD | {"total_timeout": 0.9, "on_crash": "fail"},
    {"type": "soaks", "timeout": 0.5, "grace": 0.0, "config": {"cleanup": 0.05}},
    {"type": "soaks", "timeout": 0.5, "grace": 0.3, "config": {"cleanup": 0.1}},
    {"type": "soak_varies", "total_timeout": 0.4, "on_crash": "fail"},
    {"type": "delay", "config": {"seconds": 2.0}, "total_timeout": 0.8},
    max_concurrency=5,
    breakers={"soak_threaded": {"failures": 50, "rate": 2.5}, "soak_varies": {"rate": 2.0}},
)
"""Threads that say late that they have begun, results that hold up the timers behind them, and total timeouts."""
OF_THREADS: Final = [
    {"fault": "journal_slow", "probability": 0.15, "seconds": 0.5},
    late("Began", 0.4, 1.5),
    late("Returned", 0.3, 0.9),
    late("Ask", 0.3, 0.6),
    late("TotalOverdue", 0.4, 0.8),
    *pauses(0.4, 0.3, 0.8, 1.5),
    *cancels(0.1, 1.0),
]
DECLARED: Final[Said] = {"type": "soak_declared", "timeout": 0.4, "grace": 0.0}
BREAKERS: Final = fan(
    *[DECLARED] * 4,
    max_concurrency=3,
    breakers={
        "soak_declared": {
            "failures": 1,
            "open_seconds": 0.4,
            "half_open_permits": 2,
            "half_open_max_wait_seconds": 0.3,
            "max_concurrent": 3,
            "rate": 5.0,
        }
    },
)
"""A breaker that is forced while its timers are under way and orphans hold their shares."""
OF_BREAKERS: Final = [
    late("Force", 0.5, 0.5),
    late("OpenOver", 0.2, 0.3),
    late("HalfOpenOver", 0.5, 0.5),
    late("AskAgain", 0.5, 0.5),
    late("Withdraw", 0.5, 0.5),
    {"fault": "actor_fails", "actor": "breaker", "probability": 0.03},
    *(
        {"fault": "breaker", "breaker": "soak_declared", "probability": 0.2, "at": at, "state": state, "seconds": 1.0}
        for at in (0.6, 1.2, 2.0)
        for state in ("forced_open", "disabled", "metrics_only")
    ),
    *pauses(0.4, 0.7, 1.3, seconds=0.3),
]
ENDS: Final = fan(
    *[{"type": "soak_fails", "config": {"share": 0.7, "seconds": 0.2}}] * 3,
    {"type": "soaks", "config": {"seconds": 0.6}},
    max_concurrency=2,
    timeout=1.5,
)
"""Runs that end while the journal is behind: their supervisor is there, and mail for it still comes."""
OF_ENDS: Final = [
    {"fault": "journal_slow", "probability": 0.1, "seconds": 3.0},
    {"fault": "journal_failing", "probability": 0.1, "seconds": 0.6},
    late("Ended", 0.3, 1.5),
    late("Retrying", 0.3, 1.5),
    late("SlotWanted", 0.3, 1.5),
    late("AttemptReady", 0.2, 1.5),
    late("JournalBack", 0.5, 0.4),
    late("DeadlineReached", 0.5, 0.4),
    late("Start", 0.1, 0.4),
    *cancels(0.25, 0.1, 0.7, 1.6),
    *pauses(0.2, 0.5, 1.7),
]
STANDING_IN: Final = {
    "duration": {"uniform": [0.1, 1.5]},
    "outcomes": [{"error": "ConnectionError", "weight": 3}, {"output": {}}, {"hangs": True}],
    "cleanup": {"uniform": [0.0, 0.5]},
}
UNDYING: Final = {
    "duration": {"uniform": [0.1, 2.5]},
    "outcomes": [{"error": "ConnectionError"}, {"output": {}, "weight": 2}],
    "ignores_cancel": True,
    "ignores_kill": True,
}


def mail(definition: Said, faults: list[Said], behaviours: Said | None = None) -> Study:
    """Return a study of short ladders and late mail."""
    plan = fault_plan({"faults": faults, "behaviours": {"types": behaviours or {}}})
    options: SimulatedOptions = {"types": HANDLERS, "grace": 0.2, "kill_bound": 0.05}
    return Study(playbill.PipelineDefinition.model_validate(definition), {}, plan, options=options)


OF_SALVAGE: Final = [
    {"fault": "actor_fails", "actor": "supervisor", "probability": 0.05, "times": 1},
    {"fault": "journal_failing", "probability": 0.2, "seconds": 0.3},
    {"fault": "journal_slow", "probability": 0.2, "seconds": 1.0},
    late("JournalBack", 0.5, 0.3),
    *OF_ENDS,
]
LATE: Final[dict[str, Callable[[], Study]]] = {
    "late-attempts": partial(mail, ATTEMPTS, OF_ATTEMPTS),
    "late-threads": partial(mail, THREADS, OF_THREADS, {"soak_threaded": STANDING_IN}),
    "late-breakers": partial(mail, BREAKERS, OF_BREAKERS, {"soak_declared": UNDYING}),
    "late-ends": partial(mail, ENDS, OF_ENDS),
    "late-salvage": partial(mail, ENDS, OF_SALVAGE),
}
