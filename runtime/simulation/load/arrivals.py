"""When runs arrive: the times of all sources of a load plan, one after the other, never as a list."""

from __future__ import annotations

import heapq
import math
import random
from datetime import UTC, datetime
from itertools import count, pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import DefinitionError
from playbill.model.wording import clip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playbill.runtime.simulation.load.plan import Arrivals, LoadPlan, Poisson

Arrival = tuple[float, int]
"""Seconds since the beginning, and which source."""
MAX_SHOWN: Final = 40


def arrivals(plan: LoadPlan) -> Iterator[Arrival]:
    """Yield when a run arrives and of which source, in the order of time; those of one instant by source.

    Each source draws from a generator of its own, so that a sweep that changes one leaves the others as they are.
    """
    sources = [_of(source, index, plan) for index, source in enumerate(plan.arrivals)]
    return heapq.merge(*sources)


def check_recorded(plan: LoadPlan) -> None:
    """Read the recorded files once, to find what is wrong before anything runs.

    Raises:
        DefinitionError: a file cannot be read, or a line is not a time or goes back in time; names file and line.
    """
    for source in plan.arrivals:
        if source.recorded is not None and next(_read_recorded(source.recorded.file), None) is None:
            text = f"{source.recorded.file}: holds no arrival: write one time a line, in seconds or ISO 8601"
            raise DefinitionError.single("no-arrivals", source.recorded.file, text)
        if source.recorded is not None:
            for _ in _read_recorded(source.recorded.file):
                pass


def _of(source: Arrivals, index: int, plan: LoadPlan) -> Iterator[Arrival]:
    for at in _times(source, random.Random(f"{plan.seed}/arrivals/{index}"), plan.span):  # noqa: S311 (no secret)
        if at >= plan.span:
            return
        yield at, index


def _times(source: Arrivals, draw: random.Random, span: float) -> Iterator[float]:
    if source.poisson is not None:
        return _poisson(source.poisson, draw, span)
    if source.bursts is not None:
        bursts = source.bursts
        return (bursts.first + at * bursts.every for at in count() for _ in repeat(None, bursts.size))
    if source.constant is not None:
        constant = source.constant
        return (constant.first + at * constant.every for at in count())
    return _read_recorded(source.recorded.file if source.recorded is not None else "")


def _poisson(poisson: Poisson, draw: random.Random, span: float) -> Iterator[float]:
    """Yield a Poisson process; one whose rate changes is the fastest, thinned.

    Source: Lewis, Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979.
    """
    steps = list(_steps(poisson, span))
    max_rate = max((rate for _, _, rate in steps), default=0.0)
    at, place = 0.0, 0
    while max_rate > 0.0:
        at -= math.log1p(-draw.random()) / max_rate
        while place < len(steps) and at >= steps[place][1]:
            place += 1
        if place == len(steps):
            return
        begins, _, rate = steps[place]
        if at >= begins and (rate >= max_rate or draw.random() * max_rate < rate):
            yield at


def _steps(poisson: Poisson, span: float) -> Iterator[tuple[float, float, float]]:
    """Yield from when until when (seconds) which rate holds."""
    if poisson.profile is None:
        yield 0.0, span, poisson.rate or 0.0
        return
    for (at, rate), (until, _) in pairwise((*poisson.profile, (span, 0.0))):
        if at < span:
            yield at, min(until, span), rate


def _read_recorded(file: str) -> Iterator[float]:
    """Yield the times of a file, as it is read.

    Raises:
        DefinitionError: it cannot be read, or a line is wrong; names the line.
    """
    first: datetime | None = None
    last, iso = 0.0, None
    try:
        with Path(file).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                time = _time(text, file, number)
                if iso is not None and iso is not isinstance(time, datetime):
                    raise _bad(file, number, text, "mixes seconds and ISO times: use one of them in the whole file")
                iso = isinstance(time, datetime)
                if isinstance(time, datetime):
                    first = first or time
                    at = (time - first).total_seconds()
                else:
                    at = time
                if at < last:
                    raise _bad(file, number, text, f"goes back in time, from {last:g} s: sort the file")
                last = at
                yield at
    except (OSError, UnicodeDecodeError) as error:
        text = f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}"
        raise DefinitionError.single("unreadable", file, text) from error


def _time(text: str, file: str, number: int) -> float | datetime:
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if 0 <= seconds < math.inf:
            return seconds
        raise _bad(file, number, text, "is not a time: seconds are 0 or more, and finite")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        rule = "is not a time: write seconds, or ISO 8601 such as 2026-01-01T08:00:00Z"
        raise _bad(file, number, text, rule) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _bad(file: str, number: int, text: str, rule: str) -> DefinitionError:
    return DefinitionError.single(
        "bad-arrival", f"{file}:{number}", f"{file}:{number}: '{clip(text, MAX_SHOWN)}' {rule}"
    )


def trigger_data_of(plan: LoadPlan, default: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what the runs of each source are started with."""
    return [default if source.trigger_data is None else source.trigger_data for source in plan.arrivals]
