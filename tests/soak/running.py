"""Runs shares of seeds of many studies in several processes, in which each study is compiled once."""

import logging
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import cache
from itertools import islice
from typing import Final, NamedTuple

from playbill.runtime.simulation.explore import Exploration, explore
from tests.soak.studies import study

SEEDS_A_SHARE: Final = 2_000
made = cache(study)
"""A process's own studies."""


def be_quiet() -> None:
    """Let actors of ours fail without a word: some are made to."""
    logging.getLogger("playbill").setLevel(logging.CRITICAL)


class Share(NamedTuple):
    """Some seeds of one study."""

    name: str
    first: int
    seeds: int


def soak(names: Iterable[str], seeds: int, jobs: int, first: int) -> dict[str, Exploration]:
    """Run so many seeds of each of these studies; where something was found no more is begun."""
    seen = {name: Exploration() for name in names}
    shares = iter(_shares(seen, seeds, first))
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=be_quiet) as pool:
        running = {pool.submit(_explored, one) for one in islice(shares, 2 * jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                name, explored = future.result()
                seen[name].merge(explored)
                running |= {pool.submit(_explored, one) for one in islice(shares, 1)}
    return seen


def _shares(seen: dict[str, Exploration], seeds: int, first: int) -> Iterator[Share]:
    end = first + seeds
    for name, before in seen.items():
        for start in range(first, end, SEEDS_A_SHARE):
            if not before.findings:
                yield Share(name, start, min(SEEDS_A_SHARE, end - start))


def _explored(one: Share) -> tuple[str, Exploration]:
    return one.name, explore(made(one.name), one.seeds, first=one.first)
