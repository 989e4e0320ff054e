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
from pathlib import Path

import playbill
from tests.benchmarks.floor import run_bare
from tests.benchmarks.measure import ROOT, row
from tests.benchmarks.runs import definition_of, typed_work
from tests.benchmarks.shapes import chain, fan, layered

MARK = "getpriority"
"""A function of the C library that nothing measured calls: at each call callgrind writes what it has counted."""
ROUNDS = 3
"""The least of so many is taken: what differs is when the cyclic collector comes."""
SHAPES = (chain(1000), fan(1000), layered(20, 50))
GATES = {"chain-1000": 1.425, "fan-1000": 2.377, "layered-20x50": 2.387}
"""Ratios to the floor that must not grow, measured with CPython 3.11 on x86-64; a gate is three percent above."""


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
    """Run floor and playbill on each shape, in this order."""
    for shape in SHAPES:
        definition = definition_of(shape)
        async with playbill.PipelineRunManager(types=[typed_work], keep_runs=1, watchdog_seconds=None) as manager:

            async def run() -> None:
                result = await (await manager.start_run(definition)).result()  # noqa: B023 (awaited in its turn)
                assert result.status == "completed"

            await watched(lambda: run_bare(shape))  # noqa: B023 (the same)
            await watched(run)


def counted() -> list[int]:
    """Return the least instructions of each subject of `program`, in a process under callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "counts")
        callgrind = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={out}"]
        command = [*callgrind, sys.executable, "-m", "tests.benchmarks.instructions"]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
        marks = range(2, 4 * ROUNDS * len(SHAPES) + 1, 2)  # the odd ones count what lies between two rounds
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
    for shape, floor, subject in zip(SHAPES, counts[::2], counts[1::2], strict=True):
        floor_text, text = (f"{count / len(shape.nodes) / 1e3:.1f} k" for count in (floor, subject))
        row(f"{shape.name}, instructions", floor_text, text, subject / floor, 1.03 * GATES[shape.name])


if __name__ == "__main__":
    asyncio.run(program())
