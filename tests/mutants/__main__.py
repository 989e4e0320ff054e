"""Mutants: `make mutants [KIND=simulation|tests] [PART=k/n] [SEEDS=n] [JOBS=n]` scores them, and lists survivors."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from math import inf
from typing import TYPE_CHECKING, Final

from tests.mutants.by_simulation import crashes, explores
from tests.mutants.by_tests import tests_against
from tests.mutants.covering import FOLDER, covering
from tests.mutants.fixed import CRASHING, FIXED
from tests.mutants.forks import Forks
from tests.mutants.report import Progress, describe
from tests.mutants.scores import Score, survivors_in
from tests.mutants.targets import KINDS, SIMULATION, TESTS, mutants_for, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutants.forks import Task
    from tests.mutants.mutant import Mutant
    from tests.mutants.targets import Kind

PRELOADED: Final = (
    "anyio._backends._asyncio",
    "cel",
    "cyclopts",
    "httpx",
    "hypothesis.strategies",
    "jsonschema_rs",
    "networkx",
    "pydantic",
    "pykka",
    "rich.console",
    "yaml",
)
"""What each child would import else; nothing of playbill."""
SILENCE_SECONDS: Final = 60.0
"""A mutant that says nothing for so long runs in circles."""
CRASH_SEEDS: Final = 4
"""Of each study, where a mutant is found by crashes."""
QUICK_SECONDS: Final = 0.3
UNCHANGED: Final = "the model as it is"


class Arguments(argparse.Namespace):
    """What the command line says."""

    kind: str
    part: tuple[int, int]
    seeds: int
    jobs: int
    only: list[str]
    fixed: bool
    quick: bool
    again: bool


def part(text: str) -> tuple[int, int]:
    """Read `k/n`."""
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if match is None or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f"'{text}' is not k/n with 1 <= k <= n, such as 3/8")
    return int(match[1]), int(match[2])


def at_least_one(text: str) -> int:
    """Read how many; none would be waited for without an end."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def arguments() -> Arguments:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("--kind", choices=["", *KINDS], default="", help="only this score; both by default")
    parser.add_argument("--part", type=part, default=(1, 1), help="k/n: every n-th mutant, beginning at the k-th")
    parser.add_argument("--seeds", type=at_least_one, default=500, help="of each study, at most")
    parser.add_argument("--jobs", type=at_least_one, default=2, help="processes side by side")
    parser.add_argument(
        "--only", action="append", default=[], help="a module, such as model/plan.py; may be repeated"
    )
    parser.add_argument("--fixed", action="store_true", help="only the fixed mutants, by simulation")
    parser.add_argument("--quick", action="store_true", help=f"without tests that take {QUICK_SECONDS:g} s or more")
    parser.add_argument("--again", action="store_true", help="only those that survived the last run of this part")
    return parser.parse_args(namespace=Arguments())


def tasks(kind: Kind, mutants: list[Mutant], said: Arguments) -> Iterator[tuple[str, Task]]:
    """Return what is to be done for each mutant."""
    if kind is SIMULATION:
        yield from ((mutant.id, explores(mutant, said.seeds)) for mutant in mutants)
    else:
        covered, slowest = covering(), QUICK_SECONDS if said.quick else inf
        yield from ((mutant.id, tests_against(mutant, covered, slowest)) for mutant in mutants)


def score(kind: Kind, said: Arguments) -> bool:
    """Run one score's part, print it and keep it; tell whether its goal is reached."""
    found = Score(kind, mutants_for(kind, said.only))
    k, n = said.part
    file = FOLDER / f"{kind.name}-{k}-of-{n}.json"
    FOLDER.mkdir(exist_ok=True)
    chosen = part_of(found.made, k, n)
    if said.again:
        survived = survivors_in(file.read_text(encoding="utf-8"))
        chosen = [mutant for mutant in chosen if mutant.key in survived]
    by_id = {mutant.id: mutant for mutant in chosen}
    progress = Progress(len(chosen))
    for name, fate in Forks(said.jobs, SILENCE_SECONDS).run(tasks(kind, chosen, said)):
        found.ran.append((by_id[name], fate))
        if progress.tells(found):
            file.write_text(json.dumps(found.as_dict(), indent=1), encoding="utf-8")
    share = "all mutants" if n == 1 else f"part {k} of {n} of the mutants"
    share += " that survived before" * said.again
    if said.only:
        share += f" of {', '.join(said.only)}"
    rotten = found.rotten({mutant.module for mutant in found.made} if kind is TESTS else ())
    print(f"\n{describe(found, share)}", *rotten, sep="\n", flush=True)
    return found.reached and not rotten


def fixed(said: Arguments) -> bool:
    """Run the fixed ones; tell whether all are found."""
    work = [
        *((each.name, explores(each.planted(), said.seeds)) for each in FIXED),
        *((each.name, crashes(each.planted(), CRASH_SEEDS)) for each in CRASHING),
    ]
    missed = 0
    for name, fate in Forks(said.jobs, SILENCE_SECONDS).run(work):
        missed += not fate.killed
        print(f"{name}: {f'found after {fate.steps} seeds: {fate.by}' if fate.killed else 'SURVIVED'}", flush=True)
    return not missed


def unchanged(said: Arguments) -> None:
    """See that nothing is found where nothing is changed; else every mutant would count as found."""
    for _, fate in Forks(1, SILENCE_SECONDS).run([(UNCHANGED, explores(None, said.seeds))]):
        if fate.killed:
            sys.exit(f"{UNCHANGED} does not pass: {fate.by}\n{fate.output}")


def main() -> bool:
    """Do what the command line says; tell whether every goal is reached."""
    said = arguments()
    for name in PRELOADED:
        importlib.import_module(name)
    kinds = [KINDS[said.kind]] if said.kind else [*KINDS.values()]
    if said.fixed or SIMULATION in kinds:
        unchanged(said)
    if said.fixed:
        return fixed(said)
    reached = [score(kind, said) for kind in kinds]
    return all(reached)


sys.exit(not main())
