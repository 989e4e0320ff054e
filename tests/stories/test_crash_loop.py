"""A program that dies again and again: its runs go on one at a time then, and those that were running are named."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("a file, and processes that die")]
Manager = playbill.PipelineRunManager
PROGRAM = """
import asyncio, os, sys
import playbill

@playbill.node_type("loop_step")
async def step(node, inputs, context):
    if node.config["ends"]:
        await context.sleep(0.1)
        os._exit(9)
    await context.sleep(60)

def one(**config):
    return {"nodes": [{"id": name, "type": "loop_step", "config": config} for name in "ab"]}

async def main():
    async with playbill.PipelineRunManager(journal=sys.argv[1], types=[step], on_exit=sys.argv[2]) as manager:
        if sys.argv[2] == "cancel":
            await manager.recovered()
            await manager.start_run(one(ends=False), run_id="other")
            await manager.start_run(one(ends=True), run_id="culprit")
            await asyncio.sleep(60)

asyncio.run(main())
"""


@playbill.node_type("loop_step")
async def step(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> None:
    """End at once: the fault of the program is mended."""


def program(*arguments: str, text: str = PROGRAM) -> int:
    command = [sys.executable, "-W", "ignore", "-c", text, *arguments]
    return subprocess.run(command, check=False, timeout=60).returncode


async def test_after_three_crashes_runs_go_on_one_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    ends = [program(url, "cancel"), program(url, "cancel"), program(url, "park"), program(url, "cancel")]
    assert ends == [9, 9, 0, 9]  # one in order among them makes no difference
    caplog.set_level(logging.WARNING, "playbill")
    async with Manager(journal=url, types=[step]) as manager:
        await manager.start_run(pipeline(node("a", "loop_step")), run_id="new")
        taken = await manager.recovered()
        assert (taken.runs, taken.cautious) == (["other", "culprit"], True)
        for name in ("new", "other", "culprit"):
            assert (await manager.get_run(name).result()).status == "completed"
    said = [record.getMessage() for record in caplog.records]
    loop = "after 3 crashes in 10 minutes runs go on one at a time"
    assert said == [f"{loop}; run '{name}' goes on now: nodes 'a', 'b' were running" for name in ("other", "culprit")]
    async with Manager(journal=url, types=[]) as manager:
        assert await manager.recovered() == playbill.TakenUp(cautious=True)  # ten minutes are not over


@pytest.mark.parametrize("on_exit", ["cancel", "wait", "park"])
async def test_whoever_ends_in_order_has_not_crashed(url: str, on_exit: Any) -> None:
    for number in range(4):
        async with Manager(journal=url, types=[step], on_exit=on_exit) as manager:
            assert not (await manager.recovered()).cautious
            run = await manager.start_run(pipeline(node("a", "loop_step")), run_id=f"r{number}")
            await run.result()
    assert crashes_of(url) == ()


async def test_a_program_that_closes_nothing_but_its_loop_has_not_crashed(url: str) -> None:
    text = """
import asyncio, sys
import playbill

async def main():
    manager = playbill.PipelineRunManager(journal=sys.argv[1], types=[])
    await manager.start_run({"nodes": [{"id": "a", "type": "delay", "config": {"seconds": 60}}]})

asyncio.run(main())
"""
    assert program(url, text=text) == 0
    assert crashes_of(url) == ()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def crashes_of(url: str) -> Any:
    journal = SqliteJournal(url)
    journal.close()
    return journal.crashes
