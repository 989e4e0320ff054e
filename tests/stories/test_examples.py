"""Every example runs, and says what its reader shall learn."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import programs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SAID = {
    "02_embedded_async.py": ["8 pipeline_run.completed", "Bonjour, Lyon / Au revoir, Lyon"],
    "03_embedded_sync.py": ["one run: {'sha256'", "a: ca978112ca1b", "c: 2e7d2c03a950"],
    "04_custom_type.py": ["{'value': 9.8}", "node 'final': factor: input should be greater than 0, not -1"],
    "05_agents.py": ["three facts about otters", "simulated: True"],
    "06_breaker.py": [
        "run 2: failed, circuit open",
        "run 3: failed, circuit open: CircuitOpen",
        "run 5: completed, circuit closed",
    ],
    "07_cancel_receipts.py": [
        "tidy      cancelled  interrupted",
        "polls     cancelled  cooperative",
        "stubborn  cancelled  abandoned",
        "asleep    cancelled  abandoned",
        "later     cancelled  not_started",
        "timeout; orphans: stubborn, asleep",
    ],
    "08_simulation.py": [
        "after 29 days: running",
        "it ended on 31 January with {'sent': 2}",
        "breaks it: mailed soon: took",
    ],
    "10_durable.py": [
        "it ended with -9; start it again:",
        "goes on with ['order-7']",
        "ship: attempt 2, key order-7/ship",
        "completed {'last': 'thank'} {'pay': 1, 'ship': 2, 'thank': 1}",
    ],
    "09_unstoppable.py": [
        "processes while it runs: ",
        "cancelled: killed",
        "orphans: ()",
        "processes left: 0",
    ],
}


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_and_says(name: str) -> None:
    command = [sys.executable, str(EXAMPLES / name)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, cwd=EXAMPLES)
    assert ran.returncode == 0, ran.stderr
    assert [line for line in SAID[name] if line not in ran.stdout] == []


def test_every_example_is_tested_and_short() -> None:
    scripts = {path.name: path for path in EXAMPLES.glob("*.py")}
    assert scripts.keys() == SAID.keys()
    files = [*scripts.values(), *(EXAMPLES / "01_repository_report").glob("*.*")]
    assert [path.name for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 60] == []


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True, cwd=folder)


def report(repository: Path, output: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "playbill.runtime.cli",
        "run",
        str(EXAMPLES / "01_repository_report/pipeline.yaml"),
    ]
    command += ["--input", f"repository={repository}", "--input", f"output={output}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return programs.run(command, capture_output=True, text=True, timeout=60, cwd=output.parent, env=environment)


@pytest.mark.parametrize(
    ("commits", "story"), [(1, "A young repository: 1 commits so far."), (20, "20.0 commits on a working day")]
)
def test_the_demo_reports_on_a_real_repository(commits: int, story: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "main.py").write_text("# TODO: all of it\n", encoding="utf-8")
    git(tmp_path, "add", ".")
    for number in range(commits):
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", f"Step {number}")
    ran = report(tmp_path, tmp_path / "report.md")
    assert ran.returncode == 0, ran.stderr
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert story in text
    assert f"- Ada: {commits} commits" in text
    assert "Files with a TODO or FIXME: 1" in text
    assert "headline" in ran.stderr
    assert "1 retry" in ran.stderr


def test_the_demo_says_clearly_that_a_folder_is_no_repository(tmp_path: Path) -> None:
    ran = report(tmp_path, tmp_path / "report.md")
    assert ran.returncode == 1
    assert "not a git repository" in ran.stderr
