"""The reading side of a file: one thread, one connection that can only read, each answer one short transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from playbill.model.errors import JournalError
from playbill.runtime.journals.sqlite.files.connections import open_reader
from playbill.runtime.journals.sqlite.files.errors import explained
from playbill.runtime.journals.sqlite.metrics import ReadInProgress
from playbill.runtime.journals.sqlite.reading.facts import find_damage, find_definition, read_events_of, read_logs
from playbill.runtime.journals.sqlite.reading.histories import read_histories
from playbill.runtime.journals.sqlite.reading.queries import count_prunable, find_ids, find_run, list_runs
from playbill.runtime.journals.sqlite.schema.migrations import check_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine, RunPage, RunQuery
    from playbill.runtime.journals.sqlite.files.connections import Connect

__all__ = ["SqliteReader"]

T = TypeVar("T")

INTERRUPT_SECONDS: Final = 0.05
"""Between two tries to break off what is read."""


class SqliteReader:
    """Reads a journal's file, in the owner's process or in another one, while its owner writes.

    Args:
        path: the database.
        connect: makes the connection.
    """

    def __init__(self, path: Path, connect: Connect) -> None:
        self._path = path
        self._connect = connect
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"playbill-reader-{path.name}")
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self.reading: ReadInProgress | None = None
        """What it does at the moment, and since when."""

    async def runs(self, query: RunQuery) -> RunPage:
        """Return a page of runs, the newest first."""
        return await self._read(f"runs {query!r:.200}", lambda connection: list_runs(connection, query))

    async def run(self, run_id: str) -> RunRow | None:
        """Return the row of one run."""
        return await self._read(f"run '{run_id}'", lambda connection: find_run(connection, run_id))

    async def ids(self, beginning: str, limit: int) -> Sequence[str]:
        """Return the first ids of runs, by the alphabet, that begin so."""
        what = f"ids that begin with '{beginning}'"
        return await self._read(what, lambda connection: find_ids(connection, beginning, limit))

    async def prunable(self, before: int, statuses: Sequence[str]) -> int:
        """Return how many runs would be pruned, of trees that had ended before (microseconds since 1970)."""
        return await self._read("prunable runs", lambda connection: count_prunable(connection, before, statuses))

    async def integrity(self) -> Sequence[str]:
        """Return what is wrong with the file, as SQLite sees it; nothing: it is whole."""
        return await self._read("quick_check", find_damage)

    async def definition(self, digest: str) -> str | None:
        """Return the stored form of a definition, as JSON."""
        return await self._read(f"definition {digest}", lambda connection: find_definition(connection, digest))

    async def events(self, stream: str, from_seq: int = 1, limit: int = 500) -> Sequence[Event]:
        """Return the first kept events of a stream from a seq on."""
        what = f"events of '{stream}' from {from_seq} on"
        return await self._read(what, lambda connection: read_events_of(connection, stream, from_seq, limit))

    async def histories(self, run_ids: Sequence[str], limit: int) -> Mapping[str, Sequence[Event]]:
        """Return the first kept events of several runs, of those that can be read together."""
        what = f"events of {len(run_ids)} runs"
        return await self._read(what, lambda connection: read_histories(connection, run_ids, limit))

    async def logs(self, run_id: str, node_id: str | None = None, attempt: int | None = None) -> Sequence[LogLine]:
        """Return what a run's attempts said."""
        what = f"logs of '{run_id}'"
        return await self._read(what, lambda connection: read_logs(connection, run_id, node_id, attempt))

    async def _read(self, what: str, call: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise JournalError(f"journal {self._path} is closed: open it again to read it")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, what, call)

    # ---- on the thread ----------------------------------------------------------------------------------------

    def _answer(self, what: str, call: Callable[[sqlite3.Connection], T]) -> T:
        self.reading = ReadInProgress(what, time.monotonic())
        try:
            connection = self._connection or self._opened()
            connection.execute("BEGIN")
            try:
                return call(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._drop()
            raise explained(error, self._path, "read") from error
        finally:
            self.reading = None

    def _opened(self) -> sqlite3.Connection:
        """Open the connection, and keep it if what it reads is a journal.

        Raises:
            JournalError: it is not, or not one that this program reads.
        """
        connection = self._connection = open_reader(self._path, self._connect)
        try:
            check_schema(connection, str(self._path))
        except JournalError:
            self._drop()
            raise
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Break off what is read, and let the connection go; from any thread."""
        if self._closed:
            return
        self._closed = True
        try:
            dropped = self._thread.submit(self._drop)
        except RuntimeError:
            return  # the interpreter ends, and has ended the thread
        while not dropped.done():
            connection = self._connection
            if connection is not None and self.reading is not None:
                with suppress(sqlite3.Error):
                    connection.interrupt()  # in vain while its statement has yet to begin
            wait([dropped], INTERRUPT_SECONDS)
        self._thread.shutdown(wait=True)
