"""Events survive being written as JSON: each value, its type, and what they fold to."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import playbill
from playbill.model.definition import PipelineDefinition
from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import NO_DATA, Event, EventType
from playbill.model.facts import Failure, Inputs, RunStatus
from playbill.model.runstate import RunState
from playbill.runtime.journals.codec import event_from_json, event_to_json
from tests.model.machines.pipelines import definitions
from tests.model.machines.world import World
from tests.stories import support
from tests.stories.support import node, pipeline

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
T = EventType
OUTPUTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("tuples"), inner) | inner,
    max_leaves=8,
)
FAILURES = st.builds(
    Failure,
    st.text(),
    st.text(),
    st.booleans(),
    st.lists(st.text()).map(tuple),
    st.text(),
    st.none() | st.integers(0, 60) | st.floats(0, 1e6),
)


def shown(event: Event) -> str:
    """Everything there is to an event, with its types; a mapping of any kind counts as a dict."""

    def plain(value: Any) -> Any:
        return {key: plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value

    return repr((event.type, event.stream, event.seq, event.at, event.node_id, event.attempt, plain(event.data)))


def there_and_back(event: Event) -> Event:
    """Write and read an event, and compare."""
    line = event_to_json(event)
    assert "\n" not in line
    again = event_from_json(line)
    assert again == event
    assert shown(again) == shown(event)
    return again


def fold(events: Iterable[Event]) -> RunState:
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def check(events: list[Event]) -> None:
    again = [there_and_back(event) for event in events]
    assert fold(again) == fold(events)


def made(kind: EventType, data: Mapping[str, Any] = NO_DATA) -> Event:
    return Event(kind, "r", 1, AT, None, None, data)


# ---- what machines record -------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(definitions(), st.integers(0, 2**32), st.dictionaries(st.text(), OUTPUTS, max_size=3), FAILURES)
def test_whatever_a_run_records_survives(
    definition: PipelineDefinition, seed: int, output: dict[str, Any], failure: Failure
) -> None:
    rng = random.Random(seed)

    def doing(node: str, attempt: int, inputs: Inputs) -> dict[str, Any] | Failure | None:
        return rng.choice([{**output, "flag": True}, {"flag": False}, failure, None])

    world = World(definition, doing, rng, chaos=rng.choice((0.0, 0.02)), stubborn=rng.choice((0.0, 0.5)))
    world.trigger.update(output)
    world.run()
    check(world.events)


@pytest.fixture
async def manager() -> AsyncIterator[playbill.PipelineRunManager]:
    resources = support.resources()
    async with playbill.PipelineRunManager(
        types=support.ALL, resources=resources, grace=0.01, kill_bound=0.01
    ) as manager:
        yield manager
        resources["let_go"].set()


RETRY = {"max_attempts": 3, "base": 0.001}
PIPELINES: dict[str, tuple[PipelineDefinition, set[EventType]]] = {
    "retry": (
        pipeline(node("a", "fails", after="b", times=2, retry_after=0.001, retry=RETRY), node("b", "seen")),
        {T.PIPELINE_NODE_RETRYING, T.PIPELINE_RUN_COMPLETED},
    ),
    "failure": (
        pipeline(node("a", "fails", fatal=True, text="käputt\n\ud800")),
        {T.PIPELINE_NODE_FAILED, T.PIPELINE_RUN_FAILED},
    ),
    "timeout": (
        pipeline(node("a", "hangs"), timeout=0.01),
        {T.PIPELINE_NODE_CANCELLED, T.PIPELINE_RUN_TIMEOUT},
    ),
    "orphan": (
        pipeline(node("a", "swallows", timeout=0.01, retry={"max_attempts": 1})),
        {T.PIPELINE_NODE_FAILED, T.PIPELINE_RUN_FAILED},
    ),
    "delay": (pipeline(node("a", "delay", seconds=0.001)), {T.PIPELINE_NODE_STARTED, T.PIPELINE_RUN_COMPLETED}),
    "skip": (
        pipeline(
            node("if", "condition", config={"condition": "1 > 2"}, after="yes"),
            node("yes", "say", a=[1, {"b": None}]),
        ),
        {T.PIPELINE_NODE_SKIPPED, T.PIPELINE_RUN_COMPLETED},
    ),
    "transparent": (
        pipeline(
            node("t", "trigger", after="p"),
            node("p", "parallel", after="a b"),
            node("a", x=1.5, after="c"),
            node("b", __type__="Failure", after="c"),
            node("c", "seen"),
        ),
        {T.PIPELINE_NODE_COMPLETED, T.PIPELINE_RUN_COMPLETED},
    ),
    "broken edge": (
        PipelineDefinition.model_validate(
            {
                "nodes": [node("a"), node("b")],
                "edges": [{"from": "a", "to": "b", "condition": "output.no.such > 1"}],
            }
        ),
        {T.PIPELINE_NODE_COMPLETED, T.PIPELINE_RUN_FAILED},
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", PIPELINES)
async def test_the_events_of_a_real_run_survive(manager: playbill.PipelineRunManager, name: str) -> None:
    definition, expected = PIPELINES[name]
    run = await manager.start_run(definition, {"n": 1, "seq": [1, 2.0, True]})
    events = [event async for event in run.events()]
    assert expected <= {event.type for event in events}
    check(events)


@pytest.mark.anyio
async def test_a_paused_and_cancelled_run_survives(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "swallows"), node("b", "delay", seconds=60)))
    async for event in run.events():
        if event.node_id == "b":
            break
    assert await run.pause()
    assert await run.resume()
    assert await run.cancel("enough", source="tests")
    events = [event async for event in run.events()]
    assert {
        T.PIPELINE_RUN_PAUSED,
        T.PIPELINE_RUN_RESUMED,
        T.PIPELINE_RUN_CANCEL_REQUESTED,
        T.PIPELINE_RUN_CANCELLED,
    } <= {event.type for event in events}
    check(events)


@pytest.mark.anyio
async def test_the_events_of_a_managers_breakers_survive(manager: playbill.PipelineRunManager) -> None:
    seen: list[Event] = []

    async def listen() -> None:
        async for event in manager.events():
            seen.append(event)
            if event.type is T.BREAKER_FORCED:
                return

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    failing = node("a", "fails", breaker="shop", retry={"max_attempts": 1})
    await support.finished(manager, pipeline(failing, breakers={"shop": {"failures": 1}}))
    await manager.force_circuit("shop", "disabled")
    await listener
    breakers = [there_and_back(event) for event in seen if event.stream == "breaker:shop"]
    assert [event.type for event in breakers] == [T.BREAKER_OPENED, T.BREAKER_FORCED]


def test_the_events_of_a_breaker_alone_survive() -> None:
    events: list[Event] = []
    time = [0.0]
    policy = playbill.BreakerPolicy(failures=1, open_seconds=1, half_open_permits=1)
    breaker = playbill.CircuitBreaker(policy, clock=lambda: time[0], on_event=events.append)
    breaker.acquire().settle("failure")
    time[0] = 10
    breaker.acquire().settle("success")
    breaker.force(playbill.CircuitState.FORCED_OPEN)
    events.append(made(T.BREAKER_RESET, {"epoch": 7, "error": "ValueError()"}))
    assert [str(there_and_back(event).type) for event in events] == [
        "breaker.opened",
        "breaker.half_opened",
        "breaker.closed",
        "breaker.forced",
        "breaker.reset",
    ]


@given(st.dictionaries(st.text(), OUTPUTS))
def test_any_output_survives_with_its_types(output: dict[str, Any]) -> None:
    there_and_back(made(T.PIPELINE_NODE_COMPLETED, {"output": output, "live": (0, 2), "passed_on": ("a",)}))


@pytest.mark.parametrize(
    "output",
    [
        {"tuples": [["output"]], "type": "Failure", "data": {"at": "2026-01-01"}, "": {"": []}},
        {"n": [1, 1.0, True, -0.0, 10**30, 5e-324]},
    ],
)
def test_outputs_that_look_like_marks_stay_what_they_are(output: dict[str, Any]) -> None:
    again = there_and_back(made(T.PIPELINE_NODE_COMPLETED, {"output": output, "live": ()}))
    assert repr(again.data["output"]) == repr(output)


def test_what_json_has_no_word_for_is_written_by_the_rule_for_outputs() -> None:
    event = made(T.PIPELINE_NODE_COMPLETED, {"output": {"x": (1, {date(2026, 1, 2)})}, "live": ()})
    assert event_from_json(event_to_json(event)).data["output"] == {"x": [1, ["2026-01-02"]]}


def test_an_output_of_any_depth_that_it_may_have_can_be_written() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    there_and_back(made(T.PIPELINE_NODE_COMPLETED, {"output": {"a": deep}, "live": ()}))


def test_a_file_of_playbill_0_1_is_read_without_its_marks_of_tuples() -> None:
    path = Path(__file__).parent / "recorded_by_0_1.jsonl"
    events = [event_from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [str(event.type) for event in events] == [
        "pipeline_run.started", "pipeline_node.started", "pipeline_node.completed", "pipeline_run.completed",
    ]  # fmt: skip
    assert events[0].data["trigger_data"] == {"pair": [1, [2, 3]]}
    assert events[2].data["output"] == {"pair": [1, [2, 3]]}
    assert events[2].data["live"] == ()


def test_read_only_mappings_come_back_as_dicts() -> None:
    data = {"output": MappingProxyType({"a": 1}), "live": ()}
    assert type(there_and_back(made(T.PIPELINE_NODE_COMPLETED, data)).data["output"]) is dict


@pytest.mark.parametrize("seconds", [inf, 0, 0.1, 3])
def test_endless_waits_survive(seconds: float) -> None:
    failure = Failure("E", "m", retryable=True, retry_after=seconds)
    there_and_back(made(T.PIPELINE_NODE_RETRYING, {"failure": failure, "due_at": AT, "receipt": None}))


@pytest.mark.parametrize("at", [AT, AT.replace(microsecond=0), AT.astimezone(timezone(timedelta(hours=-5)))])
def test_moments_keep_their_zone(at: datetime) -> None:
    there_and_back(Event(T.PIPELINE_NODE_STARTED, "r", 1, at, "a", 1, {"due_at": at}))


def test_a_line_is_plain_to_read() -> None:
    event = Event(T.PIPELINE_NODE_COMPLETED, "r", 3, AT, "a", 1, {"output": {"x": [1]}, "live": (0,)})
    assert json.loads(event_to_json(event)) == {
        "type": "pipeline_node.completed",
        "stream": "r",
        "seq": 3,
        "at": "2026-01-02T03:04:05.000678+00:00",
        "node_id": "a",
        "attempt": 1,
        "version": 2,
        "run_id": "r",
        "data": {"output": {"x": [1]}, "live": [0]},
    }


# ---- what is wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [object(), {1: 2}, inf, {"deep": {3, None}}])
def test_what_json_cannot_say_is_refused_with_its_place(wrong: object) -> None:
    with pytest.raises(JournalError, match=r"event 1 of 'r' \(pipeline_node.completed\): its data.output.x"):
        event_to_json(made(T.PIPELINE_NODE_COMPLETED, {"output": {"x": wrong}, "live": ()}))


GOOD: dict[str, Any] = json.loads(
    event_to_json(made(T.PIPELINE_RUN_FAILED, {"status": RunStatus.FAILED, "cause": None}))
)
FAILED = Failure("E", "m", retryable=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "pipeline.exploded"}, "type: 'pipeline.exploded' is not a valid EventType"),
        ({"seq": "1"}, 'seq: is "1", and takes int'),
        ({"seq": True}, "seq: is true, and takes int"),
        ({"at": "yesterday"}, "at: Invalid isoformat string: 'yesterday'"),
        ({"at": 3}, "at: is 3, and takes str"),
        ({"node_id": []}, "node_id: is [], and takes str"),
        ({"data": []}, "is [], and takes dict"),
        ({"data": {"status": "failed"}}, "lacks cause"),
        ({"data": {"status": "paused-ish", "cause": None}}, "status: 'paused-ish' is not a valid RunStatus"),
        (
            {"data": {"status": "failed", "cause": {"status": "failed"}}},
            "cause: lacks error, node, source, reason, seconds",
        ),
        ({"data": {"status": "failed", "cause": 3}}, "cause: is 3, and takes dict"),
        ({"extra": 1, "more": 2}, "unknown extra, more"),
        ({"data": {"status": "failed", "cause": None, "colour": "red"}}, "data: unknown colour"),
        ({"version": "1"}, "version: is '1', and takes a number from 1 on"),
        ({"version": True}, "version: is True, and takes a number from 1 on"),
        ({"version": 0}, "version: is 0, and takes a number from 1 on"),
        ({"version": 9}, "version: pipeline_run.failed 9 was written by a newer playbill, this one reads versions"),
        ({"type": "pipeline_node.completed", "data": {"live": []}}, "lacks output"),
    ],
)
def test_a_line_that_is_not_an_event_is_refused_naming_the_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        event_from_json(json.dumps({**GOOD, **change}), "run.jsonl:7")
    assert str(caught.value).startswith("run.jsonl:7: this is not an event: ")
    assert said in str(caught.value)
    assert caught.value.problems[0].code == "bad-event"


def test_a_fact_with_an_unknown_field_is_refused() -> None:
    cause = {
        "status": "failed",
        "error": None,
        "node": "",
        "source": "",
        "reason": "",
        "seconds": 0.0,
        "colour": "red",
    }
    with pytest.raises(DefinitionError, match=r"cause: .*colour"):
        event_from_json(json.dumps({**GOOD, "data": {"status": "failed", "cause": cause}}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"type": NaN}'])
def test_what_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="this is not an event"):
        event_from_json(text)
