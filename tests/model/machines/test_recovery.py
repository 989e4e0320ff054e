"""A run that was left at any of its events goes on from there: as if nothing had been, but for what was running."""

import random
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbill.model import messages as m
from playbill.model.definition import PipelineDefinition
from playbill.model.effects import Timer
from playbill.model.events import TERMINAL, Event, EventType
from playbill.model.facts import Failure, Inputs, NodeStatus, Outcome, Permit, Receipt, RunStatus, Stopped
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.past import Past
from playbill.model.runstate import RunState
from tests.model.machines.job import PERMIT, Job, outcome
from tests.model.machines.pipelines import definitions
from tests.model.machines.recorder import FATAL, FLAKY, at
from tests.model.machines.run import FAILED, Run, completed, step, told
from tests.model.machines.world import World

T = EventType


def left(run: Run, *, at_seq: int | None = None) -> Run:
    """The same run in another process, which knows its first events alone."""
    events = run.events[:at_seq]
    state = RunState()
    for event in events:
        state.apply(event)
    again = Run(step("unused"))
    again.machine = SupervisorMachine(run.machine.facts, run.machine.timeout, state)
    again.events = list(events)
    return again


def recovered(run: Run, now: float = 100.0, **told: Any) -> list[tuple[Any, ...]]:
    return run.tell(m.Recover(Past(run.events), told), now=now)


# ---- the run -----------------------------------------------------------------------------------------------------


def test_a_run_that_was_left_tells_its_nodes_what_they_had_been_told_and_what_had_begun_of_them() -> None:
    run = Run(step("a", "c"), step("b", "c"), step("c")).started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("b", 1), m.Ended("a", completed(x=1)), now=1.0)
    assert recovered(left(run), playbill="0.2") == [
        ("pipeline_run.recovered", None, None, {"epoch": 1, "attempts": ("b",), "playbill": "0.2"}),
        ("spawn", "b"),
        ("tell", "b", m.Recovered(1, 1, was_running=True, seconds=0.0)),
        ("tell", "b", m.Input(None, {})),
        ("set_timer", Timer.DEADLINE, 59.0, m.DeadlineReached()),
        ("spawn", "c"),
        ("tell", "c", m.Input("a", {"a": {"x": 1}})),
    ]


def test_a_run_whose_last_node_had_ended_ends() -> None:
    run = Run(step("a")).started()
    run.tell(m.AttemptReady("a", 1), m.Ended("a", completed(x=1)))
    assert [event.type for event in run.events][-1] is T.PIPELINE_RUN_COMPLETED
    calls = recovered(left(run, at_seq=-1))
    assert [call[0] for call in calls] == [
        "pipeline_run.recovered", "set_timer", "pipeline_run.completed", "finish",
    ]  # fmt: skip


def test_a_run_that_was_being_stopped_ends_with_the_receipts_of_what_died() -> None:
    run = Run(step("a"), step("b")).started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("b", 1), m.Retrying("b", 1, at(9.0).utc, FLAKY), now=1.0)
    run.tell(m.Cancel("user", "enough"), now=2.0)
    calls = recovered(left(run))
    ends = {call[1]: call[3] for call in calls if call[0] == "pipeline_node.cancelled"}
    assert {node: (end["status"], end["receipt"].how, end["failure"]) for node, end in ends.items()} == {
        "a": (NodeStatus.CANCELLED, Stopped.KILLED, None),
        "b": (NodeStatus.CANCELLED, Stopped.NOT_STARTED, FLAKY),
    }
    assert calls[-1][1].status is RunStatus.CANCELLED


def test_a_paused_run_stays_paused_and_what_had_ended_is_followed_at_its_resume() -> None:
    run = Run(step("a", "c"), step("b"), step("c")).started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("b", 1), now=10.0)
    run.tell(m.Pause(), m.Ended("a", completed(x=1)), now=20.0)
    again = left(run)
    calls = recovered(again, now=1000.0)
    assert again.state == "paused"
    assert told(calls) == [
        ("b", m.Recovered(1, 1, was_running=True, seconds=10.0)), ("b", m.Input(None, {})), ("b", m.Pause()),
    ]  # fmt: skip
    calls = again.tell(m.Resume(), now=2000.0)
    assert ("set_timer", Timer.DEADLINE, 40.0, m.DeadlineReached()) in calls
    assert ("tell", "c", m.Input("a", {"a": {"x": 1}})) in calls


def test_a_paused_run_that_is_cancelled_gives_up_what_was_not_taken_up() -> None:
    run = Run(step("a", "b"), step("b")).started()
    run.tell(m.AttemptReady("a", 1), m.Ended("a", completed()), m.AttemptReady("b", 1), m.Pause())
    again = left(run)
    recovered(again)
    calls = again.tell(m.Cancel("user"), now=101.0)
    assert [call[:3] for call in calls if str(call[0]).startswith("pipeline")] == [
        ("pipeline_run.cancel_requested", None, None),
        ("pipeline_node.cancelled", "b", 1),
        ("pipeline_run.cancelled", None, None),
    ]


def test_the_time_in_which_nobody_owned_it_is_none_of_its_timeout() -> None:
    run = Run(step("a")).started()
    run.tell(m.AttemptReady("a", 1), now=25.0)
    again = left(run)
    assert ("set_timer", Timer.DEADLINE, 35.0, m.DeadlineReached()) in recovered(again, now=10_000.0)
    again.tell(m.Retrying("a", 1, at(10_030.0).utc, FLAKY), now=10_020.0)
    third = left(again)
    assert ("set_timer", Timer.DEADLINE, 15.0, m.DeadlineReached()) in recovered(third, now=99_000.0)


def test_time_never_goes_back_in_a_stream() -> None:
    run = Run(step("a")).started()
    run.tell(m.AttemptReady("a", 1), now=50.0)
    again = left(run)
    recovered(again, now=20.0)
    again.tell(m.Retrying("a", 1, at(30.0).utc, FLAKY), now=25.0)
    again.tell(m.AttemptReady("a", 2), now=60.0)
    assert [event.at for event in again.events] == [at(s).utc for s in (0.0, 50.0, 50.0, 50.0, 60.0)]


# ---- its nodes ---------------------------------------------------------------------------------------------------

INPUT = m.Input("start", {})


def test_an_attempt_that_was_running_is_made_again_and_not_charged() -> None:
    job = Job(retry={"max_attempts": 2, "base": 4.0, "jitter": 0.0})
    job.tell(m.Recovered(2, 2, was_running=True), INPUT)
    assert job.tell(m.Granted(PERMIT))[0] == ("tell", "supervisor", m.AttemptReady("job", 3))
    assert job.tell(m.Returned(3, 1.0, failure=FLAKY), now=1.0)[-1] == ("set_timer", Timer.DUE, 4.0, m.Due(3))
    job.tell(m.Due(3), m.Granted(Permit("agent", 0, "0:run/job#2")), now=5.0)
    assert outcome(job.tell(m.Returned(4, 6.0, failure=FLAKY), now=6.0)).attempts == 4


def test_who_fails_in_a_crash_never_begins_again() -> None:
    job = Job(on_crash="fail", retry={"max_attempts": 3})
    end = outcome(job.tell(m.Recovered(1, 1, was_running=True), INPUT))
    assert (end.status, end.attempts, end.failure and end.failure.retryable) == (NodeStatus.FAILED, 1, False)
    assert str(end.failure).startswith(
        "HandlerKilled: handler was killed: crash of its program, so that nobody knows"
    )


def test_who_fails_in_a_crash_and_was_not_running_goes_on() -> None:
    job = Job(on_crash="fail", retry={"max_attempts": 3})
    past = m.Recovered(1, 0, was_running=False, due_at=at(7.0).utc, length=4.0, failure=FLAKY)
    assert job.tell(past, INPUT, now=5.0) == [("set_timer", Timer.DUE, 2.0, m.Due(1))]
    assert job.state == "backing_off"


@pytest.mark.parametrize(("now", "left_seconds"), [(5.0, 2.0), (100.0, 0.0), (-1000.0, 4.0)])
def test_a_back_off_keeps_its_due_time_whatever_the_clock_says(now: float, left_seconds: float) -> None:
    job = Job()
    past = m.Recovered(1, 0, was_running=False, due_at=at(7.0).utc, length=4.0, failure=FLAKY)
    assert job.tell(past, INPUT, now=now) == [("set_timer", Timer.DUE, left_seconds, m.Due(1))]
    assert job.tell(m.Due(1), now=now)[0][0] == "permit"


@pytest.mark.parametrize(("now", "left_seconds"), [(5.0, 2.0), (100.0, 0.0), (-1000.0, 60.0)])
def test_a_delay_keeps_its_due_time_and_is_not_begun_twice(now: float, left_seconds: float) -> None:
    job = Job(type="delay", config={"seconds": 60})
    past = m.Recovered(1, 0, was_running=False, due_at=at(7.0).utc, length=60.0)
    assert job.tell(past, INPUT, now=now) == [("set_timer", Timer.DUE, left_seconds, m.Due(1))]


def test_a_node_that_passes_on_is_not_begun_twice() -> None:
    job = Job(type="condition", config={"condition": "true"})
    calls = job.tell(m.Recovered(1, 0, was_running=False), INPUT)
    assert [type(call[-1]) for call in calls] == [m.Ended, type(None)]


def test_a_total_timeout_goes_on_with_what_was_left_of_it() -> None:
    job = Job(total_timeout=9.0)
    calls = job.tell(m.Recovered(1, 1, was_running=True, seconds=6.0), INPUT, now=50.0)
    assert ("set_timer", Timer.TOTAL, 3.0, m.TotalOverdue()) in calls


def test_a_node_that_is_stopped_before_its_inputs_are_there_says_how_often_it_had_begun() -> None:
    job = Job()
    job.tell(m.Recovered(2, 1, was_running=True, failure=FLAKY))
    end = outcome(job.tell(m.Stop(1.0)))
    assert (end.status, end.attempts, end.failure) == (NodeStatus.CANCELLED, 2, FLAKY)


# ---- crashes are counted ----------------------------------------------------------------------------------------


def test_crashes_are_counted_since_an_attempt_last_ended_by_itself() -> None:
    run = Run(step("a")).started()
    run.tell(m.AttemptReady("a", 1))
    for attempt in (2, 3):
        run = left(run)
        recovered(run)
        run.tell(m.AttemptReady("a", attempt))
    assert (Past(run.events).crashes["a"], Past(run.events).lost["a"]) == (2, 2)
    run.tell(m.Retrying("a", 3, at(9.0).utc, FLAKY))
    assert (Past(run.events).crashes["a"], Past(run.events).lost["a"], Past(run.events).epoch) == (0, 2, 2)


# ---- any run, left at any of its events --------------------------------------------------------------------------


ENDS = {T.PIPELINE_NODE_COMPLETED, T.PIPELINE_NODE_FAILED, T.PIPELINE_NODE_SKIPPED, T.PIPELINE_NODE_CANCELLED}


def going_on(world: World, events: list[Event], seed: int, **more: Any) -> World:
    """Let another process go on with a run."""
    again = World(world.definition, world.doing, random.Random(seed), now=world.now, events=events, **more)
    again.trigger.update(world.trigger)
    return again


def fates(events: list[Event]) -> dict[str, Any]:
    """What became of each node, and what it gave."""
    run = RunState()
    for event in events:
        run.apply(event)
    nodes = {name: (node.status, node.output, node.error) for name, node in run.nodes.items()}
    return {**nodes, "(run)": run.status}  # which failure was the first is chance


@pytest.mark.no_cover
@settings(max_examples=250)
@given(definitions(rules_only=True), st.integers(0, 2**32))
def test_a_run_that_is_left_anywhere_comes_to_the_same_end(definition: PipelineDefinition, seed: int) -> None:
    rng = random.Random(seed)
    ways: list[dict[str, Any] | Failure] = [{"flag": True}, {"flag": False}, FLAKY, FATAL]
    does: dict[str, dict[str, Any] | Failure] = {}

    def doing(node: str, attempt: int, inputs: Inputs) -> dict[str, Any] | Failure | None:
        if node not in does:
            does[node] = rng.choice(ways)
        return does[node]

    world = World(definition, doing, random.Random(seed), trigger={"flag": True}, hasty=False)
    world.run()
    for point in rng.sample(range(1, len(world.events)), min(4, len(world.events) - 1)):
        again = going_on(world, world.events[:point], seed, hasty=False)
        if rng.random() < 0.5:  # and it is left once more
            again.run()
            again = going_on(again, again.events[: rng.randint(point, len(again.events) - 1)], seed, hasty=False)
        again.run()
        assert fates(again.events) == fates(world.events)


@pytest.mark.no_cover
@settings(max_examples=250)
@given(definitions(), st.integers(0, 2**32))
def test_a_run_that_is_left_ends_once_and_begins_nothing_twice(definition: PipelineDefinition, seed: int) -> None:
    rng = random.Random(seed)

    def doing(node: str, attempt: int, inputs: Inputs) -> dict[str, Any] | Failure | None:
        return rng.choice([{"flag": True}, {"flag": False}, FLAKY, FATAL, None])

    world = World(definition, doing, rng, chaos=rng.choice((0.0, 0.02)), stubborn=rng.choice((0.0, 0.5)))
    world.run()
    events = world.events
    for _ in range(3):
        if len(events) < 2:
            break
        events = events[: rng.randint(1, len(events) - 1)]
        again = going_on(world, events, seed, chaos=rng.choice((0.0, 0.02)), by_call=rng.random() < 0.5)
        again.run()  # it compares the fold of the events with the live state after every message
        events = again.events
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event for event in events if event.type in TERMINAL] == events[-1:]
    started = [(e.node_id, e.attempt) for e in events if e.type is T.PIPELINE_NODE_STARTED]
    assert len(started) == len(set(started))
    ends = [event for event in events if event.type in ENDS]
    assert max(Counter(event.node_id for event in ends).values(), default=1) == 1
    assert all(before.at <= after.at for before, after in pairwise(events))
    check_at_most_once(definition, events)


def check_at_most_once(definition: PipelineDefinition, events: list[Event]) -> None:
    """No attempt of a node that fails in a crash is followed by another if it was running then."""
    fragile = {node.id for node in definition.nodes if node.on_crash == "fail"}
    for index, event in enumerate(events):
        if event.type is T.PIPELINE_RUN_RECOVERED:
            lost = fragile & {*event.data["attempts"]}
            later = [e.node_id for e in events[index:] if e.type is T.PIPELINE_NODE_STARTED]
            assert not lost & {*later}


def test_a_stop_that_came_after_a_failure_had_decided_the_run_is_not_forgotten() -> None:
    run = Run(step("a"), step("b"), on_failure="finish").started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("b", 1), m.Ended("a", FAILED), m.Cancel("user"))
    calls = recovered(left(run))
    assert [call[0] for call in calls] == [
        "pipeline_run.recovered", "drop_timer", "pipeline_node.cancelled", "pipeline_run.failed", "finish",
    ]  # fmt: skip


# ---- parked ----------------------------------------------------------------------------------------------------


def test_a_parked_run_begins_nothing_more_and_records_what_ends() -> None:
    run = Run(step("a", "b"), step("b"), step("c")).started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("c", 1))
    assert run.tell(m.Park(), now=1.0) == [
        ("pipeline_run.parked", None, None, {}), ("tell", "a", m.Pause()), ("tell", "c", m.Pause()),
    ]  # fmt: skip
    calls = run.tell(m.Ended("a", completed(x=1)), now=2.0)
    assert [call[0] for call in calls] == ["forget", "pipeline_node.completed"]
    again = left(run)
    calls = recovered(again)
    assert calls[0] == ("pipeline_run.recovered", None, None, {"epoch": 1, "attempts": ("c",)})
    assert ("tell", "b", m.Input("a", {"a": {"x": 1}})) in calls


def test_to_be_parked_is_no_crash_and_charges_nothing() -> None:
    run = Run(step("a")).started()
    run.tell(m.AttemptReady("a", 1), m.Park())
    run = left(run)
    recovered(run)
    past = Past(run.events)
    assert (past.crashes["a"], past.lost["a"], [*past.cut]) == (0, 1, ["a"])
    run.tell(m.AttemptReady("a", 2))
    run = left(run)
    recovered(run)
    assert (Past(run.events).crashes["a"], Past(run.events).lost["a"]) == (1, 2)


def test_attempts_of_a_parked_run_go_down_the_ladder_and_are_no_failures() -> None:
    run = Run(step("a", "b", grace=2.0), step("b"), step("c", on_crash="fail"), step("d", "b")).started()
    run.tell(*(m.AttemptReady(node, 1) for node in "acd"), m.Park())
    assert run.tell(m.StandDown(), now=1.0) == [("tell", "a", m.Interrupt(2.0)), ("tell", "d", m.Interrupt(4.0))]
    receipt = Receipt(Stopped.INTERRUPTED, 3.0)
    stopped = Outcome(NodeStatus.CANCELLED, 1, receipt=receipt)
    assert run.tell(m.Ended("a", stopped), now=2.0) == [
        ("forget", "a"), ("pipeline_node.interrupted", "a", 1, {"receipt": receipt}),
    ]  # fmt: skip
    assert [call[0] for call in run.tell(m.Ended("d", completed(x=1)))] == ["forget", "pipeline_node.completed"]
    again = left(run)
    calls = recovered(again)
    assert calls[0] == ("pipeline_run.recovered", None, None, {"epoch": 1, "attempts": ("c",)})
    (told,) = [call[2] for call in calls if call[0] == "tell" and isinstance(call[2], m.Recovered) and call[1] == "a"]
    assert (told.attempts, told.lost, told.was_running) == (1, 1, True)
    past = Past(again.events)
    assert (past.crashes["a"], past.lost["a"]) == (0, 1)


def test_who_may_not_begin_twice_has_failed_when_it_is_stopped_for_the_run_to_be_left() -> None:
    run = Run(step("a", on_crash="fail"), step("b")).started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("b", 1), m.Park(), m.StandDown())
    assert run.tell(m.StandDown(1.0, fragile=True)) == [
        ("tell", "a", m.Interrupt(1.0)),
        ("tell", "b", m.Interrupt(1.0)),
    ]
    receipt = Receipt(Stopped.KILLED, 1001.0, 1.0)
    calls = run.tell(m.Ended("a", Outcome(NodeStatus.CANCELLED, 1, receipt=receipt)))
    (failed,) = [call for call in calls if call[0] == "pipeline_node.failed"]
    failure = failed[3]["failure"]
    assert (failure.type, failure.retryable, failed[3]["receipt"]) == ("HandlerKilled", False, receipt)
    assert "shutdown" in failure.message


def test_a_run_that_is_cancelled_while_it_is_left_ends_all_that_was_interrupted() -> None:
    run = Run(step("a"), step("b")).started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("b", 1))
    again = left(run)
    recovered(again)
    again.tell(m.AttemptReady("a", 2), m.AttemptReady("b", 2), m.Park(), m.StandDown())
    again.tell(m.Ended("a", Outcome(NodeStatus.CANCELLED, 2, receipt=Receipt(Stopped.INTERRUPTED))))
    again.tell(m.Cancel("user"))
    calls = again.tell(m.Ended("b", Outcome(NodeStatus.CANCELLED, 2, receipt=Receipt(Stopped.INTERRUPTED))))
    assert [call[:2] for call in calls if call[0].startswith("pipeline")] == [
        ("pipeline_node.cancelled", "b"), ("pipeline_node.cancelled", "a"), ("pipeline_run.cancelled", None),
    ]  # fmt: skip


def test_an_attempt_that_was_interrupted_is_not_charged_and_a_failure_afterwards_is() -> None:
    run = Run(step("a", retry={"max_attempts": 2})).started()
    run.tell(m.AttemptReady("a", 1), m.Park(), m.StandDown())
    run.tell(m.Ended("a", Outcome(NodeStatus.CANCELLED, 1, receipt=Receipt(Stopped.INTERRUPTED))))
    run = left(run)
    recovered(run)
    assert Past(run.events).lost["a"] == 1
    run.tell(m.AttemptReady("a", 2))
    assert Past(run.events).cut == {}


def test_struck_are_those_whose_attempt_a_crash_has_cut_off() -> None:
    run = Run(step("a"), step("b"), step("c"), {"id": "d", "type": "delay", "config": {"seconds": 60}}).started()
    run.tell(m.AttemptReady("a", 1), m.AttemptReady("b", 1), m.AttemptReady("c", 1))
    run.tell(m.AttemptReady("d", 1, at(60.0).utc), m.Ended("a", completed()), m.Retrying("b", 2, at(9.0).utc, FLAKY))
    assert Past(run.events).struck == ["c"]
    run = left(run)
    recovered(run)
    assert Past(run.events).struck == ["c"]  # it begins again, and may have, before the journal knew of it
    run.tell(m.AttemptReady("c", 2), m.AttemptReady("b", 2))
    assert Past(run.events).struck == ["c", "b"]
    run.tell(m.Park())
    assert Past(run.events).struck == []


def test_a_paused_run_can_be_parked_and_stays_paused() -> None:
    run = Run(step("a")).started()
    run.tell(m.Pause(), m.Park())
    again = left(run)
    recovered(again)
    assert (again.state, again.machine.run.status) == ("paused", RunStatus.PAUSED)
