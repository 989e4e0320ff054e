"""The bar of long commands: drawn on a terminal only, and taken away in the end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import programs

ROOT = Path(__file__).resolve().parents[3]
LOAD = "span: 100\narrivals: [{poisson: {rate: 2}}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fine.yaml").write_text("name: fine\nnodes: [{id: a, type: delay, config: {seconds: 1}}]\n")
    (tmp_path / "load.yaml").write_text(LOAD)
    (tmp_path / "sweep.yaml").write_text(LOAD + "sweep: {nodes.a.total_timeout: [2, 3]}\n")
    return tmp_path


def shown_on_a_terminal(folder: Path, *arguments: str) -> str:
    main_end, other_end = os.openpty()
    command = [sys.executable, "-m", "playbill.runtime.cli", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "120"}
    with programs.Popen(command, stdout=subprocess.DEVNULL, stderr=other_end, cwd=folder, env=environment) as process:
        os.close(other_end)
        shown = b""
        try:
            while chunk := os.read(main_end, 65536):
                shown += chunk
        except OSError:
            pass  # Linux says so when the other end is closed
        assert process.wait(30) == 0
    os.close(main_end)
    return shown.decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "50"], ["100%", "50 seeds, ", "50 completed, 0 found"]),
        (["--load", "load.yaml"], ["%", " simulated, ", " live"]),
        (["--load", "sweep.yaml"], ["100%", "values"]),
    ],
)
def test_a_terminal_gets_a_bar(folder: Path, arguments: list[str], said: list[str]) -> None:
    shown = shown_on_a_terminal(folder, "sim", "fine.yaml", *arguments)
    assert [each for each in said if each not in shown] == []
    assert shown.endswith("\x1b[2K")  # the bar's line is empty again


def test_elsewhere_nothing_is_drawn(folder: Path) -> None:
    command = [sys.executable, "-m", "playbill.runtime.cli", "sim", "fine.yaml", "--seeds", "5"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
