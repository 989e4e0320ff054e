"""Durable runs of whole pipelines, against their own rows written by plain sqlite3, and the same runs in memory.

The floor is what no engine can save: the rows that playbill wrote in the groups in which it wrote them, noted as its
writer thread reported them, handed group by group to a bare thread. What an engine does besides it does in memory,
too: so the gate is 1.1 times the floor, 1.5 times the run in memory, and 40 us a node.

WARNING: a disk's syncs swing by half from one second to the next. Of each subject the least of some rounds counts.
"""

import asyncio
import gc
import sqlite3
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Literal, NamedTuple

import playbill
from playbill.runtime.journals.sqlite.files.connections import connect, prepare_writer
from playbill.runtime.journals.sqlite.group import KeptGroup
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.journals.sqlite.schema.migrations import migrate
from playbill.runtime.journals.sqlite.writing.transaction import INSERT_EVENT
from tests.benchmarks.measure import row
from tests.benchmarks.runs import definition_of, typed_work
from tests.benchmarks.shapes import Shape, chain, fan, layered

ROUNDS: Final = 5
OF_FLOOR, OF_MEMORY, US_A_NODE = 1.1, 1.5, 40


@dataclass(frozen=True)
class Load:
    """So many runs of a shape at once."""

    name: str
    shape: Shape
    runs: int = 1

    @property
    def nodes(self) -> int:
        return self.runs * len(self.shape.nodes)


LOADS: Final = (
    Load("chain-1000", chain(1000)),
    Load("fan-1000", fan(1000)),
    Load("layered-20x50", layered(20, 50)),
    Load("100 runs of chain-100 at once", chain(100), 100),
)


async def complete(manager: playbill.PipelineRunManager, definition: playbill.PipelineDefinition, runs: int) -> None:
    """Start so many runs at once, and wait for their ends."""
    started = await asyncio.gather(*(manager.start_run(definition) for _ in range(runs)))
    for run in started:
        assert (await run.result()).status == "completed"


async def seconds_of(subject: Callable[[], Awaitable[object]]) -> float:
    gc.collect()
    began = time.perf_counter()
    await subject()
    return time.perf_counter() - began


# ---- what was written -----------------------------------------------------------------------------------------


class Notes:
    """The groups that a journal keeps from now on: of each the streams in it, with the last seq of each.

    Args:
        journal: whose writer thread reports to it by `kept`.
    """

    def __init__(self, journal: SqliteJournal) -> None:
        self.groups: list[list[tuple[str, int]]] = []
        self._hear = journal.kept
        journal.kept = self._kept  # type: ignore[method-assign]

    def _kept(self, outcome: KeptGroup) -> None:
        self.groups.append([(stream.name, seq) for stream, seq in outcome.kept])
        self._hear(outcome)


class RunRows(NamedTuple):
    """What one commit has of a run: parameters of the statements."""

    begin: tuple[Any, ...] | None
    """Of its row, if it begins here; as it is in the end, since the index is not what this is about."""
    events: list[tuple[Any, ...]]
    last: tuple[int, int]
    """The seq of the last of these, and the run's id."""
    end: tuple[Any, ...] | None
    """Its status and when it ended, if it ends here."""


def groups_of(path: Path, noted: Sequence[Sequence[tuple[str, int]]]) -> list[list[RunRows]]:
    """Return the rows of the groups that were noted, as the file has them."""
    with closing(connect(f"file:{path}?mode=ro", reading=True)) as connection:
        rows = {name: columns for columns in connection.execute("SELECT * FROM runs") for name in columns[1:2]}
        done = dict.fromkeys(rows, 0)
        groups: list[list[RunRows]] = []
        for group in noted:
            here: list[RunRows] = []
            for name, seq in group:
                columns = rows[name]
                query = "SELECT * FROM events WHERE run = ? AND seq > ? AND seq <= ? ORDER BY seq"
                events = connection.execute(query, (columns[0], done[name], seq)).fetchall()
                is_end = seq == columns[10]
                here.append(
                    RunRows(
                        None if done[name] else columns,
                        events,
                        (seq, columns[0]),
                        (columns[5], columns[8], seq, columns[0]) if is_end else None,
                    )
                )
                done[name] = seq
            groups.append(here)
    return groups


# ---- the floor ------------------------------------------------------------------------------------------------

INSERT_RUN: Final = f"INSERT INTO runs VALUES ({', '.join('?' * 16)})"


def commit(connection: sqlite3.Connection, group: Sequence[RunRows]) -> None:
    execute = connection.execute
    execute("BEGIN IMMEDIATE")
    for begin, events, last, end in group:
        if begin is not None:
            execute(INSERT_RUN, begin)
        for event in events:
            execute(INSERT_EVENT, event)
        if end is not None:
            execute("UPDATE runs SET status = ?, ended_at = ?, last_seq = ? WHERE id = ?", end)
        else:
            execute("UPDATE runs SET last_seq = ? WHERE id = ?", last)
    execute("COMMIT")


class Floor:
    """A bare thread with a connection, to which groups are handed; the loop waits for each.

    Args:
        path: of a file that it makes, of the journal's schema and settings.
    """

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            migrate(connection, str(path))
            prepare_writer(connection, "FULL")
        self._path = path
        self._queue = SimpleQueue[Sequence[RunRows] | Literal["copy"] | None]()
        self._kept = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        with closing(connect(f"file:{self._path}?mode=rw", reading=False)) as connection:
            prepare_writer(connection, "FULL")
            while (group := self._queue.get()) is not None:
                if group == "copy":
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                else:
                    commit(connection, group)
                self._loop.call_soon_threadsafe(self._kept.set)

    async def keep(self, groups: Sequence[Sequence[RunRows]]) -> None:
        """Have group after group kept."""
        for group in groups:
            self._queue.put(group)
            await self._kept.wait()
            self._kept.clear()

    async def copied(self) -> None:
        """Have the WAL copied."""
        self._queue.put("copy")
        await self._kept.wait()
        self._kept.clear()

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()


# ---- the table ------------------------------------------------------------------------------------------------


class Seconds(NamedTuple):
    """The least of some rounds, and how many groups the last one made."""

    floor: float
    memory: float
    durable: float
    groups: int


async def measured(load: Load, folder: Path, rounds: int = ROUNDS) -> Seconds:
    """Measure a load durably, then its own rows by the floor, then in memory; in turns, so that noise hits all.

    Each round finds both files as the one before left them, copied out of their WALs: else the floor alone would pay
    for a file that grows.
    """
    definition, path, seen = definition_of(load.shape), folder / "runs.db", list[Seconds]()
    told: Any = {"types": [typed_work], "keep_runs": 1, "watchdog_seconds": None}
    floor = Floor(folder / "floor.db")
    async with (
        playbill.PipelineRunManager(journal=f"sqlite:///{path}", **told) as durable,
        playbill.PipelineRunManager(**told) as memory,
    ):
        for manager in (durable, memory):
            await complete(manager, definition, 1)  # the first one plans
        assert durable._system is not None
        journal = durable._system.parts.journal
        assert isinstance(journal, SqliteJournal)
        notes = Notes(journal)
        for _ in range(rounds):
            notes.groups.clear()
            kept = await seconds_of(partial(complete, durable, definition, load.runs))
            await until_copied(journal)
            groups = groups_of(path, notes.groups)
            bare = await seconds_of(partial(floor.keep, groups))
            await floor.copied()
            seen.append(
                Seconds(bare, await seconds_of(partial(complete, memory, definition, load.runs)), kept, len(groups))
            )
    floor.close()
    floor_least, memory_least, durable_least = (min(column) for column in list(zip(*seen, strict=True))[:3])
    return Seconds(floor_least, memory_least, durable_least, seen[-1].groups)


async def durable_seconds(load: Load, folder: Path, rounds: int = ROUNDS) -> float:
    """Return the least seconds of a load, durably."""
    definition, told = definition_of(load.shape), {"keep_runs": 1, "watchdog_seconds": None}
    url, types = f"sqlite:///{folder}/runs.db", [typed_work]
    async with playbill.PipelineRunManager(journal=url, types=types, **told) as manager:  # type: ignore[arg-type]
        return min([await seconds_of(partial(complete, manager, definition, load.runs)) for _ in range(rounds)])


async def until_copied(journal: SqliteJournal) -> None:
    """Wait until a journal that nobody wants anything of has copied its WAL."""
    before = journal.metrics.checkpoints
    for _ in range(100):  # its thread says it in a counter alone; at most 5 s
        if journal.metrics.checkpoints > before:
            return
        await asyncio.sleep(0.05)


async def report(loads: Sequence[Load] = LOADS) -> None:
    """Print two lines for each load: the ratio to the floor with its gate, and what else there is to know."""
    for load in loads:
        with tempfile.TemporaryDirectory() as folder:
            seconds = await measured(load, Path(folder))
        floor, memory, subject = (each / load.nodes * 1e6 for each in seconds[:3])
        gate = OF_FLOOR * floor + OF_MEMORY * memory + US_A_NODE
        row(f"durable, {load.name}"[:34], f"{floor:.1f} us", f"{subject:.1f} us", subject / floor, gate / floor)
        left = subject - OF_FLOOR * floor - OF_MEMORY * memory
        said = f"in memory {memory:.1f} us, so {left:.1f} of {US_A_NODE} us a node above; {seconds.groups} groups"
        print(f"{'':<34} {said}", flush=True)


if __name__ == "__main__":
    asyncio.run(report())
