"""What an attempt may use, and how many may be lost: said by the node, named when it is reached."""

from pathlib import Path
from typing import Any

import pytest

import playbill
from tests.runtime.processes.support import Lifeline
from tests.stories.nasty import handlers
from tests.stories.nasty.support import definition, node_of, opened, ready, turns_until_ended

pytestmark = [pytest.mark.anyio, pytest.mark.real("limits are kept by the kernel")]


@playbill.node_type("opens_files", isolation="process", limits=playbill.LimitsPolicy(open_files=5))
def opens_files(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Open the configured number of files."""
    files = [Path("/dev/null").open() for _ in range(node.config["files"])]  # noqa: SIM115 (all at once)
    return {"opened": len(files)}


@pytest.mark.parametrize(
    ("limit", "body", "said"),
    [
        ({"cpu_seconds": 0.5}, "spins", "limit cpu_seconds of 0.5 reached"),
        ({"memory_bytes": 50_000_000}, "eats", "limit memory_bytes of 50,000,000 reached"),
        ({"wall_seconds": 0.1}, "sleeps", "limit wall_seconds of 0.1 reached"),
        ({"wall_seconds": 0.1}, "blocks_signals", "limit wall_seconds of 0.1 reached"),
        ({"cpu_seconds": 0.1}, "blocks_signals", "limit cpu_seconds of 0.1 reached"),
    ],
)
async def test_a_limit_that_is_reached_is_named(
    lifeline: Lifeline, limit: dict[str, Any], body: str, said: str
) -> None:
    async with opened() as manager:
        result = await (await manager.start_run(definition(body, "process", lifeline.path, limits=limit))).result()
        assert result.error is not None
        assert (result.error.type, result.error.message) == ("HandlerKilled", f"handler was killed: {said}")
        assert node_of(result).receipt is None
        assert result.error.retryable


async def test_a_types_limit_holds_and_a_nodes_own_comes_first() -> None:
    def pipeline(files: int, **more: Any) -> dict[str, Any]:
        node = {"id": "a", "type": "opens_files", "config": {"files": files}, "retry": {"max_attempts": 1}}
        return {"nodes": [{**node, **more}]}

    async with opened(types=[opens_files], max_processes=1) as manager:
        fits = await (await manager.start_run(pipeline(5))).result()
        assert fits.outputs == {"a": {"opened": 5}}
        wants_more = await (await manager.start_run(pipeline(6))).result()
        assert wants_more.error is not None
        assert wants_more.error.message == "handler was killed: limit open_files of 5 reached"
        has_more = await (await manager.start_run(pipeline(6, limits={"open_files": 50}))).result()
        assert has_more.outputs == {"a": {"opened": 6}}


async def test_too_many_orphans_refuse_new_threads_until_one_of_them_ends(lifeline: Lifeline) -> None:
    async with opened(max_orphans=1, kill_bound=0.1) as manager:
        lost = await manager.start_run(definition("swallows", "thread", lifeline.path))
        await ready(lifeline)
        await lost.cancel(grace=0.0)
        assert (await lost.result()).orphans == ("a",)
        inline = {"nodes": [{"id": "a", "type": "fine", "retry": {"max_attempts": 1}}]}
        refused = await (await manager.start_run(inline)).result()
        assert refused.error is not None
        assert "1 abandoned handlers still hold their threads, and max_orphans is 1" in refused.error.message
        assert "isolation: process" in refused.error.message
        in_process = {"nodes": [{"id": "a", "type": "fine", "isolation": "process"}]}
        assert (await (await manager.start_run(in_process)).result()).status == "completed"
        handlers.LET_GO.set()
        await turns_until_ended(manager)
        assert (await (await manager.start_run(inline)).result()).status == "completed"


async def test_a_retry_gets_its_thread_as_soon_as_an_orphan_has_ended(lifeline: Lifeline) -> None:
    async with opened(max_orphans=1, kill_bound=0.1) as manager:
        lost = await manager.start_run(definition("swallows", "thread", lifeline.path))
        await ready(lifeline)
        await lost.cancel(grace=0.0)
        await lost.result()
        retried = await manager.start_run(
            {"nodes": [{"id": "a", "type": "fine", "retry": {"base": 0.05, "jitter": 0}}]}
        )
        async for event in retried.events():
            if event.type is playbill.EventType.PIPELINE_NODE_RETRYING:
                handlers.LET_GO.set()
                break
        await turns_until_ended(manager)
        assert (await retried.result()).status == "completed"
