"""Runs that outlive their command: `playbill run` is killed, and other commands see it, and go on with it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from playbill.runtime.cli import _call
from playbill.runtime.journals.codec import event_from_json
from tests.warm import programs

pytestmark = [pytest.mark.real("of processes that are killed"), pytest.mark.timeout(120)]
TYPES = """
import asyncio, pathlib
import playbill

@playbill.node_type("waits")
async def waits(node, inputs, context):
    context.log.warning(f"waits as {context.idempotency_key}")
    while not pathlib.Path(context.trigger_data["for"]).exists():
        await asyncio.sleep(0.02)
    return {"key": context.idempotency_key}
"""
PIPELINE = """
name: order
imports: [kinds]
nodes:
  - {id: start, type: trigger, next: work}
  - {id: work, type: waits, next: done}
  - {id: done, type: delay, config: {seconds: 0.001}}
"""


class Folder:
    """A working folder, and the commands that are called in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "kinds.py").write_text(TYPES, encoding="utf-8")
        (path / "order.yaml").write_text(PIPELINE, encoding="utf-8")
        self.environment = {name: value for name, value in os.environ.items() if name != "PLAYBILL_JOURNAL"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "playbill.runtime.cli", *arguments]
        pipe = subprocess.PIPE
        return programs.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=self.path, env=self.environment)

    def call(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        return process.returncode, out, err

    @contextmanager
    def begin(self, run_id: str, *more: str) -> Generator[subprocess.Popen[str]]:
        """Start a run that is at work by now; whatever goes wrong here, it is not waited for."""
        with self.start("run", "order.yaml", "--id", run_id, "--input", f"for={run_id}.go", *more) as process:
            try:
                assert process.stderr is not None
                while "waits as" not in (line := process.stderr.readline()):
                    assert line, "it has ended before it was at work"
                yield process
            except BaseException:
                process.kill()
                raise


Look: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def look(folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Look:
    """Calls a command that only looks, in this process, which is not the owner's."""
    monkeypatch.chdir(folder.path)
    monkeypatch.delenv("PLAYBILL_JOURNAL")
    monkeypatch.setattr("playbill.runtime.cli.runs.recovering.show_logs", lambda _verbosity: None)  # as they are here

    def look(*arguments: str) -> tuple[int, str, str]:
        code = _call(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return look


def listed(look: Look) -> dict[str, Any]:
    found = json.loads(look("runs", "--json")[1])["runs"]
    return {run["run_id"]: (run["status"], run["left"]) for run in found}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_runs_of_killed_commands_are_told_and_go_on_and_others_follow_one_that_is_alive(
    folder: Folder, look: Look
) -> None:
    for run_id in ("killed-1", "killed-2"):
        with folder.begin(run_id) as process:
            process.kill()
        assert listed(look)[run_id] == ("running", True)  # its WAL is as the kill has left it
    with folder.begin("live-1", "--events", "live.jsonl") as live:
        assert listed(look) == {
            "live-1": ("running", False),
            "killed-2": ("running", True),  # live-1 owns their journal, and goes on with neither
            "killed-1": ("running", True),
        }
        code, out, err = look("result", "live-1")
        assert (code, out, "run 'live-1' has not ended: it is in process " in err) == (75, "", True)
        recover_in_owner(folder, look, live.pid)
        follow_to_its_end(folder)
        live.communicate(timeout=60)
    code, out, _ = look("result", "live-1")
    assert (code, json.loads(out)) == (0, {"done": {"work": {"key": "live-1/work"}}})
    recover(folder, look)


def recover_in_owner(folder: Folder, look: Look, pid: int) -> None:
    """The owner of the journal is asked to go on with one run, and then with all."""
    code, _, err = look("recover", "killed-1", "--grace", "1")
    assert (code, f"--grace: the journal is in use by process {pid} on " in err) == (2, True)
    code, out, err = folder.call("recover", "killed-1", "--json")
    assert (code, json.loads(out)["goes_on"]) == (0, ["killed-1"])
    assert f"run 'killed-1' goes on in process {pid} on " in err
    code, _, err = look("recover", "killed-1")
    assert (code, f"run 'killed-1' is at work in process {pid} on " in err) == (0, True)
    code, _, err = look("recover", "--all", "--grace", "1")
    assert (code, f"is left alone: it is in use by process {pid} on " in err) == (0, True)
    assert listed(look)["killed-2"] == ("running", True)
    code, out, _ = folder.call("recover", "--all", "--json")
    assert (code, json.loads(out)["goes_on"]) == (0, ["killed-2"])
    assert listed(look)["killed-2"] == ("running", False)
    assert look("recover", "--all")[2] == "nothing is to be recovered\n"


def follow_to_its_end(folder: Folder) -> None:
    """Events and logs of a run of another process are shown as they come, until it has ended."""
    following = folder.start("events", "live-1", "--follow", "--json")
    with following as follower, folder.start("logs", "live-1", "-f") as logs:
        assert follower.stdout is not None
        seen = [next(line for line in follower.stdout if "pipeline_node.started" in line and "work" in line)]
        (folder.path / "live-1.go").touch()
        seen += follower.stdout
        assert logs.stdout is not None
        said = logs.stdout.read()
        assert (follower.wait(60), logs.wait(60)) == (0, 0)
    assert said.rstrip().endswith("work#1 warning: waits as live-1/work")
    written = (folder.path / "live.jsonl").read_text(encoding="utf-8").splitlines()
    assert [event_from_json(line) for line in seen] == [event_from_json(line) for line in written[-len(seen) :]]


def recover(folder: Folder, look: Look) -> None:
    """One is recovered, and left by Ctrl-C; then all are, and come to their ends."""
    assert look("show", "killed-1")[1].startswith("↻ killed-1  interrupted")
    with folder.start("recover", "killed-1") as recovering:
        assert recovering.stderr is not None
        while "waits as" not in (line := recovering.stderr.readline()):
            assert line, "it has ended before it was at work"
        recovering.send_signal(signal.SIGINT)
        assert "`playbill recover` goes on with them" in recovering.stderr.read()
    assert recovering.returncode == 130
    assert listed(look)["killed-1"] == ("running", True)  # it was left, and not cancelled
    for run_id in ("killed-1", "killed-2"):
        (folder.path / f"{run_id}.go").touch()
    code, out, _ = folder.call("recover", "--all", "--json")
    assert (code, {each["run_id"]: each["outputs"]["done"] for each in json.loads(out)["ended"]}) == (
        0,
        {run_id: {"work": {"key": f"{run_id}/work"}} for run_id in ("killed-1", "killed-2")},
    )
    assert look("recover", "--all")[2] == "nothing is to be recovered\n"
    shown = look("show", "killed-1")[1]
    assert shown.startswith("✔ killed-1  completed in ")
    assert "\nrecovered  3 times\n" in shown
    assert "2 attempts interrupted" in shown
    assert "retr" not in shown
