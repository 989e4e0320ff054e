"""What may be done to a run that nobody has at work, and how its fold reads it."""

from datetime import UTC, datetime, timedelta

import pytest

from playbill.model.events import Event, EventType
from playbill.model.facts import Cause, NodeStatus, RunStatus
from playbill.model.messages import Cancel, Pause, Resume
from playbill.model.past import Past
from playbill.model.runstate import RunState
from playbill.model.unowned import UnownedRun

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = EPOCH - timedelta(hours=1)
CANCEL = Cancel("user", "enough", 3.0)
BY_USER = Cause(RunStatus.CANCELLED, source="user", reason="enough")


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def left(status: RunStatus = RunStatus.RUNNING) -> UnownedRun:
    return UnownedRun("r", status, 7, at(0))


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("message", [CANCEL, Pause(), Resume()])
def test_each_message_changes_just_the_runs_that_it_can(status: RunStatus, message: Cancel | Pause | Resume) -> None:
    run = left(status)
    changes = {
        RunStatus.PENDING: {Cancel, Pause},
        RunStatus.RUNNING: {Cancel, Pause},
        RunStatus.PAUSED: {Cancel, Resume},
    }.get(status, set())
    events = run.receive(message, at(1))
    assert bool(events) is (type(message) in changes)
    assert [event.seq for event in events] == list(range(8, 8 + len(events)))
    assert (run.status == status) is not bool(events)


def test_a_cancel_is_recorded_with_who_asked_and_ends_the_run() -> None:
    run = left()
    assert run.receive(CANCEL, at(1)) == [
        Event(EventType.PIPELINE_RUN_CANCEL_REQUESTED, "r", 8, at(1), None, None, {"cause": BY_USER, "grace": 3.0}),
        Event(EventType.PIPELINE_RUN_CANCELLED, "r", 9, at(1), None, None, {"status": "cancelled", "cause": BY_USER}),
    ]
    assert run.receive(CANCEL, at(2)) == run.receive(Pause(), at(2)) == run.receive(Resume(), at(2)) == []
    assert repr(run) == "<UnownedRun r cancelled seq=9>"


def test_a_clock_that_was_set_back_does_not_take_a_stream_back() -> None:
    assert [event.at for event in left().receive(Pause(), EARLIER)] == [at(0)]


def test_a_pause_says_that_nobody_owned_the_run_and_reads_back_equal() -> None:
    (paused,) = left().receive(Pause(), at(1))
    assert paused.data == {"unowned": True}
    assert Event.from_dict(paused.as_dict(internals=True)) == paused


# ---- the fold -------------------------------------------------------------------------------------------------


def event(seq: int, kind: str, seconds: float, node: str | None = None, **data: object) -> Event:
    return Event(EventType(kind), "r", seq, at(seconds), node, 1 if node else None, data)


LIFE = [
    event(1, "pipeline_run.started", 0, trigger_data={}),
    event(2, "pipeline_node.started", 1, "a"),
    event(3, "pipeline_node.completed", 2, "a", output={}, live=()),
    event(4, "pipeline_node.started", 3, "b"),
]


def test_nodes_that_were_running_show_cancelled_and_others_stay_as_they_are() -> None:
    state = RunState()
    for each in [*LIFE, *UnownedRun("r", RunStatus.RUNNING, 4, at(3)).receive(CANCEL, at(9))]:
        state.apply(each)
    assert (state.status, state.ended_at, state.cause, state.was_stopped) == ("cancelled", at(9), BY_USER, True)
    assert {name: (node.status, node.ended_at) for name, node in state.nodes.items()} == {
        "a": (NodeStatus.COMPLETED, at(2)),
        "b": (NodeStatus.CANCELLED, at(9)),
    }


def test_time_in_which_nobody_owned_a_run_does_not_count_whoever_pauses_it_then() -> None:
    run, past = UnownedRun("r", RunStatus.RUNNING, 4, at(3)), Past(LIFE)
    told: list[tuple[Pause | Resume, float]] = [(Pause(), 100), (Resume(), 200), (Pause(), 300), (Resume(), 400)]
    for message, seconds in told:
        for each in run.receive(message, at(seconds)):
            past.apply(each)
        assert past.seconds == 3
    recovered = event(9, "pipeline_run.recovered", 500, epoch=1, attempts=["b"])
    past.apply(recovered)
    assert past.seconds == 3
    past.apply(event(10, "pipeline_run.paused", 504))  # by its owner
    assert past.seconds == 7
    assert (past.crashes["b"], past.seconds_of("b")) == (1, 4)


def test_a_run_that_its_owner_paused_and_nobody_resumed_counts_from_its_recovery_on() -> None:
    past = Past([*LIFE, event(5, "pipeline_run.paused", 10)])
    for each in UnownedRun("r", RunStatus.PAUSED, 5, at(10)).receive(Resume(), at(100)):
        past.apply(each)
    past.apply(event(7, "pipeline_run.recovered", 500, epoch=1, attempts=[]))
    past.apply(event(8, "pipeline_run.parked", 501))
    assert past.seconds == 11
