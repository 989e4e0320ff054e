"""Instructions a node, by callgrind: where clocks swing by half, these repeat to one percent.

Run as a program it is what callgrind watches; `report` starts it so and prints the rows.
"""

import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import playbill
from tests.benchmarks.floor import run_bare, trivial, work
from tests.benchmarks.measure import ROOT, row
from tests.benchmarks.runs import definition_of, typed_trivial, typed_work
from tests.benchmarks.shapes import chain, fan, layered

MARK = "getpriority"
"""A function of the C library that nothing measured calls: at each call callgrind writes what it has counted."""
ROUNDS = 3
"""The least of so many is taken: what differs is when the cyclic collector comes."""
SHAPES = (chain(1000), fan(1000), layered(20, 50))
GATES = {"chain-1000": 1.5, "fan-1000": 2.0, "layered-20x50": 2.0}
"""Ratios to the floor, of handlers that suspend once."""
HANDLERS = ((work, typed_work), (trivial, typed_trivial))


def mark() -> None:
    """Have callgrind write its count and begin another."""
    os.getpriority(os.PRIO_PROCESS, 0)


async def watched(subject: Callable[[], Awaitable[object]]) -> None:
    """Run `subject` between two marks, warm, `ROUNDS` times."""
    await subject()
    for _ in range(ROUNDS):
        gc.collect()
        mark()
        await subject()
        mark()


async def program() -> None:
    """Run floor and playbill with each handler on each shape, in this order."""
    for bare, typed in HANDLERS:
        for shape in SHAPES:
            await watched(partial(run_bare, shape, bare))
            async with playbill.PipelineRunManager(types=[typed], keep_runs=1, watchdog_seconds=None) as manager:
                await watched(partial(complete, manager, definition_of(shape, kind=bare.__name__)))


async def complete(manager: playbill.PipelineRunManager, definition: playbill.PipelineDefinition) -> None:
    """Run a pipeline to its end."""
    result = await (await manager.start_run(definition)).result()
    assert result.status == "completed"


def counted() -> list[int]:
    """Return the least instructions of each subject of `program`, in a process under callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "counts")
        callgrind = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={out}"]
        command = [*callgrind, sys.executable, "-m", "tests.benchmarks.instructions"]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
        marks = range(
            2, 4 * ROUNDS * len(SHAPES) * len(HANDLERS) + 1, 2
        )  # the odd ones count what lies between two rounds
        counts = [
            int(re.findall(r"^summary: (\d+)$", Path(f"{out}.{n}").read_text(), re.MULTILINE)[0]) for n in marks
        ]
    return [min(counts[first : first + ROUNDS]) for first in range(0, len(counts), ROUNDS)]


def report() -> None:
    """Print a row for each shape, where valgrind is there."""
    if shutil.which("valgrind") is None:
        print("instructions a node: not counted, for valgrind is not there (apt-get install valgrind)")
        return
    counts = counted()
    subjects = [(shape, bare.__name__) for bare, _ in HANDLERS for shape in SHAPES]
    for (shape, handler), floor, subject in zip(subjects, counts[::2], counts[1::2], strict=True):
        floor_text, text = (f"{count / len(shape.nodes) / 1e3:.1f} k" for count in (floor, subject))
        gate = GATES[shape.name] if handler == work.__name__ else None
        row(f"{shape.name}, {handler}, instructions", floor_text, text, subject / floor, gate)


if __name__ == "__main__":
    asyncio.run(program())
