"""The owner's connection: keeps groups, and is opened anew after an error, whatever that left behind."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playbill.model.errors import JournalError
from playbill.runtime.journals.refusals import JournalLost
from playbill.runtime.journals.sqlite.files.connections import open_writer, prepare_writer
from playbill.runtime.journals.sqlite.schema.migrations import migrate
from playbill.runtime.journals.sqlite.writing.encoded import EncodedGroup
from playbill.runtime.journals.sqlite.writing.open_note import OpenNote
from playbill.runtime.journals.sqlite.writing.positions import Positions, breaker_events, own_positions
from playbill.runtime.journals.sqlite.writing.transaction import GroupTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from playbill.runtime.journals.sqlite.files.connections import Connect, Synchronous
    from playbill.runtime.journals.sqlite.group import Group, KeptGroup
    from playbill.runtime.journals.sqlite.metrics import JournalMetrics
    from playbill.runtime.journals.sqlite.writing.checkpoints import Checkpoints

__all__ = ["Store"]


def writer_rows(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what the file's writers have left there."""
    return dict(connection.execute("SELECT name, value FROM writer"))


def change_writer_rows(connection: sqlite3.Connection, rows: Mapping[str, str | None]) -> None:
    """Set rows that the next writer finds; those that are None go."""
    for name, value in rows.items():
        if value is None:
            connection.execute("DELETE FROM writer WHERE name = ?", (name,))
        else:
            connection.execute("INSERT OR REPLACE INTO writer VALUES (?, ?)", (name, value))


def close_connection(connection: sqlite3.Connection) -> None:
    """Close a connection; what it was at is undone."""
    connection.close()


class Store:
    """The file, as its one writer has it; used on the writer's thread alone.

    Args:
        path: the database, which is there and looked at.
        connect: makes the connection.
        synchronous: whether a commit waits for the disk (FULL), or may be lost with the machine's power (NORMAL).
        checkpoints: when the WAL is copied.
        metrics: what is counted.
        check: raises JournalLost once the file is not ours any more.

    Raises:
        sqlite3.Error, JournalError: it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        connect: Connect,
        synchronous: Synchronous,
        checkpoints: Checkpoints,
        metrics: JournalMetrics,
        check: Callable[[], None],
    ) -> None:
        self._path = path
        self._check = check
        self._connect = connect
        self._synchronous: Synchronous = synchronous
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._boot = secrets.token_hex(8)
        self._connection: sqlite3.Connection | None = None
        self._positions: Positions | None = None
        connection = self._opened()
        try:
            self.own = own_positions(connection)
            """The last seqs of the streams of playbill's own, when it was opened."""
            self.breaker_events = breaker_events(connection)
            """Of breakers the events that tell how they stood then, by stream."""
            self.note = OpenNote(writer_rows(connection), self._boot, datetime.now(UTC))
        except BaseException:
            self.drop()
            raise

    # ---- groups -----------------------------------------------------------------------------------------------

    def encoded(self, group: Group) -> EncodedGroup:
        """Encode a group."""
        return EncodedGroup(group, f"{self._boot}.{self._metrics.groups}")

    def keep(self, encoded: EncodedGroup) -> KeptGroup:
        """Keep a group; after an error the file is opened anew and what was kept of it read back.

        Raises:
            JournalLost: nothing is kept here any more.
            Exception: it is not kept, or nobody knows: try again.
        """
        try:
            return self._keep(encoded)
        except BaseException:
            self._metrics.failures += 1
            self.drop()
            raise

    def _keep(self, encoded: EncodedGroup) -> KeptGroup:
        is_new = self._connection is None
        connection = self._opened()
        positions = self._positions = self._positions or Positions(connection)
        connection.execute("BEGIN IMMEDIATE")
        is_kept = is_new and encoded.has_more and self._was_kept(connection, encoded.token)
        transaction = GroupTransaction(connection, positions, encoded, is_kept=is_kept)
        transaction.write()
        change_writer_rows(connection, self.note.opening())
        connection.execute("COMMIT")
        self.note.opened()
        self._advance(positions, transaction, encoded)
        return transaction.outcome

    @staticmethod
    def _was_kept(connection: sqlite3.Connection, token: str) -> bool:
        found = connection.execute("SELECT value FROM writer WHERE name = 'group'").fetchone()
        return found is not None and found[0] == token

    def _advance(self, positions: Positions, transaction: GroupTransaction, encoded: EncodedGroup) -> None:
        for stream in encoded.streams:
            name = stream.stream.name
            if (last := transaction.last.get(name)) is None:
                continue
            position = positions.of_own(name) if stream.is_own else positions.of_run(name)
            if position is not None:
                position.last = max(position.last, last)
            if stream.ends:
                positions.forget(name)
            self._metrics.events += len(stream.events)
        for fenced, error in transaction.outcome.fenced:
            fenced.refused = error  # before a later group of it is looked at
        self._metrics.groups += 1

    # ---- other work -------------------------------------------------------------------------------------------

    def run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do something else with the connection, between two groups.

        Raises:
            Exception: what went wrong; the connection is opened anew then.
        """
        try:
            return work(self._opened())
        except BaseException:
            self.drop()
            raise
        finally:
            self._positions = None  # it may have deleted runs

    @property
    def is_due(self) -> bool:
        """Whether there is something to copy while nobody wants anything."""
        return self._connection is not None and self._checkpoints.is_due

    def between_groups(self) -> None:
        """Copy the WAL if it is too long; what goes wrong with that is found by the next group."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._checkpoints.between_groups(self._connection)

    def idle(self) -> None:
        """Copy the WAL, for nobody wants anything; into a file that is lost nothing is copied."""
        self._take_checkpoint()

    def _take_checkpoint(self, *, shorten: bool = False) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error, JournalLost, OSError):
                self._check()
                self._checkpoints.take(self._connection, shorten=shorten)

    # ---- the connection ---------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        self._check()
        if self._connection is None:
            connection = open_writer(self._path, self._connect)
            try:
                migrate(connection, str(self._path))
                prepare_writer(connection, self._synchronous)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def drop(self) -> None:
        """Let the connection go, with whatever it was at."""
        connection, self._connection, self._positions = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):
                close_connection(connection)

    def close(self) -> None:
        """Note that it closes in order, copy the WAL, and close; where that fails the next owner copies it."""
        with suppress(sqlite3.Error, JournalError, OSError):
            self._sign_off()
        self._take_checkpoint(shorten=True)
        self.drop()

    def _sign_off(self) -> None:
        if rows := self.note.closing():
            connection = self._opened()
            connection.execute("PRAGMA synchronous = NORMAL")  # the checkpoint that follows waits for the disk
            connection.execute("BEGIN IMMEDIATE")
            change_writer_rows(connection, rows)
            connection.execute("COMMIT")
