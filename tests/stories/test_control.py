"""What managers do to runs besides running them: attributes, pruning, control of those that nobody has at work."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.errors import JournalError
from tests.stories import support
from tests.stories.support import node, pipeline

pytestmark = pytest.mark.anyio
ONE = pipeline(node("a"))
HELD = pipeline(node("a", "hangs"))
Manager = playbill.PipelineRunManager


async def ids(manager: Manager, **asked: Any) -> list[str]:
    return [row.run_id for row in (await manager.list_runs(**asked)).runs]


async def set_and_find(manager: Manager) -> None:
    await (await manager.start_run(ONE, run_id="one", attributes={"city": "Lyon", "n": 1})).result()
    run = await manager.start_run(HELD, run_id="two")
    await run.set_attributes({"city": "Lyon", "vip": True})
    await anext(run.events())
    await manager.set_attributes("one", {"n": 2, "day": 1.5})
    (row,) = (await manager.list_runs(attributes={"n": 2})).runs
    assert row.attributes == {"city": "Lyon", "n": 2, "day": 1.5}
    assert await ids(manager, attributes={"city": "Lyon"}) == ["two", "one"]
    assert await ids(manager, attributes={"city": "Lyon", "vip": True}) == ["two"]
    assert await ids(manager, attributes={"vip": 1}) == []
    with pytest.raises(playbill.UnknownRun):
        await manager.set_attributes("three", {"a": 1})
    await manager.set_attributes("one", {f"more{number}": number for number in range(61)})
    with pytest.raises(playbill.DefinitionError, match="a run has up to 64 attributes, and these are 65: leave some"):
        await manager.set_attributes("one", {"one_more": 1})
    (row,) = (await manager.list_runs(attributes={"n": 2})).runs
    assert len(row.attributes) == 64


async def test_runs_are_found_by_attributes_in_memory() -> None:
    async with Manager(types=support.ALL, resources=support.resources(), grace=0.01) as manager:
        await set_and_find(manager)


@pytest.mark.real("a file")
async def test_runs_are_found_by_attributes_in_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    async with Manager(journal=url, types=support.ALL, resources=support.resources(), grace=0.01) as manager:
        await set_and_find(manager)
    async with Manager(journal=url, types=[]) as manager:
        assert await ids(manager, attributes={"vip": True}) == ["two"]
        await manager.set_attributes("two", {"vip": False})
        assert await ids(manager, attributes={"vip": False}) == ["two"]


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"a": None}, "attribute 'a' is None, and takes text, a number or a bool"),
        ({"a": float("nan")}, "attribute 'a' is nan, and takes a finite number"),
        ({"2a": 1}, "attribute '2a': a name begins with a letter or '_', and has up to 64 letters"),
        ({"a=b": 1}, "attribute 'a=b': a name begins"),
        ({7: 1}, "attribute 7: a name begins"),
        ({"a": "x" * 4097}, "attribute 'a' has 4,097 bytes, over the limit of 4,096: give a reference"),
        ({f"a{number}": 1 for number in range(65)}, "a run has up to 64 attributes, and these are 65"),
        ([("a", 1)], "attributes are a mapping of names to text, numbers and bools"),
    ],
)
async def test_what_are_no_attributes_is_refused_before_a_run_begins(attributes: Any, said: str) -> None:
    async with Manager(types=support.ALL) as manager:
        with pytest.raises(playbill.DefinitionError, match=said.replace("'", ".")):
            await manager.start_run(ONE, attributes=attributes)
        assert await ids(manager) == []
        run = await manager.start_run(ONE)
        with pytest.raises(playbill.DefinitionError):
            await run.set_attributes(attributes)


async def test_a_run_there_is_keeps_its_own_attributes() -> None:
    async with Manager(types=support.ALL) as manager:
        run = await manager.start_run(ONE, run_id="one", attributes={"n": 1})
        assert await manager.start_run(ONE, run_id="one", attributes={"n": 2}) is run
        await run.result()
        assert await ids(manager, attributes={"n": 1}) == ["one"]


async def test_ended_runs_are_pruned_and_their_ids_are_free_again() -> None:
    async with Manager(types=support.ALL, resources=support.resources(), grace=0.01) as manager:
        await (await manager.start_run(ONE, run_id="one")).result()
        await anext((await manager.start_run(HELD, run_id="two")).events())
        after = datetime.now(UTC) + timedelta(days=90_000)
        assert await manager.prune(after, ["failed"]) == 0
        with pytest.raises(ValueError, match="status 'running' is not that of a run that has ended: completed, "):
            await manager.prune(after, ["running"])
        with pytest.raises(ValueError, match="before is a datetime with its time zone"):
            await manager.prune(datetime(2026, 1, 1))  # noqa: DTZ001 (what is wrong with it)
        assert await manager.prune(after, ["completed"]) == 1
        assert await ids(manager) == ["two"]
        with pytest.raises(playbill.UnknownRun):
            manager.get_run("one")
        assert (await (await manager.start_run(ONE, run_id="one")).result()).status == "completed"


@pytest.mark.real("a file")
async def test_pruned_runs_are_forgotten_by_the_manager_of_a_file_too(tmp_path: Path) -> None:
    async with Manager(journal=f"sqlite:///{tmp_path}/runs.db", types=support.ALL) as manager:
        await (await manager.start_run(ONE, run_id="one")).result()
        assert await manager.prune(datetime.now(UTC) + timedelta(days=1)) == 1
        with pytest.raises(playbill.UnknownRun):
            await manager.open_run("one")


# ---- runs that nobody has at work -----------------------------------------------------------------------------


@playbill.node_type("control_step")
async def step(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Do nothing, or wait for what has the node's name."""
    if node.id in context.resources:
        await context.resources[node.id].wait()
    return {"attempt": context.attempt}


STEPS = pipeline(node("a", "control_step", "b"), node("b", "control_step"))


async def left(url: str, **resources: asyncio.Event) -> None:
    """Leave two runs in the midst of `b`."""
    async with Manager(journal=url, types=[step], resources={"b": asyncio.Event()}, on_exit="park") as manager:
        for run_id in ("one", "two"):
            run = await manager.start_run(STEPS, run_id=run_id)
            async for event in run.events():
                if (event.type, event.node_id) == ("pipeline_node.started", "b"):
                    break


@pytest.fixture
async def url(tmp_path: Path, anyio_backend: Any) -> str:
    url = f"sqlite:///{tmp_path}/runs.db"
    await left(url)
    return url


@pytest.mark.real("a file")
async def test_a_run_that_is_set_aside_is_cancelled_by_its_manager_at_once(url: str) -> None:
    async with Manager(journal=url, types=[]) as manager:
        assert set((await manager.recovered()).set_aside) == {"one", "two"}
        with pytest.raises(JournalError, match=r"or cancel it by `manager.cancel_run` or `playbill cancel`"):
            await manager.open_run("one")
        assert await manager.cancel_run("one", "not any more")
        assert not await manager.cancel_run("one")
        with pytest.raises(ValueError, match="grace is a number of seconds"):
            await manager.cancel_run("two", grace=-1)
        run = await manager.open_run("one")
        result, events = await run.result(), [str(event.type) async for event in run.events()]
        assert (result.status, run.node_results["b"].status, run.node_results["a"].status) == (
            "cancelled",
            "cancelled",
            "completed",
        )
        assert result.cause is not None
        assert (result.cause.source, result.cause.reason) == ("user", "not any more")
        assert events[-2:] == ["pipeline_run.cancel_requested", "pipeline_run.cancelled"]
        rows = {row.run_id: row for row in (await manager.list_runs()).runs}
        assert (rows["one"].status, rows["one"].suspended_reason) == ("cancelled", None)
        assert rows["two"].suspended_reason is not None
        with pytest.raises(playbill.UnknownRun):
            await manager.cancel_run("three")
    async with Manager(journal=url, types=[step]) as manager:
        assert (await manager.recovered()).runs == ["two"]


@pytest.mark.real("a file")
async def test_a_run_is_paused_and_resumed_though_nobody_has_it_at_work(url: str) -> None:
    async with Manager(journal=url, types=[step], recover=False) as manager:
        assert await manager.pause_run("one")
        assert not await manager.pause_run("one")
        assert not await manager.resume_run("two")
    async with Manager(journal=url, types=[step]) as manager:
        await manager.recovered()
        assert (manager.get_run("one").is_paused, manager.get_run("two").is_paused) == (True, False)
        assert await manager.resume_run("one")
        assert (await manager.get_run("one").result()).status == "completed"


@pytest.mark.real("a file")
async def test_a_run_that_was_paused_is_resumed_for_the_next_recovery(url: str) -> None:
    async with Manager(journal=url, types=[step], recover=False) as manager:
        assert await manager.pause_run("one")
        assert await manager.resume_run("one")
    async with Manager(journal=url, types=[step], on_exit="wait") as manager:
        await manager.recovered()
        assert (await (await manager.open_run("one")).result()).status == "completed"


@pytest.mark.real("a file")
async def test_what_a_run_is_told_while_others_are_taken_up_counts(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        cancelled, paused = await asyncio.gather(manager.cancel_run("two"), manager.pause_run("one"))
        await manager.recovered()
        assert (cancelled, paused) == (True, True)
        assert (await (await manager.open_run("two")).result()).status == "cancelled"
        run = await manager.open_run("one")
        assert run.is_paused
        assert [event.seq for event in run._stream.events] == list(range(1, len(run._stream.events) + 1))


@pytest.mark.real("a file")
async def test_runs_are_taken_up_when_somebody_asks_for_it(url: str) -> None:
    async with Manager(journal=url, types=[step], recover=False) as manager:
        assert (await manager.recover("one")).runs == ["one"]
        assert await manager.recover("one") == playbill.TakenUp()
        assert (await (await manager.open_run("one")).result()).outputs["b"] == {"attempt": 2}
        assert (await manager.recover()).runs == ["two"]
        with pytest.raises(playbill.UnknownRun):
            await manager.recover("three")
    async with Manager(journal=url, types=[]) as manager:
        assert await manager.recover() == playbill.TakenUp()
        await manager.open_run("two")
    async with Manager(types=[]) as memory:
        assert await memory.recover() == playbill.TakenUp()
        with pytest.raises(playbill.UnknownRun):
            await memory.recover("one")


@pytest.mark.real("a file")
async def test_who_recovers_while_runs_are_taken_up_waits_for_that(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        assert await manager.recover() == playbill.TakenUp()
        assert (await manager.recovered()).runs == ["one", "two"]


@pytest.mark.real("a file")
async def test_a_run_that_crashed_too_often_goes_on_when_somebody_asks_for_just_that(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playbill.runtime.recovery.obstacles.MAX_CRASHES", 1)
    async with Manager(journal=url, types=[step], on_exit="park") as manager:
        assert (await manager.recovered()).set_aside == {}  # they were left in good order
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:  # now they were not
        file.execute("DELETE FROM events WHERE seq > 4")
        file.execute("UPDATE runs SET status = 'running', ended_at = NULL, last_seq = 4")
    async with Manager(journal=url, types=[step]) as manager:
        assert set((await manager.recover()).set_aside) == {"one", "two"}
        assert (await manager.recover("one")).runs == ["one"]
        assert (await (await manager.open_run("one")).result()).status == "completed"
