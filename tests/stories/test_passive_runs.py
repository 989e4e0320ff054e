"""Runs out of memory: those that wait for long and that nobody holds are let go, and go on in time."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.runtime.recovery import passive_runs
from tests.stories import support
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("a file, whose disk knows no virtual time")]
Manager = playbill.PipelineRunManager


@playbill.node_type("passive_step")
async def step(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    if context.attempt <= node.config.get("fails", 0):
        raise ConnectionError("not yet")
    return {"given": {name: sorted(given) for name, given in sorted(inputs.items())}, "attempt": context.attempt}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes moments."""
    monkeypatch.setattr(passive_runs, "REST_SECONDS", 0.3)
    monkeypatch.setattr(passive_runs, "SWEEP_SECONDS", 0.02)


def waiting(seconds: float, **more: Any) -> playbill.PipelineDefinition:
    """A node that has ended, a delay, and a node that waits for both."""
    return pipeline(
        node("a", "passive_step", "wait c"),
        node("wait", "delay", "c", seconds=seconds),
        node("c", "passive_step"),
        outputs={"given": "inputs.c.given"},
        **more,
    )


async def until(said: Callable[[], bool]) -> None:
    async with asyncio.timeout(6):
        while not said():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def rests(manager: Manager, definition: playbill.PipelineDefinition, run_id: str = "one") -> None:
    """Start a run, hold nothing of it, and wait until it is out of memory."""
    await manager.start_run(definition, run_id=run_id)
    await until(lambda: len(manager.passive_runs) == 1)
    assert manager.active_runs == []
    assert manager.is_running(run_id)
    with pytest.raises(playbill.PlaybillError, match="open_run"):
        manager.get_run(run_id)


async def ended(manager: Manager, run_id: str = "one") -> str:
    """Wait until a run has ended, without holding it; return how."""
    async with asyncio.timeout(6):
        while True:
            (row,) = (await manager.list_runs(text=run_id)).runs
            if row.ended_at is not None:
                assert not manager.is_running(run_id)
                return str(row.status)
            await asyncio.sleep(0.02)


async def types(manager: Manager, run_id: str = "one") -> list[str]:
    run = await manager.open_run(run_id)
    return [str(event.type) async for event in run.events()]


async def test_a_run_that_waits_long_goes_out_of_memory_and_goes_on_in_time(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        await rests(manager, waiting(0.8))
        assert await ended(manager) == "completed"
        run = await manager.open_run("one")
        assert (await run.result()).outputs == {"given": {"a": ["attempt", "given"]}}
        told = await types(manager)
        assert "pipeline_run.recovered" not in told
        assert told.count("pipeline_node.started") == 3


async def test_one_that_is_asked_for_is_there_again(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        await rests(manager, waiting(3600))
        run = await manager.open_run("one")
        assert (run.status, manager.passive_runs) == ("running", [])
        assert await manager.start_run(waiting(3600), run_id="one") is run
        assert await run.cancel()
        receipt = (await run.result()).node_results["wait"].receipt
        assert receipt is not None
        assert receipt.how == "not_started"


async def test_whoever_holds_a_run_or_listens_to_it_keeps_it_in_memory(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        run = await manager.start_run(waiting(0.9), run_id="held")
        listener = (await manager.start_run(waiting(0.9), run_id="heard")).events()
        for _ in range(10):
            await asyncio.sleep(0.02)
            assert len(manager.passive_runs) == 0
        assert [active.id for active in manager.active_runs] == ["held", "heard"]
        assert (await run.result()).status == "completed"
        assert [str(event.type) async for event in listener][-1] == "pipeline_run.completed"


@pytest.mark.parametrize("told", ["cancel", "cancel_all"])
async def test_one_that_rests_is_cancelled_like_any_other(url: str, told: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        await rests(manager, waiting(3600))
        if told == "cancel":
            assert await manager.cancel_run("one", reason="enough")
        else:
            assert await manager.cancel_all("enough") == 1
        result = await (await manager.open_run("one")).result()
        assert (result.status, result.node_results["wait"].status) == ("cancelled", "cancelled")


async def test_a_paused_run_rests_until_it_is_resumed(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        run = await manager.start_run(waiting(0.2), run_id="one")
        assert await run.pause()
        del run
        await until(lambda: len(manager.passive_runs) == 1)
        await asyncio.sleep(0.3)
        assert len(manager.passive_runs) == 1
        assert not await manager.pause_run("one")
        assert await manager.resume_run("one")
        assert await ended(manager) == "completed"


async def test_its_timeout_ends_it_although_it_is_out_of_memory(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        await manager.start_run(waiting(3600), run_id="one", timeout_seconds=0.8)
        await until(lambda: len(manager.passive_runs) == 1)
        assert await ended(manager) == "timeout"


async def test_a_back_off_rests_and_the_attempts_are_counted_on(url: str) -> None:
    definition = pipeline(node("a", "passive_step", retry={"max_attempts": 2, "base": 0.8, "jitter": 0}, fails=1))
    async with Manager(journal=url, types=[step]) as manager:
        await rests(manager, definition)
        assert await ended(manager) == "completed"
        result = await (await manager.open_run("one")).result()
        assert result.node_results["a"].attempts == 2


async def test_who_joins_any_and_was_told_its_first_input_is_not_told_again(url: str) -> None:
    definition = pipeline(
        node("fast", "passive_step", "any"),
        node("slow", "delay", "any", seconds=0.8),
        node("any", "passive_step", join="any"),
    )
    async with Manager(journal=url, types=[step]) as manager:
        await rests(manager, definition)
        assert await ended(manager) == "completed"
        assert (await types(manager)).count("pipeline_node.started") == 3


async def test_the_next_process_leaves_it_out_of_memory_until_its_time(url: str) -> None:
    async with Manager(journal=url, types=[step], on_exit="park") as manager:
        await rests(manager, waiting(1.2))
    async with Manager(journal=url, types=[step]) as manager:
        assert (await manager.recovered()).runs == ["one"]
        assert (manager.passive_runs, manager.active_runs) == (["one"], [])
        assert await ended(manager) == "completed"
        assert (await types(manager)).count("pipeline_run.recovered") == 1


async def test_leaving_the_manager_cancels_what_rests(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        await rests(manager, waiting(3600))
    async with Manager(journal=url, types=[step]) as manager:
        assert (await (await manager.open_run("one")).result()).status == "cancelled"


async def test_a_manager_that_waits_waits_for_what_rests_too(url: str) -> None:
    async with Manager(journal=url, types=[step], on_exit="wait") as manager:
        await rests(manager, waiting(0.8))
    async with Manager(journal=url, types=[step]) as manager:
        assert (await (await manager.open_run("one")).result()).status == "completed"


async def test_nothing_rests_while_a_handler_is_at_work(url: str) -> None:
    began = asyncio.Event()
    definition = pipeline(node("wait", "delay", seconds=3600), node("works", "hangs"))
    async with Manager(journal=url, types=[support.hangs], resources={"began": began}, grace=0) as manager:
        await manager.start_run(definition)
        await began.wait()
        await asyncio.sleep(0.2)
        assert (len(manager.active_runs), manager.passive_runs) == (1, [])


async def test_in_memory_nothing_is_let_go() -> None:
    async with Manager(types=[step]) as manager:
        await manager.start_run(waiting(3600))
        await asyncio.sleep(0.2)
        assert (len(manager.active_runs), manager.passive_runs) == (1, [])


async def test_one_that_rests_takes_little_memory(url: str) -> None:
    count = 400
    definition = waiting(3600)
    async with Manager(journal=url, types=[step], on_exit="park") as manager:
        await rests(manager, definition, "first")
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            await manager.start_run(definition, run_id=f"run-{number}")
        await until(lambda: len(manager.passive_runs) == count + 1)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (after - before) / count < 2048


async def test_who_asks_for_it_while_it_is_taken_up_has_it_once(url: str) -> None:
    async with Manager(journal=url, types=[step], on_exit="park") as manager:
        for number in range(30):
            await manager.start_run(waiting(3600), run_id=f"run-{number}")
        await until(lambda: len(manager.passive_runs) == 30)
    async with Manager(journal=url, types=[step], on_exit="park") as manager:
        held = [await manager.open_run(f"run-{number}") for number in range(0, 30, 3)]
        await manager.recovered()
        active, passive = {run.id for run in manager.active_runs}, {*manager.passive_runs}
        assert not active & passive
        assert active == {run.id for run in held}
        assert len(passive) == 20


async def test_one_that_was_held_goes_out_of_memory_once_nobody_holds_it(url: str) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        run = await manager.start_run(waiting(3600), run_id="one")
        await asyncio.sleep(0.2)
        assert manager.passive_runs == []
        del run
        await until(lambda: manager.passive_runs == ["one"])
        await manager.open_run("one")
        await until(lambda: manager.passive_runs == ["one"])


async def test_one_that_cannot_go_on_can_be_cancelled(url: str) -> None:
    async with Manager(journal=url, types=[step], on_exit="park") as manager:
        await rests(manager, waiting(3600))
    async with Manager(journal=url, types=[]) as manager:
        await manager.recovered()
        assert await manager.cancel_run("one")
        assert not manager.is_running("one")


async def test_leaving_names_what_rests_and_is_cancelled(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Manager(journal=url, types=[step]) as manager:
        await rests(manager, waiting(3600))
    assert "cancels 'one'" in caplog.text
