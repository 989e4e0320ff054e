"""What handlers say of their progress reaches who listens, and no journal."""

import asyncio
import os
from typing import Any

import pytest

import playbill
from tests.stories.support import node, pipeline, say

pytestmark = pytest.mark.anyio


@playbill.node_type("works")
async def works(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Say what its config lists, a second apart."""
    for said in context.config["says"]:
        context.heartbeat(said)
        await context.sleep(context.config.get("apart", 0.001))
    return {}


@playbill.node_type("labours")
def labours(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Say it in a thread, or in a process."""
    for said in context.config["says"]:
        context.heartbeat(said)
    return {}


@pytest.fixture
async def manager() -> Any:
    async with playbill.PipelineRunManager(types=[works, labours, say]) as made:
        yield made


async def told(run: playbill.Run) -> list[Any]:
    return [
        event.progress if isinstance(event, playbill.NodeProgress) else str(event.type)
        async for event in run.events(progress=True)
    ]


async def test_progress_comes_between_the_events_and_has_no_seq(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "works", says=[0.5, {"done": 3, "of": 10}, None, "nearly"])))
    assert await told(run) == [
        "pipeline_run.started",
        "pipeline_node.started",
        0.5,
        {"done": 3, "of": 10},
        "nearly",
        "pipeline_node.completed",
        "pipeline_run.completed",
    ]
    seqs = [event.seq async for event in run.events(progress=True)]
    assert seqs == [1, 2, 3, 4]  # it is kept nowhere
    assert [event.seq async for event in run.events()] == seqs


async def test_progress_is_shaped_like_an_event(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "works", says=["half"])))
    (said,) = [event async for event in run.events(progress=True) if event.seq is None]
    assert (said.type, said.stream, said.node_id, said.attempt) == ("pipeline_node.progress", run.id, "a", 1)
    assert said.data == {"progress": "half"}


async def test_a_slow_listener_sees_the_latest_of_each_node(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "works", says=[1, 2, 3]), node("b", "works", says=["x", "y"])))
    events = run.events(progress=True)
    await run.result()
    said = [event async for event in events]
    news = [(item.node_id, item.progress) for item in said if isinstance(item, playbill.NodeProgress)]
    assert sorted(news) == [("a", 3), ("b", "y")]
    types = [str(item.type) for item in said]
    for name in "ab":  # after its node began, before it ended
        own = [str(item.type) for item in said if item.node_id == name]
        assert own == ["pipeline_node.started", "pipeline_node.progress", "pipeline_node.completed"]
    assert types[-1] == "pipeline_run.completed"


async def test_who_comes_late_finds_what_each_node_said_last(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "works", says=[0.1, 0.2], apart=60)))
    early = run.events(progress=True)
    while (await anext(early)).seq is not None:
        pass
    late = [await anext(events) for events in [run.events(progress=True)] for _ in range(3)]
    assert [item.seq for item in late] == [1, 2, None]
    assert late[-1].data == {"progress": 0.1}
    await run.cancel()


async def test_each_attempt_says_its_own(manager: playbill.PipelineRunManager) -> None:
    @playbill.node_type("again")
    async def again(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        context.heartbeat(f"attempt {context.attempt}")
        if context.attempt == 1:
            raise playbill.NodeExecutionError("not yet")
        return {}

    async with playbill.PipelineRunManager(types=[again]) as own:
        run = await own.start_run(pipeline(node("a", "again", retry={"base": 0.001})))
        said = [(event.attempt, event.data) async for event in run.events(progress=True) if event.seq is None]
    assert said == [(1, {"progress": "attempt 1"}), (2, {"progress": "attempt 2"})]


async def test_who_polls_loses_nothing(manager: playbill.PipelineRunManager) -> None:
    run = await manager.start_run(pipeline(node("a", "works", says=[0.1, 0.2], apart=0.05)))
    events, said = run.events(progress=True), list[Any]()
    while not run.done or len(said) < 6:
        try:
            said.append(await asyncio.wait_for(anext(events), 0.001))
        except TimeoutError:
            continue
    assert [item.data["progress"] for item in said if item.seq is None] == [0.1, 0.2]


@pytest.mark.real("threads and processes")
@pytest.mark.parametrize("isolation", ["inline", "process"])
async def test_threads_and_processes_say_it_too(manager: playbill.PipelineRunManager, isolation: str) -> None:
    if isolation == "process" and os.name != "posix":
        pytest.skip("processes are Linux's")
    run = await manager.start_run(pipeline(node("a", "labours", says=[0.25, "last"], isolation=isolation)))
    assert (await told(run))[-3:] == ["last", "pipeline_node.completed", "pipeline_run.completed"]


@pytest.mark.real("a thread of its own")
def test_sync_programs_hear_it_too(anyio_backend: Any) -> None:
    with playbill.BlockingManager(types=[works]) as manager:
        run = manager.start_run(pipeline(node("a", "works", says=["half"], apart=0.05)))
        said = [event.data["progress"] for event in run.events(progress=True) if event.seq is None]
    assert said == ["half"]


@pytest.mark.parametrize(
    ("said", "fraction"),
    [
        (0.5, 0.5), (0, 0), (1, 1), (2, None), (-0.1, None), (True, None), ("half", None),
        ({"done": 3, "of": 10}, 0.3), ({"done": 30, "of": 10}, 1), ({"done": 3}, None), ({"done": 1, "of": 0}, None),
        ({"done": "1", "of": 2}, None),
        ({"done": 10**400, "of": 2}, None), (float("nan"), None), ([1], None),
    ],
)  # fmt: skip
@pytest.mark.real("pure")
def test_what_says_how_much_is_done(anyio_backend: Any, said: Any, fraction: float | None) -> None:
    from datetime import UTC, datetime

    assert playbill.NodeProgress("run", datetime.now(UTC), "a", 1, said).fraction == fraction


async def test_progress_shows_no_secret() -> None:
    async with playbill.PipelineRunManager(types=[works], secrets={"key": "hunter2hunter2", "pin": 987654321}) as own:
        says = ["key hunter2hunter2", {"key": "${secrets.key}", "pin": "${secrets.pin}"}]
        run = await own.start_run(pipeline(node("a", "works", says=says)))
        said = [event.data["progress"] async for event in run.events(progress=True) if event.seq is None]
    assert said == ["key ***", {"key": "***", "pin": "***"}]
