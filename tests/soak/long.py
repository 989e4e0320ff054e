"""All that `make test-long` runs, one part after the other: `python -m tests.soak.long [JOBS [POINTS [KILLS]]]`.

Each part is a process of its own, and the next one runs whatever became of it. It ends with a line for each part; the
exit code is the sum of the numbers of those that failed, 1, 2, 4 and so on in their order.
"""

import resource
import subprocess
import sys
from time import perf_counter
from typing import Final, NamedTuple

from tests.architecture.tree import ROOT

PYTHON: Final = sys.executable
LONG_TESTS: Final = ("-m", "pytest", "-m", "long", "-q")
APART: Final = ("runtime/simulation", "contracts", "stories")
"""Tests that are not to be in one process with others: each defines node types of its own."""
HOURS: Final = 10


class Part(NamedTuple):
    """A part of it."""

    name: str
    arguments: tuple[str, ...]
    """Of Python."""


class PartEnd(NamedTuple):
    """How one ended."""

    part: Part
    code: int
    seconds: float
    cpu_seconds: float
    """Of all its processes: what it takes on a machine that does nothing else, times the processors that it uses."""
    last_line: str
    """What it said last."""


def parts(jobs: int, points: int, kills: int) -> tuple[Part, ...]:
    """Return the parts, in their order."""
    return (
        Part("kills", ("-m", "tests.soak.kills", str(kills), str(jobs))),
        Part("hours", ("-m", "tests.soak.hours", str(HOURS), str(jobs))),
        Part("crash points", ("-m", "tests.soak.crashes", str(points), str(jobs))),
        Part("long simulations", (*LONG_TESTS, "tests/runtime/simulation", "tests/contracts")),
        Part("long stories", (*LONG_TESTS, "tests/stories")),
        Part("long tests", (*LONG_TESTS, "tests", *(f"--ignore=tests/{part}" for part in APART))),
    )


def run(part: Part) -> PartEnd:
    """Run a part, and show what it says as it says it."""
    print(f"---- {part.name}", flush=True)
    began, cpu, last = perf_counter(), cpu_of_children(), ""
    with subprocess.Popen((PYTHON, "-u", *part.arguments), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return PartEnd(part, process.returncode, perf_counter() - began, cpu_of_children() - cpu, last)


def cpu_of_children() -> float:
    """Return the seconds of CPU of all child processes that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def describe(end: PartEnd) -> str:
    """Return the line of a part that has ended."""
    how = "ok" if end.code == 0 else f"FAILED, exit code {end.code}"
    return f"{end.part.name:<13} {end.seconds:>6,.0f} s  {end.cpu_seconds:>6,.0f} s of CPU  {how:<6}  {end.last_line}"


def main(jobs: int = 2, points: int = 10_000, kills: int = 100) -> int:
    """Run all; return the exit code."""
    ends = [run(part) for part in parts(jobs, points, kills)]
    seconds, cpu = sum(end.seconds for end in ends), sum(end.cpu_seconds for end in ends)
    print(f"---- {seconds / 60:,.1f} minutes in all, and {cpu / 60:,.1f} of CPU")
    for end in ends:
        print(describe(end))
    return sum(1 << place for place, end in enumerate(ends) if end.code)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
