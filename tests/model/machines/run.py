"""A run's supervisor with hands and eyes: it is told things, and tells what it recorded and asked for."""

from typing import Any

from playbill.model import messages as m
from playbill.model.events import Event
from playbill.model.facts import NodeStatus, Outcome
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.plan import RunFacts
from playbill.model.planning import build_plan
from playbill.model.policies import StopPolicy
from playbill.model.results import RunResult
from tests.model.machines.recorder import FATAL, Recorder, at, plan_of

STOP = StopPolicy(grace=4.0, kill_bound=2.0)
FAILED = Outcome(NodeStatus.FAILED, 1, failure=FATAL)


def step(node: str, *following: str, **more: Any) -> dict[str, Any]:
    """A node whose work a handler does."""
    config = {"agent_id": "a", "task": "t"}
    return {"id": node, "type": "agent", "config": config, "next": list(following), **more}


class Run:
    """One run, its timeout 60 s, and what its supervisor was asked to do."""

    def __init__(self, *nodes: dict[str, Any], **more: Any) -> None:
        plan = build_plan(plan_of(*nodes, **more).definition, stop=STOP)
        self.machine = SupervisorMachine(RunFacts("run", plan, {"day": 1}), 60.0)
        self.out: Any = Recorder()
        self.answer: object = None
        self.events: list[Event] = []

    def tell(self, *messages: Any, now: float = 0.0) -> list[tuple[Any, ...]]:
        """Return the effects, records as (event's type, node, attempt, data)."""
        for message in messages:
            self.answer = self.machine.receive(message, at(now), self.out)
        calls: list[tuple[Any, ...]] = []
        for call in self.out.take():
            if call[0] != "record":
                calls.append(call)
                continue
            self.events.append(call[1])
            event = call[1]
            calls.append((str(event.type), event.node_id, event.attempt, dict(event.data)))
        return calls

    def started(self) -> "Run":
        self.tell(m.Start({"day": 1}))
        return self

    @property
    def state(self) -> str:
        return str(self.machine.state)


def completed(**output: Any) -> Outcome:
    return Outcome(NodeStatus.COMPLETED, 1, output)


def told(calls: list[tuple[Any, ...]]) -> list[tuple[str, Any]]:
    return [(call[1], call[2]) for call in calls if call[0] == "tell"]


def result(calls: list[tuple[Any, ...]]) -> RunResult:
    (finish,) = [call for call in calls if call[0] == "finish"]
    assert calls[-1] == finish
    found: RunResult = finish[1]
    return found


def slots(run: Run, *messages: Any) -> list[str]:
    """Who is granted a slot by these messages."""
    return [node for node, message in told(run.tell(*messages)) if message == m.SlotGranted()]
