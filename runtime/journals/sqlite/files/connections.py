"""How a journal's file is opened: by one who writes, by others who can only read.

SQLite before 3.51.3, 3.50.7 and 3.44.6 can damage a file in WAL mode that two connections write or checkpoint at
once. So one connection of the owner does both, and every other is read-only, which cannot checkpoint either.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Connect", "Synchronous", "connect", "open_reader", "open_writer", "prepare_writer"]

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]
BUSY_SECONDS: Final = 1.0
"""How long one waits for a lock of another program."""


class Connect(Protocol):
    """Makes a connection; tests hand in one that fails."""

    def __call__(self, target: str, *, reading: bool) -> sqlite3.Connection:
        """Connect to `target`, a URI; `reading` says what for."""
        ...


def connect(target: str, *, reading: bool) -> sqlite3.Connection:  # noqa: ARG001 (others look at it)
    """Connect by the standard library, with no transactions but our own."""
    return sqlite3.connect(target, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


def open_writer(path: Path, factory: Connect) -> sqlite3.Connection:
    """Open the owner's connection to a file that is there; its schema is looked at before anything is set."""
    return factory(f"file:{quote(str(path))}?mode=rw", reading=False)


def prepare_writer(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    """Set what the owner's connection needs.

    Raises:
        sqlite3.OperationalError: the file cannot be in WAL mode.
    """
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"its journal mode stays '{mode}', and must be 'wal'")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("PRAGMA cache_size = -8192")


def open_reader(path: Path, factory: Connect = connect) -> sqlite3.Connection:
    """Open a connection that can only read: not even on closing does it checkpoint."""
    connection = factory(f"file:{quote(str(path))}?mode=ro", reading=True)
    connection.execute("PRAGMA mmap_size = 0")
    return connection
