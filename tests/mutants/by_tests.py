"""Kills by tests: those that run the changed line, the quick ones first, until one is red."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.mutants.covering import PYTEST
from tests.mutants.planting import plant

if TYPE_CHECKING:
    from tests.mutants.covering import Covering
    from tests.mutants.forks import Say, Task
    from tests.mutants.mutant import Mutant


class Chosen:
    """A plugin of pytest: runs the chosen tests in their order."""

    def __init__(self, tests: list[str], say: Say) -> None:
        self.place = {test: place for place, test in enumerate(tests)}
        self.say = say
        self.done = 0
        self.red = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.place), key=lambda item: self.place[item.nodeid]
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.done += report.when == "call"
        if report.failed and not self.red:
            self.red = report.nodeid
        self.say(report.nodeid)


def tests_against(mutant: Mutant, covering: Covering, slowest: float) -> Task:
    """Return the task that runs the tests that could see a mutant, without those that take `slowest` seconds."""
    return partial(run_tests, mutant, covering.tests_of(mutant, slowest))


def run_tests(mutant: Mutant, tests: list[str], say: Say) -> tuple[str, int]:
    """Return the first red test, and how many were run."""
    if not tests:
        return "", 0
    os.environ["CI"] = "1"  # Hypothesis: the same examples for each mutant
    plant(mutant)
    chosen = Chosen(tests, say)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    status = pytest.main([*PYTEST, *files], plugins=[chosen])
    if status == pytest.ExitCode.OK:
        return "", chosen.done
    return chosen.red or f"pytest: {status!r}", chosen.done
