"""Where `playbill run` keeps its run: real processes in folders of their own."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

import playbill
from playbill.runtime.journals.sqlite.files.ownership import Ownership
from tests.warm import programs

TYPES = """
import os, resource, signal
import playbill

@playbill.node_type("dies")
async def dies(node, inputs, context):
    if context.trigger_data.get("die", True):
        os.kill(os.getpid(), signal.SIGKILL)

@playbill.node_type("stops")
async def stops(node, inputs, context):
    os.kill(os.getpid(), signal.SIGINT)
    await context.sleep(3600)

@playbill.node_type("breaks")
async def breaks(node, inputs, context):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))  # no file can grow from here on
    os.kill(os.getpid(), signal.SIGINT)
    await context.sleep(3600)
"""
HELLO = "name: hello\nnodes: [{id: a, type: trigger}]\n"
IMPATIENT = """
import sys
from playbill.runtime import last_ends
from playbill.runtime.cli import main
from playbill.runtime.cli.runs import following
from playbill.runtime.journals.sqlite import journal

following.PATIENCE_SECONDS = last_ends.KEEP_SECONDS = journal.CLOSE_SECONDS = 0.1
main(sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kinds.py").write_text(TYPES, encoding="utf-8")
    (tmp_path / "hello.yaml").write_text(HELLO, encoding="utf-8")
    for kind in ("dies", "stops", "breaks"):
        text = f"name: {kind}\nimports: [kinds]\nnodes: [{{id: a, type: {kind}}}]\n"
        (tmp_path / f"{kind}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def play(folder: Path, *arguments: str, code: str = "", **variables: str) -> tuple[int, str, str]:
    how = ["-c", code] if code else ["-m", "playbill.runtime.cli"]
    kept = {name: value for name, value in os.environ.items() if name != "PLAYBILL_JOURNAL"}
    ran = programs.run(
        [sys.executable, *how, *arguments],
        capture_output=True,
        text=True,
        timeout=40,
        cwd=folder,
        env={**kept, **variables},
    )
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stdout, ran.stderr


def test_a_run_is_kept_in_a_folder_for_this_user_alone_which_git_does_not_see(folder: Path) -> None:
    code, _, err = play(folder, "run", "hello.yaml")
    kept = folder / ".playbill"
    assert code == 0
    assert err.splitlines()[0].startswith("run       ")
    assert {path.name: path.stat().st_mode & 0o777 for path in kept.iterdir()} == {
        ".gitignore": 0o600,
        "runs.db": 0o600,
        "runs.db.lock": 0o600,
    }
    assert kept.stat().st_mode & 0o777 == 0o700
    assert (kept / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_an_id_gives_the_run_there_is_and_takes_no_other_for_it(folder: Path) -> None:
    first = play(folder, "run", "hello.yaml", "--id", "order-7", "--input", "n=1", "--json")
    again = play(folder, "run", "hello.yaml", "--id", "order-7", "--input", "n=1", "--json")
    assert json.loads(first[1]) == json.loads(again[1])
    assert "order-7 has ended before: it is not run again" in again[2]
    code, _, err = play(folder, "run", "hello.yaml", "--id", "order-7", "--input", "n=2")
    assert (code, "is taken by a run with another trigger data" in err) == (2, True)


def test_what_is_unfinished_is_told_and_left_alone_and_goes_on_by_its_id(folder: Path) -> None:
    assert play(folder, "run", "dies.yaml", "--id", "dead")[0] == -9
    code, _, err = play(folder, "run", "hello.yaml")
    assert code == 0
    assert "1 unfinished run: see `playbill recover dead`\n" in err
    code, _, err = play(folder, "run", "dies.yaml", "--id", "dead")
    assert (code, "unfinished" in err) == (-9, False)
    with_lock = Ownership(folder / ".playbill" / "runs.db")
    try:
        code, _, err = play(folder, "run", "hello.yaml")
        assert (code, "unfinished" in err) == (0, False)  # its owner may go on with it
        assert (folder / ".playbill" / "runs-2.db").exists()
        code, _, err = play(folder, "run", "dies.yaml", "--id", "dead")
        assert code == 2
        assert f"is in use by process {os.getpid()} on " in err
    finally:
        with_lock.release()


def test_ctrl_c_cancels_and_that_is_kept(folder: Path) -> None:
    assert play(folder, "run", "stops.yaml", "--id", "stopped")[0] == 130
    code, out, _ = play(folder, "result", "stopped", "--json")
    told = json.loads(out)
    assert (code, told["status"], told["cause"]["reason"]) == (130, "cancelled", "interrupted")


def test_a_paused_run_is_not_waited_for_and_stays_as_it_is(folder: Path) -> None:
    asyncio.run(leave_paused(folder / ".playbill" / "runs.db", "later"))
    code, _, err = play(folder, "run", "hello.yaml", "--id", "later")
    assert (code, "run 'later' is paused: `playbill resume later` lets it go on" in err) == (2, True)
    code, out, _ = play(folder, "recover", "later")
    assert (code, out) == (75, "")
    assert json.loads(play(folder, "show", "later", "--json")[1])["status"] == "paused"


async def leave_paused(path: Path, run_id: str) -> None:
    delay = {"id": "a", "type": "delay", "config": {"seconds": 3600}}
    async with playbill.PipelineRunManager(journal=f"sqlite:///{path}", types=[], on_exit="park") as manager:
        run = await manager.start_run({"name": "hello", "nodes": [delay]}, run_id=run_id)
        await run.pause()


def test_a_folder_that_cannot_be_written_is_told_and_the_run_is_in_memory(folder: Path) -> None:
    (folder / ".playbill").touch()
    code, _, err = play(folder, "run", "hello.yaml")
    assert code == 0
    first, *_ = err.splitlines()
    assert first.startswith(f"this run is kept in memory alone: {folder}")
    assert play(folder, "run", "hello.yaml", "--id", "mine")[0] == 2


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("{folder}/hello.yaml", "is not a SQLite file"),
        ("sqlite:///hello.yaml/runs.db", "a part of its path is not a folder"),
        ("redis://x", "is not the URL of a SQLite journal"),
    ],
)
def test_a_journal_that_is_named_is_used_or_it_is_an_error(folder: Path, option: str, said: str) -> None:
    code, out, err = play(folder, "run", "hello.yaml", "--journal", option.format(folder=folder))
    assert (code, out) == (2, "")
    assert said in err
    assert not (folder / ".playbill").exists()


def test_the_environment_names_the_default_and_memory_keeps_nothing(folder: Path) -> None:
    assert play(folder, "run", "hello.yaml", PLAYBILL_JOURNAL=str(folder / "mine.db"))[0] == 0
    assert (folder / "mine.db").exists()
    code, _, err = play(folder, "run", "hello.yaml", "--journal", "memory", PLAYBILL_JOURNAL=str(folder / "mine.db"))
    assert (code, "run       " in err) == (0, False)
    assert not (folder / ".playbill").exists()


def test_a_journal_that_fails_ends_it_with_74_and_names_the_run(folder: Path) -> None:
    code, _, err = play(folder, "run", "breaks.yaml", "--id", "lost", "--grace", "0", code=IMPATIENT)
    assert code == 74
    assert "`playbill recover lost` goes on with it" in err
