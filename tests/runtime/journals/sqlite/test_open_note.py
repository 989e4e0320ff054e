"""The note that a journal is open: who has written it and not taken it away has crashed."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.journals.sqlite.writing.open_note import OpenNote
from tests.contracts.journal_support import COMPLETED, event, put
from tests.runtime.journals.sqlite.faulty import Faults

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def minutes(*of: float) -> tuple[datetime, ...]:
    return tuple(NOW + timedelta(minutes=each) for each in of)


class Rows:
    """The rows that writers leave, through many owners."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def opened(self, minute: float) -> OpenNote:
        return OpenNote(self.rows, f"t{minute}", NOW + timedelta(minutes=minute))

    def keep(self, note: OpenNote) -> None:
        self.rows |= note.opening()
        note.opened()

    def close(self, note: OpenNote) -> None:
        for name, value in note.closing().items():
            if value is None:
                self.rows.pop(name, None)
            else:
                self.rows[name] = value


def test_the_first_owner_finds_no_crash_and_notes_that_it_is_open_once() -> None:
    rows = Rows()
    note = rows.opened(0)
    assert (note.crashes, repr(note)) == ((), "<OpenNote not kept crashes=0>")
    rows.keep(note)
    assert ([*rows.rows], note.opening(), repr(note)) == (["open"], {}, "<OpenNote kept crashes=0>")


def test_who_closes_in_order_takes_it_away() -> None:
    rows = Rows()
    note = rows.opened(0)
    rows.keep(note)
    rows.close(note)
    assert (rows.rows, rows.opened(1).crashes) == ({}, ())


def test_who_kept_nothing_leaves_nothing() -> None:
    rows = Rows()
    note = rows.opened(0)
    assert (note.closing(), rows.rows) == ({}, {})


def test_the_next_owner_finds_the_crash_of_one_that_did_not() -> None:
    rows = Rows()
    rows.keep(rows.opened(0))
    note = rows.opened(1)
    assert note.crashes == minutes(1)
    rows.keep(note)
    rows.close(note)
    assert rows.opened(2).crashes == minutes(1)


def test_the_last_three_crashes_are_remembered() -> None:
    rows = Rows()
    for minute in range(5):
        rows.keep(rows.opened(minute))
    assert rows.opened(5).crashes == minutes(3, 4, 5)


def test_who_found_a_crash_and_kept_nothing_remembers_it_as_it_closes() -> None:
    rows = Rows()
    rows.keep(rows.opened(0))
    rows.close(rows.opened(1))
    assert rows.opened(9).crashes == minutes(1)


def test_who_found_a_crash_and_crashed_before_it_kept_anything_is_not_noticed() -> None:
    rows = Rows()
    rows.keep(rows.opened(0))
    assert rows.opened(1).crashes == minutes(1)
    assert rows.opened(2).crashes == minutes(2)


# ---- in a file ---------------------------------------------------------------------------------------------------


def writer_rows(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT name, value FROM writer WHERE name != 'group'"))


async def test_a_journal_that_keeps_nothing_writes_no_note_and_commits_nothing(tmp_path: Path) -> None:
    faults = Faults()
    seen: list[str] = []
    SqliteJournal(f"sqlite:///{tmp_path}/a.db").close()
    faults.before = seen.append
    journal = SqliteJournal(f"sqlite:///{tmp_path}/a.db", connect=faults)
    await journal.copy(tmp_path / "open.db")
    await journal.aclose()
    assert [sql for sql in seen if sql.startswith(("BEGIN", "COMMIT", "INSERT", "DELETE"))] == []
    assert writer_rows(tmp_path / "open.db") == writer_rows(tmp_path / "a.db") == {}


async def test_the_note_is_kept_with_the_first_group_and_taken_away_in_one_commit(tmp_path: Path) -> None:
    faults = Faults()
    seen: list[str] = []
    SqliteJournal(f"sqlite:///{tmp_path}/a.db").close()
    faults.before = seen.append
    journal = SqliteJournal(f"sqlite:///{tmp_path}/a.db", connect=faults)
    await put(journal, event(1))
    await journal.copy(tmp_path / "open.db")
    await put(journal, event(2, COMPLETED))
    assert (seen.count("COMMIT"), journal.metrics.groups) == (2, 2)
    assert len([sql for sql in seen if "INTO writer" in sql]) == 1
    await journal.aclose()
    assert seen.count("COMMIT") == 3
    assert [*writer_rows(tmp_path / "open.db")] == ["open"]
    assert writer_rows(tmp_path / "a.db") == {}


async def test_a_note_whose_commit_failed_is_kept_with_the_next_try(tmp_path: Path) -> None:
    faults = Faults()
    journal = SqliteJournal(f"sqlite:///{tmp_path}/a.db", connect=faults)
    faults.fail("COMMIT", 1)
    await put(journal, event(1))
    await journal.copy(tmp_path / "open.db")
    await journal.aclose()
    assert (journal.metrics.failures, [*writer_rows(tmp_path / "open.db")]) == (1, ["open"])
    assert writer_rows(tmp_path / "a.db") == {}


async def test_closing_without_its_loop_is_in_order_too(tmp_path: Path) -> None:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/a.db")
    await put(journal, event(1), event(2, COMPLETED))
    journal.close()
    assert writer_rows(tmp_path / "a.db") == {}


async def test_a_disk_that_fails_as_it_closes_leaves_the_note(tmp_path: Path) -> None:
    faults = Faults()
    journal = SqliteJournal(f"sqlite:///{tmp_path}/a.db", connect=faults)
    await put(journal, event(1))
    faults.fail("DELETE FROM writer", 1)
    await journal.aclose()
    assert [*writer_rows(tmp_path / "a.db")] == ["open"]


async def test_a_file_that_was_lost_is_not_written_to(tmp_path: Path) -> None:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/a.db")
    await put(journal, event(1))
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"a.db{suffix}").rename(tmp_path / f"moved.db{suffix}")
    journal.close()
    assert [*writer_rows(tmp_path / "moved.db")] == ["open"]
