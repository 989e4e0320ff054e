"""Events and results for others: as data that JSON can say, and back; without what only a fold needs."""

import asyncio
import json
from typing import Any

import pytest

import playbill
from tests.stories import support
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
ONCE = {"max_attempts": 1}
INTERNALS = {"live"}
PIPELINES = {
    "completed": pipeline(
        node("t", "trigger", after="if"),
        node("if", "condition", condition="trigger.n > 5", after="p"),
        node("p", "parallel", after="a"),
        node("a", n=1),
        node("wait", "delay", seconds=0.001, after="b"),
        node("b", x=[1, {"y": None}]),
    ),
    "failed": pipeline(node("a", "fails", fatal=True, after="b"), node("b")),
    "retried": pipeline(node("a", "fails", times=1, retry={"max_attempts": 2, "base": 0.001})),
    "timeout": pipeline(node("a", "hangs"), timeout=0.01),
    "orphan": pipeline(node("a", "swallows", timeout=0.01, retry=ONCE)),
    "handled": pipeline(
        node("a", "fails", retry=ONCE, next=[{"to": "b", "when": "failure"}]),
        node("b", "seen"),
        outputs={"x": "1 + 1"},
    ),
}


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    """What comes over the wire: strict JSON, which has no inf."""
    read: dict[str, Any] = json.loads(json.dumps(data, allow_nan=False))
    assert read == data
    return read


def check(event: playbill.Event) -> None:
    said = through_json(event.as_dict())
    assert playbill.Event.from_dict(said).as_dict() == said
    assert not INTERNALS & said["data"].keys()
    assert not any(f"{name}=" in repr(event) for name in INTERNALS)
    whole = through_json(event.as_dict(internals=True))
    again = playbill.Event.from_dict(whole)
    assert again == event
    assert again.data == event.data
    assert whole["data"].keys() == event.data.keys()


@pytest.mark.parametrize("name", PIPELINES)
async def test_every_event_and_result_of_a_run_goes_over_the_wire(name: str) -> None:
    resources = support.resources()
    async with playbill.PipelineRunManager(
        types=support.ALL, resources=resources, grace=0.01, kill_bound=0.01
    ) as manager:
        run = await manager.start_run(PIPELINES[name], {"n": 9})
        events = [event async for event in run.events()]
        result = await run.result()
        resources["let_go"].set()
    for event in events:
        check(event)
        assert event.run_id == run.run_id == result.run_id
    assert playbill.RunResult.from_dict(through_json(result.as_dict())) == result


async def test_a_cancelled_run_says_who_and_why(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "delay", seconds=60)))
    assert await run.pause()
    assert await run.resume()
    await run.cancel("enough", source="operator")
    for event in [event async for event in run.events()]:
        check(event)
    data = through_json((await run.result()).as_dict())
    assert (data["status"], data["error"]) == ("cancelled", None)
    assert (data["cause"]["source"], data["cause"]["reason"]) == ("operator", "enough")
    assert data["node_results"]["a"]["receipt"] == {"how": "not_started", "ms": 0.0}


async def test_a_run_whose_time_is_over_says_after_how_long(manager: Manager) -> None:
    data = (await finished(manager, pipeline(node("a", "delay", seconds=60), timeout=0.01))).as_dict()
    assert (data["status"], data["cause"]["source"], data["cause"]["seconds"]) == ("timeout", "timeout", 0.01)
    assert data["node_results"]["a"]["attempts"] == 1


async def test_an_event_of_a_breaker_is_of_no_run(manager: Manager) -> None:
    events = manager.events()
    definition = pipeline(node("a", "fails", breaker="shop", retry=ONCE), breakers={"shop": {"failures": 1}})
    run = await manager.start_run(definition)
    await run.result()
    await manager.force_circuit("shop", "forced_open")
    seen: list[playbill.Event] = []
    while not seen or seen[-1].type is not playbill.EventType.BREAKER_FORCED:
        seen.append(await anext(events))
    for event in seen:
        check(event)
    assert {event.run_id for event in seen if not event.stream.startswith("breaker:")} == {run.run_id}
    assert {event.run_id for event in seen if event.stream.startswith("breaker:")} == {None}


async def test_an_event_tells_itself_in_one_line(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", text="x" * 500)), run_id="r")
    said = [repr(event) for event in [event async for event in run.events()]]
    assert said[1:] == [
        "<Event r#2 pipeline_node.started a attempt=1>",
        f"<Event r#3 pipeline_node.completed a attempt=1 output={{'text': '{'x' * 47}...>",
        "<Event r#4 pipeline_run.completed status='completed' cause=None>",
    ]


async def test_what_goes_over_the_wire_is_the_callers_to_change(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", deep={"x": [1]})))
    result = await run.result()
    data = result.as_dict()
    data["outputs"]["a"]["deep"]["x"].append(2)
    data["node_results"]["a"]["output"].clear()
    for event in [event async for event in run.events()]:
        event.as_dict()["data"].clear()
    assert result.outputs == {"a": {"deep": {"x": [1]}}}
    assert result.as_dict()["node_results"]["a"]["output"] == {"deep": {"x": [1]}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "pipeline.exploded"}, "'pipeline.exploded' is not a valid EventType"),
        ({"run_id": "other"}, "run_id: is 'other', and its stream is 'r'"),
        ({"colour": "red"}, "unknown colour"),
        ({"data": None}, "is null, and takes dict"),
        ({"data": {}}, "lacks status, cause"),
        ({"seq": "1"}, 'seq: is "1", and takes int'),
    ],
)
async def test_what_is_not_an_event_is_refused_naming_the_field(
    manager: Manager, change: dict[str, Any], said: str
) -> None:
    run = await manager.start_run(pipeline(node("a")), run_id="r")
    last = [event async for event in run.events()][-1]
    with pytest.raises(playbill.DefinitionError, match="this is not an event: ") as raised:
        playbill.Event.from_dict({**last.as_dict(), **change})
    assert said in str(raised.value)
    with pytest.raises(playbill.DefinitionError, match="None is not a mapping"):
        playbill.Event.from_dict(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["b'x'", "1.0 / 0.0", "{1: 2}"])
async def test_an_output_of_a_run_that_json_cannot_say_fails_it(manager: Manager, text: str) -> None:
    result = await finished(manager, pipeline(node("a"), outputs={"x": text}))
    assert result.status is playbill.RunStatus.FAILED
    assert str(result.error).startswith(f"NodeConfigError: output 'x': expression '{text}' failed: it ")
    through_json(result.as_dict())
    fine = await finished(manager, pipeline(node("a"), outputs={"x": "string(timestamp('2026-01-01T00:00:00Z'))"}))
    assert fine.outputs == {"x": "2026-01-01T00:00:00+00:00"}


def test_an_event_of_a_breaker_alone_goes_over_the_wire() -> None:
    events: list[playbill.Event] = []
    breaker = playbill.CircuitBreaker(playbill.BreakerPolicy(failures=1), on_event=events.append)
    breaker.acquire().settle("failure", ValueError("no"))
    breaker.force("disabled")
    for event in events:
        check(event)
        assert event.run_id is None


def test_a_blocked_loop_names_its_run_in_its_data() -> None:
    at = asyncio.run(_now())
    data = {"run_id": "r", "seconds": float("inf"), "stack": "..."}
    event = playbill.Event(playbill.EventType.LOOP_BLOCKED, "loop", 1, at, "a", 1, data)
    assert (event.run_id, event.as_dict()["data"]["run_id"]) == (None, "r")
    check(event)


async def _now() -> Any:
    async with playbill.PipelineRunManager(types=[]) as manager:
        return (await finished(manager, pipeline(node("a", "parallel")))).ended_at
