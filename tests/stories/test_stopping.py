"""Every run ends within its bound, whatever its handlers do, and says how."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

import playbill
from playbill.runtime.clocks.wheel import LoopTimers
from tests.stories import support
from tests.stories.support import finished, node, pipeline, receipts, statuses

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager


async def test_each_kind_of_handler_gets_the_receipt_it_earned(manager: Manager) -> None:
    kinds = ("hangs", "polls", "spins", "swallows", "asleep")
    definition = pipeline(
        *(node(kind, kind) for kind in kinds), node("wait", "delay", "end", seconds=60), node("end")
    )
    result = await (await manager.start_run(definition, timeout_seconds=0.5)).result()
    assert receipts(result) == {
        "hangs": "interrupted",
        "polls": "cooperative",
        "spins": "killed",
        "swallows": "abandoned",
        "asleep": "abandoned",
        "wait": "not_started",
    }
    assert set(result.orphans) == {"swallows", "asleep"}
    assert statuses(result)["end"] == "not_started"
    assert manager.orphans == 2


async def turns_until(true: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; the test's own timeout bounds it."""
    while not true():  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0)


async def test_orphans_are_counted_until_they_end_and_their_results_change_nothing(
    manager: Manager, resources: dict[str, Any]
) -> None:
    run = await manager.start_run(pipeline(node("a", "swallows")))
    await resources["began"].wait()
    await run.cancel(grace=0.0)
    result = await run.result()
    before = manager.dead_letters
    resources["let_go"].set()
    await turns_until(lambda: manager.orphans == 0 and manager.dead_letters > before)
    assert (await run.result()) is result
    assert result.node_results["a"].output is None
    assert manager.dead_letters == before + 1


async def test_only_the_first_cancel_decides(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "delay", seconds=60)))
    assert await run.cancel("enough", source="tester")
    assert not await run.cancel("again")
    result = await run.result()
    assert not await run.cancel("late")
    with pytest.raises(playbill.RunCancelled, match="run was cancelled by tester: enough"):
        result.raise_for_status()


async def test_a_cancel_before_anything_began(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a")))
    run.request_cancel("at once")
    result = await run.result()
    assert result.status in {playbill.RunStatus.CANCELLED, playbill.RunStatus.COMPLETED}


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("threaded", [False, pytest.param(True, marks=pytest.mark.real("a handler in a thread"))])
async def test_what_would_end_the_program_fails_one_node_and_harms_no_other_run(
    error: BaseException, *, threaded: bool
) -> None:
    @playbill.node_type("ends")
    def ends(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        raise error

    @playbill.node_type("ends")
    async def ends_on_loop(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        raise error

    async with playbill.PipelineRunManager(types=[ends if threaded else ends_on_loop]) as manager:
        other = await manager.start_run(
            pipeline(node("wait", "delay", "then", seconds=0.01), node("then", "parallel"))
        )
        result = await finished(manager, pipeline(node("a", "ends")))
        assert result.error is not None
        assert (result.error.type, result.error.retryable) == (type(error).__name__, False)
        assert result.node_results["a"].attempts == 1
        assert (await other.result()).status is playbill.RunStatus.COMPLETED


async def test_cancel_all_says_how_many_it_decided(manager: Manager) -> None:
    runs = [await manager.start_run(pipeline(node("a", "delay", seconds=60))) for _ in range(3)]
    await runs[0].cancel()
    assert await manager.cancel_all("closing time") == 2
    assert {(await run.result()).status for run in runs} == {playbill.RunStatus.CANCELLED}


async def test_leaving_the_manager_cancels_or_waits() -> None:
    async with playbill.PipelineRunManager(types=[]) as cancels:
        cancelled = await cancels.start_run(pipeline(node("a", "delay", seconds=60)))
    assert (await cancelled.result()).status is playbill.RunStatus.CANCELLED
    async with playbill.PipelineRunManager(types=[], on_exit="wait") as waits:
        waited = await waits.start_run(pipeline(node("a", "delay", seconds=0.01)))
    assert (await waited.result()).status is playbill.RunStatus.COMPLETED
    with pytest.raises(RuntimeError, match="this manager is closed"):
        await waits.start_run(pipeline(node("a", "delay", seconds=0)))


async def test_a_command_goes_down_the_ladder_with_its_whole_group(manager: Manager) -> None:
    script = "trap '' TERM; sleep 600 & wait; wait"
    run = await manager.start_run(pipeline(node("a", "command", argv=["sh", "-c", f"echo up; {script}"])))
    async for event in run.events():
        if event.type is playbill.EventType.PIPELINE_NODE_STARTED:
            break
    await run.cancel(grace=0.05)
    result = await run.result()
    assert receipts(result)["a"] in {"killed", "interrupted"}  # a shell that was hit before its trap is interrupted
    assert result.orphans == ()


async def test_a_fault_of_ours_in_letting_go_keeps_nobody_waiting(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: LoopTimers, timer: object) -> None:
        raise RuntimeError("broken")

    run = await manager.start_run(pipeline(node("a", "parallel")))
    monkeypatch.setattr(LoopTimers, "drop", broken)
    assert (await run.result()).status is playbill.RunStatus.COMPLETED
    monkeypatch.undo()


@pytest.mark.real("the loop is blocked by the clock on the wall")
async def test_a_blocked_loop_makes_no_orphans_of_what_had_ended(resources: dict[str, Any]) -> None:
    policy = {"hangs": playbill.BreakerPolicy(max_concurrent=2)}
    async with Manager(
        types=support.ALL, resources=resources, breakers=policy, grace=0.05, kill_bound=0.05
    ) as manager:
        run = await manager.start_run(pipeline(node("a", "hangs"), node("b", "hangs")))
        await resources["began"].wait()
        run.request_cancel()
        await asyncio.sleep(0)
        time.sleep(0.5)
        result = await run.result()
        assert receipts(result) == {"a": "interrupted", "b": "interrupted"}
        assert (result.orphans, manager.orphans) == ((), 0)


async def test_at_a_stop_a_nodes_own_grace_counts_and_an_explicit_one_caps_it() -> None:
    @playbill.node_type("cleans")
    async def cleans(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(node.config["seconds"])
        return {}

    slow = pipeline(node("a", "cleans", seconds=0.2, grace=5.0))
    async with Manager(types=[cleans], grace=0.01, kill_bound=1.0) as manager:
        patient = await manager.start_run(slow)
        await asyncio.sleep(0.01)
        await patient.cancel()
        assert receipts(await patient.result()) == {"a": "interrupted"}
        hurried = await manager.start_run(slow)
        await asyncio.sleep(0.01)
        await hurried.cancel(grace=0.02)
        assert receipts(await hurried.result()) == {"a": "killed"}


@pytest.mark.real("a handler in a thread")
async def test_a_handler_that_says_it_lives_more_often_than_anybody_can_look_is_killed() -> None:
    @playbill.node_type("beats")
    def beats(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        while True:
            context.heartbeat()

    async with Manager(types=[beats], grace=0.0, kill_bound=5.0) as manager:
        run = await manager.start_run(pipeline(node("a", "beats")))
        async for event in run.events():
            if event.type == "pipeline_node.started":
                break
        await asyncio.sleep(0.02)
        await run.cancel()
        assert receipts(await run.result()) == {"a": "killed"}
