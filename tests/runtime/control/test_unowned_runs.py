"""What is appended to a run that nobody has at work, be its events what they may, and when the journal fails."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from playbill.actors.answers import NotKeptYet
from playbill.model.errors import DefinitionError
from playbill.model.facts import RunStatus
from playbill.model.messages import Cancel, Pause
from playbill.runtime.journals.index import RunRow
from playbill.runtime.journals.refusals import Fenced
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.recovery.unowned_runs import UnownedRuns
from tests.contracts.journal_support import AT, event, put

pytestmark = pytest.mark.anyio
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    made = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    await put(made, event(1))
    made.drop("r")
    yield made
    await made.aclose()


@pytest.fixture
def unowned(journal: SqliteJournal) -> UnownedRuns:
    return UnownedRuns(journal, lambda: LONG_AGO)


async def row_of(journal: SqliteJournal) -> RunRow:
    row = await journal.reading.run("r")
    assert row is not None
    return row


async def test_a_clock_that_was_set_back_does_not_take_the_stream_back(
    journal: SqliteJournal, unowned: UnownedRuns
) -> None:
    assert await unowned.tell(await row_of(journal), Pause())
    assert [(each.seq, each.at) for each in await journal.reading.events("r")] == [(1, AT), (2, AT)]
    assert not await unowned.tell(await row_of(journal), Pause())
    assert "r" not in journal.streams


async def test_a_run_whose_events_nobody_can_read_is_cancelled(journal: SqliteJournal, unowned: UnownedRuns) -> None:
    await journal.write_rows(lambda connection: connection.execute("UPDATE events SET type = 'newer.thing'").rowcount)
    with pytest.raises(DefinitionError):
        await journal.reading.events("r")
    assert await unowned.tell(await row_of(journal), Cancel("user", "enough"))
    row = await row_of(journal)
    assert (row.status, row.last_seq, row.ended_at) == (RunStatus.CANCELLED, 3, AT)
    assert [str(each.type) for each in await journal.reading.events("r", 2)] == [
        "pipeline_run.cancel_requested",
        "pipeline_run.cancelled",
    ]


async def test_what_somebody_else_has_written_meanwhile_is_not_written_over(
    journal: SqliteJournal, unowned: UnownedRuns
) -> None:
    before = await row_of(journal)
    assert await unowned.tell(before, Pause())
    with pytest.raises(Fenced):
        await unowned.tell(before, Cancel("user"))
    assert (await row_of(journal)).last_seq == 2


async def test_while_the_journal_fails_one_is_told_so_and_it_is_kept_once_it_can_be(
    journal: SqliteJournal, unowned: UnownedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(self: object, encoded: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("playbill.runtime.journals.waiters.PATIENCE_SECONDS", 0.1)
    row = await row_of(journal)
    with monkeypatch.context() as broken:
        broken.setattr("playbill.runtime.journals.sqlite.writing.store.Store._keep", disk_full)
        with pytest.raises(NotKeptYet, match="run 'r' is paused as soon as it is kept"):
            await unowned.tell(row, Pause())
        assert journal.error is not None
        with pytest.raises(NotKeptYet, match="what run 'r' was told before is in force"):
            await unowned.settle("r")
    monkeypatch.setattr("playbill.runtime.journals.waiters.PATIENCE_SECONDS", 30.0)
    await unowned.settle("r")
    assert await unowned.tell(await row_of(journal), Cancel("user"))
    assert (await row_of(journal)).last_seq == 4
    assert (await row_of(journal)).status is RunStatus.CANCELLED
