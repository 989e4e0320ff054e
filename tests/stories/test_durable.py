"""Runs that outlive their process: what a journal in a file keeps, and how another manager goes on with it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.errors import JournalError, RunSetAside, UnknownRun
from playbill.runtime import last_ends
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.journals.sqlite.reading.facts import read_events_of
from playbill.runtime.journals.sqlite.reading.histories import read_histories
from tests.stories import support
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("a file, whose disk knows no virtual time")]
Manager = playbill.PipelineRunManager
BEGUN: Counter[tuple[str, int]] = Counter()
"""The attempts that began, by node and number; over all managers of a test."""


@playbill.node_type("durable_step")
async def step(
    node: playbill.PipelineNode, inputs: Mapping[str, Any], context: playbill.NodeContext
) -> dict[str, Any]:
    BEGUN[node.id, context.attempt] += 1
    held: asyncio.Event | None = context.resources.get(node.id)
    if held is not None:
        await held.wait()
    return {"from": node.id, "given": sorted(inputs)}


@pytest.fixture(autouse=True)
def fresh() -> None:
    BEGUN.clear()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


def chain(*names: str, **more: Any) -> playbill.PipelineDefinition:
    nodes = [node(name, "durable_step", *after, **more) for name, *after in _with_next(names)]
    return pipeline(*nodes, outputs={"last": f"inputs.{names[-1]}"})


def _with_next(names: tuple[str, ...]) -> list[list[str]]:
    return [[name, *names[place + 1 : place + 2]] for place, name in enumerate(names)]


def journal_of(manager: Manager) -> SqliteJournal:
    assert manager._system is not None
    journal = manager._system.parts.journal
    assert isinstance(journal, SqliteJournal)
    return journal


async def left_at(manager: Manager, run: playbill.Run, kind: str, name: str | None, folder: Path) -> str:
    """Wait for an event, and return the journal as a crash would leave it then."""
    async for event in run.events():
        if event.type == kind and event.node_id == name:
            break
    target = folder / "left.db"
    await journal_of(manager).copy(target)
    return f"sqlite:///{target}"


# ---- ended runs ------------------------------------------------------------------------------------------------


async def test_a_run_that_has_ended_is_there_for_the_next_manager(url: str) -> None:
    definition = chain("a", "b")
    async with Manager(journal=url, types=[step]) as manager:
        run = await manager.start_run(definition, {"n": 1}, run_id="one")
        result, events = await run.result(), [event async for event in run.events()]
    async with Manager(journal=url, types=[]) as manager:
        assert await manager.recovered() == playbill.TakenUp()
        with pytest.raises(UnknownRun, match="open_run"):
            manager.get_run("one")
        again = await manager.open_run("one")
        assert again.done
        assert await again.result() == result
        assert [event async for event in again.events()] == events
        assert [event async for event in again.events(3)] == events[2:]
        assert (again.status, again.trigger_data, dict(again.node_results)) == (
            "completed",
            {"n": 1},
            result.node_results,
        )
        assert not await again.cancel()
        assert not await again.pause()
        assert manager.get_run("one") is again is await manager.open_run("one")
        with pytest.raises(UnknownRun):
            await manager.open_run("two")


@pytest.mark.parametrize("outputs", [{}, {"x": "inputs.a.from"}])
@pytest.mark.parametrize("ends", ["completed", "failed", "cancelled"])
async def test_each_end_is_read_back_as_it_was(url: str, outputs: dict[str, str], ends: str) -> None:
    other = {
        "completed": node("b", "parallel"),
        "failed": node("b", "durable_fails"),
        "cancelled": node("b", "delay", seconds=60),
    }
    definition = pipeline(node("a", "durable_step", "b"), other[ends], node("never", "durable_step"), outputs=outputs)

    @playbill.node_type("durable_fails")
    def fails(node: Any, inputs: Any, context: Any) -> None:
        raise playbill.NodeConfigError("no")

    async with Manager(journal=url, types=[step, fails]) as manager:
        run = await manager.start_run(definition, run_id="one")
        if ends == "cancelled":
            async for event in run.events():
                if event.node_id == "b":
                    break
            await run.cancel("enough")
        result = await run.result()
    assert result.status == ends
    async with Manager(journal=url, types=[]) as manager:
        assert await (await manager.open_run("one")).result() == result


async def test_the_same_id_data_and_definition_give_the_run_there_was(url: str) -> None:
    definition = chain("a")
    async with Manager(journal=url, types=[step]) as manager:
        await (await manager.start_run(definition, {"n": 1}, run_id="one")).result()
    async with Manager(journal=url, types=[step]) as manager:
        run = await manager.start_run(definition, {"n": 1}, run_id="one")
        assert (run.done, BEGUN) == (True, {("a", 1): 1})
        written = definition.model_dump(mode="json", by_alias=True)
        assert await manager.start_run(written, {"n": 1}, run_id="one") is run
        with pytest.raises(playbill.DefinitionError, match="taken by a run with another trigger data"):
            await manager.start_run(definition, {"n": 2}, run_id="one")
        with pytest.raises(playbill.DefinitionError, match="taken by a run with another definition"):
            await manager.start_run(chain("a", "b"), {"n": 1}, run_id="one")


# ---- runs that were left ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("pipeline_run.started", None),
        ("pipeline_node.started", "a"),
        ("pipeline_node.completed", "a"),
        ("pipeline_node.started", "b"),
        ("pipeline_node.completed", "b"),
        ("pipeline_node.completed", "c"),
    ],
)
async def test_a_run_that_was_left_goes_on_where_it_was(
    url: str, tmp_path: Path, kind: str, name: str | None
) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        run = await manager.start_run(chain("a", "b", "c"), {"n": 1}, run_id="one", timeout_seconds=77.0)
        left = await left_at(manager, run, kind, name, tmp_path)
        expected = await run.result()
    async with Manager(journal=left, types=[step], on_exit="wait") as manager:
        assert (await manager.recovered()).runs == (["one"] if not _has_ended(left) else [])
        run = await manager.open_run("one")
        result, events = await run.result(), [event async for event in run.events()]
    assert (result.status, result.outputs) == (expected.status, expected.outputs)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [str(event.type) for event in events].count("pipeline_run.completed") == 1
    ends = Counter(event.node_id for event in events if event.type == "pipeline_node.completed")
    assert ends == {"a": 1, "b": 1, "c": 1}
    assert events[0].data["timeout"] == 77.0


def _has_ended(url: str) -> bool:
    import sqlite3

    connection = sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)
    try:
        return bool(connection.execute("SELECT status FROM runs").fetchone()[0] == "completed")
    finally:
        connection.close()


async def test_what_was_running_begins_again_with_the_same_idempotency_key_and_is_not_charged(
    url: str, tmp_path: Path
) -> None:
    keys: list[str] = []

    @playbill.node_type("durable_keyed")
    async def keyed(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        keys.append(context.idempotency_key)
        if len(keys) == 1:
            await asyncio.Event().wait()
        if len(keys) == 2:
            raise playbill.NodeExecutionError("again")
        return {"attempt": context.attempt}

    definition = pipeline(node("a", "durable_keyed", retry={"max_attempts": 2, "base": 0.01}))
    async with Manager(journal=url, types=[keyed], grace=0) as manager:
        run = await manager.start_run(definition, run_id="one")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    async with Manager(journal=left, types=[keyed]) as manager:
        result = await (await manager.open_run("one")).result()
    assert (result.status, result.outputs["a"]) == ("completed", {"attempt": 3})
    assert keys == ["one/a"] * 3


async def test_who_fails_in_a_crash_never_begins_twice(url: str, tmp_path: Path) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, grace=0) as manager:
        run = await manager.start_run(chain("a", on_crash="fail"), run_id="one")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    async with Manager(journal=left, types=[step]) as manager:
        result = await (await manager.open_run("one")).result()
    assert result.status == "failed"
    assert str(result.error).startswith("HandlerKilled: handler was killed: crash of its program")
    assert BEGUN == {("a", 1): 1}


async def test_a_paused_run_stays_paused_until_somebody_resumes_it(url: str, tmp_path: Path) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, grace=0) as manager:
        run = await manager.start_run(chain("a", "b"), run_id="one")
        assert await run.pause()
        left = await left_at(manager, run, "pipeline_run.paused", None, tmp_path)
    async with Manager(journal=left, types=[step]) as manager:
        run = await manager.open_run("one")
        assert run.is_paused
        assert await run.resume()
        assert (await run.result()).status == "completed"


async def test_a_run_that_was_being_cancelled_ends_cancelled(url: str, tmp_path: Path) -> None:
    resources = {"a": asyncio.Event()}

    @playbill.node_type("durable_stubborn")
    async def stubborn(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        while not resources["a"].is_set():
            try:
                await resources["a"].wait()
            except asyncio.CancelledError:
                continue
        return {}

    async with Manager(journal=url, types=[stubborn], grace=30) as manager:
        run = await manager.start_run(pipeline(node("a", "durable_stubborn")), run_id="one")
        run.request_cancel("enough")
        left = await left_at(manager, run, "pipeline_run.cancel_requested", None, tmp_path)
        resources["a"].set()
    async with Manager(journal=left, types=[stubborn]) as manager:
        result = await (await manager.open_run("one")).result()
    assert (result.status, result.cause and result.cause.reason) == ("cancelled", "enough")
    assert result.node_results["a"].receipt is None or result.node_results["a"].receipt.how == "killed"


async def test_nothing_goes_on_where_recovery_is_off_until_a_run_is_opened(url: str, tmp_path: Path) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, grace=0) as manager:
        run = await manager.start_run(chain("a"), run_id="one")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    async with Manager(journal=left, types=[step], recover=False) as manager:
        assert await manager.recovered() == playbill.TakenUp()
        assert manager.active_runs == []
        assert (await (await manager.open_run("one")).result()).status == "completed"


async def test_a_run_goes_on_with_the_grace_and_defaults_it_was_started_with(url: str, tmp_path: Path) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, grace=0.25, kill_bound=0.75) as manager:
        run = await manager.start_run(chain("a"), run_id="one")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    async with Manager(journal=left, types=[step], resources=resources, grace=9, kill_bound=9) as manager:
        run = await manager.open_run("one")
        stop = run.actor.facts.plan.stop
        assert (stop.grace, stop.kill_bound) == (0.25, 0.75)


# ---- left in good order ----------------------------------------------------------------------------------------


async def test_a_manager_that_parks_leaves_its_runs_to_the_next_one(url: str) -> None:
    resources = {"b": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, on_exit="park", grace=0) as manager:
        run = await manager.start_run(chain("a", "b", "c"), {"n": 1}, run_id="one")
        ended = await manager.start_run(chain("x"), run_id="two")
        await ended.result()
        async for event in run.events():
            if event.type == "pipeline_node.started" and event.node_id == "b":
                break
    with pytest.raises(playbill.RunParked, match="run 'one' is parked: it goes on when a manager opens its journal"):
        await run.result()
    async with Manager(journal=url, types=[step]) as manager:
        assert (await manager.recovered()).runs == ["one"]
        run = await manager.open_run("one")
        assert (await run.result()).status == "completed"
        told = [str(event.type) for event in [event async for event in run.events()]]
    assert told.count("pipeline_run.parked") == told.count("pipeline_run.recovered") == 1
    assert "pipeline_run.cancel_requested" not in told
    assert told[told.index("pipeline_run.parked") :][:2] == ["pipeline_run.parked", "pipeline_node.interrupted"]
    assert BEGUN == {("a", 1): 1, ("b", 1): 1, ("b", 2): 1, ("c", 1): 1, ("x", 1): 1}


async def test_a_failure_after_an_interruption_is_the_first_that_is_charged(url: str) -> None:
    resources: dict[str, Any] = {"a": asyncio.Event()}
    definition = pipeline(node("a", "durable_step", retry={"max_attempts": 1}))
    for _ in range(3):
        async with Manager(journal=url, types=[step], resources=resources, on_exit="park", grace=0) as manager:
            run = await manager.start_run(definition, run_id="one")
            async for event in run.events(from_seq=len(run.kept_events)):
                if event.type == "pipeline_node.started":
                    break
    resources["a"].set()
    async with Manager(journal=url, types=[step], resources=resources) as manager:
        result = await (await manager.open_run("one")).result()
    assert (result.status, result.node_results["a"].attempts) == ("completed", 4)


async def test_who_must_not_begin_twice_and_is_about_to_begin_has_its_time(url: str) -> None:
    for number in range(12):
        async with Manager(journal=url, types=[step], on_exit="park", grace=0) as manager:
            await manager.start_run(chain("a", on_crash="fail"), run_id=f"run-{number}")
            for _ in range(number):
                await asyncio.sleep(0)
    async with Manager(journal=url, types=[step]) as manager:
        results = [await (await manager.open_run(f"run-{number}")).result() for number in range(12)]
    assert [str(result.status) for result in results] == ["completed"] * 12
    assert BEGUN == {("a", 1): 12}


async def test_who_must_not_begin_twice_fails_if_it_does_not_end_before_its_run_is_parked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_ends, "FRAGILE_SECONDS", 0.05)
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, on_exit="park", grace=0) as manager:
        run = await manager.start_run(chain("a", "b", on_crash="fail"), run_id="one")
        async for event in run.events():
            if event.type == "pipeline_node.started" and event.node_id == "a":
                break
    async with Manager(journal=url, types=[step]) as manager:
        result = await (await manager.open_run("one")).result()
    assert result.status == "failed"
    failed = result.node_results["a"]
    assert failed.error is not None
    assert (failed.error.type, "shutdown" in failed.error.message) == ("HandlerKilled", True)
    assert failed.receipt is not None
    assert BEGUN == {("a", 1): 1}


async def test_a_journal_stays_owned_while_an_attempt_goes_on_that_could_not_be_stopped(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    resources = {"began": began, "let_go": let_go}
    stopping: dict[str, Any] = {"on_exit": "park", "grace": 0, "kill_bound": 0.05}
    async with Manager(journal=url, types=[support.swallows], resources=resources, **stopping) as manager:
        await manager.start_run(pipeline(node("a", "swallows")), run_id="one")
        await began.wait()
    assert "stays locked until" in caplog.text
    assert "attempt 1 of node 'a' in run 'one'" in caplog.text
    with pytest.raises(JournalError, match="is open in this process already"):
        await Manager(journal=url).start_run(chain("a"))
    let_go.set()
    await asyncio.sleep(0.05)
    async with Manager(journal=url, types=[support.swallows], resources=resources) as manager:
        run = await manager.open_run("one")
        result = await run.result()
        events = [event async for event in run.events()]
    assert (result.status, result.node_results["a"].attempts) == ("completed", 2)
    (interrupted,) = [event for event in events if event.type == "pipeline_node.interrupted"]
    assert interrupted.data["receipt"].how == "abandoned"


async def test_who_must_not_begin_twice_may_end_before_its_run_is_parked(url: str) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, on_exit="park", grace=0) as manager:
        run = await manager.start_run(chain("a", "b", on_crash="fail"), run_id="one")
        async for event in run.events():
            if event.type == "pipeline_node.started" and event.node_id == "a":
                break
        asyncio.get_running_loop().call_later(0.1, resources["a"].set)
    async with Manager(journal=url, types=[step]) as manager:
        assert (await (await manager.open_run("one")).result()).status == "completed"
    assert BEGUN == {("a", 1): 1, ("b", 1): 1}


FORGETFUL = """
import asyncio, sys
import playbill

@playbill.node_type("nap")
async def nap(node, inputs, context):
    if context.attempt == 1:
        await asyncio.sleep(60)
    return {"attempt": context.attempt}

async def main():
    manager = playbill.PipelineRunManager(journal=sys.argv[1])
    run = await manager.start_run({"nodes": [{"id": "a", "type": "nap", "timeout": 90}]}, run_id="one")
    async for event in run.events():
        if event.type == "pipeline_node.started":
            break
    if sys.argv[2:]:
        print((await run.result()).outputs)
        await manager.close()

asyncio.run(main())
"""


def test_a_program_that_ends_and_closes_nothing_leaves_its_runs_to_the_next_one(url: str) -> None:
    forgotten = subprocess.run([sys.executable, "-c", FORGETFUL, url], capture_output=True, text=True, timeout=60)
    assert (forgotten.returncode, "Traceback" in forgotten.stderr) == (0, False), forgotten.stderr
    again = subprocess.run([sys.executable, "-c", FORGETFUL, url, "wait"], capture_output=True, text=True, timeout=60)
    assert (again.returncode, again.stdout) == (0, "{'a': {'attempt': 2}}\n"), again.stderr


async def test_an_exception_in_the_block_parks_too(url: str) -> None:
    async def program() -> None:
        async with Manager(journal=url, types=[step], on_exit="park", grace=0) as manager:
            await manager.start_run(chain("a", "b"), run_id="one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await program()
    async with Manager(journal=url, types=[step]) as manager:
        assert (await (await manager.open_run("one")).result()).status == "completed"


async def test_who_cancels_runs_that_could_have_been_left_is_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Manager(journal=url, types=[step], resources={"a": asyncio.Event()}) as manager:
        await manager.start_run(chain("a"), run_id="one")
    assert "cancels 'one'; on_exit='park' leaves runs to the next one" in caplog.text


async def test_only_a_journal_in_a_file_can_be_left() -> None:
    with pytest.raises(playbill.DefinitionError, match="on_exit 'park' leaves runs to the next manager of a journal"):
        Manager(on_exit="park")


# ---- found again -----------------------------------------------------------------------------------------------


async def test_runs_are_listed_whatever_became_of_them(url: str) -> None:
    async with Manager(journal=url, types=[step, versioned("1", [])], on_exit="park", grace=0) as manager:
        for name in ("one", "two"):
            await (await manager.start_run(chain("a"), run_id=name)).result()
        await manager.start_run(pipeline(node("a", "durable_versioned")), run_id="three")
        page = await manager.list_runs(limit=2)
        assert [row.run_id for row in page.runs] == ["three", "two"]
        assert [row.run_id for row in (await manager.list_runs(limit=2, cursor=page.next)).runs] == ["one"]
        assert [row.run_id for row in (await manager.list_runs(text="tw")).runs] == ["two"]
    async with Manager(journal=url, types=[]) as manager:
        await manager.recovered()
        rows = {row.run_id: row for row in (await manager.list_runs()).runs}
        assert (rows["one"].status, rows["one"].suspended_reason) == ("completed", None)
    async with Manager(types=[step]) as manager:
        await (await manager.start_run(chain("a"), run_id="four")).result()
        assert [row.run_id for row in (await manager.list_runs()).runs] == ["four"]


async def test_a_program_that_runs_one_pipeline_takes_up_no_other_run(url: str) -> None:
    async with Manager(
        journal=url, types=[step], resources={"a": asyncio.Event()}, on_exit="park", grace=0
    ) as manager:
        await manager.start_run(chain("a"), run_id="one")
    result = await asyncio.to_thread(playbill.run, chain("b"), run_id="two", journal=url, types=[step])
    assert result.status == "completed"
    async with Manager(journal=url, types=[step]) as manager:
        assert (await manager.recovered()).runs == ["one"]


# ---- set aside -------------------------------------------------------------------------------------------------


def versioned(version: str | None, accepts: list[str]) -> Any:
    @playbill.node_type("durable_versioned", version=version, accepts=accepts)
    async def handler(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        held = context.resources.get("held")
        if held is not None:
            await held.wait()
        return {}

    return handler


async def left_run(url: str, tmp_path: Path, handler: Any) -> str:
    definition = pipeline(node("a", "durable_versioned"))
    async with Manager(journal=url, types=[handler], resources={"held": asyncio.Event()}, grace=0) as manager:
        run = await manager.start_run(definition, run_id="one")
        return await left_at(manager, run, "pipeline_node.started", "a", tmp_path)


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ([], "type 'durable_versioned'"),
        (
            [versioned("2", [])],
            "'durable_versioned' was version '1' when the run was started, and is version '2' now",
        ),
    ],
)
async def test_a_run_that_cannot_go_on_is_set_aside_until_its_cause_is_gone(
    url: str, tmp_path: Path, types: list[Any], said: str
) -> None:
    left = await left_run(url, tmp_path, versioned("1", []))
    async with Manager(journal=left, types=types) as manager:
        taken = await manager.recovered()
        assert (taken.runs, [*taken.set_aside]) == ([], ["one"])
        assert said in taken.set_aside["one"]
        with pytest.raises(RunSetAside, match="run 'one' is set aside: ") as raised:
            await manager.open_run("one")
        assert raised.value.reason == taken.set_aside["one"]
        row = await journal_of(manager).reading.run("one")
        assert row is not None
        assert row.suspended_reason == taken.set_aside["one"]
    async with Manager(journal=left, types=[versioned("2", ["1"])]) as manager:
        assert (await manager.recovered()).runs == ["one"]  # each start tries it again
        assert (await (await manager.open_run("one")).result()).status == "completed"
        row = await journal_of(manager).reading.run("one")
        assert row is not None
        assert row.suspended_reason is None


async def test_another_source_is_no_reason_to_stop_and_is_told(url: str, tmp_path: Path) -> None:
    left = await left_run(url, tmp_path, versioned(None, []))

    @playbill.node_type("durable_versioned")
    async def another(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        return {"new": True}

    async with Manager(journal=left, types=[another]) as manager:
        run = await manager.open_run("one")
        assert (await run.result()).outputs == {"a": {"new": True}}
        events = {event.type: event for event in [event async for event in run.events()]}
    told = events[playbill.EventType.PIPELINE_RUN_RECOVERED].data
    assert [*told["handlers"]] == ["durable_versioned"]
    assert told["attempts"] == ("a",)


async def test_another_policy_of_a_breaker_neither_sets_a_run_aside_nor_refuses_a_new_one(
    url: str, tmp_path: Path
) -> None:
    def using(failures: int) -> playbill.PipelineDefinition:
        return pipeline(node("a", "durable_step", breaker="shop"), breakers={"shop": {"failures": failures}})

    async with Manager(journal=url, types=[step], resources={"a": asyncio.Event()}, grace=0) as manager:
        run = await manager.start_run(using(3), run_id="old")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    async with Manager(journal=left, types=[step]) as manager:
        assert (await (await manager.open_run("old")).result()).status == "completed"
        assert (await (await manager.start_run(using(4))).result()).status == "completed"


@pytest.mark.parametrize("alone", [False, True], ids=["read-together", "read-alone"])
async def test_a_journal_that_is_away_for_a_moment_sets_nothing_aside(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, grace=0) as manager:
        run = await manager.start_run(chain("a"), run_id="one")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    real, failures = read_events_of if alone else read_histories, [sqlite3.OperationalError("disk I/O error")] * 2

    def shaky(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments)

    reader = "playbill.runtime.journals.sqlite.reading.reader"
    if alone:
        monkeypatch.setattr(f"{reader}.read_histories", lambda *_: {})
    monkeypatch.setattr(f"{reader}.{real.__name__}", shaky)
    async with Manager(journal=left, types=[step]) as manager:
        taken = await manager.recovered()
        assert (taken.runs, taken.set_aside, failures) == (["one"], {}, [])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE events SET at = 9223372036854775807 WHERE seq = 2", "OverflowError"),
        ("UPDATE events SET data = 'x' WHERE seq = 2", "damaged"),
        ("DELETE FROM events WHERE seq = 2", "some of its events are missing"),
        ("UPDATE events SET version = 9 WHERE seq = 1", "written by a newer playbill"),
        ("UPDATE events SET type = 'pipeline_run.exploded' WHERE seq = 2", "not a valid EventType"),
        ("DELETE FROM definitions", "is not in the journal"),
    ],
)
async def test_what_is_damaged_of_one_run_harms_no_other(url: str, tmp_path: Path, damage: str, said: str) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, grace=0) as manager:
        run = await manager.start_run(chain("a"), run_id="one")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    with sqlite3.connect(left.removeprefix("sqlite:///")) as connection:
        connection.execute(damage)
    connection.close()
    async with Manager(journal=left, types=[step]) as manager:
        taken = await manager.recovered()
        assert said in taken.set_aside["one"]
        with pytest.raises(RunSetAside):
            await manager.open_run("one")
        assert (await (await manager.start_run(chain("a"))).result()).status == "completed"


async def test_who_wants_another_run_of_an_id_does_not_set_the_one_there_is_going(url: str, tmp_path: Path) -> None:
    resources = {"a": asyncio.Event()}
    async with Manager(journal=url, types=[step], resources=resources, grace=0) as manager:
        run = await manager.start_run(chain("a"), {"n": 1}, run_id="one")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    async with Manager(journal=left, types=[step], recover=False) as manager:
        with pytest.raises(playbill.DefinitionError, match="taken by a run with another trigger data"):
            await manager.start_run(chain("a"), {"n": 2}, run_id="one")
        assert manager.active_runs == []
        assert (await (await manager.start_run(chain("a"), {"n": 1}, run_id="one")).result()).status == "completed"


async def test_an_id_that_no_journal_can_have_is_refused(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        for asks in (manager.open_run("a\ud800"), manager.start_run(chain("a"), run_id="a\ud800")):
            with pytest.raises(playbill.DefinitionError, match="halves of characters"):
                await asks


async def test_one_that_is_set_aside_keeps_no_other_from_going_on(url: str, tmp_path: Path) -> None:
    resources = {"a": asyncio.Event(), "held": asyncio.Event()}
    async with Manager(journal=url, types=[step, versioned(None, [])], resources=resources, grace=0) as manager:
        await manager.start_run(pipeline(node("a", "durable_versioned")), run_id="one")
        run = await manager.start_run(chain("a"), run_id="two")
        left = await left_at(manager, run, "pipeline_node.started", "a", tmp_path)
    async with Manager(journal=left, types=[step]) as manager:
        taken = await manager.recovered()
        assert (taken.runs, [*taken.set_aside]) == (["two"], ["one"])
        assert (await manager.get_run("two").result()).status == "completed"


# ---- one owner, and what is wrong ------------------------------------------------------------------------------


async def test_a_journal_has_one_owner(url: str) -> None:
    async with Manager(journal=url, types=[step]):
        with pytest.raises(JournalError, match="is open in this process already: share its manager"):
            async with Manager(journal=url, types=[step]):
                pass


@pytest.mark.parametrize(
    ("journal", "said"),
    [
        ("postgres://x", "unknown journal 'postgres://x': use 'memory', or the URL of a file"),
        (3, "unknown journal 3"),
        ("sqlite://runs.db", "is not the URL of a SQLite journal: write 'sqlite:///relative.db'"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
async def test_what_is_no_journal_is_refused_where_it_is_named(journal: Any, said: str) -> None:
    with pytest.raises(playbill.DefinitionError, match=said):
        Manager(journal=journal)


async def test_faults_are_for_journals_in_memory(url: str) -> None:
    with pytest.raises(playbill.DefinitionError, match="does not go with simulated time or with faults"):
        async with Manager(journal=url, faults={"faults": []}):
            pass


async def test_a_sync_program_has_the_same(url: str) -> None:
    def program() -> None:
        with playbill.BlockingManager(journal=url, types=[step]) as manager:
            result = manager.start_run(chain("a"), run_id="one").result()
        with playbill.BlockingManager(journal=url, types=[step]) as manager:
            assert manager.recovered() == playbill.TakenUp()
            assert manager.open_run("one").result() == result

    await asyncio.to_thread(program)


async def test_a_start_that_cannot_be_kept_is_told_and_begins_when_it_can(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playbill.runtime.journals.waiters.PATIENCE_SECONDS", 0.2)
    async with Manager(journal=url, types=[step]) as manager:
        await (await manager.start_run(chain("a"), run_id="one")).result()
        journal = journal_of(manager)
        with monkeypatch.context() as broken:
            broken.setattr("playbill.runtime.journals.sqlite.writing.store.Store._keep", _disk_full)
            with pytest.raises(
                JournalError, match="run 'two' begins as soon as it is kept; the journal has not kept"
            ):
                await manager.start_run(chain("a"), run_id="two")
            assert BEGUN == {("a", 1): 1}
        assert (await manager.get_run("two").result()).status == "completed"
        assert journal.metrics.failures > 0


def _disk_full(self: object, encoded: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


async def test_a_run_that_another_policy_keeps_from_beginning_leaves_nothing(url: str) -> None:
    def using(failures: int) -> playbill.PipelineDefinition:
        return pipeline(node("a", "durable_step", breaker="shop"), breakers={"shop": {"failures": failures}})

    async with Manager(journal=url, types=[step]) as manager:
        await (await manager.start_run(using(3), run_id="one")).result()
        with pytest.raises(playbill.DefinitionError, match="breaker 'shop' has two policies"):
            await manager.start_run(using(4), run_id="two")
        assert (await (await manager.start_run(using(3), run_id="two")).result()).status == "completed"


# ---- for real --------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, os, sys
import playbill

@playbill.node_type("prints")
async def prints(node, inputs, context):
    print(node.id, context.attempt, flush=True)
    if node.id == "b" and context.attempt == 1:
        await context.sleep(0.1)  # within 10 ms its start may not be kept yet
        os.kill(os.getpid(), 9)
    return {"attempt": context.attempt}

@playbill.node_type("computes", isolation="process")
def computes(node, inputs, context):
    return {"pid_differs": True}

D = {"name": "killed", "nodes": [
    {"id": "a", "type": "computes", "next": "b"},
    {"id": "b", "type": "prints", "next": "c"},
    {"id": "c", "type": "prints"}]}

async def main():
    async with playbill.PipelineRunManager(journal=sys.argv[1], types=[prints, computes]) as manager:
        result = await (await manager.start_run(D, run_id="one")).result()
        print(result.status, result.outputs["c"])

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_a_program_that_is_killed_goes_on_when_it_is_started_again(url: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "program.py"), url]
    ran = [
        await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=50, env=os.environ)
        for _ in range(3)
    ]
    assert [one.returncode for one in ran] == [-signal.SIGKILL, 0, 0], ran[1].stderr
    assert [one.stdout.split("\n")[:-1] for one in ran] == [
        ["b 1"],
        ["b 2", "c 1", "completed {'attempt': 1}"],
        ["completed {'attempt': 1}"],
    ]
