"""When the disk fails: nothing that was acknowledged is lost, nothing is kept twice, and runs go on by themselves."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from playbill.model.errors import JournalError
from playbill.model.events import Event, EventType
from playbill.runtime.journals.refusals import Fenced, RunIdTaken
from playbill.runtime.journals.sqlite import journal as journal_module
from playbill.runtime.journals.sqlite.files.connections import connect
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.contracts.journal_support import Heard, event, put, row
from tests.runtime.journals.sqlite.faulty import Faults, small_disk
from tests.runtime.journals.sqlite.history import check_history

pytestmark = pytest.mark.anyio


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def journal(tmp_path: Path, faults: Faults) -> AsyncIterator[SqliteJournal]:
    made = SqliteJournal(f"sqlite:///{tmp_path}/journal.db", connect=faults)
    yield made
    made.close()
    check_history(made.path)


async def stored(journal: SqliteJournal, stream: str = "r") -> list[Event]:
    return list(await journal.reading.events(stream, limit=100_000))


async def test_who_waits_hears_once_that_the_journal_fails_and_then_that_it_keeps(
    journal: SqliteJournal, faults: Faults
) -> None:
    faults.fail("INSERT INTO events", 3)
    heard = Heard()
    stream = journal.open("r", heard)
    stream.append(event(1))
    stream.push()
    await heard.until(lambda: bool(heard.errors))
    assert heard.seqs == []
    assert stream.read().take() is None  # listeners see what is kept, and nothing else
    await heard.until_kept(1)
    assert [error.partition(": ")[2] for error in heard.errors] == [
        "disk I/O error; the disk does not write or read it: look at the disk and its free space"
    ]
    assert journal.metrics.failures == 3
    assert [each.seq for each in await stored(journal)] == [1]
    faults.fail("INSERT INTO events", 1)
    stream.append(event(2))
    stream.push()
    await heard.until_kept(2)
    assert len(heard.errors) == 2


async def test_an_answer_that_was_lost_is_settled_by_reading_back(journal: SqliteJournal, faults: Faults) -> None:
    events = [event(1), event(2)]
    faults.fail("COMMIT", 1, after=True)
    await put(journal, *events)
    assert await stored(journal) == events
    assert journal.metrics.failures == 1
    await put(journal, event(3))
    assert [each.seq for each in await stored(journal)] == [1, 2, 3]


async def test_a_commit_that_did_not_happen_happens_once(journal: SqliteJournal, faults: Faults) -> None:
    faults.fail("COMMIT", 2)
    await put(journal, event(1), event(2))
    assert [each.seq for each in await stored(journal)] == [1, 2]


async def test_a_run_whose_answer_was_lost_has_begun_and_is_not_taken_for_another(
    journal: SqliteJournal, faults: Faults
) -> None:
    writes: list[int] = []
    faults.fail("COMMIT", 1, after=True)
    begun = journal.begin_run(row("r"))
    others = journal.write_rows(lambda connection: writes.append(1))
    await put(journal, event(1))
    await begun
    await others
    assert writes == [1]  # not once more: the group was kept


async def test_rows_of_others_share_a_commit_with_an_event_and_are_refused_alone(journal: SqliteJournal) -> None:
    def make(connection: sqlite3.Connection) -> str:
        connection.execute("CREATE TABLE schedules (name TEXT PRIMARY KEY)")
        connection.execute("INSERT INTO schedules VALUES ('daily')")
        return "made"

    groups = journal.metrics.groups
    made = journal.write_rows(make)
    refused = journal.write_rows(lambda connection: connection.execute("INSERT INTO schedules VALUES ('daily')"))
    await put(journal, event(1))
    assert await made == "made"
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        await refused
    assert journal.metrics.groups == groups + 1
    assert [each.seq for each in await stored(journal)] == [1]

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO schedules VALUES ('hourly')")
        raise KeyError("half done")

    with pytest.raises(KeyError, match="half done"):
        await journal.write_rows(half)
    count = "SELECT count(*) FROM schedules"
    assert await journal._work(lambda connection: connection.execute(count).fetchone()) == (1,)


async def test_an_event_that_another_has_written_fences_its_stream(
    journal: SqliteJournal, caplog: pytest.LogCaptureFixture
) -> None:
    await put(journal, event(1), event(2))
    heard = Heard()
    stream = journal.open("r", heard)  # as if by a second owner: it does not know of the two
    for seq in (1, 2):
        stream.append(event(seq, EventType.PIPELINE_RUN_RESUMED if seq == 2 else None))
    stream.push()
    await heard.until(lambda: bool(heard.errors))
    assert isinstance(stream.refused, Fenced)
    assert heard.errors == [
        "event 2 of 'r' cannot be kept: another event has this seq; somebody else writes this stream"
    ]
    assert heard.errors == caplog.messages
    assert heard.seqs == [1]  # that one is there, and equal
    stream.append(event(3))
    await put(journal, event(1, stream="other"))  # others go on
    assert [each.type for each in await stored(journal)][1:] == [EventType.PIPELINE_RUN_PAUSED]
    journal.drop("r")


async def test_a_gap_fences_a_stream(journal: SqliteJournal) -> None:
    await put(journal, event(1))
    stream = journal.open("r", heard := Heard())
    stream.append(event(3))
    stream.push()
    await heard.until(lambda: bool(heard.errors))
    assert "its last event kept is 1" in heard.errors[0]
    journal.drop("r")


async def test_an_event_that_json_cannot_say_fences_its_stream_and_no_other(journal: SqliteJournal) -> None:
    stream = journal.open("bad", heard := Heard())
    stream.append(event(1, stream="bad"))
    stream.append(event(2, EventType.PIPELINE_NODE_COMPLETED, "bad", data={"output": {"a": object()}, "live": ()}))
    await put(journal, event(1, stream="good"))
    await heard.until(lambda: bool(heard.errors))
    assert "event 2 of 'bad' cannot be kept: it is not JSON: " in heard.errors[0]
    assert heard.seqs in ([], [1])
    assert [each.seq for each in await stored(journal, "bad")] == [1]
    journal.drop("bad")


async def test_nothing_of_a_run_whose_id_is_taken_is_kept(journal: SqliteJournal) -> None:
    await put(journal, event(1), event(2))
    journal.drop("r")
    begun = journal.begin_run(row("r", pipeline="other"))
    stream = journal.open("r", heard := Heard())
    stream.append(event(1, at=row("r", 5).created_at))
    await asyncio.sleep(0)
    stream.append(event(3))  # collected before anybody knows, and it would fit the other's stream
    stream.push()
    with pytest.raises(RunIdTaken):
        await begun
    stream.append(event(4))
    await put(journal, event(1, stream="behind"))
    assert [each.seq for each in await stored(journal)] == [1, 2]
    assert (heard.seqs, len(heard.errors)) == ([], 1)
    journal.drop("r")


async def test_a_full_disk_holds_runs_until_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1024) as disk:
        ballast = disk / "ballast"
        journal = SqliteJournal(f"sqlite:///{disk}/journal.db")
        ballast.write_bytes(b"x" * 500_000)
        heard = Heard()
        stream = journal.open("r", heard)
        await put(journal, event(1))
        output = {"output": {"text": "y" * 60_000}, "live": ()}
        seqs = iter(range(2, 100))
        while not heard.errors:
            stream.append(event(seq := next(seqs), EventType.PIPELINE_NODE_COMPLETED, data=output))
            stream.push()
            await heard.until(lambda: bool(heard.errors) or not stream.waits)
        assert "there is no space left for it: make some; runs wait meanwhile" in heard.errors[0]
        assert [each.seq for each in await stored(journal)] == list(range(1, seq))
        ballast.unlink()
        await heard.until_kept(seq)
        assert [each.seq for each in await stored(journal)] == list(range(1, seq + 1))
        journal.close()
        check_history(journal.path)


async def test_a_file_that_may_not_grow_holds_runs_until_it_may(journal: SqliteJournal, faults: Faults) -> None:
    await put(journal, event(1))
    limits = iter((1, 1))  # pages: no more than there are
    faults.prepare = lambda connection: connection.execute(f"PRAGMA max_page_count = {next(limits, 10_000)}")
    faults.fail("BEGIN IMMEDIATE", 1)  # so that the connection is a new one
    stream = journal.streams["r"]
    heard: Heard = stream.keeper  # type: ignore[attr-defined]
    stream.append(event(2, EventType.PIPELINE_NODE_COMPLETED, data={"output": {"a": "b" * 60_000}, "live": ()}))
    stream.append(event(3, EventType.PIPELINE_NODE_COMPLETED, data={"output": {"a": "b" * 60_000}, "live": ()}))
    stream.push()
    await heard.until_kept(3)
    assert journal.metrics.failures == 3
    assert [each.seq for each in await stored(journal)] == [1, 2, 3]


async def test_who_closes_a_journal_that_keeps_nothing_is_told_of_which_runs(
    journal: SqliteJournal, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "CLOSE_SECONDS", 0.2)
    await put(journal, event(1, stream="fine"))
    begun = journal.begin_run(row("r"))
    journal.open("r", Heard()).append(event(1))
    faults.fail("BEGIN IMMEDIATE", 1_000_000)
    with pytest.raises(JournalError, match=r"is closed, and could not keep all of 'r': make it writable"):
        await journal.aclose()
    assert isinstance(begun.exception(), JournalError)
    journal.close()  # once more does nothing
    again = SqliteJournal(f"sqlite:///{journal.path}")
    assert [each.seq for each in await stored(again, "fine")] == [1]
    assert await again.reading.run("r") is None
    again.close()


async def test_a_journal_whose_disk_does_not_answer_stays_locked(
    tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "CLOSE_SECONDS", 0.1)
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db", connect=faults)
    answers = threading.Event()
    faults.before = lambda sql: answers.wait()
    stream = journal.open("r", Heard())
    stream.append(event(1))
    stream.push()
    with pytest.raises(JournalError, match="its disk does not answer: it stays locked until this process ends"):
        journal.close()
    with pytest.raises(JournalError, match="is open in this process already"):
        SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    answers.set()
    assert journal._thread.join(30)
    journal.ownership.release()


async def test_a_close_that_holds_the_loop_keeps_what_was_appended(tmp_path: Path) -> None:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    stream = journal.open("r", heard := Heard())
    stream.append(event(1))
    stream.push()
    stream.append(event(2))
    journal.close()
    assert heard.seqs[-1] == 2
    again = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    assert [each.seq for each in await stored(again)] == [1, 2]
    await again.aclose()


async def test_another_program_that_holds_the_file_is_waited_for(journal: SqliteJournal, faults: Faults) -> None:
    await put(journal, event(1))
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:  # as a shell in another process would
        other.execute("BEGIN IMMEDIATE")
        stream = journal.streams["r"]
        heard: Heard = stream.keeper  # type: ignore[attr-defined]
        stream.append(event(2))
        stream.push()
        await heard.until(lambda: bool(heard.errors))
        assert "another program has locked it: end that one" in heard.errors[0]
        other.execute("ROLLBACK")
    await heard.until_kept(2)
    assert [each.seq for each in await stored(journal)] == [1, 2]


async def test_one_connection_writes_and_all_others_can_only_read(
    journal: SqliteJournal, faults: Faults, tmp_path: Path
) -> None:
    await put(journal, event(1))
    await journal.reading.events("r")
    await journal.copy(tmp_path / "copy.db")
    await journal.prune(row("r", -5).created_at)
    assert faults.writers == 1
    assert [target for target, reading in faults.targets if reading and "?mode=ro" not in target] == []
    with closing(connect(f"file:{journal.path}?mode=ro", reading=True)) as reader:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM runs")
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert journal.path.with_name("journal.db-wal").stat().st_size > 0


async def test_after_an_error_the_old_connection_is_closed_before_a_new_one_is_opened(
    journal: SqliteJournal, faults: Faults
) -> None:
    order: list[str] = []
    closing_one = sqlite3.Connection.close
    faults.prepare = lambda connection: order.append("opened")
    faults.fail("COMMIT", 1)

    def note(connection: sqlite3.Connection) -> None:
        order.append("closed")
        closing_one(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playbill.runtime.journals.sqlite.writing.store.close_connection", note)
        await put(journal, event(1))
    assert order == ["closed", "opened"]


async def test_a_group_is_kept_together(journal: SqliteJournal) -> None:
    heards = [Heard() for _ in range(50)]
    streams = [journal.open(f"r{number}", heard) for number, heard in enumerate(heards)]
    before = journal.metrics.groups
    for stream in streams:
        stream.append(event(1, stream=stream.name))
        stream.push()
    await asyncio.gather(*(heard.until_kept(1) for heard in heards))
    assert journal.metrics.groups == before + 1
    assert journal.metrics.events == 50
