"""Commands: they wait their turn, are stopped wherever they are, and one that hurts its parent hurts nobody else."""

import asyncio
from typing import Any

import pytest

import playbill
from tests.stories.support import finished, node, pipeline, receipts, statuses

pytestmark = [pytest.mark.anyio, pytest.mark.real("programs")]


def program(node_id: str, *argv: str, **fields: Any) -> dict[str, Any]:
    return node(node_id, "command", config={"argv": [*argv]}, **fields)


def test_at_most_so_many_run_at_once_and_the_others_time_outs_count_from_their_own_beginning(tmp_path: Any) -> None:
    alone = f"mkdir {tmp_path}/held && sleep 0.3 && rmdir {tmp_path}/held"
    nodes = [program(f"n{each}", "sh", "-c", alone, timeout=20, retry={"max_attempts": 1}) for each in range(4)]
    result = playbill.run({"nodes": nodes}, max_commands=1)
    assert set(statuses(result).values()) == {"completed"}


async def test_one_that_waits_is_stopped_before_it_starts(tmp_path: Any) -> None:
    nodes = [program("a", "sleep", "600"), program("b", "touch", str(tmp_path / "begun"))]
    async with playbill.PipelineRunManager(max_commands=1) as manager:
        run = await manager.start_run(pipeline(*nodes))
        async for event in run.events():
            if event.type == playbill.EventType.PIPELINE_NODE_STARTED and event.node_id == "b":
                break
        await run.cancel("enough", 5)
        result = await run.result()
        assert receipts(result) == {"a": "interrupted", "b": "not_started"}
        assert result.node_results["b"].status == "cancelled"
        assert list(tmp_path.iterdir()) == []
        assert (await finished(manager, pipeline(program("c", "true")))).status == "completed"


@playbill.node_type("dispatches")
async def dispatches(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Run a command from a handler."""
    inner = playbill.PipelineNode(id="inner", type="command", config={"argv": context.config["argv"]})
    return await playbill.dispatch_node(inner, {}, context)


@playbill.node_type("dispatches_in_a_thread")
def dispatches_in_a_thread(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Run a command from a handler that has a loop of its own."""
    return asyncio.run(dispatches(node, inputs, context))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("dispatches", {}), ("dispatches_in_a_thread", {}), ("dispatches", {"isolation": "process"})],
)
async def test_a_command_that_a_handler_dispatches_runs_wherever_the_handler_does(
    kind: str, fields: dict[str, Any]
) -> None:
    nodes = [node("a", kind, config={"argv": ["echo", "hi"]}, **fields)]
    async with playbill.PipelineRunManager(types=[dispatches, dispatches_in_a_thread]) as manager:
        result = await finished(manager, pipeline(*nodes))
    assert result.outputs == {"a": {"stdout": "hi\n", "stderr": "", "exit_code": 0}}


async def test_a_command_that_a_handler_dispatches_is_stopped_with_it_and_leaves_nothing(tmp_path: Any) -> None:
    script = f"trap 'rm {tmp_path}/there; exit' TERM; touch {tmp_path}/there; while :; do sleep 0.01; done"
    nodes = [node("a", "dispatches", config={"argv": ["sh", "-c", script]})]
    async with playbill.PipelineRunManager(types=[dispatches]) as manager:
        run = await manager.start_run(pipeline(*nodes))
        while not (tmp_path / "there").exists():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0)
        await run.cancel("enough", 10)
        result = await run.result()
    assert list(tmp_path.iterdir()) == []
    assert not result.orphans


@pytest.mark.parametrize("number", ["STOP", "KILL", "USR1"])
async def test_a_command_that_signals_its_parent_costs_the_others_at_most_one_attempt(number: str) -> None:
    nodes = [
        program("a", "sh", "-c", f"kill -{number} $PPID; echo done", retry={"max_attempts": 1}, on_error="continue"),
        program("b", "sh", "-c", "sleep 0.2; echo done", retry={"base": 0.01}),
    ]
    async with playbill.PipelineRunManager() as manager:
        result = await finished(manager, pipeline(*nodes))
        assert statuses(result)["b"] == "completed"
        assert (await finished(manager, pipeline(program("c", "true")))).status == "completed"
