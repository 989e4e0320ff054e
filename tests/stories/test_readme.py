"""Every command and every block of code in the README works as it stands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import playbill
from playbill.model.loading import parse_mapping, parse_text
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.reports.graphs import mermaid
from tests.warm import programs

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
COMMANDS = [
    line.partition("#")[0].strip() for kind, text in BLOCKS if kind == "console" for line in text.splitlines()
]


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_block_runs(code: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(code, encoding="utf-8")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


PLANS = [text for text in blocks("yaml") if "nodes:" not in text]


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if text not in PLANS])
def test_every_definition_is_valid(text: str) -> None:
    assert playbill.validate_pipeline_dag(parse_text(text, source="README")) == []


@pytest.mark.parametrize("text", PLANS)
def test_every_plan_is_one_of_the_order_and_holds(text: str) -> None:
    shown = parse_mapping(text, source="README", holds="properties")
    agents = {"behaviours": {"types": {"agent": {"output": {"result": "fine"}}}}}
    order = playbill.load(ROOT / "examples/pipelines/order.yaml")
    study = playbill.Study(order, {"amount": 5}, faults=plan_of(["all", agents, shown]))
    study.check()
    seen = playbill.explore(study, 300)
    assert [str(finding) for finding in seen.findings] == []
    assert seen.never(study) == []


def shortened(folder: Path) -> Path:
    """Copy the examples' pipelines, whose load lasts minutes instead of hours; return where they are as in ROOT."""
    load = shutil.copytree(ROOT / "examples/pipelines", folder / "examples/pipelines") / "order.load.yaml"
    text = load.read_text(encoding="utf-8")
    assert "span: 2h\nwarm_up: 10m\n" in text
    load.write_text(text.replace("span: 2h\nwarm_up: 10m\n", "span: 20m\nwarm_up: 2m\n"), encoding="utf-8")
    return folder


@pytest.mark.timeout(180)
@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.long)], ids=["short", "whole"])
@pytest.mark.parametrize("text", [text for text in blocks("console") if text.startswith("playbill")])
def test_every_command_runs_after_those_before_it(
    text: str, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = shutil.which("playbill", path=str(Path(sys.executable).parent))
    assert installed
    monkeypatch.setenv("PLAYBILL_JOURNAL", str(tmp_path / "runs.db"))
    for command in text.splitlines():
        words = command.partition("#")[0].split()[1:]
        folder = shortened(tmp_path) if "--load" in words and not whole else ROOT
        # Whole, each is started as its reader does.
        run = subprocess.run if whole else programs.run
        ran = run([sys.executable, installed, *words], capture_output=True, text=True, timeout=60, cwd=folder)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make")])
def test_every_make_target_is_there(command: str) -> None:
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_no_command_is_of_another_kind() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"make", "playbill"}


def test_the_picture_is_what_playbill_draws_of_the_demo() -> None:
    demo = playbill.load(ROOT / "examples/01_repository_report/pipeline.yaml")
    assert blocks("mermaid") == [mermaid(demo) + "\n"]


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", README)
    assert len(named) >= 9
    assert [name for name in named if not (ROOT / name).exists()] == []
