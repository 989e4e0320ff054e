"""A VFS that does what the standard one does, and records it; what syncs do is left out, since nobody needs it here.

1. Only the database, its WAL and its rollback journal are recorded: the -shm file and temporary ones outlive no loss
   of power.
2. The standard VFS syncs the folder together with the first sync of a WAL or rollback journal that it was asked to
   make ("UNIXFILE_DIRSYNC" in os_unix.c): so does what is recorded.
3. It says of the disk what holds for images, too: that a write leaves bytes beside it alone, and nothing more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from sqlite3 import Connection
from typing import cast

import apsw
from typing_extensions import Buffer

from tests.runtime.journals.sqlite.power.apsw_connection import ApswConnection
from tests.runtime.journals.sqlite.power.recording import Created, Cut, Deleted, Recording, Synced, Wrote

BASE = "unix"
LOGS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
RECORDED = apsw.SQLITE_OPEN_MAIN_DB | LOGS
FileName = str | apsw.URIFilename | None
NUMBERS = count(1)


class RecordingFile(apsw.VFSFile):
    """A file of which all that changes is recorded."""

    def __init__(self, recording: Recording, path: FileName, name: str, flags: list[int]) -> None:
        self._recording = recording
        self._name = name
        self._syncs_folder = bool(flags[0] & LOGS and flags[0] & apsw.SQLITE_OPEN_CREATE)
        super().__init__(BASE, path, flags)

    def xWrite(self, data: Buffer, offset: int) -> None:  # noqa: N802 (apsw's name)
        super().xWrite(data, offset)
        self._recording.add(Wrote(self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 (apsw's name)
        super().xTruncate(newsize)
        self._recording.add(Cut(self._name, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 (apsw's name)
        self._recording.add(Synced(self._name, self._syncs_folder))
        self._syncs_folder = False

    def xDeviceCharacteristics(self) -> int:  # noqa: N802 (apsw's name)
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE


class RecordingVfs(apsw.VFS):
    """The standard VFS, recorded."""

    def __init__(self, name: str, recording: Recording) -> None:
        self._recording = recording
        super().__init__(name, BASE)

    def xOpen(self, name: FileName, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (apsw's name)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not flags[0] & RECORDED:
            return apsw.VFSFile(BASE, name, flags)
        file = Path(path)
        is_new = not file.exists()
        opened = RecordingFile(self._recording, name, file.name, flags)
        if is_new:
            self._recording.add(Created(file.name))
        return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (apsw's name)
        super().xDelete(filename, syncdir)
        self._recording.add(Deleted(Path(filename).name, bool(syncdir)))


class Recorder:
    """A factory of connections: the writer's is recorded; all are apsw's, so that one library has the file's locks.

    Args:
        vfs: the name of the VFS.
        writer: what is handed to the writer.
    """

    def __init__(self, vfs: str, writer: type[ApswConnection] = ApswConnection) -> None:
        self._vfs = vfs
        self._writer = writer

    def __call__(self, target: str, *, reading: bool) -> Connection:
        made = ApswConnection(target) if reading else self._writer(target, self._vfs)
        return cast("Connection", made)


@contextmanager
def recorded(recording: Recording, writer: type[ApswConnection] = ApswConnection) -> Iterator[Recorder]:
    """Have a VFS that records, while its files are open."""
    name = f"recording-{next(NUMBERS)}"
    vfs = RecordingVfs(name, recording)
    try:
        yield Recorder(name, writer)
    finally:
        vfs.unregister()
