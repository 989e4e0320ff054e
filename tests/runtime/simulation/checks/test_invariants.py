"""Each invariant finds the machine that is broken in just its way, and is silent about one that is not."""

from collections.abc import Callable
from typing import Any

import pytest

from playbill.actors.node import NodeActor
from playbill.actors.shell import Shell
from playbill.actors.supervisor import SupervisorActor
from playbill.model.effects import Outbox
from playbill.model.events import EventType
from playbill.model.facts import Now, Outcome
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.node_base import NodeBase
from playbill.model.machines.node_state import NodeState
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.machines.supervisor_base import SupervisorBase
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import DeadlineReached, Ended, Input, Pause, Stop
from playbill.runtime.simulation.checks import invariants as rules
from playbill.runtime.simulation.study import Study
from tests.runtime.simulation.worlds import DIAMOND, invariant, study_of

Patch = pytest.MonkeyPatch
SLOW: dict[str, Any] = {"timeout": 3, "nodes": [{"id": "a", "type": "waits", "config": {"seconds": 50}}]}
PROBES: dict[str, Any] = {
    "nodes": [
        {"id": "start", "type": "trigger", "next": ["a", "b", "c"]},
        *(
            {"id": node, "type": "works", "on_open": "wait", "retry": {"max_attempts": 9, "base": 0.5}}
            for node in "abc"
        ),
    ],
    "breakers": {"works": {"failures": 2, "open_seconds": 3, "half_open_permits": 1}},
    "timeout": 200,
}
CROWD: dict[str, Any] = {
    "nodes": [{"id": node, "type": "works"} for node in "abc"],
    "breakers": {"works": {"max_concurrent": 1}},
}
STOP: dict[str, Any] = {"fault": "cancel", "at": 0.5}
FAILING: dict[str, Any] = {"faults": [{"fault": "raise", "probability": 0.5}]}


def a_deadline_that_nobody_hears(patch: Patch) -> None:
    patch.setitem(
        SupervisorMachine.ACTIONS[SupervisorState.RUNNING],
        DeadlineReached,
        lambda *_: None,
    )


def a_fact_after_the_end(patch: Patch) -> None:
    finish = SupervisorBase._finish

    def finish_and_go_on(self: SupervisorBase, now: Now, out: Outbox) -> None:
        finish(self, now, out)
        self._record(EventType.PIPELINE_RUN_RESUMED, now, out)

    patch.setattr(SupervisorBase, "_finish", finish_and_go_on)


def a_number_left_out(patch: Patch) -> None:
    record = SupervisorBase._record

    def record_one_on(self: SupervisorBase, event_type: EventType, *more: Any, **named: Any) -> None:
        if event_type is EventType.PIPELINE_NODE_COMPLETED:
            self.run.seq += 1
        record(self, event_type, *more, **named)

    patch.setattr(SupervisorBase, "_record", record_one_on)


def a_gate_that_stands_open(patch: Patch) -> None:
    def tell(self: SupervisorActor, to: str, message: Any) -> None:
        if to in self.nodes:
            self._post(self.nodes[to], message)

    patch.setattr(SupervisorActor, "_tell", tell)


def a_join_that_does_not_wait(patch: Patch) -> None:
    def join(self: NodeMachine, message: Input, now: Now, out: Outbox) -> None:
        self.inputs = {**(self.inputs or {}), **message.values}
        self.missing -= 1
        if self.state is NodeState.WAITING:
            self._start(now, out)

    patch.setitem(NodeMachine.ACTIONS[NodeState.WAITING], Input, join)
    for state in (NodeState.ASKING, NodeState.RUNNING):
        patch.setitem(NodeMachine.ACTIONS[state], Input, lambda *_: None)


def a_stop_that_is_not_heard_while_parked(patch: Patch) -> None:
    patch.setitem(NodeMachine.ACTIONS[NodeState.PARKED], Stop, lambda *_: None)


def an_end_that_is_told_twice(patch: Patch) -> None:
    end = NodeBase._end

    def end_twice(self: NodeBase, out: Outbox, outcome: Outcome) -> None:
        out.tell(self.supervisor, Ended(self.plan.id, outcome))
        end(self, out, outcome)

    patch.setattr(NodeBase, "_end", end_twice)


def an_attempt_that_begins_twice(patch: Patch) -> None:
    begin = NodeActor.begin

    def begin_twice(self: NodeActor, attempt: int, inputs: Any) -> None:
        begin(self, attempt, inputs)
        begin(self, attempt, inputs)

    patch.setattr(NodeActor, "begin", begin_twice)


def a_join_that_forgets(patch: Patch) -> None:
    def join(self: NodeMachine, message: Input, now: Now, out: Outbox) -> None:
        self.inputs = message.values
        self.missing -= 1
        if self.missing == 0:
            self._start(now, out)

    patch.setitem(NodeMachine.ACTIONS[NodeState.WAITING], Input, join)


def a_breaker_with_probes_without_end(patch: Patch) -> None:
    patch.setattr(BreakerMachine, "_probes_left", lambda _: 9)


def a_permit_that_is_not_given_back(patch: Patch) -> None:
    def forget(self: NodeBase, *_: Any) -> None:
        self.permit = None

    patch.setattr(NodeBase, "_settle", forget)


def a_timer_that_outlives_its_actor(patch: Patch) -> None:
    close = Shell.close

    def keep(self: Shell[Any]) -> None:
        timers, self.timers = self.timers, None
        close(self)
        self.timers = timers

    patch.setattr(Shell, "close", keep)


def a_row_that_is_missing(patch: Patch) -> None:
    patch.delitem(NodeMachine.ACTIONS[NodeState.RUNNING], Pause)


def a_letter_that_is_thrown_away(patch: Patch) -> None:
    patch.setattr(Shell, "dead_letter", lambda *_: None)


MUTATIONS: list[tuple[str, Callable[[Patch], None], Study]] = [
    (rules.IN_TIME, a_deadline_that_nobody_hears, study_of(SLOW, {})),
    (rules.FINAL, a_fact_after_the_end, study_of(DIAMOND, {})),
    (rules.GAPLESS, a_number_left_out, study_of(DIAMOND, {})),
    (rules.RESOLVED, a_gate_that_stands_open, study_of(DIAMOND)),
    (rules.RESOLVED, a_join_that_does_not_wait, study_of(DIAMOND, {})),
    (rules.STOPPED, a_stop_that_is_not_heard_while_parked, study_of(CROWD, {"faults": [STOP]})),
    (rules.OUTCOME, an_end_that_is_told_twice, study_of(DIAMOND, {})),
    (rules.WINNER, an_attempt_that_begins_twice, study_of(DIAMOND, {})),
    (rules.OUTPUTS, a_join_that_forgets, study_of(DIAMOND, {})),
    (rules.PROBES, a_breaker_with_probes_without_end, study_of(PROBES, FAILING)),
    (rules.PERMITS, a_permit_that_is_not_given_back, study_of(DIAMOND, {})),
    (rules.LEFT, a_timer_that_outlives_its_actor, study_of(DIAMOND, {})),
    (rules.FAULT, a_row_that_is_missing, study_of(DIAMOND)),
    (rules.LETTERS, a_letter_that_is_thrown_away, study_of(DIAMOND)),
]


@pytest.mark.parametrize(("name", "mutation", "study"), MUTATIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_mutation_is_found_by_its_invariant(
    name: str, mutation: Callable[[Patch], None], study: Study, monkeypatch: Patch
) -> None:
    mutation(monkeypatch)
    assert invariant(study) == name


@pytest.mark.parametrize(
    "study", [study_of(SLOW, {}), study_of(CROWD, {"faults": [STOP]}), study_of(DIAMOND), study_of(PROBES, FAILING)]
)
def test_the_machines_as_they_are_break_none(study: Study) -> None:
    assert invariant(study, 200) == ""


def test_every_invariant_has_a_mutation() -> None:
    assert {name for name, _, _ in MUTATIONS} == set(rules.INVARIANTS)
