"""Each table tells the truth: for every pair of state and message, where walks led is what the row says."""

import random
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.breaker_past import BreakerPast, CircuitPast
from playbill.model.events import Event
from playbill.model.facts import NodeStatus, Outcome, Permit, Receipt, Stopped, Verdict
from playbill.model.failures import failure_of
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit import CircuitMachine
from playbill.model.machines.circuit_state import FORCED, CircuitState, Ledger
from playbill.model.machines.machine import Machine, Table
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.salvage import SalvageMachine
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.past import Past
from playbill.model.policies import BreakerPolicy
from playbill.model.runstate import RunState
from tests.model.machines.recorder import EPOCH, FATAL, FLAKY, Recorder, at, facts_of, plan_of
from tests.model.machines.walks import Walked, expected, pairs, walk

pytestmark = [pytest.mark.no_cover, pytest.mark.timeout(300)]
"""The first test of each machine walks for all of them: more than twice as long while lines are counted, and what is
covered by chance proves little."""

JOB = {"id": "job", "type": "agent", "config": {"agent_id": "a", "task": "t"}}
TIMES: dict[str, Any] = {"timeout": 5.0, "idle_timeout": 4.0, "total_timeout": 30.0, "retry": 3}


def node(unguarded: tuple[str, ...] = (), more: dict[str, Any] | None = None, **fields: Any) -> NodeMachine:
    """A node with two parents."""
    parents = [{"id": parent, "type": "parallel", "next": "job"} for parent in ("a", "b")]
    plan = plan_of({**JOB, **fields}, *parents, unguarded=unguarded, **(more or {}))
    job = plan.nodes["job"]
    return NodeMachine(facts_of(plan), job, "job", "supervisor", None if job.breaker is None else "breaker")


def node_messages(machine: Machine[Any], rng: random.Random, now: float) -> Iterator[Any]:
    assert isinstance(machine, NodeMachine)
    attempt = machine.attempts if rng.random() < 0.8 else machine.attempts + 1
    ask = machine.ask_id if rng.random() < 0.8 else "another"
    yield m.Recovered(1, 0, rng.random() < 0.5, at(now + 1.0).utc, 2.0)
    yield m.Input(rng.choice("ab"), {"a": {}})
    yield m.Skip(rng.choice("ab"))
    yield m.Stop(rng.choice((0.0, 2.0)))
    yield m.SlotGranted()
    yield m.Proceed(attempt)
    yield m.Began(attempt)
    yield m.Returned(attempt, now, output={})
    yield m.Returned(attempt, now, failure=rng.choice((FLAKY, FATAL)))
    yield m.Heartbeat(attempt)
    yield m.AttemptOverdue(attempt)
    yield m.IdleOverdue(attempt)
    yield m.TotalOverdue()
    yield m.Due(attempt)
    yield m.GraceOver(attempt)
    yield m.KillOverdue(attempt)
    yield m.Granted(Permit("agent", 0, ask))
    yield m.Parked(ask)
    yield m.Refused(ask, "agent", 1.0)
    yield m.AskAgain(ask)
    yield m.WaitedLong(machine.waits)
    yield m.LookAgain()
    yield m.Interrupt(rng.choice((0.0, 1.0)))
    yield m.Pause()
    yield m.Resume()


NODE_KINDS = [
    lambda: node(**TIMES),
    lambda: node(on_crash="fail", join="any", **TIMES),
    lambda: node(unguarded=("agent",), **TIMES),
    lambda: node(unguarded=("agent",), on_crash="fail", **TIMES),
    lambda: node(unguarded=("agent",), on_crash="fail", join="any", **TIMES),
    lambda: node(more={"max_concurrency": 1}, **TIMES),
    lambda: node(unguarded=("agent",), more={"max_concurrency": 1}, join="any", **TIMES),
    lambda: node(unguarded=("agent",), on_crash="fail", more={"max_concurrency": 1}, join="any", **TIMES),
    lambda: node(type="delay", config={"seconds": 1.0}, total_timeout=9.0),
    lambda: node(type="parallel", config={}),
    lambda: node(type="condition", config={"condition": "true"}),
]


@cache
def walked_nodes() -> Walked:
    return walk(NODE_KINDS, node_messages, walks=600, steps=24)


def supervisor(**more: Any) -> SupervisorMachine:
    plan = plan_of(
        {**JOB, "id": "a", "next": "c"},
        {**JOB, "id": "b", "next": [{"to": "c", "when": "failure"}]},
        {**JOB, "id": "c", "on_crash": "fail", "join": "any"},
        **more,
    )
    return SupervisorMachine(facts_of(plan), 60.0)


class Left(SupervisorMachine):
    """A run that goes on from these events."""

    events: tuple[Event, ...] = ()


def left(*messages: Any) -> Left:
    """A run that was left after its start and these messages."""
    made = supervisor()
    out: Any = Recorder()
    for message in (m.Start({}), *messages):
        made.receive(message, at(0.0), out)
    events = tuple(call[1] for call in out.take() if call[0] == "record")
    run = RunState()
    for event in events:
        run.apply(event)
    machine = Left(made.facts, 60.0, run)
    machine.events = events
    return machine


def supervisor_messages(machine: Machine[Any], rng: random.Random, now: float) -> Iterator[Any]:
    assert isinstance(machine, SupervisorMachine)
    live = rng.choice([*machine.live] or ["a"])
    ended = machine.state is SupervisorState.ENDED
    yield m.Start({})
    yield m.Recover(Past(machine.events if isinstance(machine, Left) else ()))
    yield m.Cancel("user", grace=rng.choice((None, 0.0)))
    yield m.Pause()
    yield m.Resume()
    yield m.Park()
    yield m.StandDown(fragile=rng.random() < 0.5)
    yield m.ClockStepped(rng.choice((-60.0, 60.0)))
    yield m.JournalFailed("disk full")
    yield m.JournalBack()
    yield m.DeadlineReached()
    yield m.StopOverdue()
    yield m.SlotWanted(live)
    yield m.StillWaiting(live, 1, "slot", None, EPOCH)
    yield m.AttemptReady(live, 1)
    yield m.Retrying(live, 1, EPOCH, FLAKY)
    if machine.live or ended or not machine.run.seq:
        yield m.Ended(live, Outcome(NodeStatus.COMPLETED, 1, {}))
        yield m.Ended(live, Outcome(NodeStatus.FAILED, 1, failure=FATAL))
    if machine.live and machine.is_left:
        yield m.Ended(live, Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.INTERRUPTED)))


@cache
def walked_supervisors() -> Walked:
    ready = m.AttemptReady("a", 1)
    kinds: list[Any] = [
        supervisor,
        lambda: supervisor(on_failure="finish", max_concurrency=1),
        lambda: left(ready),
        lambda: left(ready, m.Pause()),
        lambda: left(ready, m.Cancel("user")),
    ]
    return walk(kinds, supervisor_messages, walks=1200, steps=14)


def circuit_messages(machine: Machine[Any], rng: random.Random, now: float) -> Iterator[Any]:
    assert isinstance(machine, CircuitMachine)
    out: Any = Recorder()
    ask = m.Ask("ask", "node", rng.random() < 0.5)
    if machine.state is CircuitState.HALF_OPEN and machine.receive(ask, at(now), out) and rng.random() < 0.5:
        machine.probe(at(now), out)
    late = rng.random() < 0.2 or (machine.state is CircuitState.HALF_OPEN and not machine.probes)
    epoch = machine.epoch - late
    yield ask
    for verdict in Verdict:
        yield m.Settle(Permit("key", epoch, "permit"), verdict, 1.0, 0.5, rng.random() < 0.2, failure=FLAKY)
    yield m.Force(rng.choice(FORCED))
    yield m.OpenOver(epoch)
    yield m.HalfOpenOver(epoch)


@cache
def walked_circuits() -> Walked:
    kinds = [
        lambda: CircuitMachine(Ledger("key"), "", BreakerPolicy(failures=1, half_open_max_wait_seconds=1.0), 5),
        lambda: CircuitMachine(Ledger("key"), "far", BreakerPolicy(failures=2, half_open_permits=2), 5),
    ]
    return walk(kinds, circuit_messages, walks=1000, steps=20)


def breaker_messages(machine: Machine[Any], rng: random.Random, now: float) -> Iterator[Any]:
    assert isinstance(machine, BreakerMachine)
    unknown = Permit("key", 0, "unknown")
    permit = rng.choice([*machine.out.values()] or [unknown])
    target = rng.choice([*machine.circuits, "a", "b"])
    epoch = machine.ledger.epoch if rng.random() < 0.8 else machine.ledger.epoch - 1
    yield m.Ask(f"ask-{rng.randrange(10**9)}", "node", rng.random() < 0.5, target)
    yield m.Withdraw(rng.choice([*machine.parked, *machine.out] or ["nobody"]))
    for verdict in Verdict:
        yield m.Settle(permit, verdict, 1.0, 0.5, rng.random() < 0.2)
    yield m.Released(rng.choice([*machine.orphaned.values()] or [unknown]))
    yield m.Force(rng.choice(FORCED), rng.choice((target, None)))
    yield m.OpenOver(epoch, target)
    yield m.HalfOpenOver(epoch, target)
    yield m.RateDue(target)
    past = BreakerPast()
    past.circuits["a"] = CircuitPast("open", 1, at(now).utc, 3.0)
    yield m.Remember(past)
    yield m.Follow(BreakerPolicy(failures=3), {"b": BreakerPolicy(failures=2)})


@cache
def walked_breakers() -> Walked:
    kinds = [
        lambda: BreakerMachine("key", BreakerPolicy(failures=1, half_open_max_wait_seconds=1.0)),
        lambda: BreakerMachine("key", BreakerPolicy(failures=2, half_open_permits=2, max_concurrent=2, rate=1.0)),
    ]
    return walk(kinds, breaker_messages, walks=1000, steps=20)


def salvage_of() -> SalvageMachine:
    plan = plan_of({**JOB, "id": "a"}, {**JOB, "id": "b"})
    machine = SalvageMachine(facts_of(plan), RunState(), ["a", "b"], failure_of(ValueError("bug")))
    out: Any = Recorder()
    machine.begin(at(0.0), out)
    return machine


@cache
def walked_salvages() -> Walked:
    def some(machine: Machine[Any], rng: random.Random, now: float) -> Iterator[Any]:
        yield from supervisor_messages(SupervisorMachine(facts_of(plan_of(JOB)), 60.0), rng, now)
        yield m.Ended(rng.choice("ab"), Outcome(NodeStatus.CANCELLED))

    return walk([salvage_of], some, walks=400)


CASES = [
    (table, walked, state, message)
    for table, walked in (
        (NodeMachine.TRANSITIONS, walked_nodes),
        (SupervisorMachine.TRANSITIONS, walked_supervisors),
        (BreakerMachine.TRANSITIONS, walked_breakers),
        (CircuitMachine.TRANSITIONS, walked_circuits),
        (SalvageMachine.TRANSITIONS, walked_salvages),
    )
    for state, message in pairs(table, {message: None for rows in table.values() for message in rows})
]


@pytest.mark.parametrize(
    ("table", "walked", "state", "message"),
    CASES,
    ids=[f"{type(state).__name__}-{state}-{message.__name__}" for _, _, state, message in CASES],
)
def test_a_pair_does_what_its_row_says(table: Table, walked: Any, state: StrEnum, message: type) -> None:
    seen: Walked = walked()
    wanted = expected(table, state, message)
    if wanted is None:
        assert (state, message) in seen.refused
        assert (state, message) not in seen.reached
        assert (state, message) not in seen.changed_by_refusal
    else:
        assert seen.reached[state, message] == wanted
        assert (state, message) not in seen.refused
        if table[state][message].late:
            assert (state, message) in seen.late


@pytest.mark.parametrize(
    "walked", [walked_nodes, walked_supervisors, walked_breakers, walked_circuits, walked_salvages]
)
def test_the_walks_come_to_every_state(walked: Any) -> None:
    machines: dict[Any, type[Machine[Any]]] = {
        walked_nodes: NodeMachine,
        walked_supervisors: SupervisorMachine,
        walked_breakers: BreakerMachine,
        walked_circuits: CircuitMachine,
    }
    table = machines.get(walked, SalvageMachine).TRANSITIONS
    assert {state for state, _ in walked().reached} | {state for state, _ in walked().refused} == set(table)
