"""Kills by simulation alone: explores the soak's studies, or their crashes, in turn until something is found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.mutants.planting import plant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutants.forks import Say, Task
    from tests.mutants.mutant import Planted

ROUNDS: Final = (5, 20, 75)
"""How many seeds of each study at first: most mutants show at once. Then as many a round as the last."""


def explores(planted: Planted | None, seeds: int) -> Task:
    """Return the task that looks for a mutant with so many seeds of each study; None: of the model as it is."""
    return partial(explore_in_turn, planted, seeds)


def explore_in_turn(planted: Planted | None, seeds: int, say: Say) -> tuple[str, int]:
    """Return what is found first, and after how many seeds in all."""
    if planted is not None:
        plant(planted)
    from playbill.runtime.simulation.explore import explore  # the mutant is planted only now
    from tests.soak.studies import STUDIES, study

    total, made = 0, dict[str, Any]()
    for first, count in rounds(seeds):
        for name in STUDIES:
            if name not in made:  # each is made when its turn comes: most mutants show in one of the first
                made[name] = study(name)
            seen = explore(made[name], count, first=first)
            total += seen.seeds
            if seen.findings:
                finding = seen.findings[0]
                return f"{name} {finding.seed}: {finding}", total
            say(f"{name} {total}")
    return "", total


def crashes(planted: Planted, seeds: int) -> Task:
    """Return the task that looks for a mutant by crashes, with so many seeds of each study at most."""
    return partial(crash_in_turn, planted, seeds)


def crash_in_turn(planted: Planted, seeds: int, say: Say) -> tuple[str, int]:
    """Return what is found first, and after how many crash points in all."""
    plant(planted)
    from tests.soak.crashes import CERTAIN, crashed, shares  # the mutant is planted only now

    total = 0
    for share in shares(0):
        if share.seed >= seeds:
            return "", total
        if share.name not in CERTAIN and share.seed < 1:
            continue  # those in which nothing hangs on chance come first
        _, seen = crashed(share)
        total += seen.seeds
        if seen.findings:
            return f"{share.name} {share.seed}: {seen.findings[0]}", total
        say(f"{share.name} {total}")
    raise AssertionError("there are seeds without an end")


def rounds(seeds: int) -> Iterator[tuple[int, int]]:
    """Return first seed and count of each round."""
    first, sizes = 0, iter(ROUNDS)
    size = ROUNDS[0]
    while first < seeds:
        size = next(sizes, size)
        yield first, min(size, seeds - first)
        first += size
