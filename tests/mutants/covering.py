"""Which tests run which line of the model: found out once by coverage, and kept until model or tests change."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import pytest
from coverage import Coverage

from tests.mutants.forks import Forks
from tests.mutants.mutant import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.mutants.forks import Say
    from tests.mutants.mutant import Mutant

FOLDER: Final = ROOT / ".mutants"
TESTS: Final = ("tests/model", "tests/actors")
READ: Final = ("model", "actors", *TESTS)
"""What the map depends on."""
SILENCE_SECONDS: Final = 300.0
PYTEST: Final = (
    *("-q", "-x", "--tb=line", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:cov"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # what the parent has imported stays as it is
)


@dataclass(slots=True)
class Covering:
    """The tests, how long each takes, and the lines it runs."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """By test."""
    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict[str, dict[str, list[str]]])
    """By module: by line: its tests."""

    def tests_of(self, mutant: Mutant, slowest: float) -> list[str]:
        """Return the tests that could see a mutant, and none that takes `slowest` seconds, in the order to run them.

        Those that run its statement, the quick ones first. What runs at import, or is called there only, may be seen
        by any test, as a table's row is by those of its action: then by all, first those that run anything of the
        module.
        """
        of_module = self.lines.get(mutant.module, {})
        lines = header_lines(mutant.site.statement) if mutant.site.runs else range(0)
        near = tests = {test for line in lines for test in of_module.get(str(line), ())}
        if not tests:
            near = {test for tests in of_module.values() for test in tests}
            tests = set(self.seconds)
        chosen = (test for test in tests if self.seconds[test] < slowest)
        return sorted(chosen, key=lambda test: (test not in near, self.seconds[test], test))


def header_lines(statement: ast.stmt) -> range:
    """Return a statement's lines, without those of its body."""
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(end, statement.lineno) + 1)


def covering() -> Covering:
    """Return the map, from its file when that is still true.

    Raises:
        RuntimeError: the tests are red without any mutant.
    """
    file = FOLDER / f"covering-{fingerprint()}.json"
    if not file.exists():
        FOLDER.mkdir(exist_ok=True)
        (_, fate), *_ = Forks(1, SILENCE_SECONDS).run([("map", lambda say: _make(file, say))])
        if fate.killed:
            raise RuntimeError(f"the tests are red without any mutant: {fate.by}\n{fate.output}")
    data = json.loads(file.read_text(encoding="utf-8"))
    return Covering(**data)


def fingerprint() -> str:
    """Return a hash of all that the map depends on."""
    read = hashlib.sha256()
    for path in sorted(path for folder in READ for path in (ROOT / folder).rglob("*.py")):
        read.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return read.hexdigest()[:16]


class Contexts:
    """A plugin of pytest: one context of coverage a test, and how long it takes."""

    def __init__(self, coverage: Coverage, say: Say) -> None:
        self.coverage = coverage
        self.say = say
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self.coverage.switch_context(item.nodeid)
        began = perf_counter()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = round(perf_counter() - began, 4)
            self.say(item.nodeid)


def _make(file: Path, say: Say) -> tuple[str, int]:
    """Run all tests once."""
    coverage = Coverage(data_file=None, include=[str(ROOT / "model" / "*")])
    contexts = Contexts(coverage, say)
    os.environ["CI"] = "1"  # Hypothesis: the same examples as later, against the mutants
    coverage.start()
    status = pytest.main([*PYTEST, *TESTS], plugins=[contexts])
    coverage.stop()
    if status:
        return f"pytest: {status!r}", 0
    data, found = coverage.get_data(), Covering(contexts.seconds)
    for measured in data.measured_files():
        module = Path(measured).resolve().relative_to(ROOT).as_posix()
        named = ((line, sorted(filter(None, names))) for line, names in data.contexts_by_lineno(measured).items())
        found.lines[module] = {str(line): tests for line, tests in named if tests}
    file.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return "", len(contexts.seconds)
