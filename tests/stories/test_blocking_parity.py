"""What sync programs have: all that a manager and a run have, as plain calls, iterators and values."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import playbill
from tests.stories import support
from tests.stories.support import node, pipeline

LONG = pipeline(node("a", "delay", seconds=60))
FOR_THE_MANAGER = {
    "check_kept",
    "check_same",
    "conclude",
    "fence",
    "give_up",
    "kept_events",
    "park",
    "rest",
    "stopped",
}
"""What a run has for its manager alone."""


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_a_blocking_manager_has_all_that_a_manager_has() -> None:
    assert public(playbill.PipelineRunManager) - public(playbill.BlockingManager) == set()


def test_a_blocking_run_has_all_that_a_run_has() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(LONG)
        fields = {name for name in vars(run._run) if not name.startswith("_")} - {"actor"}
    wanted = public(playbill.Run) | fields
    assert wanted - FOR_THE_MANAGER - public(playbill.BlockingRun) == set()


@pytest.fixture
def resources() -> dict[str, Any]:
    return {"began": threading.Event()}


@pytest.fixture
def manager(resources: dict[str, Any]) -> Iterator[playbill.BlockingManager]:
    with playbill.BlockingManager(types=support.ALL, resources=resources, grace=0.05) as made:
        yield made


def test_its_runs_are_known_by_their_ids(manager: playbill.BlockingManager) -> None:
    definition = manager.prepare(LONG.model_dump())
    run = manager.start_run(definition, {"n": 1}, run_id="r")
    other = manager.start_run(LONG)
    assert [each.run_id for each in manager.active_runs] == ["r", other.run_id]
    assert (run.id, run.definition, run.trigger_data, run.done, run.outcome) == (
        "r",
        definition,
        {"n": 1},
        False,
        None,
    )
    assert (manager.pause_run("r"), run.is_paused, run.status) == (True, True, "paused")
    assert (manager.resume_run("r"), run.is_paused) == (True, False)
    assert manager.cancel_run("r", "enough", 0)
    run.result()
    assert [each.run_id for each in manager.active_runs] == [other.run_id]
    assert other.cancel("no more", source="tests")
    outcome = other.result()
    assert outcome.cause is not None
    assert (outcome.cause.source, outcome.cause.reason) == ("tests", "no more")
    with pytest.raises(playbill.UnknownRun):
        manager.get_run("other")


def test_its_circuits_can_be_seen_and_set(manager: playbill.BlockingManager) -> None:
    failing = pipeline(node("a", "fails", breaker="shop", retry={"max_attempts": 1}))
    manager.start_run(failing).result()
    assert manager.circuits == {"shop": "closed"}
    manager.force_circuit("shop", "forced_open")
    assert manager.circuits == {"shop": playbill.CircuitState.FORCED_OPEN}
    assert "circuit 'shop' is open" in str(manager.start_run(failing).result().error)
    with pytest.raises(playbill.DefinitionError, match="no pipeline has used breaker 'other' yet"):
        manager.force_circuit("other", "disabled")
    assert (manager.orphans, manager.dead_letters, manager.is_over) == (0, 0, False)


def test_its_events_are_those_of_all_runs_from_the_call_on_until_it_closes() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        before = manager.start_run(pipeline(node("a", "parallel")))
        before.result()
        events = manager.events()
        run = manager.start_run(pipeline(node("a", "parallel")))
        first = next(events)
        seen: list[str] = []
        reading = threading.Thread(target=lambda: seen.extend(str(event.type) for event in events))
        reading.start()
        run.result()
    reading.join(10)
    assert not reading.is_alive()
    assert (first.run_id, str(first.type)) == (run.run_id, "pipeline_run.started")
    assert seen == ["pipeline_node.started", "pipeline_node.completed", "pipeline_run.completed"]


def test_what_was_not_read_yet_can_be_read_when_it_has_closed() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        every = manager.events()
        run = manager.start_run(LONG)
        its = run.events()
        assert next(its).seq == 1
    assert [str(event.type) for event in its][-1] == "pipeline_run.cancelled"
    assert [str(event.type) for event in every][-1] == "pipeline_run.cancelled"


def test_how_a_run_ended_can_be_read_when_its_manager_has_closed() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(LONG, run_id="r")
    assert run.result().status is playbill.RunStatus.CANCELLED
    assert run.result(timeout=0) is run.outcome
    assert (run.status, run.done, run.run_id) == ("cancelled", True, "r")
    assert run.node_results["a"].status == "cancelled"
    assert run.wait(0)
    run.request_cancel("late")
    assert manager.is_over


def test_who_waits_too_long_is_told_for_what(manager: playbill.BlockingManager) -> None:
    nodes = [
        node("t", "trigger", after="first second pause"),
        node("first", "hangs"),
        node("second", "hangs"),
        node("pause", "delay", seconds=60, after="last"),
        node("last"),
        node("again", "fails", retry={"base": 60}),
    ]
    run = manager.start_run(pipeline(*nodes, max_concurrency=2), run_id="r")
    events = run.events()
    waiting = {"first", "second", "pause", "again"}
    while waiting:
        event = next(events)
        if event.type is playbill.EventType.PIPELINE_NODE_RETRYING or event.node_id in {"first", "second", "pause"}:
            waiting.discard(event.node_id or "")
    with pytest.raises(TimeoutError) as raised:
        run.result(timeout=0.01)
    said = str(raised.value)
    assert said.startswith("run 'r' has not ended after 10 ms and goes on: ")
    assert set(said.partition("goes on: ")[2].split("; ")) == {
        "running: 'first', 'second'", "delaying: 'pause'", "backing off: 'again'",
    }  # fmt: skip
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert not run.wait(0)
    run.pause()
    with pytest.raises(TimeoutError, match="goes on: it is paused; "):
        run.result(timeout=0)
    run.request_cancel("enough", 0)
    assert run.wait(10)


def test_who_calls_something_that_takes_too_long_is_told_so(manager: playbill.BlockingManager) -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="not done after 10 ms"):
        manager.call(slow(), 0.01)


def test_it_may_be_closed_before_its_end() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(LONG)
        with pytest.raises(ValueError, match="grace is a number of seconds"):
            manager.close("now")  # type: ignore[arg-type]
        manager.close(0)
        assert (run.status, manager.is_over) == ("cancelled", True)
        with pytest.raises(RuntimeError, match="closed"):
            manager.start_run(LONG)
        manager.close()
    manager.close()
    unused = playbill.BlockingManager(types=[])
    unused.close()
    assert not unused.is_over
