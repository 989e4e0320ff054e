"""What a recovery reads of a journal: the runs in their order, many together; a damaged one harms no other."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from playbill.model.errors import JournalError, UnknownRun
from playbill.model.events import Event
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.recovery import stored_history
from playbill.runtime.recovery.stored_history import StoredHistory
from tests.contracts.journal_support import event, put

pytestmark = pytest.mark.anyio
IDS = ["a", "b", "c", "d", "e"]


async def file_of_runs(folder: Path) -> Path:
    journal = SqliteJournal(f"sqlite:///{folder}/journal.db")
    for run_id in IDS:
        await put(journal, event(1, stream=run_id), event(2, stream=run_id), event(3, stream=run_id))
    await journal.aclose()
    return journal.path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def read(path: Path) -> dict[str, list[Event] | None]:
    journal = SqliteJournal(f"sqlite:///{path}")
    try:
        history = StoredHistory(journal.reading, lambda: None)
        return {row.run_id: events async for row, events in history.each(await history.unfinished())}
    finally:
        await journal.aclose()


@pytest.mark.parametrize("page", [2, 4, 6, 7, 1000])
async def test_runs_are_given_in_their_order_whatever_a_page_has(
    page: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await file_of_runs(tmp_path)
    monkeypatch.setattr(stored_history, "PAGE", page)
    found = await read(path)
    assert list(found) == IDS
    whole = [run_id for run_id, events in found.items() if events and [each.seq for each in events] == [1, 2, 3]]
    assert whole == ([] if page < 4 else IDS)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{' WHERE run = 2 AND seq = 2",
        "UPDATE events SET data = x'00' WHERE run = 2 AND seq = 2",
        "UPDATE events SET beside = 1 WHERE run = 2 AND seq = 2",
        "DELETE FROM events WHERE run = 2 AND seq = 3",
        "DELETE FROM events WHERE run = 2 AND seq = 1",
        "UPDATE events SET type = 'pipeline_run.invented' WHERE run = 2 AND seq = 1",
    ],
)
async def test_what_is_damaged_is_left_to_who_reads_that_run_alone(statement: str, tmp_path: Path) -> None:
    path = await file_of_runs(tmp_path)
    change(path, statement)
    found = await read(path)
    assert list(found) == IDS
    assert found["b"] is None


async def test_ids_that_begin_alike_are_not_mixed_up(tmp_path: Path) -> None:
    path = await file_of_runs(tmp_path)
    change(path, "UPDATE runs SET run_id = 'a' || char(0) || 'b' WHERE run_id = 'b'")
    found = await read(path)
    assert list(found) == ["a", "a\0b", "c", "d", "e"]
    assert found["a\0b"] is None
    assert [events[0].stream for events in found.values() if events] == ["a", "c", "d", "e"]


async def test_who_leaves_early_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await file_of_runs(tmp_path)
    monkeypatch.setattr(stored_history, "PAGE", 4)
    journal = SqliteJournal(f"sqlite:///{path}")
    history = StoredHistory(journal.reading, lambda: None)
    rows, before = await history.unfinished(), asyncio.all_tasks()
    each = history.each(rows)
    row, events = await anext(each)
    assert (row.run_id, len(events or ())) == ("a", 3)
    await each.aclose()
    await journal.aclose()
    assert asyncio.all_tasks() == before
    with pytest.raises(JournalError, match="is closed"):
        await history.events(row)


async def test_a_run_that_was_forgotten_since_its_row_was_read_is_none_and_no_damage(tmp_path: Path) -> None:
    path = await file_of_runs(tmp_path)
    journal = SqliteJournal(f"sqlite:///{path}")
    history = StoredHistory(journal.reading, lambda: None)
    row = await history.row("b")
    assert row is not None
    assert len(await history.events(row)) == 3
    change(path, "DELETE FROM events WHERE run = 2", "DELETE FROM runs WHERE run_id = 'b'")
    with pytest.raises(UnknownRun, match="'b'"):
        await history.events(row)
    with pytest.raises(UnknownRun, match="'b'"):
        await history.definition(row, {})
    await journal.aclose()
