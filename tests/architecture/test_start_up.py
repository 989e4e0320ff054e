"""What a start loads, and above all what it does not: the guard of its speed that needs no clock."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

NEVER = ("networkx", "httpx", "cel", "jsonschema_rs", "hypothesis", "matplotlib", "multiprocessing", "sqlite3")
"""Slow, and needed by none of these."""
LOOP = ("asyncio", "anyio", "pydantic", "yaml", "pykka", "playbill.model", "playbill.runtime.manager")
"""What a run needs, and nothing that only names one."""
BESIDE = (
    "anyio",
    "playbill.model.cel_program",
    "playbill.runtime.cli.inspect",
    "playbill.runtime.cli.sim",
    "playbill.runtime.runners.workers.attempt",
    "playbill.runtime.runners.workers.worker_client",
    "playbill.runtime.simulation",
    "rich",
)
"""What a run needs only of processes, of expressions that are no plain paths, of a terminal."""
COMMAND = "import sys; sys.argv = ['playbill', *{words!r}]; from playbill.runtime.cli import main; main()"


def loaded(code: str) -> set[str]:
    """Run code in a fresh interpreter; return the names of all modules that it has imported."""
    told = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{told}\n{code}"], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("code", ["import playbill", "import playbill; playbill.run"])
def test_a_name_of_playbill_loads_nothing_that_only_its_call_needs(code: str) -> None:
    assert not loaded(code) & {*NEVER, *LOOP, *BESIDE, "cyclopts"}


def test_help_loads_no_command() -> None:
    assert not loaded(COMMAND.format(words=["--help"])) & {*NEVER, *LOOP, *BESIDE} - {"rich"}


def test_a_plain_run_loads_nothing_of_what_it_does_not_use(tmp_path: Path) -> None:
    file = tmp_path / "hello.yaml"
    file.write_text("name: hello\nnodes:\n  - id: start\n    type: trigger\n")
    found = loaded(COMMAND.format(words=["run", str(file)]))
    assert found >= {"asyncio", "pydantic", "yaml", "pykka", "playbill.runtime.manager"}
    assert not found & {*NEVER, *BESIDE}


def test_a_run_that_is_kept_loads_sqlite_and_nothing_else_besides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "hello.yaml"
    file.write_text("name: hello\nnodes:\n  - id: start\n    type: trigger\n")
    monkeypatch.setenv("PLAYBILL_JOURNAL", str(tmp_path / "runs.db"))
    found = loaded(COMMAND.format(words=["run", str(file)]))
    assert found >= {"sqlite3", "playbill.runtime.journals.sqlite.journal"}
    assert not found & {*NEVER, *BESIDE} - {"sqlite3"}


def test_the_guard_sees_what_a_run_does_use(tmp_path: Path) -> None:
    file = tmp_path / "asks.yaml"
    file.write_text(
        "name: asks\nnodes:\n  - id: start\n    type: trigger\n"
        "  - id: asks\n    type: condition\n    config: {condition: 1 + 1 == 2}\n"
        "edges:\n  - {from: start, to: asks}\n"
    )
    assert loaded(COMMAND.format(words=["run", str(file)])) >= {"cel", "playbill.model.cel_program"}
