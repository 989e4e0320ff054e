"""What a simulated test of pytest asks for: the arguments of its markers, and the command line's."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from playbill.model.diagnostics import did_you_mean, list_names
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.simulation.pytest_plugin.tapes import TestTape, load_test_tape

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN: Final = ("seeds", "faults", "policy", "allow", "properties", "traced", "crashes")
"""The marker's arguments that are not the manager's."""


def arguments_of(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of all markers, those nearest to the test win.

    Raises:
        TypeError: there is no such argument.
    """
    options = [name for name in inspect.signature(PipelineRunManager).parameters if name != "faults"]
    known = [*OWN, *options]
    said: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers("sim"))):
        if marker.args:
            raise TypeError(f"the marker takes named arguments only, such as seeds=100; not {marker.args[0]!r:.60}")
        for name in marker.kwargs:
            if name not in known:
                hint = did_you_mean(name, known)
                raise TypeError(f"the marker has no argument '{name}'{hint}; there are: {list_names(known, 30)}")
        said.update(marker.kwargs)
    return said


def seeds_of(item: pytest.Item, said: object) -> Sequence[int]:
    """Return the seeds to run; the command line wins."""
    seed, count = item.config.getoption("sim_seed"), item.config.getoption("sim_seeds")
    if seed is not None:
        return (seed,)
    if count is not None and item.get_closest_marker("sim") is not None:
        said = count
    if said is None:
        return (0,)
    if isinstance(said, int) and not isinstance(said, bool):
        said = range(said)
    seeds = said if isinstance(said, range) else _list(said)
    if not seeds:
        raise ValueError("seeds is 1 or more, or the seeds themselves")
    return seeds


def _list(said: object) -> list[int]:
    if isinstance(said, str) or not isinstance(said, Iterable):
        raise TypeError(f"seeds is a number or the seeds themselves, not {said!r:.60}")
    seeds = list(cast("Iterable[object]", said))
    for one in seeds:
        if not isinstance(one, int) or isinstance(one, bool):
            raise TypeError(f"a seed is a whole number, not {one!r:.60}")
    return cast("list[int]", seeds)


def tape_of(item: pytest.Item) -> TestTape | None:
    """Return the tape that the command line names; a test that it is not of is skipped."""
    path = item.config.getoption("sim_tape")
    if path is None:
        return None
    tape = load_test_tape(path)
    if tape.test != item.nodeid:
        pytest.skip(f"{path} is a tape of {tape.test}")
    return tape


def check_fixtures(item: pytest.Item, seeds: Sequence[int]) -> None:
    """Find fixtures that would go on with the first seed's world."""
    info = getattr(item, "_fixtureinfo", None)  # pytest has no public way to see who asks for whom
    if len(seeds) == 1 or info is None:
        return
    for name, definitions in info.name2fixturedefs.items():
        if any("sim" in definition.argnames for definition in definitions):
            raise TypeError(
                f"fixture '{name}' asks for sim, but fixtures are made once and this test has {len(seeds):,} worlds:"
                " do in the test what it does, or use one seed"
            )
