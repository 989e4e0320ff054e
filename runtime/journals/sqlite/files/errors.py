"""What SQLite and the operating system say of a journal's file, in words that name the way out."""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING, Final

from playbill.model.errors import JournalError
from playbill.runtime.journals.refusals import JournalAway

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["explained"]

RETRIES: Final = "runs wait meanwhile, and go on by themselves"
WAYS_OUT: Final = (
    ("SQLITE_FULL", f"there is no space left for it: make some; {RETRIES}"),
    ("SQLITE_READONLY", "it or its folder is read-only: allow this user to write both"),
    ("SQLITE_IOERR", "the disk does not write or read it: look at the disk and its free space"),
    ("SQLITE_CORRUPT", "it is damaged: keep a copy, and restore a backup, or save what `sqlite3 .recover` finds"),
    ("SQLITE_NOTADB", "it is not a SQLite file, or its beginning is damaged: name another file, or restore a backup"),
    ("SQLITE_BUSY", "another program has locked it: end that one, such as a sqlite3 shell with an open transaction"),
    (
        "SQLITE_LOCKED",
        "another program has locked it: end that one, such as a sqlite3 shell with an open transaction",
    ),
    ("SQLITE_CANTOPEN", "it cannot be opened: look whether its folder is there and may be written"),
    ("SQLITE_PERM", "this user may not open it: allow that"),
    ("SQLITE_AUTH", "this user may not open it: allow that"),
)
"""By how the name of SQLite's code begins."""
OF_ERRNO: Final = {
    errno.ENOSPC: f"there is no space left: make some; {RETRIES}",
    errno.EROFS: "its file system is read-only: name a file elsewhere",
    errno.EACCES: "this user may not write it: allow that, or name a file elsewhere",
    errno.EPERM: "this user may not write it: allow that, or name a file elsewhere",
    errno.EISDIR: "it is a folder: name a file in it",
    errno.ENOTDIR: "a part of its path is not a folder: name another one",
}


def explained(error: Exception, path: Path, doing: str = "kept") -> JournalError:
    """Return an error of the environment as one of ours, which it becomes the cause of.

    Args:
        error: what was raised.
        path: the journal's file.
        doing: what could not be done: the journal cannot be ... .
    """
    if isinstance(error, JournalError):
        return error
    way_out = OF_ERRNO.get(error.errno or 0, "") if isinstance(error, OSError) else _way_out(error)
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    kind = JournalAway if isinstance(error, (sqlite3.OperationalError, OSError)) else JournalError
    made = kind(f"journal {path} cannot be {doing}: {said}" + (f"; {way_out}" if way_out else ""))
    made.__cause__ = error
    return made


def _way_out(error: Exception) -> str:
    code = getattr(error, "sqlite_errorname", None) or ""
    found = (text for name, text in WAYS_OUT if code.startswith(name))
    if isinstance(error, sqlite3.Error):
        return next(found, "this is a fault of ours, please report it")
    return next(found, "")
