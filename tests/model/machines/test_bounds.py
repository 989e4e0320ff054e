"""What bounds a run is recorded: nobody who reads its events has to guess."""

from typing import Any

from playbill.model import messages as m
from playbill.model.definition import definition_from
from playbill.model.events import Event, EventType
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.planning import build_plan
from playbill.model.policies import StopPolicy
from tests.model.machines.recorder import Recorder, at, facts_of

T = EventType


class Books(Recorder):
    """Keeps the events."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: EventType) -> list[dict[str, Any]]:
        return [dict(event.data) for event in self.events if event.type is kind]


def begun() -> tuple[SupervisorMachine, Any]:
    definition = definition_from({"nodes": [{"id": "a", "type": "agent", "config": {"agent_id": "a", "task": "t"}}]})
    plan = build_plan(definition, stop=StopPolicy(grace=3.0, kill_bound=0.5))
    books: Any = Books()
    machine = SupervisorMachine(facts_of(plan), 40.0)
    machine.receive(m.Start({}), at(0.0), books)
    return machine, books


def test_the_start_of_a_run_says_what_bounds_it() -> None:
    _, books = begun()
    (started,) = books.of(T.PIPELINE_RUN_STARTED)
    assert {name: started[name] for name in ("timeout", "grace", "kill_bound")} == {
        "timeout": 40.0,
        "grace": 3.0,
        "kill_bound": 0.5,
    }


def test_a_stop_says_the_grace_that_it_was_given_and_none_where_each_node_has_its_own() -> None:
    asked_for = ((m.Cancel("user", grace=1.5), 1.5), (m.Cancel("user"), None), (m.DeadlineReached(), None))
    for message, grace in asked_for:
        machine, books = begun()
        machine.receive(message, at(1.0), books)
        (asked,) = books.of(T.PIPELINE_RUN_CANCEL_REQUESTED)
        assert asked["grace"] == grace, message


def test_a_second_cancel_is_recorded_when_it_shortens_the_grace_and_only_then() -> None:
    machine, books = begun()
    for second, grace in ((0.0, 3.0), (1.0, 5.0), (1.0, 2.0), (1.5, 1.0)):
        machine.receive(m.Cancel("user", grace=grace), at(second), books)
    assert [data["grace"] for data in books.of(T.PIPELINE_RUN_CANCEL_REQUESTED)] == [3.0, 1.0]
