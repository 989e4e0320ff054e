"""A node of a run with hands and eyes: it is told things, and tells what it asked for."""

from typing import Any

from playbill.model import messages as m
from playbill.model.facts import Outcome, Permit
from playbill.model.machines.node import NodeMachine
from tests.model.machines.recorder import Recorder, at, facts_of, plan_of

PERMIT = Permit("agent", 0, "0:run/job#1")


class Job:
    """One handler node with one parent, and what it was asked to do."""

    def __init__(self, more: dict[str, Any] | None = None, **fields: Any) -> None:
        job = {"id": "job", "type": "agent", "config": {"agent_id": "a", "task": "t"}, **fields}
        plan = plan_of({"id": "start", "type": "trigger", "next": "job"}, job, **(more or {}))
        self.machine = NodeMachine(facts_of(plan), plan.nodes["job"], "me", "supervisor", "breaker")
        self.out: Any = Recorder()

    def tell(self, *messages: Any, now: float = 0.0) -> list[tuple[Any, ...]]:
        for message in messages:
            self.machine.receive(message, at(now), self.out)
        calls: list[tuple[Any, ...]] = self.out.take()
        return calls

    def running(self, now: float = 0.0) -> "Job":
        self.tell(m.Input("start", {"start": {}}), m.Granted(PERMIT), now=now)
        return self

    @property
    def state(self) -> str:
        return str(self.machine.state)


def outcome(calls: list[tuple[Any, ...]]) -> Outcome:
    (ended,) = [call[2] for call in calls if call[0] == "tell" and isinstance(call[2], m.Ended)]
    assert calls[-1] == ("finish", None)
    result: Outcome = ended.outcome
    return result
