"""Where each stream that is written stands in the file: its short id, and the seq of its last event kept."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.events import BREAKERS
from playbill.runtime.journals.listing import micros
from playbill.runtime.journals.sqlite.rows import COLUMNS, EventRow, event_of, storable

if TYPE_CHECKING:
    import sqlite3

    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow

__all__ = ["Position", "Positions", "breaker_events", "own_positions"]

logger = logging.getLogger("playbill")

BREAKERS_END: Final = f"{BREAKERS[:-1]}{chr(ord(BREAKERS[-1]) + 1)}"
"""Behind the names of all streams of breakers."""
LAST_OF_EACH: Final = "SELECT stream, max(seq) FROM own_events GROUP BY stream, type, json_extract(data, '$.target')"
"""Of playbill's own streams the events that nobody may forget: they give circuits' states, and the last seqs."""
BREAKER_EVENTS: Final = f"""
SELECT stream, {COLUMNS} FROM own_events
WHERE stream >= ? AND stream < ? AND (stream, seq) IN ({LAST_OF_EACH}) ORDER BY stream, seq
"""  # noqa: S608 (ours)


class Position:
    """Of one stream."""

    __slots__ = ("id", "last")

    def __init__(self, number: int, last: int) -> None:
        self.id = number
        """Of the run; 0: a stream of playbill's own."""
        self.last = last


class Positions:
    """Of the streams that are written now; asked of the file once each, and anew after an error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, Position] = {}
        largest = "SELECT max(coalesce((SELECT max(id) FROM runs), 0), coalesce((SELECT max(run) FROM pruned), 0))"
        self._next: int = connection.execute(largest).fetchone()[0] + 1

    def of_run(self, run_id: str) -> Position | None:
        """Return the position of a run; None: there is none of this id."""
        if (known := self._known.get(run_id)) is not None:
            return known
        found = self._connection.execute("SELECT id, last_seq FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return None if found is None else self._known.setdefault(run_id, Position(*found))

    def of_own(self, stream: str) -> Position:
        """Return the position of a stream of playbill's own."""
        if (known := self._known.get(stream)) is None:
            query = "SELECT coalesce(max(seq), 0) FROM own_events WHERE stream = ?"
            known = self._known[stream] = Position(0, self._connection.execute(query, (stream,)).fetchone()[0])
        return known

    def begin(self, row: RunRow) -> Position | None:
        """Insert the row of a run; None: there is one of this id."""
        if self.of_run(row.run_id) is not None:
            return None
        number, created = self._next, micros(row.created_at)
        parent = self.of_run(row.parent) if row.parent else None
        times = [None if at is None else micros(at) for at in (row.started_at, row.ended_at, row.wake_at)]
        names = (row.run_id, storable(row.pipeline), storable(row.version), row.definition, str(row.status))
        tree = (parent.id, self._root_of(parent), row.origin) if parent else (None, number, row.origin)
        self._connection.execute(
            "INSERT INTO runs (id, run_id, pipeline, version, definition, status, created_at, started_at, ended_at,"
            " wake_at, last_seq, parent, root, origin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)",
            (number, *names, created, *times, *tree),
        )
        self._next += 1
        position = self._known[row.run_id] = Position(number, 0)
        return position

    def _root_of(self, position: Position) -> int:
        root: int = self._connection.execute("SELECT root FROM runs WHERE id = ?", (position.id,)).fetchone()[0]
        return root

    def forget(self, stream: str) -> None:
        """Forget a stream: it has ended, or is deleted."""
        self._known.pop(stream, None)


def own_positions(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the last seq of each stream of playbill's own."""
    return dict(connection.execute("SELECT stream, max(seq) FROM own_events GROUP BY stream"))


def breaker_events(connection: sqlite3.Connection) -> dict[str, list[Event]]:
    """Return of each breaker's stream, in order, the last event of each type and target: how its circuits stand."""
    found: dict[str, list[Event]] = {}
    for stream, *columns in connection.execute(BREAKER_EVENTS, (BREAKERS, BREAKERS_END)).fetchall():
        found.setdefault(stream, [])
        try:
            found[stream].append(event_of(stream, EventRow(*columns)))
        except (DefinitionError, JournalError) as error:
            logger.warning("%s: its circuit begins closed", error)
    return found
