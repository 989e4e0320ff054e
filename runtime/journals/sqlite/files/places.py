"""Where a journal's file lies: what its URL says, its folder, and the file systems on which it cannot be."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from playbill.model.errors import JournalError
from playbill.runtime.journals.sqlite.files.errors import explained

__all__ = ["check_file_system", "file_system_of", "made_file", "path_of"]

SCHEME: Final = "sqlite:///"
FORMS: Final = "'sqlite:///relative.db' or 'sqlite:////absolute.db'"
NETWORKS: Final = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|gpfs|gfs2?|ocfs2|beegfs|ncpfs|coda|vboxsf|vmhgfs"
    r"|fuse\.(sshfs|s3fs|rclone|glusterfs|gcsfuse|goofys|cephfs|ceph-fuse|davfs\d?|vmhgfs-fuse|juicefs|curlftpfs)"
)
"""Whose locks and shared memory do not hold between machines, or not at all."""
MOUNTS: Final = Path("/proc/self/mountinfo")
ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def path_of(url: str) -> Path:
    """Return the file that a journal's URL names, absolute and with no links in it.

    Raises:
        JournalError: it names none.
    """
    if not url.startswith(SCHEME):
        raise JournalError(f"{url!r:.200} is not the URL of a SQLite journal: write {FORMS}")
    name = url.removeprefix(SCHEME)
    if name in {"", ":memory:"} or name.startswith("file:"):
        raise JournalError(
            f"{url!r:.200} names no file, and a SQLite journal is one: write {FORMS}, or 'memory' to keep nothing"
        )
    if "?" in name or "#" in name or "\0" in name:
        raise JournalError(f"{url!r:.200}: a journal's URL has no options and no '?' or '#': write {FORMS}")
    return Path(os.path.realpath(name))


def made_file(path: Path) -> None:
    """Make a journal's folder and its empty file, for this user alone, where they are not there yet.

    An existing file is not opened: to close it would drop the locks SQLite has on it for this process.

    Raises:
        JournalError: they cannot be made.
    """
    try:
        missing = [folder for folder in path.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            _sync(path.parent)
    except FileExistsError:
        return  # another process was quicker; its lock decides
    except OSError as error:
        raise explained(error, path, "made") from error


def _sync(folder: Path) -> None:
    """Have a folder's entries on the disk: else a loss of power may take a new file away with all that is in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_file_system(path: Path) -> None:
    """Refuse a file on a file system of a network.

    Raises:
        JournalError: it is on one; names it and the way out.
    """
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # not Linux, or no /proc: nobody can tell
    kind = file_system_of(path, mounts)
    if NETWORKS.fullmatch(kind):
        raise JournalError(
            f"journal {path} is on a file system of a network ({kind}), where SQLite's locks do not hold:"
            " name a file on a disk of this machine"
        )


def file_system_of(path: Path, mounts: str) -> str:
    """Return the type of the file system that a path is on; empty: none is mounted there.

    Args:
        path: absolute, with no links in it.
        mounts: the text of /proc/self/mountinfo; of two at one place the later one counts.
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:  # noqa: PLR2004 (the mount point is the fifth)
            continue
        point = Path(ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), right.split(" ")[0]
    return kind
