"""Files of simulated tests: the tape of a failure, kept in pytest's cache, and the fault plans that markers name."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from playbill.model.errors import DefinitionError
from playbill.runtime.definitions.files import load_mapping
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.faults.plan import FaultPlan
from playbill.runtime.simulation.tapes import FORMAT, lanes_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from playbill.runtime.simulation.simulation import Simulation


@dataclass(frozen=True, slots=True)
class TestTape:
    """The tape of a test that failed."""

    __test__ = False

    path: str
    test: str
    """Its node id."""
    seed: int
    lanes: Mapping[str, list[int]]


def save_test_tape(item: pytest.Item, sim: Simulation, error: BaseException) -> Path:
    """Write the tape of a failed test; return where."""
    path = _folder(item.config) / f"{_slug(item.nodeid)}.seed-{sim.seed}.tape.json"
    data = {
        "playbill": version("playbill"),
        "format": FORMAT,
        "test": item.nodeid,
        "seed": sim.seed,
        "error": f"{type(error).__name__}: {error}",
        "lanes": sim.tape.lanes,
    }
    path.write_text(json.dumps(data, sort_keys=True) + "\n", encoding="utf-8")
    return from_here(path, item.config)


def from_here(path: Path, config: pytest.Config) -> Path:
    """Return a path as it is typed in the folder that pytest was called in."""
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path


def _folder(config: pytest.Config) -> Path:
    cache = getattr(config, "cache", None)  # there is none with -p no:cacheprovider
    if cache is not None:
        return Path(cache.mkdir("playbill"))
    return Path(tempfile.mkdtemp(prefix="playbill-sim-"))


def _slug(nodeid: str) -> str:
    """Return a file's name for a test: readable, and no other test's."""
    name = re.sub(r"[^\w.-]+", "-", nodeid.rpartition("::")[2])[:80]
    return f"{name}.{hashlib.sha256(nodeid.encode()).hexdigest()[:8]}"


def load_test_tape(source: str | os.PathLike[str]) -> TestTape:
    """Load the tape of a test.

    Raises:
        DefinitionError: there is no such file, or it is none.
    """
    data = load_mapping(source, "a tape")
    lanes, test, seed = lanes_of(data), data.get("test"), data.get("seed")
    if lanes is None or not isinstance(test, str) or not isinstance(seed, int):
        text = f"{source} is not a tape of a test: pytest writes one when a test with `sim` fails"
        raise DefinitionError.single("bad-tape", str(source), text)
    return TestTape(str(source), test, seed, lanes)


def check_taken(session: pytest.Session) -> None:
    """Look for the test whose tape the command line names; what is not a tape at all its test refuses.

    Raises:
        pytest.UsageError: it is not among those that were collected.
    """
    try:
        tape = load_test_tape(str(session.config.getoption("sim_tape")))
    except DefinitionError:
        return
    if session.items and all(item.nodeid != tape.test for item in session.items):
        raise pytest.UsageError(
            f"--sim-tape: {tape.path} is a tape of {tape.test}, which is not among the tests collected in"
            f" {session.config.rootpath}; the first of them is {session.items[0].nodeid}"
        )


def plan_from(said: Any, folder: Path) -> FaultPlan:
    """Return the plan that a marker's `faults` stands for; a file is looked for in the test's folder first.

    Raises:
        DefinitionError: it is none.
    """
    if isinstance(said, Path) or (isinstance(said, str) and said != "all"):
        file = str(said)
        said = str(folder / file) if (folder / file).exists() else file
    return plan_of(said)
