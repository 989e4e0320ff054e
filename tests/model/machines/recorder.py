"""An outbox that writes down what a machine asks for, and the few values that tests of machines need."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from playbill.model.definition import definition_from
from playbill.model.errors import AttemptTimedOut
from playbill.model.facts import Failure, Now, Permit
from playbill.model.failures import failure_of
from playbill.model.messages import Ask
from playbill.model.plan import Plan, RunFacts
from playbill.model.planning import build_plan

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
FLAKY = Failure("NodeExecutionError", "again", retryable=True, kinds=("NodeExecutionError",))
TIMED_OUT = failure_of(AttemptTimedOut("timeout", 5.0))
FATAL = Failure("NodeConfigError", "never", retryable=False, kinds=("NodeConfigError",))


def at(seconds: float) -> Now:
    """Both clocks, `seconds` after the test began."""
    return Now(seconds, EPOCH + timedelta(seconds=seconds))


class Recorder:
    """Performs nothing; `calls` are the effects in order, as (name, *arguments)."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.gives = False
        """Whether a breaker gives permits at once."""

    def permit(self, breaker: Any, ask: Ask) -> Permit | None:
        self.calls.append(("permit", breaker, ask))
        return Permit("agent", 0, ask.ask_id, ask.target) if self.gives else None

    def __getattr__(self, effect: str) -> Any:
        return lambda *arguments: self.calls.append((effect, *arguments))

    def take(self) -> list[tuple[Any, ...]]:
        """Return what was asked for since the last time."""
        calls, self.calls = self.calls, []
        return calls

    def names(self) -> list[str]:
        """The same, only the effects' names; of tell the message's class."""
        return [type(call[2]).__name__ if call[0] == "tell" else call[0] for call in self.take()]


def plan_of(*nodes: dict[str, Any], unguarded: tuple[str, ...] = (), **more: Any) -> Plan:
    """Plan a pipeline of these nodes, once: no machine changes a plan; `next` makes the edges."""
    return _planned(json.dumps({"nodes": nodes, **more}), unguarded)


@lru_cache(maxsize=256)
def _planned(definition: str, unguarded: tuple[str, ...]) -> Plan:
    return build_plan(definition_from(json.loads(definition)), unguarded=frozenset(unguarded))


def facts_of(plan: Plan, **trigger: Any) -> RunFacts:
    return RunFacts("run", plan, trigger)
