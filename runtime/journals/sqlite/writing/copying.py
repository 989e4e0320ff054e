"""Copies a journal into a new file, by SQLite: a copy by other means drops its locks, or lacks what is in the WAL."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from playbill.runtime.journals.sqlite.files.connections import open_reader
from playbill.runtime.journals.sqlite.files.errors import explained

__all__ = ["copy_file"]


def copy_file(path: Path, target: str | os.PathLike[str]) -> None:
    """Copy what is kept of a journal now; on a thread of the caller's, by a connection of its own that only reads.

    Raises:
        JournalError: the target is there already, or cannot be written.
    """
    copy = Path(target)
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise explained(error, copy, "copied to") from error
    try:
        with closing(open_reader(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        copy.unlink(missing_ok=True)
        raise explained(error, path, f"copied to {copy}") from error
