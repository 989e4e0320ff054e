"""Whatever becomes of the standard streams, no command ends in a traceback, and its exit code says so."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.warm import programs

ROOT = Path(__file__).resolve().parents[3]
TYPES = """
import asyncio, logging, os, sys, time
import playbill

early = logging.StreamHandler()
logging.getLogger("early").addHandler(early)
print("imported")

def say(context):
    print("printed")
    sys.stderr.write("written to stderr\\n")
    os.write(1, b"written by C\\n")
    os.system("echo of a child")
    logging.getLogger("early").warning("logged by an early handler")
    context.log.info("an info")
    context.log.warning("a warning")
    context.log.debug("a debug")
    print("no end", end="")
    return {"text": "\\u00e9\\u2714\\U0001f600"}

@playbill.node_type("says")
async def says(node, inputs, context):
    return say(context)

@playbill.node_type("says_in_thread")
def says_in_thread(node, inputs, context):
    return say(context)

@playbill.node_type("blocks")
async def blocks(node, inputs, context):
    print("blocking", flush=True)
    while True:
        pass

@playbill.node_type("waits")
async def waits(node, inputs, context):
    context.heartbeat(0.25)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
"""
SAID = ["printed", "written to stderr", "written by C", "of a child", "logged by an early handler", "no end"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kinds.py").write_text(TYPES, encoding="utf-8")
    for kind in ("says", "says_in_thread", "blocks", "waits"):
        text = f"name: {kind}\nimports: [kinds]\nnodes: [{{id: a, type: {kind}}}]\n"
        (tmp_path / f"{kind}.yaml").write_text(text, encoding="utf-8")
    isolated = "name: isolated\nimports: [kinds]\nnodes: [{id: a, type: says_in_thread, isolation: process}]\n"
    (tmp_path / "isolated.yaml").write_text(isolated, encoding="utf-8")
    (tmp_path / "plain.yaml").write_text("nodes: [{id: a, type: trigger, next: b}, {id: b, type: parallel}]\n")
    return tmp_path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "playbill.runtime.cli", *map(str, arguments)]


def play(folder: Path, *arguments: object, cold: bool = False, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    run = subprocess.run if cold else programs.run
    return run(command(*arguments), cwd=folder, env=environment, text=True, timeout=30, check=False, **options)


@pytest.mark.parametrize("name", ["says", "says_in_thread", "isolated"])
def test_with_json_standard_output_is_the_results_alone(folder: Path, name: str) -> None:
    ran = play(folder, "run", f"{name}.yaml", "--json", "-v")
    assert json.loads(ran.stdout)["status"] == "completed"
    assert [line for line in (*SAID, "imported", "an info", "a warning") if line not in ran.stderr] == []
    assert "a debug" not in ran.stderr


def test_logs_are_shown_as_they_are_asked_for(folder: Path) -> None:
    shown = [play(folder, "run", "says.yaml", *flags).stderr for flags in ([], ["-vv"])]
    lines = ("warning: a#1: a warning", "info: a#1: an info", "debug: a#1: a debug")
    assert [[line in err for line in lines] for err in shown] == [
        [True, False, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", "plain.yaml"],
        ["types"],
        ["run", "says.yaml", "--json"],
        ["run", "--help"],
    ],
    ids=" ".join,
)
def test_a_full_output_is_told_in_one_line(folder: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = play(folder, *arguments, stdout=full)
    assert ran.returncode == 1
    assert "the output cannot be written: No space left on device" in ran.stderr.splitlines()
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [["schema"], ["types"], ["sim", "plain.yaml", "--seeds", "2"]], ids=" ".join)
def test_a_reader_that_has_gone_is_told_by_the_exit_code_alone(folder: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = play(folder, *arguments, stdout=write)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_a_run_goes_on_when_nobody_reads_its_progress(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = play(folder, "run", "plain.yaml", stderr=write)
    os.close(write)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"b": {"a": {}}})


@pytest.mark.parametrize(("closed", "code"), [(0, 0), (1, 1), (2, 0)])
def test_a_stream_that_is_closed_is_no_traceback(folder: Path, closed: int, code: int) -> None:
    ran = play(folder, "run", "plain.yaml", preexec_fn=lambda: os.close(closed), cold=True)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr


def test_what_an_encoding_lacks_is_written_another_way(folder: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = play(folder, "run", "says.yaml", "--json", env=ascii_only, cold=True)
    assert json.loads(ran.stdout)["outputs"] == {"a": {"text": "é✔😀"}}
    text = "nodes: [{id: é, type: trigger, next: [b, c]}, {id: b, type: parallel}, {id: c, type: parallel}]"
    (folder / "tree.yaml").write_text(text, encoding="utf-8")
    drawn = play(folder, "graph", "tree.yaml", env=ascii_only, cold=True).stdout.splitlines()
    assert drawn[:3] == ["\\xe9 (trigger)", "+- b (parallel)", "`- c (parallel)"]


class Terminal:
    """A command on a terminal of 60 columns: both its outputs are shown there."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.end, other = os.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "60", "LINES": "24"}
        self.process = programs.Popen(command(*arguments), stdout=other, stderr=other, cwd=folder, env=environment)
        os.close(other)
        self._written = ""

    @property
    def shown(self) -> str:
        """What it showed, without colours and moves of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._written)

    def until(self, text: str) -> str:
        """Read until it shows a text; return all that it showed."""
        while text not in self.shown:
            self._written += os.read(self.end, 65536).decode()
        return self.shown

    def exit_code(self) -> int:
        try:
            while chunk := os.read(self.end, 65536):
                self._written += chunk.decode()
        except OSError:
            pass  # Linux says so when the other end is closed
        os.close(self.end)
        return self.process.wait(30)


@pytest.mark.parametrize("name", ["says", "says_in_thread", "isolated"])
def test_what_handlers_write_scrolls_above_the_board_and_none_is_lost(folder: Path, name: str) -> None:
    terminal = Terminal(folder, "run", f"{name}.yaml", "-v")
    assert terminal.exit_code() == 0
    above, below = terminal.shown.rsplit("✔ a", 1)
    assert [line for line in (*SAID, "info: a#1: an info", "warning: a#1: a warning") if line not in above] == []
    assert "completed in" in below
    assert json.loads(below[below.index("{") :]) == {"a": {"text": "é✔😀"}}


def test_a_stop_says_so_and_the_second_ctrl_c_kills(folder: Path) -> None:
    terminal = Terminal(folder, "run", "waits.yaml", "--grace", "60")
    terminal.until(" 25%")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until(" s of grace left; Ctrl-C kills")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("killing ...")
    assert terminal.exit_code() == 130


def test_without_a_terminal_a_stop_is_a_line(folder: Path) -> None:
    with programs.Popen(
        command("run", "waits.yaml", "--grace", "60"), stderr=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        assert process.stderr is not None
        assert next(process.stderr) == "started   a\n"
        process.send_signal(signal.SIGINT)
        assert next(process.stderr) == "stopping, 60 s of grace left; Ctrl-C kills\n"
        process.send_signal(signal.SIGINT)
        assert next(process.stderr) == "killing ...\n"
        assert "\x1b" not in process.stderr.read()
    assert process.returncode == 130


def test_the_third_ctrl_c_reaches_a_handler_that_blocks_the_loop(folder: Path) -> None:
    with programs.Popen(
        command("run", "blocks.yaml"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
    ) as process:
        assert process.stdout is not None
        assert [next(process.stdout) for _ in range(2)][1] == "blocking\n"
        while process.poll() is None:  # those that come at once count as one
            process.send_signal(signal.SIGINT)
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
    # Its handler failed of it before the run heard of the first, or after; the last is of one that came as it ended.
    assert process.returncode in {1, 130, -signal.SIGINT}
