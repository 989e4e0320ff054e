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
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.runtime.faults.tape import CountingTape
from playbill.runtime.simulation.checks.properties import Always, LeadsTo, Sometimes
from playbill.runtime.simulation.coverage import pairs_of
from playbill.runtime.simulation.outcomes.causes import Causes
from playbill.runtime.simulation.outcomes.reached import marks_of, outline_of
from playbill.runtime.simulation.outcomes.words import (
    describe_causes,
    describe_counts,
    describe_idle,
    describe_number,
    describe_reached,
    describe_stalled,
    warn_of_none_completed,
)
from playbill.runtime.simulation.study import Study
from playbill.runtime.simulation.virtual.dispatcher import MAIL
from playbill.runtime.simulation.virtual.schedules import REPORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playbill.runtime.simulation.coverage import Pair, Sight
    from playbill.runtime.simulation.outcomes.causes import Stalled
    from playbill.runtime.simulation.outcomes.reached import Mark, Outline
    from playbill.runtime.simulation.outcomes.reached import Sight as NodeSight
    from playbill.runtime.simulation.outcomes.seed import Finding, SeedResult
    from playbill.runtime.simulation.outcomes.words import Row

SEEDS_A_CHUNK: Final = 50
WATCHED_FIRST: Final = 32
"""So many seeds of an exploration are watched for calls that leave the simulation..."""
WATCHED_EACH: Final = 8
"""... and after them every so manieth: it costs a third of a seed."""
COLLECTED_OBJECTS: Final = 20_000
SCHEDULE: Final = frozenset({MAIL, REPORTS})
"""The lanes that an exhaustive exploration enumerates."""


@dataclass(slots=True, repr=False)
class Exploration:
    """What an exploration has seen so far; as text, what a user wants to know of it."""

    seeds: int = 0
    first: int = 0
    """The first of them."""
    seconds: float = 0.0
    """Simulated, not real ones."""
    wall_seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter[str])
    fired: Counter[str] = field(default_factory=Counter[str])
    coverage: set[Pair] = field(default_factory=set["Pair"])
    held: set[str] = field(default_factory=set[str])
    judged: set[str] = field(default_factory=set[str])
    findings: list[Finding] = field(default_factory=list["Finding"])
    complete: bool = False
    """Every schedule within the bound was tried."""
    causes: Causes = field(default_factory=Causes)
    """Why runs failed."""
    stalled: Counter[Stalled] = field(default_factory=Counter["Stalled"])
    """In which nodes runs were as they timed out."""
    reached: set[Mark] = field(default_factory=set["Mark"])
    """What of the pipeline was, in some seed."""
    outline: Outline | None = None
    """What of it can be."""
    sometimes: tuple[str, ...] = ()
    """The properties that shall hold in some seed."""
    conditional: tuple[str, ...] = ()
    """The properties that say something of certain events only."""
    assumed: tuple[str, ...] = ()
    """For which nodes a default behaviour stood in."""
    _seen: set[Sight] = field(default_factory=set["Sight"])
    _sights: set[NodeSight] = field(default_factory=set["NodeSight"])

    def add(self, seed_result: SeedResult) -> None:
        """Add how one seed went."""
        self.causes.add(seed_result.cause, self.first + self.seeds)
        self.stalled.update(seed_result.stalled)
        if new_sights := seed_result.sights - self._sights:
            self._sights |= new_sights
            self.reached |= marks_of(new_sights)
        self.seeds += 1
        self.seconds += seed_result.seconds
        self.statuses[seed_result.status] += 1
        for name, times in seed_result.fired.items():
            self.fired[name] += times
        if new := seed_result.seen - self._seen:
            self._seen |= new
            self.coverage |= pairs_of(new)
        self.held |= seed_result.held
        self.judged |= seed_result.judged
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
        self.judged |= other.judged
        self.findings += other.findings
        self.causes.merge(other.causes)
        self.stalled += other.stalled
        self.reached |= other.reached
        self.outline = self.outline or other.outline
        self.sometimes = self.sometimes or other.sometimes
        self.conditional = self.conditional or other.conditional
        self.assumed = self.assumed or other.assumed

    def never(self, study: Study) -> list[str]:
        """Return the `sometimes` properties that never held."""
        return [name for name in sometimes_of(study) if name not in self.held]

    def rows(self) -> Iterator[Row]:
        """Yield how runs ended and why, which faults fired, what was reached, and a warning if it is worth little."""
        causes = self.causes.most_common()
        within = f" (in {'these ' * (self.seeds > 1)}{describe_number(self.seeds)})" if self.findings else ""
        yield "ends", describe_counts(self.statuses)
        yield from describe_causes(causes)
        yield from describe_stalled(self.stalled)
        yield "faults", describe_counts(self.fired) or "none"
        if self.outline is not None:
            yield from describe_reached(self.outline, self.reached, within)
        unheld = [name for name in self.sometimes if name not in self.held]
        yield from describe_idle(unheld, [name for name in self.conditional if name not in self.judged], within)
        yield from (("assumed", text) for text in self.assumed)
        if self.outline is not None and self.seeds and not self.statuses["completed"] and not self.findings:
            yield "warning", warn_of_none_completed(self.outline, self.reached, causes, self.stalled)

    def __str__(self) -> str:
        lines = [describe_number(self.seeds), *(f"{label:<10} {text}" for label, text in self.rows())]
        return "\n".join([*lines, *(f"found      seed {finding.seed}: {finding}" for finding in self.findings)])

    def __repr__(self) -> str:
        return f"<Exploration seeds={self.seeds} {dict(self.statuses)} findings={len(self.findings)}>"


def sometimes_of(study: Study) -> tuple[str, ...]:
    """Return the properties of a study that shall hold in some seed, those in Python first."""
    own = [rule.name for rule in study.properties if isinstance(rule, Sometimes)]
    return (*own, *(rule.name for rule in study.faults.properties if rule.sometimes is not None))


def conditional_of(study: Study) -> tuple[str, ...]:
    """Return the properties of a study that say something of certain events only, those in Python first."""
    own = [rule.name for rule in study.properties if isinstance(rule, Always | LeadsTo)]
    return (*own, *(rule.name for rule in study.faults.properties if rule.kind in {"always", "leads_to"}))


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

    Raises:
        TypeError: it is no Study.
        ValueError: the number of seeds is none.
    """
    if not isinstance(cast("object", study), Study):
        raise TypeError(f"what is explored is a Study, as in explore(Study(definition), 500), not {study!r:.60}")
    if type(seeds) is not int or seeds < 1:
        raise ValueError(f"seeds is a whole number, 1 or more, not {seeds!r:.60}")
    return _explore(study, range(first, first + seeds), first + WATCHED_FIRST, max_findings, report)


def _explore(
    study: Study, seeds: range, watched_below: int, max_findings: int, report: Callable[[Exploration], None]
) -> Exploration:
    """Run these seeds; all below one of them are watched."""
    seen, began = beginning_of(study, seeds.start), perf_counter()
    with study.guard, seldom_collecting():
        for index, seed_result in enumerate(
            _schedules(study, len(seeds), seen)
            if study.policy == "exhaustive"
            else _each(study, seeds, watched_below)
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


def beginning_of(study: Study, first: int) -> Exploration:
    """Return an exploration that has seen nothing yet."""
    outline, assumed = outline_of(study.compiled().plan), tuple(study.assumed())
    sometimes, conditional = sometimes_of(study), conditional_of(study)
    return Exploration(first=first, outline=outline, sometimes=sometimes, conditional=conditional, assumed=assumed)


def _each(study: Study, seeds: range, watched_below: int) -> Iterator[SeedResult]:
    for seed in seeds:
        yield study.seed(seed, watched=seed < watched_below or seed % WATCHED_EACH == 0)


@contextmanager
def seldom_collecting() -> Generator[None]:
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
            pool.submit(_chunk, start, min(chunk, first + seeds - start), first + WATCHED_FIRST)
            for _, start in zip(range(jobs * 2), starts, strict=False)
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                seen.merge(future.result())
                start = next(starts, None)
                if start is not None and len(seen.findings) < max_findings:
                    length = min(chunk, first + seeds - start)
                    running.add(pool.submit(_chunk, start, length, first + WATCHED_FIRST))
            seen.wall_seconds = perf_counter() - began
            report(seen)
    return seen


STUDY: list[Study] = []
"""A worker process's own."""


def _prepare(path: list[str], make: Callable[..., Study], arguments: tuple[Any, ...]) -> None:
    sys.path[:] = path
    STUDY[:] = [make(*arguments)]


def _chunk(first: int, seeds: int, watched_below: int) -> Exploration:
    return _explore(STUDY[0], range(first, first + seeds), watched_below, 1, lambda _: None)
