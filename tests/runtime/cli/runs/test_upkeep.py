"""What looks after journals' files: prune, journal sql, journal copy, doctor."""

import asyncio
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import playbill
from playbill.runtime.cli import _call
from playbill.runtime.cli.runs.doctor import describe_bytes
from playbill.runtime.journals.sqlite.files.versions import has_wal_fault
from playbill.runtime.journals.sqlite.schema.migrations import schema_text

Out = pytest.CaptureFixture[str]
HELLO = {"name": "hello", "nodes": [{"id": "a", "type": "trigger"}]}
BROKEN = {"name": "broken", "nodes": [{"id": "a", "type": "delay", "config": {"seconds": "${trigger.none}"}}]}


async def _make(path: Path) -> None:
    async with playbill.PipelineRunManager(journal=f"sqlite:///{path}", types=[], on_exit="park") as manager:
        for number in range(20):
            data = {"padding": str(number) * 50_000}
            await (await manager.start_run(HELLO, data, run_id=f"fine-{number}")).result()
        await (await manager.start_run(BROKEN, run_id="broken")).result()
        delay = {"nodes": [{"id": "a", "type": "delay", "config": {"seconds": 3600}}]}
        await manager.start_run(delay, run_id="left")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal of a folder, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLAYBILL_JOURNAL")
    path = tmp_path / ".playbill" / "runs.db"
    asyncio.run(_make(path))
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Own a journal as another process does."""
    with path.with_name(f"{path.name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        owner = {"pid": os.getpid(), "host": "here", "started_at": "2026-11-28T06:30:00+00:00"}
        json.dump(owner, lock)
        lock.flush()
        yield


def ids(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {run_id for (run_id,) in connection.execute("SELECT run_id FROM runs")}


def test_prune_forgets_what_has_ended_and_gives_the_space_back(capsys: Out, path: Path) -> None:
    size = path.stat().st_size
    assert _call(["prune", "--older-than", "1d"]) == 0
    assert capsys.readouterr().out == f"forgot 0 runs of {path}\n"
    assert _call(["prune", "--older-than", "0", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"would forget 21 runs of {path}\n"
    assert len(ids(path)) == 22
    assert _call(["prune", "--older-than", "0", "--status", "failed"]) == 0
    assert capsys.readouterr().out == f"forgot 1 run of {path}\n"
    assert _call(["prune", "--older-than", "0s", "--vacuum", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pruned": {str(path): 20}, "dry_run": False}
    assert ids(path) == {"left"}
    assert path.stat().st_size < size / 4


def test_prune_leaves_a_journal_alone_whose_owner_cannot_be_asked_and_names_it(
    capsys: Out, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playbill.runtime.control.offline.PATIENCE_SECONDS", 0.1)
    other = path.with_name("runs-2.db")
    asyncio.run(_make(other))
    with held(path):
        assert _call(["prune", "--older-than", "0"]) == 2
    out, err = capsys.readouterr()
    assert out == f"forgot 21 runs of {other}\n"
    assert f"journal {path} is in use by process {os.getpid()} on here since " in err
    assert len(ids(path)) == 22


def test_the_schema_and_a_copy_are_what_the_journal_is(capsys: Out, path: Path, tmp_path: Path) -> None:
    assert _call(["journal", "sql"]) == 0
    assert capsys.readouterr().out == schema_text()
    assert _call(["journal", "copy", "copy.db"]) == 0
    assert ids(tmp_path / "copy.db") == ids(path)
    assert _call(["journal", "copy", "copy.db"]) == 2
    assert "File exists" in capsys.readouterr().err


def test_a_doctor_finds_nothing_where_all_is_well(capsys: Out, path: Path) -> None:
    assert _call(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split()[1] == "SQLite"
    assert sqlite3.sqlite_version in shown
    said = ("owner      nobody", "schema     version 1", "integrity  whole", "unfinished 1, of them 0 set aside")
    assert [each for each in said if each not in shown] == []
    with held(path):
        assert _call(["doctor", "--json"]) == 0
    told = {each["name"]: each["said"] for each in json.loads(capsys.readouterr().out)["journals"][str(path)]}
    assert told["owner"].startswith("process ")


def test_a_doctor_looks_also_where_there_is_no_journal(
    capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLAYBILL_JOURNAL")
    assert _call(["doctor"]) == 0
    assert "no runs are kept in " in capsys.readouterr().out


def test_a_doctor_finds_a_damaged_file_an_open_one_and_a_foreign_one(capsys: Out, path: Path) -> None:
    path.chmod(0o644)
    assert _call(["doctor"]) == 1
    assert f"✘ mode       644: others may read or write it; `chmod 600 {path}`" in capsys.readouterr().out
    path.chmod(0o600)
    whole = path.read_bytes()
    page = 4096
    damaged = bytearray(whole)
    for number in range(3, len(whole) // page, 2):
        damaged[number * page : number * page + 200] = b"\xa5" * 200
    path.write_bytes(damaged)
    assert _call(["doctor"]) == 1
    assert "✘ " in capsys.readouterr().out
    path.write_bytes(whole[: len(whole) // 2])
    path.with_name("runs.db-wal").unlink(missing_ok=True)
    assert _call(["doctor"]) == 1
    assert "is truncated" in capsys.readouterr().out
    path.write_text("hello", encoding="utf-8")
    assert _call(["doctor"]) == 1
    assert "is not a SQLite file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "is_known"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_of_sqlite_that_can_damage_a_wal_are_named(version: tuple[int, ...], is_known: bool) -> None:
    assert has_wal_fault(version) is is_known


def test_sizes_are_said_in_words() -> None:
    assert [describe_bytes(size) for size in (0, 1023, 1024, 5 << 20, 3 << 30)] == [
        "0 bytes",
        "1023 bytes",
        "1 KiB",
        "5 MiB",
        "3 GiB",
    ]
