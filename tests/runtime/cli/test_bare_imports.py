"""Each module of a command can be imported alone, which programs that are started warm would not tell."""

import json
import subprocess
import sys
from pathlib import Path

from playbill.runtime.cli import BREAKER_COMMANDS, COMMANDS, JOURNAL_COMMANDS
from tests.architecture.tree import ROOT

MODULES = sorted(
    {f"playbill.runtime.cli.{place.partition(':')[0]}" for place in (*COMMANDS, *JOURNAL_COMMANDS, *BREAKER_COMMANDS)}
)
ALONE = """
import importlib, json, os, sys, traceback

*modules, ours = sys.argv[1:]
for name in modules:  # so that each child finds what is not ours, which is slow, and nothing of ours
    try:
        importlib.import_module(name)
    except Exception:
        pass
for name in [name for name in sys.modules if f"{name}.".startswith(f"{ours}.")]:
    del sys.modules[name]
failed = {}
for name in modules:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            os.write(writing, traceback.format_exc()[-3000:].encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as told:
        if said := told.read().decode():
            failed[name] = said
    os.waitpid(child, 0)
print(json.dumps(failed))
"""


def alone(modules: list[str], ours: str, folder: str = str(ROOT)) -> dict[str, str]:
    """Import each module in a process that has imported nothing of ours; return what has failed."""
    command = [sys.executable, "-c", ALONE, *modules, ours]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=True)
    failed: dict[str, str] = json.loads(told.stdout)
    return failed


def test_the_module_of_each_command_can_be_imported_alone() -> None:
    assert len(MODULES) > 12
    assert alone(MODULES, "playbill.runtime") == {}  # the floors below it import nothing of it


def test_a_module_that_needs_another_one_to_be_imported_first_is_found(tmp_path: Path) -> None:
    package = tmp_path / "odd"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "first.py").write_text("import odd.second\nNAME = 1\n")
    (package / "second.py").write_text("from odd import first\nfirst.NAME\n")
    (package / "third.py").write_text("NAME = 1\n")
    failed = alone(["odd.third", "odd.second", "odd.first"], "odd", str(tmp_path))
    assert list(failed) == ["odd.first"]
    assert "has no attribute 'NAME'" in failed["odd.first"]
