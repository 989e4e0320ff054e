"""The index in SQL: definitions, attributes and the rows of runs, as they are changed on the writer's connection."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from playbill.model.attributes import check_count
from playbill.model.errors import UnknownRun
from playbill.runtime.journals.listing import micros
from playbill.runtime.journals.sqlite.rows import LARGE, attribute_text, packed, storable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from playbill.model.attributes import Scalar

__all__ = ["RowChanges", "change_row", "insert_attributes", "insert_definition"]

COLUMNS_CHANGED: Final = frozenset(
    {"status", "started_at", "ended_at", "wake_at", "last_seq", "suspended_reason", "suspended_at"}
)


def insert_definition(connection: sqlite3.Connection, digest: str, stored: str) -> None:
    """Keep a definition, if it is not there yet, as it mostly is; a large one is compressed."""
    if connection.execute("SELECT 1 FROM definitions WHERE hash = ?", (digest,)).fetchone():
        return
    large = len(stored) > LARGE
    row = (digest, None, packed(stored)) if large else (digest, stored, None)
    connection.execute("INSERT INTO definitions VALUES (?, ?, ?)", row)


def insert_attributes(connection: sqlite3.Connection, run: int, attributes: Mapping[str, Scalar]) -> None:
    """Set attributes of a run; the others it has stay.

    Raises:
        DefinitionError: it has too many then.
    """
    if not attributes:
        return
    (created,) = connection.execute("SELECT created_at FROM runs WHERE id = ?", (run,)).fetchone()
    names = [(run, name) for name in attributes]
    connection.executemany("DELETE FROM attributes WHERE run = ? AND name = ?", names)
    rows = [(name, attribute_text(value), created, run) for name, value in attributes.items()]
    connection.executemany("INSERT INTO attributes VALUES (?, ?, ?, ?)", rows)
    check_count(connection.execute("SELECT count(*) FROM attributes WHERE run = ?", (run,)).fetchone()[0])


class RowChanges:
    """What the events of a group change of the rows of runs: written by a statement for each choice of columns."""

    def __init__(self) -> None:
        self._last: list[tuple[int, int]] = []
        """Where nothing else changes: the last seq, and the run."""
        self._others: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}

    def add(self, run: int, last_seq: int, change: Mapping[str, Any]) -> None:
        """Take what changes of a run, at most once a run."""
        if not change:
            self._last.append((last_seq, run))
            return
        columns = tuple(change)
        values = (*map(_column, change.values()), last_seq, run)
        self._others.setdefault(columns, []).append(values)

    def write(self, connection: sqlite3.Connection) -> None:
        """Change them."""
        if self._last:
            connection.executemany("UPDATE runs SET last_seq = ? WHERE id = ?", self._last)
        for columns, values in self._others.items():
            assignments = "".join(f"{name} = ?, " for name in columns)
            sql = f"UPDATE runs SET {assignments}last_seq = ? WHERE id = ?"  # noqa: S608 (names of ours)
            connection.executemany(sql, values)


def _update_run(connection: sqlite3.Connection, run: int, change: Mapping[str, Any]) -> None:
    """Change columns of a run's row; only those, so that few indexes are touched."""
    columns = {name: _column(value) for name, value in change.items() if name in COLUMNS_CHANGED}
    if columns:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        connection.execute(f"UPDATE runs SET {assignments} WHERE id = ?", (*columns.values(), run))  # noqa: S608
    insert_attributes(connection, run, change.get("attributes") or {})


def change_row(connection: sqlite3.Connection, run_id: str, change: Mapping[str, Any]) -> None:
    """Change of a run's row what no event does.

    Raises:
        UnknownRun: there is none of this id.
    """
    found = connection.execute("SELECT id FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if found is None:
        raise UnknownRun(run_id)
    _update_run(connection, found[0], change)


def _column(value: Any) -> Any:
    if isinstance(value, datetime):
        return micros(value)
    return storable(value) if isinstance(value, str) else value
