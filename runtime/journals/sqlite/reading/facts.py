"""Queries of what is kept of one stream: its events with what stands beside them, its log, its definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from playbill.model.errors import JournalError
from playbill.model.events import is_own
from playbill.runtime.journals.listing import LogLine, moment
from playbill.runtime.journals.sqlite.rows import COLUMNS, EventRow, Payload, event_of, unpacked

if TYPE_CHECKING:
    import sqlite3

    from playbill.model.events import Event

__all__ = ["beside_of", "find_damage", "find_definition", "read_events_of", "read_logs"]

READ_OWN: Final = f"SELECT {COLUMNS} FROM own_events WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT ?"  # noqa: S608
READ_RUN: Final = f"SELECT {COLUMNS}, beside FROM events WHERE run = ? AND seq >= ? ORDER BY seq LIMIT ?"  # noqa: S608
READ_BESIDE: Final = "SELECT name, zlib FROM payloads WHERE run = ? AND seq = ?"


def read_events_of(connection: sqlite3.Connection, stream: str, from_seq: int, limit: int) -> list[Event]:
    """Return the first kept events of a stream from a seq on.

    Raises:
        JournalError: something that stood beside an event is missing.
        DefinitionError: a row is not an event; names it.
    """
    if is_own(stream):
        own = connection.execute(READ_OWN, (stream, from_seq, limit))
        return [event_of(stream, EventRow(*row)) for row in own]
    found = connection.execute("SELECT id FROM runs WHERE run_id = ?", (stream,)).fetchone()
    if found is None:
        return []
    rows = connection.execute(READ_RUN, (found[0], from_seq, limit)).fetchall()
    return [
        event_of(stream, EventRow(*row), beside_of(connection, found[0], row[0], beside)) for *row, beside in rows
    ]


def beside_of(connection: sqlite3.Connection, run: int, seq: int, count: int) -> list[Payload]:
    """Return what stands beside an event, of which there are `count`.

    Raises:
        JournalError: something is missing.
    """
    if not count:
        return []
    payloads = [Payload(*found) for found in connection.execute(READ_BESIDE, (run, seq))]
    if len(payloads) != count:
        raise JournalError(
            f"event {seq} of run {run} has {count} payloads, and {len(payloads)} are kept:"
            " the file is damaged; restore a backup"
        )
    return payloads


def read_logs(connection: sqlite3.Connection, run_id: str, node_id: str | None, attempt: int | None) -> list[LogLine]:
    """Return what a run's attempts said, by node, attempt and line."""
    terms, parameters = ["run = (SELECT id FROM runs WHERE run_id = ?)"], [run_id]
    if node_id is not None:
        terms.append("node = ?")
        parameters.append(node_id)
    if attempt is not None:
        terms.append("attempt = ?")
        parameters.append(str(attempt))
    sql = f"SELECT node, attempt, number, at, level, text, cut FROM log_lines WHERE {' AND '.join(terms)}"  # noqa: S608
    rows = connection.execute(f"{sql} ORDER BY node, attempt, number", parameters)
    return [
        LogLine(node_id=node, attempt=number_of, number=number, at=moment(at), level=level, text=text, cut=bool(cut))
        for node, number_of, number, at, level, text, cut in rows
    ]


def find_definition(connection: sqlite3.Connection, digest: str) -> str | None:
    """Return the stored form of a definition, as JSON; None: it is not kept."""
    found = connection.execute("SELECT json, zlib FROM definitions WHERE hash = ?", (digest,)).fetchone()
    if found is None:
        return None
    text, compressed = found
    stored: str = unpacked(compressed) if text is None else text
    return stored


def find_damage(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with the file; it reads all of it."""
    return [text for (text,) in connection.execute("PRAGMA quick_check(10)") if text != "ok"]
