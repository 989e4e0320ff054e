"""A journal whose file or lock somebody has moved, removed or linked: two processes never write to one file."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from playbill.model.errors import JournalError
from playbill.runtime.journals.refusals import JournalLost
from playbill.runtime.journals.sqlite.files import ownership as ownership_module
from playbill.runtime.journals.sqlite.files.ownership import Ownership
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.contracts.journal_support import Heard, event, put, row

pytestmark = pytest.mark.anyio
APPEND = """
import asyncio, sys
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.contracts.journal_support import event, put
async def main():
    journal = SqliteJournal(f"sqlite:///{sys.argv[1]}")
    await put(journal, event(1, stream="theirs"))
    journal.close()
asyncio.run(main())
"""


def append_elsewhere(path: Path) -> None:
    """Have another process own the journal, and write to it."""
    subprocess.run([sys.executable, "-c", APPEND, str(path)], check=True, timeout=30)


def moved(path: Path) -> Path:
    return path.rename(path.with_name("moved.db"))


def removed(path: Path) -> Path:
    for each in path.parent.glob("journal.db*"):
        each.unlink()
    return path


def without_lock(path: Path) -> Path:
    path.with_name(f"{path.name}.lock").unlink()
    return path


def with_another_lock(path: Path) -> Path:
    path.with_name("other.lock").touch()
    path.with_name("other.lock").replace(path.with_name(f"{path.name}.lock"))
    return path


@pytest.mark.parametrize("done", [moved, removed, without_lock, with_another_lock])
async def test_an_owner_that_has_lost_its_file_writes_no_more_to_it(
    tmp_path: Path, done: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(f"sqlite:///{path}")
    await put(journal, event(1))
    elsewhere = done(path)
    append_elsewhere(elsewhere)
    heard = [journal.streams["r"].keeper, Heard()]  # type: ignore[attr-defined]
    other = journal.open("other", heard[1])
    other.append(event(1, stream="other"))
    other.push()
    await heard[1].until(lambda: bool(heard[1].errors))
    for each in heard:
        assert f"journal {path} is lost to this process: " in each.errors[0]
        assert "start this one again" in each.errors[0]
    assert len(caplog.messages) == 1
    with pytest.raises(JournalLost):
        journal.begin_run(row("late"))
    with pytest.raises(JournalLost):
        await journal.prune(event(1).at)
    late = journal.open("late", told := Heard())
    assert not late.append(event(1, stream="late"))
    await told.until(lambda: bool(told.errors))
    journal.log("r", None)  # type: ignore[arg-type]
    journal.close()
    again = SqliteJournal(f"sqlite:///{elsewhere}")
    assert [each.seq for each in await again.reading.events("theirs")] == [1]
    assert not await again.reading.events("other")
    again.close()


async def test_what_waits_when_a_file_is_lost_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(f"sqlite:///{path}")
    await put(journal, event(1))
    without_lock(path)
    changed = journal.change_run("r", {"attributes": {"a": 1}})
    with pytest.raises(JournalLost, match=r"journal\.db\.lock is gone"):
        await changed
    await journal.aclose()


async def test_other_work_finds_a_lost_file_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(f"sqlite:///{path}")
    stream = await put(journal, event(1))
    without_lock(path)
    with pytest.raises(JournalError, match="is lost to this process"):
        await journal.prune(event(1).at)
    heard = stream.keeper  # type: ignore[attr-defined]
    await heard.until(lambda: bool(heard.errors))
    journal.close()


def test_a_file_with_two_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    os.link(path, tmp_path / "other.db")
    for name in ("journal.db", "other.db"):
        with pytest.raises(JournalError, match=r"has 2 names \(hard links\).*: remove the others, or make a copy"):
            Ownership(tmp_path / name)
    (tmp_path / "other.db").unlink()
    (tmp_path / "soft.db").symlink_to(path)
    Ownership(path).release()


def test_a_lock_that_is_replaced_while_it_is_taken_locks_nothing_and_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "journal.db", ownership_module._take
    path.touch()
    taken: list[int] = []

    def take(descriptor: int) -> None:
        real(descriptor)
        taken.append(os.fstat(descriptor).st_ino)
        if len(taken) == 1:
            with_another_lock(path)

    monkeypatch.setattr(ownership_module, "_take", take)
    owned = Ownership(path)
    assert taken[1] == path.with_name("journal.db.lock").stat().st_ino != taken[0]
    owned.check()
    monkeypatch.undo()
    with pytest.raises(JournalError, match="is open in this process already"):
        Ownership(path)
    owned.release()
