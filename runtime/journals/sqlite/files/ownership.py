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
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from playbill.model.errors import JournalError
from playbill.runtime.journals.refusals import JournalInUse, JournalLost
from playbill.runtime.journals.sqlite.files.errors import explained

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Owner", "Ownership", "owner_of"]

FileKey: TypeAlias = tuple[int, int]
"""Device and inode."""

BURIAL_SECONDS: Final = 5.0
"""How long a dead owner's processes may take to be buried."""
GLANCE_SECONDS: Final = 0.01
"""How long who only looks whose it is may have the lock."""
LOOK_SECONDS: Final = 0.02
OWNED: Final[dict[FileKey, Ownership]] = {}
"""What journals of this process own."""


class Owner(NamedTuple):
    """Who holds a lock, as far as its file says so."""

    pid: int | None = None
    """None: it says nothing, as while somebody takes it, or looks at it."""
    host: str = ""
    since: datetime | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it may be at work: it is of another machine, or its process is there."""
        if self.pid is None:
            return False
        if self.host == socket.gethostname():
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                return False
            except OSError:
                return True
        return True

    def __str__(self) -> str:
        if self.pid is None or self.since is None:
            return "another process"
        return f"process {self.pid} on {self.host} since {self.since.isoformat()}"


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
        self._is_new = not self.path.exists()
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
            owner = _owner_in(descriptor)
            os.close(descriptor)
            raise JournalInUse(f"journal {path} is in use by {owner}: end that one, or name another file") from None
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

    def undo(self) -> None:
        """Own it no more, since it could not be opened: leave no lock's file beside it that was not there before."""
        if self._is_new:
            self.path.unlink(missing_ok=True)
        self.release()

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
        return _key_of(os.stat(path))  # noqa: PTH116 (half of the time, and each commit pays it)
    except FileNotFoundError:
        return None


def owner_of(path: Path) -> Owner | None:
    """Return who owns a journal's file; None: nobody does.

    Not for its owner's process. To look takes the lock for a moment, for which an owner that begins just then waits.

    Raises:
        JournalError: the lock's file cannot be read.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explained(error, lock, "read") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _owner_in(descriptor)
    finally:
        os.close(descriptor)
    return None


def _take(descriptor: int) -> None:
    """Take the lock; an owner that is dead holds it as long as the last of its processes is being buried.

    Raises:
        BlockingIOError: another process has it.
    """
    now = time.monotonic()
    until, looked = now + BURIAL_SECONDS, now + GLANCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
            if now > until or (now > looked and _owner_in(descriptor).is_alive):
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return


def _who() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "started_at": datetime.now(UTC).isoformat()}


def _owner_in(descriptor: int) -> Owner:
    """Return whom a lock's file names; its numbers are None where it names nobody."""
    with suppress(ValueError, KeyError, TypeError):
        said = json.loads(os.pread(descriptor, 4096, 0))
        return Owner(int(said["pid"]), str(said["host"]), datetime.fromisoformat(said["started_at"]))
    return Owner()


def _forget_in_fork() -> None:
    for owned in [*OWNED.values()]:
        owned.forget()
    OWNED.clear()


os.register_at_fork(after_in_child=_forget_in_fork)
