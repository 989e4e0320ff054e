"""A journal's file is taken from its owner: the owner's runs stop, say so, and another manager goes on with them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.errors import JournalError
from tests.stories import support
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("a file that is taken away")]


@pytest.fixture
def resources() -> dict[str, Any]:
    return support.resources()


async def test_runs_stop_when_their_journal_is_lost_and_go_on_where_it_is_opened_again(
    tmp_path: Path, resources: dict[str, Any]
) -> None:
    path = tmp_path / "runs.db"
    url = f"sqlite:///{path}"
    stopped: list[str] = []

    @playbill.node_type("lost_hold")
    async def hold(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        if stopped:
            return {"again": context.attempt}
        try:
            context.resources["began"].set()
            await asyncio.Event().wait()
        finally:
            stopped.append(node.id)
        return {}

    definition = pipeline(node("hold", "lost_hold", after="last"), node("last"))
    types = [hold, support.say]
    async with playbill.PipelineRunManager(journal=url, types=types, resources=resources) as manager:
        run = await manager.start_run(definition, run_id="one")
        events, result = run.events(), asyncio.ensure_future(run.result())
        assert [(await anext(events)).node_id for _ in range(2)] == [None, "hold"]
        await resources["began"].wait()
        path.with_name("runs.db.lock").unlink()
        with pytest.raises(JournalError, match="is lost to this process"):
            await manager.start_run(definition, run_id="two")
        with pytest.raises(JournalError) as raised:
            await result
        said = str(raised.value)
        assert said.startswith("run 'one' was stopped; the journal has not kept that: ")
        assert f"{path}.lock is gone" in said
        assert stopped == ["hold"]
        assert manager.active_runs == []
        assert [event async for event in events] == []
        with pytest.raises(JournalError):
            await run.result()
    async with playbill.PipelineRunManager(journal=url, types=types, resources=resources, on_exit="wait") as manager:
        assert (await manager.recovered()).runs == ["one"]
        ended = await (await manager.open_run("one")).result()
        assert (ended.status, ended.outputs["hold"]) == ("completed", {"again": 2})
        with pytest.raises(playbill.UnknownRun):
            await manager.open_run("two")
