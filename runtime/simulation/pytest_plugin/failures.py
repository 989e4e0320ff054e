"""What a failed simulated test tells: where it was, what had happened there, and how to play it again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from playbill.runtime.simulation.pytest_plugin.tapes import from_here, save_test_tape
from playbill.runtime.simulation.sequence import describe_events, describe_faults, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    import pytest

    from playbill.runtime.simulation.pytest_plugin.tapes import TestTape
    from playbill.runtime.simulation.simulation import Simulation

MAX_LINES: Final = 15
"""Of the trace, and of the faults."""


def describe_failure(
    item: pytest.Item, sim: Simulation, error: BaseException, seeds: Sequence[int], tape: TestTape | None
) -> str:
    """Keep the tape; return the end of the trace, the faults that fired, and the lines that play it again.

    Args:
        item: the test.
        sim: the world it failed in.
        error: how it failed.
        seeds: all that it was to run with.
        tape: what it played; None: its seeds.
    """
    of_all = f" ({seeds.index(sim.seed) + 1:,} of {len(seeds):,})" if len(seeds) > 1 else ""
    lines = [f"sim: failed with seed {sim.seed}{of_all}, at {sim.time:g} s", *_what_happened(sim)]
    if tape is None:
        lines += _how_to_replay(item, sim, error)
    else:
        lines.append(f"sim: failed again, with the tape {tape.path}")
    return "\n".join(lines)


def hide_ours(error: BaseException) -> None:
    """Let the traceback of a simulation's error end where the test called it; all below is ours."""
    steps = list(_steps(error.__traceback__))
    theirs = [place for place, step in enumerate(steps) if not _is_ours(step)]
    if theirs and any(map(_is_ours, steps[: theirs[-1]])):  # else the test itself is not in it: it is a coroutine
        steps[theirs[-1]].tb_next = None


def _steps(step: TracebackType | None) -> Iterator[TracebackType]:
    while step is not None:
        yield step
        step = step.tb_next


def _is_ours(step: TracebackType) -> bool:
    return str(step.tb_frame.f_globals.get("__name__")).startswith("playbill.")


def _what_happened(sim: Simulation) -> list[str]:
    """Return the last messages if they were traced, else the last events, which are always there."""
    if not getattr(sim.world, "events", ()):  # nothing has begun, or the test has taken the world apart
        return []
    messages = ["its last messages:", text(sim.trace, MAX_LINES)]
    events = ["its last events, by the clock of the run:", describe_events(sim.world.events, MAX_LINES)]
    return [*(messages if sim.trace else events), describe_faults([*sim.world.injector.happened], MAX_LINES)]


def _how_to_replay(item: pytest.Item, sim: Simulation, error: BaseException) -> list[str]:
    _, colons, name = item.nodeid.partition("::")
    command = f"pytest {shlex.quote(f'{from_here(item.path, item.config)}{colons}{name}')}"
    tape = shlex.quote(f"--sim-tape={save_test_tape(item, sim, error)}")  # apart, pytest looks for its rootdir there
    return [f"replay: {command} --sim-seed {sim.seed}", f"or its tape, after a change: {command} {tape}"]
