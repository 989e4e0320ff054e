"""A connection of apsw as the writer knows one: what it uses of sqlite3.Connection, with sqlite3's errors.

All rows are fetched at once: no statement is left open between two calls, as with sqlite3 none of the writer's is.
"""

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

OPEN = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
"""What the target's `mode` allows at most."""
BUSY_MS = 1000
DATABASE = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
"""The codes that sqlite3 raises as DatabaseError."""
INTEGRITY = {"SQLITE_CONSTRAINT", "SQLITE_MISMATCH"}
"""The codes that sqlite3 raises as IntegrityError."""


def standard_error(error: apsw.Error) -> sqlite3.Error:
    """The error that sqlite3 raises where apsw raised this one."""
    code = getattr(error, "extendedresult", getattr(error, "result", apsw.SQLITE_ERROR))
    name = str(apsw.mapping_result_codes.get(code & 0xFF, "SQLITE_ERROR"))
    kind: type[sqlite3.Error] = sqlite3.OperationalError
    if name in DATABASE:
        kind = sqlite3.DatabaseError
    elif name in INTEGRITY:
        kind = sqlite3.IntegrityError
    made = kind(str(error))
    made.sqlite_errorcode = code
    made.sqlite_errorname = str(apsw.mapping_extended_result_codes.get(code, name))
    return made


@contextmanager
def standard_errors() -> Generator[None]:
    """Raise sqlite3's errors instead of apsw's."""
    try:
        yield
    except (apsw.BindingsError, apsw.ConnectionClosedError) as error:
        raise sqlite3.ProgrammingError(str(error)) from error
    except apsw.Error as error:
        raise standard_error(error) from error


class ApswCursor:
    """What a statement gave."""

    def __init__(self, rows: Iterable[tuple[Any, ...]], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows


Parameters = Sequence[Any] | Mapping[str, Any]


class ApswConnection:
    """A connection.

    Args:
        target: a URI.
        vfs: the name of the VFS; None: the standard one.
    """

    def __init__(self, target: str, vfs: str | None = None) -> None:
        with standard_errors():
            self._connection = apsw.Connection(target, flags=OPEN, vfs=vfs)
            self._connection.set_busy_timeout(BUSY_MS)

    def execute(self, sql: str, parameters: Parameters = ()) -> ApswCursor:
        return self._done(sql, lambda cursor: cursor.execute(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> ApswCursor:
        return self._done(sql, lambda cursor: cursor.executemany(sql, parameters))

    def _done(self, sql: str, call: Any) -> ApswCursor:
        connection = self._connection
        with standard_errors():
            before = connection.total_changes()
            rows = list(call(connection.cursor()))
            changes = connection.total_changes() - before
        is_change = sql.lstrip()[:7].upper().rstrip() in {"INSERT", "UPDATE", "DELETE", "REPLACE"}
        return ApswCursor(rows, changes if is_change else -1)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def interrupt(self) -> None:
        with standard_errors():
            self._connection.interrupt()

    def close(self) -> None:
        with standard_errors():
            self._connection.close()
