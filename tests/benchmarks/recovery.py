"""How long a manager takes to go on with 10,000 runs of 10 nodes that another process has left half done.

Run as a program with `leave` or `take`, and a file, it is one of the two processes: the first begins the runs, which
all wait in their sixth node, and dies as by kill -9; the second takes them up. `report` starts both.

WARNING: runs go on while others are yet to be taken up, so that `recovered` pays for a part of their work.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import playbill
from tests.benchmarks.measure import ROOT, row
from tests.benchmarks.runs import definition_of
from tests.benchmarks.shapes import chain

RUNS: Final = 10_000
NODES: Final = 10
GATE_SECONDS: Final = 10.0
AT_ONCE: Final = 500
"""Starts under way at a time."""
WAITS_IN: Final = f"n{NODES // 2}"


class Half:
    """Where runs wait, and how many do; nobody waits any more once `goes_on`."""

    goes_on = False
    waiting = 0
    news: asyncio.Event


@playbill.node_type("halfway")
async def halfway(node: playbill.PipelineNode, inputs: object, context: object) -> dict[str, int]:
    """Suspend once; in the sixth node, for ever."""
    if node.id == WAITS_IN and not Half.goes_on:
        Half.waiting += 1
        if Half.waiting == RUNS:
            Half.news.set()
        await asyncio.Event().wait()
    await asyncio.sleep(0)
    return {"n": 1}


def manager_of(file: str) -> playbill.PipelineRunManager:
    told: Any = {"types": [halfway], "watchdog_seconds": None}
    return playbill.PipelineRunManager(journal=f"sqlite:///{file}", **told)


async def leave(file: str) -> None:
    """Begin all, and die as soon as all wait, and the start of that is kept."""
    definition, Half.news = definition_of(chain(NODES), kind="halfway"), asyncio.Event()
    manager = manager_of(file)
    for _ in range(RUNS // AT_ONCE):
        await asyncio.gather(*(manager.start_run(definition) for _ in range(AT_ONCE)))
    await Half.news.wait()
    await asyncio.sleep(1)  # what nobody waits for is kept 10 ms later
    os._exit(0)


async def take(file: str) -> None:
    """Take up all, wait until all have ended, and print how long both took: by the clock, and of the processor."""
    Half.goes_on = True
    began = time.perf_counter(), time.process_time()
    async with manager_of(file) as manager:
        taken = await manager.recovered()
        assert len(taken.runs) == RUNS
        recovered = time.perf_counter(), time.process_time()
        for run in manager.active_runs:
            assert (await run.result()).status == "completed"
        ended = time.perf_counter(), time.process_time()
    print(json.dumps([[now - then for now, then in zip(at, began, strict=True)] for at in (recovered, ended)]))


def child(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.recovery", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def report() -> None:
    """Print a row for when all go on, which has the gate, and one for when all have ended."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "runs.db"))
        child("leave", file)
        (recovered, cpu), (ended, cpu_ended) = json.loads(child("take", file))
    name = f"{RUNS} runs half done, all go on"
    row(name, f"{GATE_SECONDS:.1f} s", f"{recovered:.1f} s", recovered / GATE_SECONDS, 1.0)
    row("the same, all have ended", f"{GATE_SECONDS:.1f} s", f"{ended:.1f} s", ended / GATE_SECONDS, None)
    print(f"{'':<34} of the processor {cpu:.1f} s and {cpu_ended:.1f} s", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run({"leave": leave, "take": take}[sys.argv[1]](sys.argv[2]))
    else:
        report()
