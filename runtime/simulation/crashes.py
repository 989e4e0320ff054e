"""Explores crashes: a process that dies before and after every write of its journal, and the next that goes on.

What is found plays again by seed and crash points: `study.variant(crashes=finding.crashes).seed(finding.seed)`.
"""

from __future__ import annotations

from random import Random
from time import perf_counter
from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError
from playbill.runtime.simulation.durable.points import MOMENTS, CrashPoint
from playbill.runtime.simulation.explore import Exploration, beginning_of, seldom_collecting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playbill.runtime.simulation.outcomes.seed import EndOfRun, SeedResult
    from playbill.runtime.simulation.study import Study

__all__ = ["explore_crashes"]


def explore_crashes(
    study: Study,
    seeds: int = 1,
    *,
    first: int = 0,
    deaths: int = 1,
    same_end: bool = True,
    max_findings: int = 1,
    report: Callable[[Exploration], None] = lambda _: None,
) -> Exploration:
    """Run seeds without a crash, and then with one at every write of the journal: before it, once kept, once told.

    Whatever comes between two processes (a moment or a day) the seed draws.

    Args:
        study: what is run; its `crashes` are not looked at.
        seeds: how many.
        first: the first seed.
        deaths: of how many processes in one life: the first at each point, the others soon after.
        same_end: whether status, nodes and outputs are those of the run without a crash; False: they hang on chance.
        max_findings: stop after so many.
        report: called after each seed.

    Raises:
        ValueError: seeds or deaths are none.
        DefinitionError: two seeds end differently without any crash.
    """
    for name, number in (("seeds", seeds), ("deaths", deaths)):
        if type(number) is not int or number < 1:
            raise ValueError(f"{name} is a whole number, 1 or more, not {number!r:.60}")
    seen, began = beginning_of(study, first), perf_counter()
    expected: EndOfRun | None = None
    with study.guard, seldom_collecting():
        for seed in range(first, first + seeds):
            for seed_result in _crashed(study, seed, deaths, expected if same_end else None, same_end=same_end):
                seen.add(seed_result)
                expected = expected or seed_result.ending
                if len(seen.findings) >= max_findings:
                    break
            seen.wall_seconds = perf_counter() - began
            report(seen)
            if len(seen.findings) >= max_findings:
                break
    return seen


def _crashed(
    study: Study, seed: int, deaths: int, expected: EndOfRun | None, *, same_end: bool
) -> Iterator[SeedResult]:
    """Run a seed without a crash, and with one at each point."""
    whole = study.variant(crashes=(), expected=None).seed(seed)
    if expected is not None and whole.ending is not None and whole.ending != expected:
        text = f"two seeds end differently without any crash, {seed} as {whole.ending!r:.300}: say same_end=False"
        raise DefinitionError.single("same-end", "same_end", text)
    yield whole
    if whole.finding is not None:
        return
    judged = study.variant(expected=whole.ending if same_end else None)
    for points in points_of(whole.writes, seed, deaths):
        judged.crashes = points
        yield judged.seed(seed, watched=False)


def points_of(writes: int, seed: int, deaths: int) -> Iterator[tuple[CrashPoint, ...]]:
    """Yield where processes die: for each point of so many writes once."""
    random = Random(seed)  # noqa: S311 (no secret)
    for write in range(1, writes + 1):
        for moment in MOMENTS:
            points = [CrashPoint(write, moment)]
            for _ in range(deaths - 1):
                points.append(CrashPoint(points[-1].write + random.randint(1, 3), random.choice(MOMENTS)))
            yield tuple(points)
