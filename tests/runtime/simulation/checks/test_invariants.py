"""Each invariant finds the machine that is broken in just its way, and is silent about one that is not."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from playbill.actors.node import NodeActor
from playbill.actors.shell import Shell
from playbill.actors.supervisor import SupervisorActor
from playbill.model.effects import Outbox, Timer
from playbill.model.events import EventType
from playbill.model.facts import Now, Outcome, Receipt, RunStatus, Stopped, Verdict
from playbill.model.machines import node, node_beginning, supervisor_base, supervisor_routing
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit import CircuitMachine
from playbill.model.machines.circuit_state import CircuitState
from playbill.model.machines.conclusion import Conclusion
from playbill.model.machines.ladder import Ladder
from playbill.model.machines.machine import Machine
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.node_base import NodeBase
from playbill.model.machines.node_beginning import NodeBeginning
from playbill.model.machines.node_state import NodeState
from playbill.model.machines.node_stopping import NodeStopping
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.machines.supervisor_base import SupervisorBase
from playbill.model.machines.supervisor_pausing import SupervisorPausing
from playbill.model.machines.supervisor_slots import SupervisorSlots
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import Ask, DeadlineReached, Ended, Input, Pause, Skip, SlotWanted, Stop
from playbill.model.policies import RetryPolicy
from playbill.model.runstate import RunState
from playbill.runtime.simulation.checks import names as rules
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
FATAL: dict[str, Any] = {"faults": [{"fault": "raise", "error": "ValueError", "retryable": False}]}
CHAINED: dict[str, Any] = {
    "nodes": [
        {"id": "quick", "type": "parallel", "next": ["join"]},
        {"id": "slow", "type": "works", "next": ["join"]},
        {"id": "join", "type": "works"},
    ],
}


def a_deadline_that_nobody_hears(patch: Patch) -> None:
    patch.setitem(
        SupervisorMachine.ACTIONS[SupervisorState.RUNNING],
        DeadlineReached,
        lambda *_: None,
    )


def a_deadline_that_is_far_away(patch: Patch) -> None:
    set_timer = Shell.set_timer

    def set_late(self: Shell[Any], name: Timer, delay: float, message: Any) -> None:
        set_timer(self, name, delay + 9.0 * (name is Timer.DEADLINE), message)

    patch.setattr(Shell, "set_timer", set_late)


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
    patch.setitem(CircuitMachine.ACTIONS[CircuitState.HALF_OPEN], Ask, CircuitMachine.let_in)


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


def a_late_letter_that_nobody_counts(patch: Patch) -> None:
    for actions in (*NodeMachine.ACTIONS.values(), *SupervisorMachine.ACTIONS.values()):
        for message, action in actions.items():
            if action is Machine.count_late:
                patch.setitem(actions, message, lambda *_: None)


def a_state_by_another_name(patch: Patch) -> None:
    patch.setitem(NodeMachine.ACTIONS, NodeState.PARKED, NodeMachine.ACTIONS[NodeState.RUNNING])
    patch.setattr(node_beginning, "RUNNING", NodeState.PARKED)


def a_live_edge_that_is_told_as_dead(patch: Patch) -> None:
    patch.setattr(supervisor_routing, "Input", lambda source, _: Skip(source))


def slots_without_an_end(patch: Patch) -> None:
    wanted = SupervisorSlots.slot_wanted

    def give(self: SupervisorSlots, message: SlotWanted, now: Now, out: Outbox) -> None:
        self.slot_holders.clear()
        wanted(self, message, now, out)

    patch.setitem(SupervisorMachine.ACTIONS[SupervisorState.RUNNING], SlotWanted, give)


def a_pause_that_is_told_twice(patch: Patch) -> None:
    pause = SupervisorPausing._pause_for

    def pause_twice(self: SupervisorPausing, reason: str, out: Outbox) -> None:
        pause(self, reason, out)
        for name in self.live:
            out.tell(name, Pause())

    patch.setattr(SupervisorPausing, "_pause_for", pause_twice)


def a_retry_at_once(patch: Patch) -> None:
    patch.setattr(RetryPolicy, "delay", lambda *_: 0.0)


def a_retry_of_what_may_not_be(patch: Patch) -> None:
    patch.setattr(RetryPolicy, "should_retry", lambda *_, **__: True)


def timeouts_that_nobody_counts(patch: Patch) -> None:
    patch.setattr(NodeBeginning, "_watch", lambda *_: None)


def a_kill_without_grace(patch: Patch) -> None:
    patch.setattr(NodeStopping, "_next_step", lambda self, ladder, now, out: self._kill(ladder, now, out))


def a_receipt_that_flatters(patch: Patch) -> None:
    patch.setattr(Ladder, "receipt", lambda *_: Receipt(Stopped.COOPERATIVE))


def a_failure_that_is_told_as_success(patch: Patch) -> None:
    patch.setattr(node, "verdict_on", lambda _: Verdict.SUCCESS)


def a_breaker_that_never_opens(patch: Patch) -> None:
    patch.setattr(CircuitMachine, "_open", lambda *_: None)


def waiters_from_behind(patch: Patch) -> None:
    park = BreakerMachine._park

    def park_ahead(self: BreakerMachine, circuit: CircuitMachine, ask: Ask, out: Outbox) -> None:
        behind, circuit.line = circuit.line, {}
        park(self, circuit, ask, out)
        circuit.line |= behind

    patch.setattr(BreakerMachine, "_park", park_ahead)


def an_output_that_is_lost(patch: Patch) -> None:
    end = NodeBase._end

    def end_empty(self: NodeBase, out: Outbox, outcome: Outcome) -> None:
        end(self, out, replace(outcome, output={}) if outcome.output else outcome)

    patch.setattr(NodeBase, "_end", end_empty)


def a_run_that_always_completes(patch: Patch) -> None:
    patch.setattr(supervisor_base, "conclude", lambda *_: Conclusion(RunStatus.COMPLETED, None, {}))


def an_orphan_that_nobody_names(patch: Patch) -> None:
    patch.setattr(RunState, "_receive", lambda _, result, receipt: setattr(result, "receipt", receipt))


def a_slot_for_nobody(patch: Patch) -> None:
    patch.setattr(node_beginning, "SlotWanted", lambda _: SlotWanted("nobody"))


ORPHAN: dict[str, Any] = {"fault": "ignore_cancel", "kill": True}
HANG: dict[str, Any] = {"fault": "hang"}
MUTATIONS: list[tuple[str, Callable[[Patch], None], Study]] = [
    (rules.IN_TIME, a_deadline_that_is_far_away, study_of(SLOW, {})),
    (rules.FINAL, a_fact_after_the_end, study_of(DIAMOND, {})),
    (rules.GAPLESS, a_number_left_out, study_of(DIAMOND, {})),
    (rules.RESOLVED, a_gate_that_stands_open, study_of(DIAMOND)),
    (rules.BEGINS, a_join_that_does_not_wait, study_of(CHAINED, {})),
    (rules.BEGINS, a_join_that_forgets, study_of(DIAMOND, {})),
    (rules.BEGINS, an_attempt_that_begins_twice, study_of(DIAMOND, {})),
    (rules.CIRCUITS, a_stop_that_is_not_heard_while_parked, study_of(CROWD, {"faults": [STOP]})),
    (rules.OWED, a_deadline_that_nobody_hears, study_of(SLOW, {})),
    (rules.OWED, a_permit_that_is_not_given_back, study_of(DIAMOND, {})),
    (rules.FACTS, an_end_that_is_told_twice, study_of(DIAMOND, {})),
    (rules.FACTS, an_output_that_is_lost, study_of(DIAMOND, {})),
    (rules.CIRCUITS, a_breaker_with_probes_without_end, study_of(PROBES, FAILING)),
    (rules.CIRCUITS, a_breaker_that_never_opens, study_of(PROBES, FAILING)),
    (rules.CIRCUITS, waiters_from_behind, study_of(CROWD, {})),
    (rules.LEFT, a_timer_that_outlives_its_actor, study_of(DIAMOND, {})),
    (rules.FAULT, a_row_that_is_missing, study_of(DIAMOND)),
    (rules.LETTERS, a_letter_that_is_thrown_away, study_of(DIAMOND)),
    (rules.LETTERS, a_late_letter_that_nobody_counts, study_of(DIAMOND)),
    (rules.FACTS, a_state_by_another_name, study_of(DIAMOND, {})),
    (rules.ROUTES, a_live_edge_that_is_told_as_dead, study_of(DIAMOND, {})),
    (rules.SLOTS, slots_without_an_end, study_of({**DIAMOND, "max_concurrency": 1}, {})),
    (rules.PAUSES, a_pause_that_is_told_twice, study_of(DIAMOND)),
    (rules.RETRIES, a_retry_at_once, study_of(DIAMOND, FAILING)),
    (rules.FACTS, a_retry_of_what_may_not_be, study_of(DIAMOND, FATAL)),
    (rules.TIMEOUTS, timeouts_that_nobody_counts, study_of(DIAMOND, {"faults": [HANG]})),
    (rules.LADDER, a_kill_without_grace, study_of(SLOW, {})),
    (rules.RECEIPTS, a_receipt_that_flatters, study_of(SLOW, {})),
    (rules.VERDICTS, a_failure_that_is_told_as_success, study_of(DIAMOND, FAILING)),
    (rules.STATUS, a_run_that_always_completes, study_of(SLOW, {})),
    (rules.RESULT, an_orphan_that_nobody_names, study_of(SLOW, {"faults": [ORPHAN]})),
    (rules.BEYOND, a_slot_for_nobody, study_of({**DIAMOND, "max_concurrency": 1}, {})),
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
