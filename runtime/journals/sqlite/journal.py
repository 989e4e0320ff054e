"""The SQLite journal as a manager holds it: streams in memory for who listens, a thread that keeps, one that reads.

1. What is appended is kept by the writer thread, in groups; listeners and keepers hear of an event once it is kept.
2. The file has one owner: this journal, until it is closed. Nobody else in this process opens the file.
3. Reading needs no actor and no loop of ours: `reading`, or a SqliteReader in another process.

WARNING: making and closing one waits for the disk: do both where the loop may wait, or close by `aclose`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.model.errors import JournalError
from playbill.model.events import is_own
from playbill.runtime.journals.index import ENDED, check_change
from playbill.runtime.journals.listing import micros
from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.journals.refusals import JournalLost
from playbill.runtime.journals.sqlite.batches import Batches
from playbill.runtime.journals.sqlite.files.connections import connect as standard_connect
from playbill.runtime.journals.sqlite.files.headers import check_header
from playbill.runtime.journals.sqlite.files.ownership import Ownership
from playbill.runtime.journals.sqlite.files.places import check_file_system, made_file, path_of
from playbill.runtime.journals.sqlite.group import Rows
from playbill.runtime.journals.sqlite.metrics import JournalMetrics
from playbill.runtime.journals.sqlite.reading.reader import SqliteReader
from playbill.runtime.journals.sqlite.reading.stored import StoredEvents
from playbill.runtime.journals.sqlite.stream import SqliteStream
from playbill.runtime.journals.sqlite.thread_reports import ThreadReports
from playbill.runtime.journals.sqlite.writing.checkpoints import Checkpoints
from playbill.runtime.journals.sqlite.writing.copying import copy_file
from playbill.runtime.journals.sqlite.writing.index_rows import change_row
from playbill.runtime.journals.sqlite.writing.pruning import prune_all
from playbill.runtime.journals.sqlite.writing.store import Store
from playbill.runtime.journals.sqlite.writing.thread import WriterThread

if TYPE_CHECKING:
    import os
    import sqlite3
    from asyncio import Future
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from playbill.actors.ports import Keeper
    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.readers import EventReader
    from playbill.runtime.journals.sqlite.files.connections import Connect, Synchronous
    from playbill.runtime.journals.sqlite.group import KeptGroup, WriteRows

__all__ = ["SqliteJournal"]
CLOSE_SECONDS: Final = 5.0
"""How long a close waits for what is not kept yet."""


class SqliteJournal(MemoryJournal):
    """A journal in a SQLite file, on the loop that runs when it is made.

    Args:
        url: `sqlite:///relative.db` or `sqlite:////absolute.db`.
        synchronous: FULL: what is kept survives a loss of power; NORMAL: the last moments may be lost with it.
        connect: makes connections; tests hand in one that fails.

    Raises:
        JournalError: the file cannot be a journal, or has another owner; names the way out.
    """

    is_durable = True

    def __init__(self, url: str, *, synchronous: Synchronous = "FULL", connect: Connect = standard_connect) -> None:
        super().__init__()
        if cast("object", synchronous) not in {"FULL", "NORMAL"}:
            raise JournalError(f"synchronous is FULL or NORMAL, not {synchronous!r:.40}")
        self.path = path = path_of(url)
        self.metrics = JournalMetrics()
        self._loop = asyncio.get_running_loop()
        self._reports = ThreadReports(self._loop)
        check_file_system(path)
        made_file(path)
        self.ownership = Ownership(path)
        self.lock = self.ownership.fileno()
        """A spawner that inherits this keeps the journal owned while it, and so any process of a run, lives."""
        try:
            check_header(path)
            self.reading = self._reader = reader = SqliteReader(path, connect)
            checkpoints = Checkpoints(path, self.metrics, lambda: reader.reading)
            opening = partial(Store, path, connect, synchronous, checkpoints, self.metrics, self.ownership.check)
            self._thread = WriterThread(path, opening, self)
        except BaseException:
            self.ownership.undo()
            raise
        self._own, self.crashes = self._thread.own, self._thread.crashes
        """The last seqs of the streams of playbill's own that are not in memory."""
        self.breaker_events = self._thread.breaker_events
        self._batches = Batches(self._loop, self._thread)
        self._closed = False
        self._is_lost: JournalLost | None = None
        """Why nothing is kept any more, though nobody has closed it."""

    # ---- the writing side -------------------------------------------------------------------------------------

    def open(self, stream: str, keeper: Keeper, kept: Iterable[Event] = ()) -> SqliteStream:
        """Open a stream.

        Args:
            stream: a run's id, or the name of a stream of playbill's own: that one goes on from its last seq.
            keeper: who hears what is kept.
            kept: the events that are kept already, for listeners: those that a recovery has read.
        """
        last = self._last_seq(stream) if is_own(stream) else 0
        opened = SqliteStream(self, stream, keeper, self._batches, last, kept)
        self.streams[stream] = opened
        if self._is_lost is not None:
            self._loop.call_soon(opened.fence, self._is_lost)
        return opened

    def _last_seq(self, stream: str) -> int:
        before = self.streams.get(stream)
        return before.last_seq if isinstance(before, SqliteStream) else self._own.get(stream, 0)

    def drop(self, stream: str) -> None:
        """Forget a stream in memory; its file keeps it."""
        if is_own(stream):
            self._own[stream] = self._last_seq(stream)
        self._batches.drop_begin(stream)
        super().drop(stream)

    def begin_run(self, row: RunRow, definition: str | None = None) -> Future[None]:
        """Let a run begin, before its stream is opened: all of it is kept in one commit with its first event.

        Returns:
            Done once that is kept; RunIdTaken: there was a run of this id, and nothing of this one is kept.

        Raises:
            ValueError: its id is not text that UTF-8 can say, or an attribute is no scalar.
            JournalError: the journal is closed.
        """
        self._check_open()
        return self._batches.begin(row, definition, is_open=row.run_id in self.streams)

    def change_run(self, run_id: str, change: Mapping[str, Any]) -> Future[None]:
        """Change of a run's row what no event does; done once that is kept.

        Raises:
            ValueError: a field is none of those.
        """
        check_change(change)
        return self.write_rows(partial(change_row, run_id=run_id, change=dict(change)))

    def write_rows(self, write: WriteRows) -> Future[Any]:
        """Write rows of others: in one commit with what is appended in the same turn of the loop.

        Args:
            write: called on the writer thread, within the transaction; may be called again if that is not kept.

        Returns:
            What `write` returned, once it is kept; what it raised, and then nothing of it is.
        """
        self._check_open()
        kept: Future[Any] = self._loop.create_future()
        self._batches.add_rows(Rows(write, kept))
        return kept

    @property
    def error(self) -> str | None:
        """Why nothing is kept at the moment; None: it is."""
        return self._batches.error

    def log(self, run_id: str, line: LogLine) -> None:
        """Keep what an attempt said, as far as its quota goes; nobody waits for it."""
        self._batches.add_log(run_id, line)

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that ended before, with the whole tree of each; return how many. Goes on where one broke off.

        Args:
            before: when the last run of the tree had ended.
            statuses: of the runs at the top of their trees; empty: all.
        """
        return await prune_all(self._work, micros(before), [str(status) for status in statuses or ENDED])

    async def copy(self, target: str | os.PathLike[str]) -> None:
        """Copy what is kept now into a new file, while the journal goes on.

        Raises:
            JournalError: the file is there already, or cannot be written.
        """
        await asyncio.to_thread(copy_file, self.path, target)

    async def _work(self, call: Callable[[sqlite3.Connection], Any]) -> Any:
        self._check_open()
        return await asyncio.wrap_future(self._thread.call(call))

    def _check_open(self) -> None:
        if self._is_lost is not None:
            raise self._is_lost.with_traceback(None)
        if self._closed:
            raise JournalError(f"journal {self.path} is closed: open it again to write to it")

    # ---- the reading side -------------------------------------------------------------------------------------

    def read(self, stream: str, from_seq: int = 1) -> EventReader:
        """Iterate over the events of a stream: live while it is in memory, else over what the file has."""
        live = self.streams.get(stream)
        if live is not None and (not live.events or from_seq >= live.events[0].seq):
            return live.read(from_seq)
        return StoredEvents(self.reading, stream, from_seq)

    # ---- reports of the thread --------------------------------------------------------------------------------

    def kept(self, outcome: KeptGroup) -> None:
        """Have the loop hear that a group is kept; for the writer thread."""
        self._reports.put(partial(self._batches.kept, outcome))

    def failed(self, error: str) -> None:
        """Have the loop hear that a group is not kept yet; for the writer thread."""
        self._reports.put(partial(self._batches.failed, error))

    def lost(self, error: JournalLost) -> None:
        """Have the loop hear that nothing is kept any more; for the writer thread."""
        self._reports.put(partial(self._lose, error))

    def _lose(self, error: JournalLost) -> None:
        self._is_lost = error
        self._batches.lose(error, [stream for stream in self.streams.values() if isinstance(stream, SqliteStream)])
        self._thread.refuse_the_rest(error)

    # ---- its end ----------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close it while the loop goes on; see `close`."""
        if self._closed:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while not self._batches.is_empty:
                    self._batches.flush()
                    await self._batches.reported.wait()
        self._closed = True
        await asyncio.to_thread(self._end)
        self._let_go()

    def close(self) -> None:
        """End readers, wait until all that was appended is kept, at most 5 s, and let the file go.

        Raises:
            JournalError: something is not kept; names the runs.
        """
        if self._closed:
            return
        self._closed = True
        deadline = time.monotonic() + CLOSE_SECONDS
        self._reports.attend()
        while not self._batches.is_empty and (left := deadline - time.monotonic()) > 0:
            self._batches.flush()
            self._reports.wait(left)
        self._end()
        self._let_go()

    def _end(self) -> None:
        """End both threads; from any thread. The reader first: who closes last checkpoints, and a reader cannot."""
        self._reader.close()
        if not self._batches.is_empty:
            self._thread.give_up()
        self._thread.end()
        self._thread.join(CLOSE_SECONDS)

    def _let_go(self) -> None:
        self._reports.hear()
        self._batches.close()
        lost = [f"'{name}'" for name, one in self.streams.items() if isinstance(one, SqliteStream) and one.waits]
        for waiting in self._batches.futures():
            waiting.set_exception(JournalError(f"journal {self.path} is closed, and could not keep this"))
            waiting.exception()  # who waits is told, and nobody has to
        super().close()
        if self._thread.is_alive:  # a disk that does not answer: who owned the file next would write beside it
            said = "its disk does not answer: it stays locked until this process ends"
            raise JournalError(f"journal {self.path} cannot be closed: {said}")
        if not self.stays_owned:
            self.disown()
        if lost:
            raise JournalError(
                f"journal {self.path} is closed, and could not keep all of {', '.join(lost)}:"
                " make it writable, and start these runs again"
            )

    def disown(self) -> None:
        """Own it no more: another owner may begin."""
        self.ownership.release()

    def __repr__(self) -> str:
        return f"<SqliteJournal {self.path} {'closed' if self._closed else 'open'} streams={len(self.streams)}>"
