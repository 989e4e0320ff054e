"""The memory of a process over 100,000 small runs, which shall not grow: run alone, for it takes minutes.

A manager remembers the last of its runs, a journal's file the rest. What is looked at is the memory that the process
has in the machine, after a full collection; tracemalloc would take three times as long, and not see SQLite's.
"""

import asyncio
import gc
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import playbill
from tests.benchmarks.durable import complete
from tests.benchmarks.measure import row
from tests.benchmarks.runs import definition_of, typed_work
from tests.benchmarks.shapes import chain

RUNS: Final = 100_000
STEPS: Final = 10
AT_ONCE: Final = 100
GROWTH: Final = 1.05
"""The last step against the second: by then all is there that is remembered."""


def resident_mib() -> float:
    """Return what the process has in memory now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def grown(journal: str, runs: int) -> list[float]:
    """Return the memory, in MiB, after each tenth of so many runs of two nodes."""
    definition, told = definition_of(chain(2)), dict[str, Any](keep_runs=1000, watchdog_seconds=None)
    seen: list[float] = []
    async with playbill.PipelineRunManager(journal=journal, types=[typed_work], **told) as manager:
        for _ in range(STEPS):
            for _ in range(runs // STEPS // AT_ONCE):
                await complete(manager, definition, AT_ONCE)
            seen.append(resident_mib())
    return seen


async def report(runs: int = RUNS) -> None:
    """Print a row for each journal, and the memory after each tenth."""
    with tempfile.TemporaryDirectory() as folder:
        for name, journal in (("memory", "memory"), ("sqlite", f"sqlite:///{folder}/runs.db")):
            seen = await grown(journal, runs)
            ratio = seen[-1] / seen[1]
            row(f"{runs} runs, journal {name}", f"{seen[1]:.1f} MiB", f"{seen[-1]:.1f} MiB", ratio, GROWTH)
            print(f"{'':<34} {' '.join(f'{each:.1f}' for each in seen)}", flush=True)


if __name__ == "__main__":
    asyncio.run(report(*map(int, sys.argv[1:])))
