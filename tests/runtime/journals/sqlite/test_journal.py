"""What only a journal on a disk does: it goes on after a restart, prunes, checkpoints, and copies itself."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from playbill.model.errors import JournalError
from playbill.model.events import LOOP, EventType
from playbill.runtime.journals.sqlite.files.connections import connect, open_reader
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.journals.sqlite.metrics import JournalMetrics, ReadInProgress
from playbill.runtime.journals.sqlite.reading.reader import SqliteReader
from playbill.runtime.journals.sqlite.writing import checkpoints as checkpoints_module
from playbill.runtime.journals.sqlite.writing import pruning
from playbill.runtime.journals.sqlite.writing import thread as thread_module
from playbill.runtime.journals.sqlite.writing.checkpoints import Checkpoints
from tests.contracts.journal_support import AT, COMPLETED, Heard, event, put, row, seqs
from tests.runtime.journals.sqlite.history import check_history

pytestmark = pytest.mark.anyio
CLOSED = EventType.BREAKER_CLOSED


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    made = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    yield made
    made.close()
    check_history(made.path)


def reopened(journal: SqliteJournal) -> SqliteJournal:
    journal.close()
    return SqliteJournal(f"sqlite:///{journal.path}")


# ---- streams --------------------------------------------------------------------------------------------------


async def test_listeners_are_shown_an_event_once_it_is_kept_and_not_before(journal: SqliteJournal) -> None:
    stream = journal.open("r", heard := Heard())
    reader, tail = stream.read(), journal.tail()
    assert stream.append(event(1)) is False
    assert (reader.take(), tail.take(), heard.seqs) == (None, None, [])
    assert repr(stream) == "<SqliteStream r kept=0 waiting=1>"
    stream.push()
    assert ((await anext(reader)).seq, (await anext(tail)).seq, heard.seqs) == (1, 1, [1])
    assert [each.seq for each in await journal.reading.events("r")] == [1]


async def test_an_event_that_nobody_waits_for_is_kept_a_little_later(journal: SqliteJournal) -> None:
    journal.open("r", heard := Heard()).append(event(1))
    await heard.until_kept(1)


async def test_a_stream_of_playbills_own_goes_on_from_its_last_seq(journal: SqliteJournal) -> None:
    def closed(seq: int) -> object:
        return event(seq, CLOSED, "breaker:shop", data={"epoch": 1, "target": "x"})

    await put(journal, closed(1), closed(2))  # type: ignore[arg-type]
    journal.drop("breaker:shop")
    journal.open("breaker:shop", heard := Heard()).append(closed(1))  # type: ignore[arg-type]
    await heard.until_kept(1)  # its actor counts from 1 with each start
    again = reopened(journal)
    stream = again.open("breaker:shop", heard := Heard())
    stream.append(closed(1))  # type: ignore[arg-type]
    await heard.until_kept(1)
    assert [each.seq for each in await again.reading.events("breaker:shop")] == [1, 2, 3, 4]
    assert heard.seqs == [1]
    assert stream.last_seq == 4
    again.close()


async def test_a_large_event_of_playbills_own_is_kept_whole(journal: SqliteJournal) -> None:
    data = {"run_id": None, "seconds": 1.0, "stack": "frame\n" * 20_000}
    blocked = event(1, EventType.LOOP_BLOCKED, LOOP, data=data)
    await put(journal, blocked)
    assert list(await journal.reading.events(LOOP)) == [blocked]


async def test_a_run_goes_on_after_a_restart_with_what_a_recovery_has_read(journal: SqliteJournal) -> None:
    await put(journal, event(1), event(2))
    again = reopened(journal)
    kept = await again.reading.events("r")
    stream = again.open("r", heard := Heard(), kept)
    stream.append(event(3, COMPLETED))
    await heard.until_kept(3)
    assert await seqs(stream.read()) == [1, 2, 3]
    again.close()


async def test_a_stream_that_is_no_longer_in_memory_is_read_from_the_file(journal: SqliteJournal) -> None:
    await put(journal, *map(event, range(1, 1200)), event(1200, COMPLETED))
    live = journal.read("r", 1100)
    journal.drop("r")
    stored = journal.read("r", 2)
    assert stored.take() is None  # nothing is read on the loop
    assert [(await anext(stored)).seq for _ in range(2)] == [2, 3]
    next_one = stored.take()
    assert next_one is not None
    assert next_one.seq == 4
    assert [each.seq async for each in stored] == list(range(5, 1201))
    assert stored.is_over
    assert [each.seq async for each in live] == list(range(1100, 1201))
    assert await seqs(journal.read("nobody")) == []


async def test_an_id_that_an_earlier_process_used_is_taken(journal: SqliteJournal) -> None:
    await put(journal, event(1))
    again = reopened(journal)
    begun = again.begin_run(row("r"))
    stream = again.open("r", Heard())
    stream.append(event(1, at=AT + timedelta(days=1)))
    with pytest.raises(JournalError, match="the journal has a run 'r' already"):
        await begun
    again.drop("r")
    again.close()


# ---- definitions ----------------------------------------------------------------------------------------------


async def test_a_definition_is_kept_once_and_a_large_one_compressed(journal: SqliteJournal) -> None:
    small, large = '{"name":"p"}', '{"name":"' + "p" * 200_000 + '"}'
    for number, text in enumerate((small, large, large)):
        begun = journal.begin_run(row(f"r{number}", definition=hash_of(text)), text)
        await put(journal, event(1, stream=f"r{number}"))
        await begun
    with closing(open_reader(journal.path)) as reader:
        found = reader.execute("SELECT length(json), length(zlib) < 1000 FROM definitions ORDER BY length(json)")
        assert found.fetchall() == [(None, 1), (len(small), None)]
    assert await journal.reading.definition(hash_of(large)) == large


# ---- pruning --------------------------------------------------------------------------------------------------


async def test_pruning_goes_on_where_it_was_broken_off_and_gives_space_back(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "TREES_A_COMMIT", 2)
    monkeypatch.setattr(pruning, "ROWS_A_COMMIT", 40)
    large = {"output": {"a": "b" * 100_000}, "live": ()}
    for number in range(5):
        name = f"r{number}"
        begun = journal.begin_run(row(name, definition=hash_of(name), attributes={"n": number}), name)
        node = event(2, EventType.PIPELINE_NODE_COMPLETED, name, data=large)
        await put(journal, event(1, stream=name), node, *(event(seq, stream=name) for seq in range(3, 60)))
        await put(journal, event(60, COMPLETED, name))
        await begun
    assert await journal._work(lambda connection: pruning.condemn(connection, 2**60, ["completed"])) == 2
    assert await journal._work(pruning.sweep)
    again = reopened(journal)  # in the midst of it
    assert await again.prune(AT + timedelta(days=1)) == 3
    with closing(open_reader(again.path)) as reader:
        tables = ("runs", "events", "payloads", "attributes", "definitions", "pruned", "log_lines")
        assert [reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables] == [0] * 7
        assert reader.execute("PRAGMA freelist_count").fetchone()[0] == 0
    again.close()


async def test_pruning_leaves_what_gives_the_state_of_playbills_own_streams(journal: SqliteJournal) -> None:
    events = [
        event(seq, CLOSED, "breaker:shop", data={"epoch": seq, "target": target})
        for seq, target in enumerate("aabbab", 1)
    ]
    await put(journal, *events)
    await journal.prune(AT + timedelta(days=1))
    assert [each.seq for each in await journal.reading.events("breaker:shop")] == [5, 6]
    again = reopened(journal)
    assert again.open("breaker:shop", Heard()).last_seq == 6
    again.close()


# ---- the WAL --------------------------------------------------------------------------------------------------


async def test_the_owner_checkpoints_when_it_is_idle(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_module, "IDLE_SECONDS", 0.0)
    await put(journal, event(1))
    copied = asyncio.Event()
    loop, take = asyncio.get_running_loop(), Checkpoints.take

    def taken(self: Checkpoints, connection: sqlite3.Connection, *, shorten: bool = False) -> None:
        take(self, connection, shorten=shorten)
        loop.call_soon_threadsafe(copied.set)

    monkeypatch.setattr(Checkpoints, "take", taken)
    await put(journal, event(2))
    await copied.wait()
    assert journal.metrics.checkpoints >= 1
    assert journal.metrics.forced_checkpoints == 0


async def test_a_wal_that_is_too_long_is_copied_between_two_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoints.__init__, "__defaults__", (100_000,))
    monkeypatch.setattr(checkpoints_module, "LOOK_SECONDS", 0.0)
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    for seq in range(1, 40):
        await put(journal, event(seq))
    journal.close()
    assert journal.metrics.forced_checkpoints >= 2
    assert journal.metrics.hindered_checkpoints == 0


def test_a_reader_that_takes_too_long_is_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.db"
    metrics, reading = JournalMetrics(), ReadInProgress("events of 'r' from 1 on", time.monotonic() - 31)
    monkeypatch.setattr(checkpoints_module, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints_module, "LOOK_SECONDS", 0.0)
    made = Checkpoints(path, metrics, lambda: reading, limit=0)
    with closing(connect(f"file:{path}?mode=rwc", reading=False)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE some (a)")
        with closing(open_reader(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM some").fetchall()
            for _ in range(2):
                writer.execute("INSERT INTO some VALUES (1)")
                made.between_groups(writer)
            assert metrics.hindered_checkpoints == 2
            reader.execute("ROLLBACK")
        made.between_groups(writer)
        assert (made.is_due, metrics.wal_bytes) == (False, 0)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("a reader of the journal keeps its WAL (")
    assert caplog.messages[0].endswith("from being copied for 31 s: events of 'r' from 1 on")
    assert caplog.records[0].levelno == logging.WARNING


async def test_the_writer_never_maps_the_file_and_never_checkpoints_by_itself(journal: SqliteJournal) -> None:
    def settings(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "wal_autocheckpoint", "mmap_size")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await journal._work(settings) == ["wal", 2, 0, 0]


async def test_synchronous_may_be_normal_and_nothing_else(tmp_path: Path) -> None:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db", synchronous="NORMAL")
    assert await journal._work(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (1,)
    journal.close()
    with pytest.raises(JournalError, match="synchronous is FULL or NORMAL, not 'OFF'"):
        SqliteJournal(f"sqlite:///{tmp_path}/journal.db", synchronous="OFF")  # type: ignore[arg-type]


# ---- copies and readers ---------------------------------------------------------------------------------------


async def test_a_copy_is_a_journal_of_its_own(journal: SqliteJournal, tmp_path: Path) -> None:
    await put(journal, event(1))
    copy = tmp_path / "copy.db"
    await journal.copy(copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    other = SqliteJournal(f"sqlite:///{copy}")
    assert [each.seq for each in await other.reading.events("r")] == [1]
    other.close()
    with pytest.raises(JournalError, match="cannot be copied to: File exists"):
        await journal.copy(copy)


async def test_others_read_while_the_owner_writes_and_after_it_was_closed(journal: SqliteJournal) -> None:
    reader = SqliteReader(journal.path, connect)
    await put(journal, event(1))
    assert [each.seq for each in await reader.events("r")] == [1]
    await put(journal, event(2))
    assert [each.seq for each in await reader.events("r")] == [1, 2]
    await journal.aclose()
    assert [each.seq for each in await reader.events("r")] == [1, 2]
    reader.close()
    with pytest.raises(JournalError, match="is closed: open it again to read it"):
        await reader.events("r")


async def test_a_close_breaks_off_what_is_read(journal: SqliteJournal) -> None:
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    def read(connection: sqlite3.Connection) -> object:
        loop.call_soon_threadsafe(begun.set)
        return connection.execute(endless).fetchone()

    reader = SqliteReader(journal.path, connect)
    reading = asyncio.create_task(reader._read("an endless query", read))
    await begun.wait()
    assert reader.reading is not None
    assert reader.reading.what == "an endless query"
    await asyncio.to_thread(reader.close)
    with pytest.raises(JournalError, match="cannot be read: interrupted"):
        await reading


async def test_a_journal_that_was_closed_is_read_and_not_written(journal: SqliteJournal) -> None:
    stream = await put(journal, event(1))
    await journal.aclose()
    reader = SqliteReader(journal.path, connect)
    assert [each.seq for each in await reader.events("r")] == [1]
    reader.close()
    stream.append(event(2))
    said = "is closed: open it again to write to it"
    with pytest.raises(JournalError, match=said):
        journal.begin_run(row("s"))
    with pytest.raises(JournalError, match=said):
        await journal.prune(AT)
    with pytest.raises(JournalError, match=said):
        journal.write_rows(lambda connection: None)


async def test_a_closed_journal_leaves_one_file_and_the_locks(journal: SqliteJournal) -> None:
    await put(journal, event(1))
    await journal.aclose()
    await journal.aclose()
    assert sorted(path.name for path in journal.path.parent.iterdir()) == ["journal.db", "journal.db.lock"]
    assert repr(journal) == f"<SqliteJournal {journal.path} closed streams=1>"
