"""Who owns a journal's file: one journal of one process, by a lock on a file beside it.

1. The lock is on `<file>.lock`, never on the database, whose own locks SQLite takes. It lives as long as the journal,
   and ends with the process, whatever ends it. Its file says whose it is.
2. In one process the same file is known by device and inode, whatever it is called.
3. A fork closes what it inherited: it owns nothing.
4. Two names of one file would be two locks: a file with hard links is refused. An owner whose file or lock is no
   longer where it was, since somebody has moved, removed or replaced it, owns nothing any more: `check` says so,
   before each commit. What is done to them in the midst of a commit is found by the next.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from playbill.model.errors import JournalError
from playbill.runtime.journals.refusals import JournalLost
from playbill.runtime.journals.sqlite.files.errors import explained

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ownership"]

FileKey: TypeAlias = tuple[int, int]
"""Device and inode."""

BURIAL_SECONDS: Final = 5.0
"""How long a dead owner's processes may take to be buried."""
LOOK_SECONDS: Final = 0.02
OWNED: Final[dict[FileKey, Ownership]] = {}
"""What journals of this process own."""


class Ownership:
    """The lock of one journal's file, from when it is made until `release`.

    Args:
        path: the database, which is there.

    Raises:
        JournalError: another journal has it, of this process or of another one, which is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.lock")
        self._database = path
        self._descriptor = -1
        try:
            status = path.stat()
            self._key = _key_of(status)
            if self._key in OWNED:
                raise JournalError(
                    f"journal {path} is open in this process already: share its manager, or name another file"
                )
            if status.st_nlink > 1:
                raise JournalError(
                    f"journal {path} has {status.st_nlink} names (hard links), and two processes could own it by two:"
                    " remove the others, or make a copy instead of a link"
                )
            while not self._lock(path):
                pass  # somebody has replaced the lock's file meanwhile
        except OSError as error:
            raise explained(error, path, "locked") from error
        OWNED[self._key] = self

    def _lock(self, path: Path) -> bool:
        """Take the lock; False: on a file that is not there any more, so that it locks nothing."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(descriptor)
            self._lock_key = _key_of(os.fstat(descriptor))
            if _key_at(self.path) != self._lock_key:
                os.close(descriptor)
                return False
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_who()).encode(), 0)
        except BlockingIOError:
            said = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            raise JournalError(
                f"journal {path} is in use by {_whose(said)}: end that one, or name another file"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def check(self) -> None:
        """See that the database and its lock are still those that it owns; from any thread, some microseconds.

        Raises:
            JournalLost: one is not: somebody else may write by now.
            OSError: the file system does not say.
        """
        for path, key in ((self._database, self._key), (self.path, self._lock_key)):
            found = _key_at(path)
            if found != key:
                raise JournalLost(self._database, path, "is gone" if found is None else "is another file now")

    def fileno(self) -> int:
        """Return the lock's descriptor: a process to which it is passed keeps the journal owned while it lives."""
        return self._descriptor

    def release(self) -> None:
        """Own it no more; the lock's file stays, since to remove it would let two own the same journal."""
        if OWNED.get(self._key) is self:
            del OWNED[self._key]
        self.forget()

    def forget(self) -> None:
        """Close the lock's descriptor; the lock itself lasts as long as another process has it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __repr__(self) -> str:
        return f"<Ownership {self.path} {'held' if self._descriptor >= 0 else 'released'}>"


def _key_of(status: os.stat_result) -> FileKey:
    return status.st_dev, status.st_ino


def _key_at(path: Path) -> FileKey | None:
    """Return which file is at a path; None: there is none."""
    try:
        return _key_of(path.stat())
    except FileNotFoundError:
        return None


def _take(descriptor: int) -> None:
    """Take the lock; an owner that is dead holds it as long as the last of its processes is being buried.

    Raises:
        BlockingIOError: another process has it.
    """
    until = time.monotonic() + BURIAL_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until or not _is_dead(os.pread(descriptor, 4096, 0)):
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return


def _is_dead(said: bytes) -> bool:
    """Tell whether the owner that a lock's file names was of this machine, and is dead."""
    with suppress(ValueError, KeyError, TypeError):
        owner = json.loads(said)
        if owner["host"] == socket.gethostname():
            try:
                os.kill(owner["pid"], 0)
            except ProcessLookupError:
                return True
            except OSError:
                return False
    return False


def _who() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "started_at": datetime.now(UTC).isoformat()}


def _whose(said: bytes) -> str:
    """Tell who holds a lock, as far as its file says so."""
    with suppress(ValueError, KeyError, TypeError):
        owner = json.loads(said)
        return f"process {owner['pid']} on {owner['host']} since {owner['started_at']}"
    return "another process"


def _forget_in_fork() -> None:
    for owned in [*OWNED.values()]:
        owned.forget()
    OWNED.clear()


os.register_at_fork(after_in_child=_forget_in_fork)
