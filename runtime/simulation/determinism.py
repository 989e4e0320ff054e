"""Checks that a study gives the same trace for the same seed: again, and in another process with other hashes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from playbill.runtime.simulation.virtual.stuck import SimulationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playbill.runtime.simulation.study import Study

HASH_SEED: Final = "PYTHONHASHSEED"
OTHER_HASHES: Final = "4711"


class NotDeterministic(SimulationError):
    """The same seed gave another trace."""

    def __init__(self, seed: int, where: str, line: int, here: str, there: str) -> None:
        super().__init__(
            f"seed {seed} is not deterministic: {where}, line {line} of the trace differs:\n  {here}\n  {there}\n"
            "something in a handler depends on more than its inputs: a set's order, an id, a global"
        )


def trace_of(study: Study, seed: int) -> list[str]:
    """Return the trace of a seed as lines; what went wrong is the last one."""
    seed_result = study.seed(seed, traced=True)
    return [*map(str, seed_result.trace), f"{seed_result.status} {seed_result.finding or ''}"]


def check_determinism(
    study: Study, seeds: Sequence[int], make: Callable[..., Study], arguments: tuple[Any, ...]
) -> int:
    """Run each seed twice here and once in a process with another PYTHONHASHSEED; return how many lines agreed.

    Raises:
        NotDeterministic: a line differs.
    """
    lines = 0
    there = _in_another_process(seeds, make, arguments)
    for seed in seeds:
        first, second = trace_of(study, seed), trace_of(study, seed)
        _compare(seed, "run again in this process", first, second)
        if digest(first) != there[seed][0]:
            _compare(seed, f"run with {HASH_SEED}={OTHER_HASHES}", first, there[seed][1])
        lines += len(first)
    return lines


def digest(lines: list[str]) -> str:
    """Return what stands for a trace."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _compare(seed: int, where: str, here: list[str], there: list[str]) -> None:
    for place in range(max(len(here), len(there))):
        one = here[place] if place < len(here) else "(ends)"
        other = there[place] if place < len(there) else "(ends)"
        if one != other:
            raise NotDeterministic(seed, where, place + 1, one, other)


def _in_another_process(
    seeds: Sequence[int], make: Callable[..., Study], arguments: tuple[Any, ...]
) -> dict[int, tuple[str, list[str]]]:
    before = os.environ.get(HASH_SEED)
    os.environ[HASH_SEED] = OTHER_HASHES
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_traces, (sys.path, tuple(seeds), make, arguments))
    finally:
        if before is None:
            del os.environ[HASH_SEED]
        else:
            os.environ[HASH_SEED] = before


def _traces(
    path: list[str], seeds: Sequence[int], make: Callable[..., Study], arguments: tuple[Any, ...]
) -> dict[int, tuple[str, list[str]]]:
    sys.path[:] = path
    study = make(*arguments)
    traces = {seed: trace_of(study, seed) for seed in seeds}
    return {seed: (digest(lines), lines) for seed, lines in traces.items()}
