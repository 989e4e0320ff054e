"""Soak: `make soak [SEEDS=n]` runs so many seeds, split evenly over the studies, in two processes.

It ends with what of the machines' tables nobody has reached although a run can; too much of that is as wrong as a
finding, and so is to have reached what a run cannot (tests/soak/reach.py).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

from playbill.model.wording import describe_seconds
from playbill.runtime.simulation.explore import Exploration
from playbill.runtime.simulation.shrink import Shrinker
from playbill.runtime.simulation.tapes import save_tape
from tests.soak.late import LATE
from tests.soak.reach import BEYOND, beyond_reach, reachable
from tests.soak.running import be_quiet, soak
from tests.soak.studies import PLANNED, STUDIES, study

COVERED: Final = 0.97
"""The share of the pairs within reach that a soak of ENOUGH seeds must reach."""
ENOUGH: Final = 20_000


def rows() -> Iterator[tuple[str, list[str]]]:
    """Yield the rows to print: a planned study each, those of late mail together, and the drawn ones."""
    yield from ((name, [name]) for name in PLANNED)
    yield "late", list(LATE)
    yield "drawn", [name for name in STUDIES if name not in {*PLANNED, *LATE}]


def describe(row: str, seen: Exploration, wall_seconds: float) -> str:
    """Return the row of one study, or of several together."""
    return (
        f"{row:<16} {seen.seeds:>9,} seeds  {seen.seeds / wall_seconds:>6,.0f}/s  "
        f"{describe_seconds(seen.seconds):>16} simulated  {len(seen.coverage):>3} pairs  "
        f"{sum(seen.fired.values()):>10,} faults  {len(seen.findings)} found"
    )


def show(name: str, seen: Exploration) -> None:
    """Shrink what was found in a study, and keep its tape."""
    for finding in seen.findings[:1]:
        smaller, least = Shrinker(study(name), finding).shrink()
        save_tape(Path(f"{name}.tape.json"), study(name).definition, smaller, least)
        print(f"  {name}, seed {finding.seed}: {finding}\n  {name}.tape.json", flush=True)


def main(total: int, jobs: int, first: int = 0) -> bool:
    """Soak, and print it; tell whether all is well."""
    be_quiet()
    whole, seeds = Exploration(), -(-total // len(STUDIES))
    for row, names in rows():
        began, together = perf_counter(), Exploration()
        found = soak(names, seeds, jobs, first)
        for seen in found.values():
            together.merge(seen)
        print(describe(row, together, perf_counter() - began), flush=True)
        for name, seen in found.items():
            show(name, seen)
        whole.merge(together)
    print(f"{whole.seeds:,} seeds, {len(whole.findings)} found")
    return is_covered(whole) and not whole.findings


def is_covered(whole: Exploration) -> bool:
    """Print what of the tables was reached; tell whether it is enough, and nothing that cannot be."""
    pairs = reachable()
    missing, beyond = sorted(pairs - whole.coverage), sorted(whole.coverage & beyond_reach())
    print(f"{len(pairs) - len(missing)} of {len(pairs)} pairs that a run can reach")
    for machine, state, message in missing:
        print(f"  not reached: {machine}, {state}: {message}")
    for reason, unreached in BEYOND.items():
        print(f"  {len(unreached)} more cannot be: {reason}")
    for machine, state, message in beyond:
        print(f"  reached all the same: {machine}, {state}: {message}")
    return not beyond and (len(missing) <= (1 - COVERED) * len(pairs) or whole.seeds < ENOUGH)


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
