"""Explores a study: seed after seed, or every schedule there is, until the count or a finding is reached."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from playbill.runtime.faults.tape import CountingTape
from playbill.runtime.simulation.checks.properties import Sometimes
from playbill.runtime.simulation.coverage import pairs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playbill.runtime.simulation.coverage import Pair, Sight
    from playbill.runtime.simulation.study import Finding, SeedResult, Study

SEEDS_A_CHUNK: Final = 50
WATCHED_EACH: Final = 8
"""Every so manieth seed is watched for calls that leave the simulation, which costs a third of a seed."""
COLLECTED_OBJECTS: Final = 20_000
SCHEDULE: Final = frozenset({"mail"})
"""The lanes that an exhaustive exploration enumerates."""


@dataclass(slots=True)
class Exploration:
    """What an exploration has seen so far."""

    seeds: int = 0
    seconds: float = 0.0
    """Simulated, not real ones."""
    wall_seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter[str])
    fired: Counter[str] = field(default_factory=Counter[str])
    coverage: set[Pair] = field(default_factory=set["Pair"])
    held: set[str] = field(default_factory=set[str])
    findings: list[Finding] = field(default_factory=list["Finding"])
    complete: bool = False
    """Every schedule within the bound was tried."""
    _seen: set[Sight] = field(default_factory=set["Sight"])

    def add(self, seed_result: SeedResult) -> None:
        """Add how one seed went."""
        self.seeds += 1
        self.seconds += seed_result.seconds
        self.statuses[seed_result.status] += 1
        for name, times in seed_result.fired.items():
            self.fired[name] += times
        if new := seed_result.seen - self._seen:
            self._seen |= new
            self.coverage |= pairs_of(new)
        self.held |= seed_result.held
        if seed_result.finding is not None:
            self.findings.append(seed_result.finding)

    def merge(self, other: Exploration) -> None:
        """Add what another process has seen."""
        self.seeds += other.seeds
        self.seconds += other.seconds
        self.statuses += other.statuses
        self.fired += other.fired
        self.coverage |= other.coverage
        self.held |= other.held
        self.findings += other.findings

    def never(self, study: Study) -> list[str]:
        """Return the `sometimes` properties that never held."""
        return [rule.name for rule in study.properties if isinstance(rule, Sometimes) and rule.name not in self.held]


def explore(
    study: Study,
    seeds: int,
    *,
    first: int = 0,
    max_findings: int = 1,
    report: Callable[[Exploration], None] = lambda _: None,
) -> Exploration:
    """Run seeds `first`, `first + 1`... in this process.

    Args:
        study: what is run.
        seeds: how many; of an exhaustive study, how many schedules at most.
        first: the first seed.
        max_findings: stop after so many.
        report: called now and then.
    """
    seen, began = Exploration(), perf_counter()
    with study.guard, _seldom_collecting():
        for index, seed_result in enumerate(
            _schedules(study, seeds, seen) if study.policy == "exhaustive" else _each(study, first, seeds)
        ):
            seen.add(seed_result)
            if index % SEEDS_A_CHUNK == 0:
                seen.wall_seconds = perf_counter() - began
                report(seen)
            if len(seen.findings) >= max_findings:
                break
    seen.wall_seconds = perf_counter() - began
    report(seen)
    return seen


def _each(study: Study, first: int, seeds: int) -> Iterator[SeedResult]:
    for seed in range(first, first + seeds):
        yield study.seed(seed, watched=seed % WATCHED_EACH == 0)


@contextmanager
def _seldom_collecting() -> Generator[None]:
    """Let the collector pass over what there is, and look at the worlds of some dozens of seeds at once."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _schedules(study: Study, max_schedules: int, seen: Exploration, depth: int = 1_000) -> Iterator[SeedResult]:
    """Run every order of mail there is, the last choices varied first."""
    prefix: list[int] | None = []
    for _ in range(max_schedules):
        tape = CountingTape(prefix or (), SCHEDULE)
        yield study.play(tape, None)
        prefix = tape.after(depth)
        if prefix is None:
            seen.complete = True
            return


def explore_in(
    jobs: int,
    make: Callable[..., Study],
    arguments: tuple[Any, ...],
    seeds: int,
    *,
    first: int = 0,
    max_findings: int = 1,
    report: Callable[[Exploration], None] = lambda _: None,
) -> Exploration:
    """The same in several processes: each makes its own study by `make(*arguments)`."""
    seen, began = Exploration(), perf_counter()
    chunk = max(SEEDS_A_CHUNK, min(2_000, seeds // (jobs * 4) or 1))
    starts = iter(range(first, first + seeds, chunk))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_prepare, initargs=(sys.path, make, arguments)) as pool:
        running = {
            pool.submit(_chunk, start, min(chunk, first + seeds - start))
            for _, start in zip(range(jobs * 2), starts, strict=False)
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                seen.merge(future.result())
                start = next(starts, None)
                if start is not None and len(seen.findings) < max_findings:
                    running.add(pool.submit(_chunk, start, min(chunk, first + seeds - start)))
            seen.wall_seconds = perf_counter() - began
            report(seen)
    return seen


STUDY: list[Study] = []
"""A worker process's own."""


def _prepare(path: list[str], make: Callable[..., Study], arguments: tuple[Any, ...]) -> None:
    sys.path[:] = path
    STUDY[:] = [make(*arguments)]


def _chunk(first: int, seeds: int) -> Exploration:
    return explore(STUDY[0], seeds, first=first)
