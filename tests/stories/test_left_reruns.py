"""A retry or fork that is being recorded as its manager is left: cancelled with all others, or the next one's."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

import playbill
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("a file that the next manager opens")]


@playbill.node_type("left_again")
async def again(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Fail for good, but in a rerun."""
    if not context.run_id.startswith("again"):
        raise playbill.NodeConfigError("not in the first run")
    return {"ok": True}


@pytest.mark.parametrize("how", ["retry", "fork"])
@pytest.mark.parametrize(("on_exit", "status"), [("park", "completed"), ("cancel", "cancelled")])
async def test_a_rerun_that_is_recorded_as_its_manager_is_left_is_treated_like_every_run(
    tmp_path: Path, on_exit: Literal["park", "cancel"], status: str, how: str
) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    definition = pipeline(node("start", "trigger", "a"), node("a", "left_again"))
    async with playbill.PipelineRunManager(journal=url, types=[again], on_exit=on_exit) as manager:
        await (await manager.start_run(definition, run_id="first")).result()
        begins = manager.retry_run("first", new_id="again") if how == "retry" else None
        asking = asyncio.ensure_future(begins or manager.fork_run("first", "a", new_id="again"))
        system: Any = manager._system
        while "again" not in system.parts.journal.streams:  # noqa: ASYNC110 (nobody tells that it is recorded)
            await asyncio.sleep(0)
    await asyncio.wait([asking])
    async with playbill.PipelineRunManager(journal=url, types=[again], on_exit="wait") as manager:
        assert (await (await manager.open_run("again")).result()).status == status
