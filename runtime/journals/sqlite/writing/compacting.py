"""Rewrites a journal's file without what is free in it: nobody else may have it open to write, so as its owner."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from playbill.runtime.journals.sqlite.files.connections import connect, open_writer, prepare_writer
from playbill.runtime.journals.sqlite.files.errors import explained
from playbill.runtime.journals.sqlite.files.ownership import Ownership

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["compact_file"]


def compact_file(path: Path) -> None:
    """Rewrite a journal's file, so that it is as small as it can be; that takes as much space again.

    Raises:
        JournalError: it has an owner, or there is no space for it.
    """
    ownership = Ownership(path)
    try:
        with closing(open_writer(path, connect)) as connection:
            prepare_writer(connection, "FULL")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise explained(error, path, "rewritten") from error
    finally:
        ownership.release()
