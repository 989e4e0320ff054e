"""Connections that fail as a test wants, and a small disk."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from playbill.runtime.journals.sqlite.files.connections import connect


def disk_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_WRITE"
    return error


class Faults:
    """Makes connections; each statement of the writer's first passes `before` and then `after`, which may raise."""

    def __init__(self) -> None:
        self.before: Callable[[str], Any] = lambda sql: None
        self.after: Callable[[str], None] = lambda sql: None
        self.prepare: Callable[[sqlite3.Connection], Any] = lambda connection: None
        self.targets: list[tuple[str, bool]] = []
        """What was connected to, and whether for reading."""

    def __call__(self, target: str, *, reading: bool) -> sqlite3.Connection:
        self.targets.append((target, reading))
        if reading:
            return connect(target, reading=True)
        faults = self

        class FaultyConnection(sqlite3.Connection):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                faults.before(sql)
                cursor = super().execute(sql, *parameters)
                faults.after(sql)
                return cursor

            def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                faults.before(sql)
                cursor = super().executemany(sql, *parameters)
                faults.after(sql)
                return cursor

        made = sqlite3.connect(target, uri=True, isolation_level=None, timeout=0.05, factory=FaultyConnection)
        self.prepare(made)
        return made

    def fail(self, word: str, times: int, *, after: bool = False) -> None:
        """Let the next `times` statements with this word fail: before, or after they were done."""
        left = [times]

        def check(sql: str) -> None:
            if word in sql and left[0]:
                left[0] -= 1
                raise disk_error()

        if after:
            self.after = check
        else:
            self.before = check

    @property
    def writers(self) -> int:
        return sum(not reading for _, reading in self.targets)


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A file system of so many KiB in memory; the test is left out where it cannot be mounted."""
    folder.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "-l", str(folder)), check=True)
