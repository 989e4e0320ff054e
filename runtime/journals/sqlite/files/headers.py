"""What a journal's file says of itself before SQLite opens it: whose it is, its version, whether its end is missing.

Read only while nobody in this process has the file open by SQLite: to close it here would drop SQLite's locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.errors import JournalError
from playbill.runtime.journals.sqlite.files.errors import explained
from playbill.runtime.journals.sqlite.schema.migrations import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Header", "check_header"]

MAGIC: Final = b"SQLite format 3\0"
SIZE: Final = 100
LARGEST_PAGE: Final = 65536


class Header(NamedTuple):
    """The first 100 bytes of a SQLite file, as far as we look.

    Source: "Database File Format", section 1.3, of SQLite's documentation.
    """

    page_size: int
    pages: int
    """0: the file does not say."""
    application_id: int
    version: int

    @classmethod
    def of(cls, data: bytes) -> Header:
        """Read them."""

        def number(at: int, size: int = 4) -> int:
            return int.from_bytes(data[at : at + size], "big")

        is_said = number(24) == number(92)
        page_size = number(16, 2)
        return cls(
            LARGEST_PAGE if page_size == 1 else page_size, number(28) if is_said else 0, number(68), number(60)
        )


def check_header(path: Path) -> None:
    """Refuse a file that is not a journal, is newer than this program, or has lost its end.

    Raises:
        JournalError: it is; names the way out.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SIZE)
        size = path.stat().st_size
        unfinished = any(_size(path, suffix) for suffix in ("-wal", "-journal"))
    except OSError as error:
        raise explained(error, path, "read") from error
    if not size or unfinished:
        return  # new; or SQLite finishes first what is unfinished, and then it is looked at through SQLite
    if len(data) < SIZE or not data.startswith(MAGIC):
        raise JournalError(f"journal {path} is not a SQLite file: name another file for the journal")
    _check(Header.of(data), size, path)


def _check(header: Header, size: int, path: Path) -> None:
    if header.application_id != APPLICATION_ID:
        raise JournalError(f"{path} is a SQLite file of another program: name another file for the journal")
    if header.version > MIGRATIONS[-1].version:
        raise JournalError(
            f"{path} has version {header.version} of the journal's schema, and this playbill knows"
            f" {MIGRATIONS[-1].version}: a newer playbill wrote it; use that one, or another file"
        )
    if size < header.pages * header.page_size:
        raise JournalError(
            f"journal {path} is truncated: it has {size} bytes of {header.pages * header.page_size};"
            " keep a copy, and restore a backup"
        )


def _size(path: Path, suffix: str) -> int:
    beside = path.with_name(path.name + suffix)
    return beside.stat().st_size if beside.exists() else 0
