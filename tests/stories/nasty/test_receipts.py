"""How each node was stopped is seen in the result, in the events, and in what `playbill run` shows."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import playbill
from tests.runtime.processes.support import Lifeline
from tests.stories.nasty.support import definition, node_of, opened, ready
from tests.warm import programs

ROOT = Path(__file__).resolve().parents[3]
KINDS = """
import asyncio, time
import playbill

@playbill.node_type("stubborn", isolation="process")
def stubborn(node, inputs, context):
    while True:
        try:
            time.sleep(1e9)
        except BaseException:
            pass

@playbill.node_type("asleep")
def asleep(node, inputs, context):
    time.sleep(1e9)

@playbill.node_type("waits")
async def waits(node, inputs, context):
    await context.sleep(1e9)

@playbill.node_type("second_time", isolation="process")
def second_time(node, inputs, context):
    while context.attempt == 1:
        try:
            time.sleep(1e9)
        except BaseException:
            pass
    return {}
"""
PIPELINE = """
name: nasty
imports: [kinds]
nodes:
  - {id: stubborn, type: stubborn}
  - {id: asleep, type: asleep}
  - {id: waits, type: waits}
  - {id: pause, type: delay, config: {seconds: 1000}}
  - {id: program, type: command, config: {argv: [sleep, "1000"]}}
  - {id: second, type: second_time, timeout: 0.1, retry: {base: 0.01}}
"""
RECEIPTS = {
    "stubborn": "killed",
    "asleep": "abandoned",
    "waits": "interrupted",
    "pause": "not_started",
    "program": "interrupted",
}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    (tmp_path / "kinds.py").write_text(KINDS, encoding="utf-8")
    (tmp_path / "nasty.yaml").write_text(PIPELINE, encoding="utf-8")
    return tmp_path / "nasty.yaml"


def command_line(pipeline: Path, timeout: float, *more: str) -> list[str]:
    options = ["--timeout", str(timeout), "--grace", "0.1", *more]
    return [sys.executable, "-m", "playbill.runtime.cli", "run", str(pipeline), *options]


def test_plain_output_and_json_and_events_tell_how_each_node_was_stopped(pipeline: Path) -> None:
    events = pipeline.parent / "events.jsonl"
    command = command_line(pipeline, 8, "--json", "--events", str(events))
    ran = programs.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert ran.returncode == 124
    result = json.loads(ran.stdout)
    found = {node: end["receipt"] and end["receipt"]["how"] for node, end in result["node_results"].items()}
    assert found == {**RECEIPTS, "second": None}
    assert result["orphans"] == ["asleep"]
    for node, how in RECEIPTS.items():
        assert re.search(rf"^cancelled {node} .* {how} after \d+ ms", ran.stderr, re.MULTILINE), ran.stderr
    assert re.search(r"^retrying  second .*timeout.*; killed after \d+ ms", ran.stderr, re.MULTILINE), ran.stderr
    assert ran.stderr.splitlines()[-1] == "orphans, which could not be stopped: asleep"
    kept = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    told = {one["node_id"]: one["data"]["receipt"]["how"] for one in kept if one["type"] == "pipeline_node.cancelled"}
    assert told == RECEIPTS


def test_a_terminal_shows_how_each_node_was_stopped(pipeline: Path) -> None:
    lines = PIPELINE.splitlines()
    pipeline.write_text("\n".join(line for line in lines if "stubborn" not in line and "second_time" not in line))
    terminal, its_end = pty.openpty()
    with programs.Popen(command_line(pipeline, 2), stdout=subprocess.DEVNULL, stderr=its_end, cwd=ROOT) as process:
        os.close(its_end)
        shown = read_all(terminal)
        assert process.wait(30) == 124
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    for node, how in RECEIPTS.items():
        assert node == "stubborn" or re.search(rf"■ {node} .* {how} after \d+ ms", plain), plain
    assert "orphans, which could not be stopped: asleep" in plain


def read_all(terminal: int) -> str:
    """Read until nobody holds the other end of a terminal."""
    data = b""
    try:
        while chunk := os.read(terminal, 65536):
            data += chunk
    except OSError:  # that is how a terminal says it
        pass
    os.close(terminal)
    return data.decode()


@pytest.mark.anyio
@pytest.mark.real("receipts of real processes")
async def test_a_receipt_is_in_the_result_and_in_its_event(lifeline: Lifeline) -> None:
    async with opened() as manager:
        run = await manager.start_run(definition("swallows", "process", lifeline.path))
        await ready(lifeline)
        await run.cancel()
        result = await run.result()
        told = [event async for event in run.events() if event.type is playbill.EventType.PIPELINE_NODE_CANCELLED]
        assert [event.data["receipt"] for event in told] == [node_of(result).receipt]
        assert result.as_dict()["node_results"]["a"]["receipt"]["how"] == "killed"
