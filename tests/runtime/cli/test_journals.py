"""Which journals a command reads, and which run an id means."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from playbill.model.errors import DefinitionError, JournalError
from playbill.runtime.cli.journals import FOLDER, find_run, journals
from playbill.runtime.manager import PipelineRunManager

pytestmark = pytest.mark.anyio
HELLO = {"name": "hello", "nodes": [{"id": "a", "type": "trigger"}]}


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAYBILL_JOURNAL", raising=False)


async def made(path: Path, run_ids: Sequence[str] = ()) -> Path:
    """A journal that has these runs."""
    async with PipelineRunManager(journal=f"sqlite:///{path}", types=[]) as manager:
        for run_id in run_ids:
            await (await manager.start_run(HELLO, run_id=run_id)).result()
    return path


async def test_all_of_the_folder_are_read_in_their_order_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    for name in ("runs-10.db", "runs-2.db", "runs.db"):
        await made(folder / name, ["x"])
    for other in ("runs-1.db", "runs-02.db", "runs.db.bak", "other.db"):
        (folder / other).write_bytes(b"x")
    (folder / "runs-3.db").touch()  # somebody makes it just now
    assert [path.name for path in journals(folder=tmp_path)] == ["runs.db", "runs-2.db", "runs-10.db"]


async def test_what_is_named_wins_over_the_environment_and_that_over_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = await made(tmp_path / "mine.db"), await made(tmp_path / "theirs.db")
    await made(tmp_path / FOLDER / "runs.db")
    monkeypatch.setenv("PLAYBILL_JOURNAL", f"sqlite:///{theirs}")
    assert journals(str(mine), folder=tmp_path) == [mine]
    assert journals(f"sqlite:///{mine}", folder=tmp_path) == [mine]
    assert journals(folder=tmp_path) == [theirs]
    monkeypatch.setenv("PLAYBILL_JOURNAL", "")
    assert journals(folder=tmp_path) == [tmp_path / FOLDER / "runs.db"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (None, "no runs are kept in "),
        ("memory", "'memory' keeps nothing after its process"),
        ("no.db", "there is no journal "),
        ("postgres://x", "is not the URL of a SQLite journal"),
    ],
)
def test_a_journal_that_is_not_there_is_refused(tmp_path: Path, option: str | None, said: str) -> None:
    with pytest.raises((DefinitionError, JournalError), match=said):
        journals(option, folder=tmp_path)


async def test_a_run_is_found_by_its_id_or_its_beginning(tmp_path: Path) -> None:
    one = await made(tmp_path / "one.db", ["abcd", "abcd-1", "order-1"])
    two = await made(tmp_path / "two.db", ["order-2", "elsewhere"])
    for said, path, run_id in (
        ("abcd", one, "abcd"),
        ("abcd-", one, "abcd-1"),
        ("elsew", two, "elsewhere"),
        ("order-2", two, "order-2"),
    ):
        found = await find_run([one, two], said)
        assert (found.path, found.row.run_id) == (path, run_id)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("orde", "several runs begin with 'orde': 'order-1', 'order-2'; write more of the id"),
        ("oth", "there is no run 'oth' in .*at least 4 characters"),
        ("none-such", "there is no run 'none-such' in .*`playbill runs` lists"),
        ("same", "run 'same' is in several journals: .*say which by --journal"),
        (os.fsdecode(b"same\xff"), "there is no run"),
    ],
)
async def test_an_id_that_means_no_single_run_is_refused(tmp_path: Path, said: str, error: str) -> None:
    one = await made(tmp_path / "one.db", ["order-1", "same"])
    two = await made(tmp_path / "two.db", ["order-2", "elsewhere", "same"])
    with pytest.raises(DefinitionError, match=error):
        await find_run([one, two], said)


async def test_what_is_not_a_journal_of_ours_is_refused_also_while_its_owner_writes(tmp_path: Path) -> None:
    path = tmp_path / "foreign.db"
    with closing(sqlite3.connect(path)) as owner:
        owner.execute("PRAGMA journal_mode = WAL")
        owner.execute("CREATE TABLE x (y)")
        owner.commit()
        with pytest.raises(JournalError, match="is a SQLite file of another program"):
            await find_run([path], "abcd")
    with pytest.raises(JournalError, match="is a SQLite file of another program"):
        await find_run([path], "abcd")
    text = tmp_path / "text.db"
    text.write_text("hello", encoding="utf-8")
    with pytest.raises(JournalError, match="is not a SQLite file"):
        await find_run([text], "abcd")


async def test_a_journal_that_is_newer_truncated_or_empty_is_refused(tmp_path: Path) -> None:
    path = await made(tmp_path / "runs.db", ["abcd"])
    with closing(sqlite3.connect(path)) as owner:
        owner.execute("PRAGMA user_version = 99")
        with pytest.raises(JournalError, match="a newer playbill wrote it"):
            await find_run([path], "abcd")  # found by SQLite, since the WAL has it
        owner.execute("PRAGMA user_version = 1")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    path.with_name("runs.db-wal").unlink(missing_ok=True)
    with pytest.raises(JournalError, match=r"is truncated|damaged"):
        await find_run([path], "abcd")
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(JournalError, match="is empty"):
        await find_run([empty], "abcd")
