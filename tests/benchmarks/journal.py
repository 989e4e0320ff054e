"""Microseconds an event that is kept on a disk, against the same rows in the same groups by plain sqlite3.

Two floors: the commits alone, and the same commits by a bare thread that is handed each group and answers the loop.
What lies between them is the price of two wake-ups, whoever pays it; the gate is against the second.
"""

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from playbill.model.errors import JournalError
from playbill.model.events import Event, EventType
from playbill.runtime.journals.sqlite.files.connections import connect, prepare_writer
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.journals.sqlite.rows import EventRow, row_of_event
from playbill.runtime.journals.sqlite.schema.migrations import migrate
from playbill.runtime.journals.sqlite.writing.transaction import INSERT_EVENT
from tests.benchmarks.measure import least_seconds, row
from tests.contracts.journal_support import event, put

OVERHEAD_US: Final = 40
"""What an event may cost above 1.1 times the floor."""
ROUNDS: Final = 5
OUTPUT: Final = {"n": 1, "text": "hello world", "items": [1, 2, 3], "score": 0.5}
Groups: TypeAlias = Sequence[Sequence[EventRow]]
"""By group: an event of each stream."""


@dataclass(frozen=True)
class Load:
    """So many streams, each of which appends its next event once the one before is kept, so many times."""

    name: str
    streams: int
    events_each: int

    @property
    def events(self) -> int:
        return self.streams * self.events_each

    @property
    def names(self) -> list[str]:
        return [f"run-{number}" for number in range(self.streams)]

    @property
    def groups(self) -> Groups:
        return [[row_of_event(made(name, seq))[0] for name in self.names] for seq in range(2, self.events_each + 2)]


LOADS: Final = (Load("one chain", 1, 300), Load("100 streams at once", 100, 20))


def made(stream: str, seq: int) -> Event:
    return event(seq, EventType.PIPELINE_NODE_COMPLETED, stream, data={"output": OUTPUT, "live": (0,)})


# ---- the floors -----------------------------------------------------------------------------------------------


def prepare(path: Path, load: Load) -> None:
    """Make a file of the journal's schema with the runs in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, str(path))
        prepare_writer(connection, "FULL")
        sql = "INSERT INTO runs (id, run_id, pipeline, version, status, created_at, last_seq, root)"
        values = [(number, name, number) for number, name in enumerate(load.names, 1)]
        connection.executemany(f"{sql} VALUES (?, ?, 'p', '1', 'running', 0, 1, ?)", values)


def commit(connection: sqlite3.Connection, rows: Sequence[EventRow]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for run, columns in enumerate(rows, 1):
        connection.execute(INSERT_EVENT, (run, *columns, 0))
        connection.execute("UPDATE runs SET last_seq = ? WHERE id = ?", (columns.seq, run))
    connection.execute("COMMIT")


def commits(path: Path, groups: Groups) -> None:
    """Commit group after group, on one thread."""
    with closing(connect(f"file:{path}?mode=rw", reading=False)) as connection:
        prepare_writer(connection, "FULL")
        for rows in groups:
            commit(connection, rows)


async def handed_over(path: Path, groups: Groups) -> None:
    """Commit group after group on a thread of its own, and wait on the loop for each."""
    loop, queue = asyncio.get_running_loop(), SimpleQueue[Sequence[EventRow] | None]()
    kept = asyncio.Event()

    def work() -> None:
        with closing(connect(f"file:{path}?mode=rw", reading=False)) as connection:
            prepare_writer(connection, "FULL")
            while (rows := queue.get()) is not None:
                commit(connection, rows)
                loop.call_soon_threadsafe(kept.set)

    thread = threading.Thread(target=work)
    thread.start()
    for rows in groups:
        queue.put(rows)
        await kept.wait()
        kept.clear()
    queue.put(None)
    thread.join()


# ---- the journal ----------------------------------------------------------------------------------------------


class Chain:
    """A stream whose next event is appended as soon as the one before is kept."""

    def __init__(self, journal: SqliteJournal, name: str, load: Load) -> None:
        self.stream = journal.open(name, self, kept=[made(name, 1)])
        self.left = iter([made(name, seq) for seq in range(2, load.events_each + 2)])
        self.done = asyncio.Event()

    def kept(self, seq: int) -> None:
        following = next(self.left, None)
        if following is None:
            self.done.set()
        else:
            self.stream.append(following)
            self.stream.push()

    def failed(self, error: str) -> None:
        raise AssertionError(error)

    def fenced(self, error: JournalError) -> None:
        raise AssertionError(error)


async def journalled(journal: SqliteJournal, chains: Sequence[Chain]) -> None:
    for chain in chains:
        chain.kept(1)
    for chain in chains:
        await chain.done.wait()


async def measured(load: Load, folder: Path) -> tuple[tuple[float, ...], int]:
    """Return the least seconds of both floors and of the journal, and how many groups the journal made."""
    rounds: list[tuple[float, ...]] = []
    counted = 0
    for number in range(ROUNDS):
        bare, handed, kept = (folder / f"{name}-{number}.db" for name in ("bare", "handed", "journal"))
        for path in (bare, handed):
            prepare(path, load)
        journal = SqliteJournal(f"sqlite:///{kept}")
        for name in load.names:
            await put(journal, made(name, 1))
        chains, groups = [Chain(journal, name, load) for name in load.names], load.groups
        before = journal.metrics.groups
        subjects = (
            lambda bare=bare, groups=groups: asyncio.to_thread(commits, bare, groups),
            lambda handed=handed, groups=groups: handed_over(handed, groups),
            lambda journal=journal, chains=chains: journalled(journal, chains),
        )
        rounds.append(await least_seconds(*subjects, rounds=1))
        counted = journal.metrics.groups - before
        journal.close()
    return tuple(min(seconds) for seconds in zip(*rounds, strict=True)), counted


async def report() -> None:
    """Print two lines for each load; the gate is 1.1 times the floor and 40 us an event."""
    for load in LOADS:
        with tempfile.TemporaryDirectory() as folder:
            seconds, groups = await measured(load, Path(folder))
        bare, handed, subject = (each / load.events * 1e6 for each in seconds)
        name = f"journal, {load.name}"
        row(f"{name}, commits alone", f"{bare:.1f} us", f"{subject:.1f} us", subject / bare, None)
        row(name, f"{handed:.1f} us", f"{subject:.1f} us", subject / handed, 1.1 + OVERHEAD_US / handed)
        print(f"{'':<34} {1e6 / handed:>10.0f} e/s {1e6 / subject:>10.0f} e/s  in {groups} groups", flush=True)


if __name__ == "__main__":
    asyncio.run(report())
