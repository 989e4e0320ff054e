"""When the WAL is copied into the database: by the owner alone, when it is idle or the WAL is too long.

A checkpoint waits for nobody: what a reader still looks at is copied later, and who looks for too long is named.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from playbill.runtime.journals.sqlite.metrics import JournalMetrics, ReadInProgress

__all__ = ["Checkpoints"]

logger = logging.getLogger("playbill")

MAX_WAL_BYTES: Final = 64 * 1024 * 1024
"""Above this it is copied between two groups."""
LOOK_SECONDS: Final = 0.05
"""Between two looks at the WAL's size: a commit should not pay for one."""
AGAIN_SECONDS: Final = 1.0
"""After one that a reader has hindered."""
LONG_SECONDS: Final = 30.0
"""So long no reader should take."""


class Checkpoints:
    """Of one file.

    Args:
        path: the database.
        metrics: what is counted.
        reading: tells what the journal's own reader does now; None: nothing.
        limit: bytes of the WAL above which it is copied at once.
    """

    def __init__(
        self,
        path: Path,
        metrics: JournalMetrics,
        reading: Callable[[], ReadInProgress | None],
        limit: int = MAX_WAL_BYTES,
    ) -> None:
        self._wal = path.with_name(f"{path.name}-wal")
        self._metrics = metrics
        self._reading = reading
        self._limit = limit
        self._not_before = 0.0
        self._named: ReadInProgress | None = None
        self.is_due = False
        """Whether something was written since the last one that was whole."""

    def between_groups(self, connection: sqlite3.Connection) -> None:
        """Copy the WAL if it is too long."""
        self.is_due = True
        now = time.monotonic()
        if now < self._not_before:
            return
        self._not_before = now + LOOK_SECONDS
        self._metrics.wal_bytes = size = self._size()
        if size > self._limit:
            self._metrics.forced_checkpoints += 1
            self.take(connection, shorten=True)

    def take(self, connection: sqlite3.Connection, *, shorten: bool = False) -> None:
        """Copy as much of the WAL as no reader looks at.

        Args:
            connection: the owner's.
            shorten: cut the WAL's file, too, if no reader is in it.

        Raises:
            sqlite3.Error: the disk's.
        """
        if shorten:
            connection.execute("PRAGMA busy_timeout = 0")
        try:
            kind = "TRUNCATE" if shorten else "PASSIVE"
            busy, frames, copied = connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()
        finally:
            if shorten:
                connection.execute("PRAGMA busy_timeout = 1000")
        self._metrics.checkpoints += 1
        self._metrics.wal_bytes = self._size()
        self.is_due = bool(busy) or copied < frames
        if self.is_due:
            self._metrics.hindered_checkpoints += 1
            self._not_before = time.monotonic() + AGAIN_SECONDS
            self._name_reader()

    def _name_reader(self) -> None:
        reading = self._reading()
        if reading is None or reading == self._named:
            return
        seconds = time.monotonic() - reading.since
        if seconds > LONG_SECONDS:
            self._named = reading
            logger.warning(
                "a reader of the journal keeps its WAL (%d bytes) from being copied for %.0f s: %s",
                self._metrics.wal_bytes,
                seconds,
                reading.what,
            )

    def _size(self) -> int:
        with suppress(OSError):  # to look at its size opens no descriptor of it
            return self._wal.stat().st_size
        return 0
