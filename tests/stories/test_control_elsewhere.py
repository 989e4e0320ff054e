"""Runs are controlled from another process than theirs: by its socket, or, once it is killed, without it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import playbill
from playbill.model.errors import DefinitionError, JournalError, UnknownRun
from playbill.runtime.cli import _main
from playbill.runtime.control.client import reach_owner
from playbill.runtime.control.offline import control
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.stories.support import node, pipeline
from tests.warm import programs

pytestmark = [pytest.mark.anyio, pytest.mark.real("other processes")]
RUNS = ("cancelled", "paused", "plain")
OWNER = """
import asyncio, sys
import playbill

@playbill.node_type("elsewhere_hold")
async def hold(node, inputs, context):
    if context.attempt == 1:
        await asyncio.Event().wait()
    return {"attempt": context.attempt}

async def main():
    async with playbill.PipelineRunManager(journal=f"sqlite:///{sys.argv[1]}", types=[hold], grace=0.2) as manager:
        for name in sys.argv[2:]:
            run = await manager.start_run({"nodes": [{"id": "a", "type": "elsewhere_hold"}]}, run_id=name)
            async for event in run.events():
                if event.node_id == "a":
                    break
        print("ready", flush=True)
        while True:
            await asyncio.sleep(3600)
asyncio.run(main())
"""
SILENT = """
import pathlib, sys
from playbill.runtime.journals.sqlite.files.ownership import Ownership
owned = Ownership(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
"""


@playbill.node_type("elsewhere_hold")
async def hold(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"attempt": context.attempt}


@contextmanager
def owner(path: Path, *runs: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns a journal, with these runs at work."""
    command = [sys.executable, "-c", OWNER, str(path), *runs]
    with programs.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def told(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> tuple[int, str, str]:
    """Call the command line; return its code and what it wrote."""
    code = _main([*arguments, "--journal", str(path)])
    out, err = capsys.readouterr()
    return code, out, err


def test_an_owner_is_asked_and_when_it_is_killed_the_next_one_finds_what_was_asked_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    with owner(path, *RUNS, "by-owner") as process:
        assert oct((tmp_path / "runs.db.sock").stat().st_mode & 0o777) == "0o600"
        reached = reach_owner(path)
        assert reached is not None
        with reached:
            here = reached.call("ping")
            assert (here.pid, here.journal, here.alive) == (process.pid, str(path), 4)
        assert told(capsys, path, "pause", "by-owner") == (0, "run 'by-owner' is paused\n", "")
        assert "writes the whole of a chosen id" in told(capsys, path, "pause", "by-o")[2]
        code, _, err = told(capsys, path, "pause", "by-owner")
        assert (code, err) == (1, "run 'by-owner' is paused already, or is being stopped: nothing was changed\n")
        assert told(capsys, path, "resume", "by-owner")[0] == 0
        assert told(capsys, path, "attributes", "by-owner", "city=Lyon", "n=1") == (0, "city=Lyon\nn=1\n", "")
        assert told(capsys, path, "cancel", "by-owner", "--reason", "enough", "--grace", "0.1")[0] == 0
        with pytest.raises(UnknownRun):
            control(path, "cancel", run="nobody")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert (tmp_path / "runs.db.sock").exists()  # left over, and nobody hears
    assert reach_owner(path) is None
    code, out, err = told(capsys, path, "cancel", "cancelled", "by-owner", "--reason", "no owner", "--json")
    assert (code, err) == (1, "")
    assert [(each["run"], each["decided"], each["kept"]) for each in json.loads(out)] == [
        ("cancelled", True, True),
        ("by-owner", False, True),
    ]
    assert told(capsys, path, "pause", "paused", "plain") == (
        0,
        "run 'paused' is paused\nrun 'plain' is paused\n",
        "",
    )
    assert told(capsys, path, "resume", "plain")[0] == 0
    assert told(capsys, path, "attributes", "plain", "n=2")[:2] == (0, "n=2\n")
    with pytest.raises(DefinitionError, match="run 'plain' cannot go on without handlers: start a manager"):
        control(path, "recover", run="plain")
    with pytest.raises(UnknownRun):
        control(path, "pause", run="nobody")
    with playbill.BlockingManager(journal=f"sqlite:///{path}", types=[hold]) as manager:
        assert set(manager.recovered().runs) == {"paused", "plain"}
        assert manager.open_run("plain").result().outputs["a"] == {"attempt": 2}
        assert manager.open_run("paused").is_paused
        for name, reason in [("cancelled", "no owner"), ("by-owner", "enough")]:
            result = manager.open_run(name).result()
            assert result.cause is not None
            assert (result.status, result.cause.reason) == ("cancelled", reason)
            assert result.node_results["a"].status == "cancelled"
        assert [row.run_id for row in manager.list_runs(attributes={"n": 2}).runs] == ["plain"]
        again = reach_owner(path)
        assert again is not None
        again.close()
    assert not (tmp_path / "runs.db.sock").exists()


def test_an_owner_prunes_its_journal_and_sets_its_circuits_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    with owner(path, "one", "two"):
        assert told(capsys, path, "cancel", "one", "--grace", "0")[0] == 0
        follow = told(capsys, path, "events", "one", "--follow")
        assert "run.cancelled" in follow[1]
        pruned = ("prune", "--older-than", "0", "--status", "cancelled")
        assert told(capsys, path, *pruned, "--dry-run")[1] == f"would forget 1 run of {path}\n"
        code, out, err = told(capsys, path, *pruned, "--vacuum")
        assert (code, out) == (2, f"forgot 1 run of {path}\n")
        assert err.startswith(f"it is not rewritten: journal {path} is in use by process ")
        code, out, _ = told(capsys, path, *pruned, "--json")
        assert (code, json.loads(out)) == (0, {"pruned": {str(path): 0}, "dry_run": False})
        assert "there is no run 'one'" in told(capsys, path, "show", "one")[2]
        key = "elsewhere_hold"
        assert told(capsys, path, "breakers")[2] == "no circuit is open or set by hand\n"
        assert told(capsys, path, "breakers", "force", key, "forced_open") == (
            0,
            f"circuit '{key}' is forced_open\n",
            "",
        )
        assert told(capsys, path, "breakers")[1].split()[:3] == ["■", "forced_open", key]
        code, _, err = told(capsys, path, "breakers", "force", "other", "disabled")
        assert (code, err) == (2, "no pipeline has used breaker 'other' yet\n")
        code, _, err = told(capsys, path, "breakers", "force", key, "open")
        assert (code, 'Choose from: "forced_open", "disabled", "metrics_only"' in err) == (2, True)
        code, out, _ = told(capsys, path, "breakers", "reset", key, "--json")
        assert (code, json.loads(out)["state"], json.loads(out)["kept"]) == (0, "closed", True)
        assert json.loads(told(capsys, path, "breakers", "--json")[1]) == {"circuits": []}
    code, out, err = told(capsys, path, "breakers", "force", key, "disabled")
    assert (code, out) == (2, "")
    assert f"circuit '{key}' cannot be set to disabled: nobody owns this journal" in err


async def test_an_owner_that_cannot_recover_is_told_and_of_one_run_that_is_paused_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.setattr("playbill.runtime.cli.runs.recovering.show_logs", lambda _verbosity: None)  # as they are here
    path = tmp_path / "runs.db"
    url = f"sqlite:///{path}"
    delay = {"nodes": [{"id": "a", "type": "delay", "config": {"seconds": 3600}}]}
    async with playbill.PipelineRunManager(journal=url, types=[], on_exit="park") as manager:
        await (await manager.start_run(delay, run_id="paused-1")).pause()
    async with playbill.PipelineRunManager(journal=url, types=[], on_exit="park", start_paused=True) as manager:
        assert not manager.active_runs
        code, out, err = await asyncio.to_thread(told, capsys, path, "recover", "--all")
        assert (code, out) == (1, "")
        assert f"{path} is left alone: " in err
        assert "before `resume_all()`" in err
        code, out, err = await asyncio.to_thread(told, capsys, path, "recover", "paused-1")
        assert (code, out) == (75, "")
        assert err == "run 'paused-1' is paused, and stays so: `playbill resume paused-1`\n"
        assert manager.is_running("paused-1")


def test_what_is_wrong_with_a_command_is_told_and_nothing_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    with playbill.BlockingManager(journal=f"sqlite:///{path}", types=[]) as manager:
        manager.start_run(pipeline(node("a", "parallel")), run_id="ended", attributes={"n": 1}).result()
    for arguments, said in [
        (("cancel", "nobody"), "there is no run 'nobody' in"),
        (("cancel", "ended", "nobody"), "there is no run 'nobody' in"),
        (("cancel", "ended", "--grace", "-1"), "grace: Input should be greater than or equal to 0"),
        (("attributes", "ended", "n"), "the command takes NAME=VALUE, not 'n'"),
        (("attributes", "ended", "2n=1"), "attribute '2n': a name begins with a letter"),
    ]:
        code, out, err = told(capsys, path, *arguments)
        assert (code, out) == (2, "")
        assert said in err
    for command, said in [("cancel", "has ended completed"), ("pause", "has ended"), ("resume", "has ended")]:
        code, out, err = told(capsys, path, command, "ended")
        assert (code, out) == (1, "")
        assert f"run 'ended' {said}" in err
    assert told(capsys, path, "attributes", "ended", "--json") == (0, '{\n  "n": 1\n}\n', "")


async def test_a_journal_that_is_in_use_and_has_no_socket_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.setattr("playbill.runtime.control.offline.PATIENCE_SECONDS", 0.1)
    path = tmp_path / "runs.db"
    async with playbill.PipelineRunManager(journal=f"sqlite:///{path}", types=[]) as manager:
        await (await manager.start_run(pipeline(node("a", "parallel")), run_id="one")).result()
    code = "import sys, asyncio\nfrom playbill.runtime.journals.sqlite.files.ownership import Ownership\n"
    code += (
        "import pathlib\nowned = Ownership(pathlib.Path(sys.argv[1]))\nprint('ready', flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with programs.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as silent:
        assert silent.stdout is not None
        silent.stdout.readline()
        with pytest.raises(JournalError, match=f"is in use by process {silent.pid}"):
            await asyncio.to_thread(control, path, "set_attributes", run="one", attributes={"a": 1})
        told_by_command = await asyncio.to_thread(told, capsys, path, "cancel", "one")
        assert told_by_command[0] == 74
        assert f"run 'one': journal {path} is in use by process {silent.pid}" in told_by_command[2]
        silent.kill()


def test_who_finds_the_lock_held_for_a_moment_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.db"
    with playbill.BlockingManager(journal=f"sqlite:///{path}", types=[]) as manager:
        manager.start_run(pipeline(node("a", "parallel")), run_id="one").result()
    command = [sys.executable, "-c", SILENT, str(path)]
    with programs.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as silent:
        assert silent.stdout is not None
        silent.stdout.readline()

        def let_go(seconds: float) -> None:
            silent.kill()
            silent.wait()

        waits = SimpleNamespace(monotonic=time.monotonic, sleep=let_go)
        monkeypatch.setattr("playbill.runtime.control.offline.time", waits)
        assert control(path, "set_attributes", run="one", attributes={"a": 1}).kept


async def test_while_the_journal_fails_a_cancel_acts_at_once_and_says_that_it_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio
    import sqlite3

    began, stopped = asyncio.Event(), asyncio.Event()

    @playbill.node_type("elsewhere_wait")
    async def wait(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return {}

    def disk_full(self: object, encoded: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("playbill.actors.answers.PATIENCE_SECONDS", 0.05)
    path = tmp_path / "runs.db"
    async with playbill.PipelineRunManager(journal=f"sqlite:///{path}", types=[wait]) as manager:
        run = await manager.start_run(pipeline(node("a", "elsewhere_wait")), run_id="one")
        await began.wait()
        with monkeypatch.context() as broken:
            broken.setattr("playbill.runtime.journals.sqlite.writing.store.Store._keep", disk_full)
            answer = await asyncio.to_thread(control, path, "cancel", run="one")
            assert (answer.decided, answer.kept) == (True, False)
            code, out, err = await asyncio.to_thread(told, capsys, path, "cancel", "one", "--grace", "0")
            assert stopped.is_set()
            assert (code, out) == (74, "")
            assert err == "run 'one' is cancelled; its journal has not kept that yet, and goes on trying\n"
        assert (await run.result()).status == "cancelled"


async def test_the_socket_goes_with_a_manager_that_nobody_closes(tmp_path: Path) -> None:
    import asyncio
    import gc

    path = tmp_path / "runs.db"

    async def leave() -> None:
        manager = playbill.PipelineRunManager(journal=f"sqlite:///{path}", types=[])
        await manager.recovered()
        reached = await asyncio.to_thread(reach_owner, path)
        assert reached is not None
        reached.close()

    async def collect() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
            gc.collect()

    await leave()
    with pytest.warns(ResourceWarning, match="never closed"):
        await collect()
    assert not (tmp_path / "runs.db.sock").exists()
    SqliteJournal(f"sqlite:///{path}").close()
