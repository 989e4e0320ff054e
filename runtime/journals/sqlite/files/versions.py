"""Which SQLite is at work here, and whether it has a fault that a journal has to live with."""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["has_wal_fault", "sqlite_version"]

Version = tuple[int, ...]

FIXED: Final = {(3, 44): 6, (3, 50): 7}
"""By branch: the first release without the fault."""
NEWEST_FIXED: Final = (3, 51, 3)
"""From here on all are without it."""


def sqlite_version() -> Version:
    """Return the version of the SQLite library."""
    return sqlite3.sqlite_version_info


def has_wal_fault(version: Version) -> bool:
    """Tell whether a SQLite can damage a WAL that two connections write or checkpoint at once."""
    fixed = FIXED.get((version[0], version[1]))
    return version < NEWEST_FIXED and (fixed is None or version[2] < fixed)
