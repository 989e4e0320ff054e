"""The events of many runs at one go: one row of SQLite's, since it gives up the interpreter's lock for each.

A thread that gives the lock up while the loop is busy waits up to 5 ms until it has it back. So SQLite puts all rows
together as one text of JSON, and whoever wants the events of a thousand runs waits once.

WARNING: what is damaged, or is no text that JSON can say, is left out: the way that reads one run says what it is.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from playbill.runtime.journals.sqlite.reading.facts import beside_of
from playbill.runtime.journals.sqlite.rows import EventRow, event_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from playbill.model.events import Event

__all__ = ["read_histories"]


class HistoryRow(NamedTuple):
    """An event as it is read, and of which run."""

    place: int
    """Of the run among those that are wanted."""
    run_id: str
    run: int
    seq: int
    type: str
    version: int
    at: int
    node: str | None
    attempt: int | None
    data: str
    beside: int
    """How much stands beside it."""


READ: Final = """
SELECT json_group_array(json_array(
    wanted.key, runs.run_id, e.run, e.seq, e.type, e.version, e.at, e.node, e.attempt, e.data, e.beside
))
FROM json_each(?) AS wanted
    CROSS JOIN runs ON runs.run_id = wanted.value
    CROSS JOIN events AS e ON e.run = runs.id AND e.seq <= ?
"""
"""The joins are crossed, so that they are taken in this order."""
ROWS: Final = msgspec.json.Decoder(list[HistoryRow])


def read_histories(connection: sqlite3.Connection, run_ids: Sequence[str], limit: int) -> Mapping[str, list[Event]]:
    """Return the first `limit` kept events of several runs; of those whose rows are as they should be."""
    found: dict[str, list[Event]] = {}
    names = [*run_ids]
    try:
        text: str = connection.execute(READ, (json.dumps(names), limit)).fetchone()[0]
        rows = sorted(ROWS.decode(text), key=lambda row: (row.place, row.seq))
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR":  # the disk's, and not that a column is no text
            raise
        return found
    except (sqlite3.DataError, msgspec.MsgspecError, UnicodeError):
        return found  # whoever reads them one by one finds which it is
    for place, of_run in groupby(rows, lambda row: row.place):
        run_id = names[place]
        try:
            found[run_id] = _events(connection, run_id, of_run)
        except Exception:  # noqa: BLE001, S112 (whoever reads it alone says what it is)
            continue
    return found


def _events(connection: sqlite3.Connection, run_id: str, rows: Iterable[HistoryRow]) -> list[Event]:
    events: list[Event] = []
    for row in rows:
        if row.run_id != run_id:
            raise LookupError(run_id)  # to SQLite's JSON a text ends at its first NUL
        apart = beside_of(connection, row.run, row.seq, row.beside) if row.beside else ()
        events.append(event_of(run_id, EventRow(*row[3:10]), apart))
    return events
