"""A connection of apsw gives the writer what a standard one gives: rows, counts and errors."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.journals.sqlite.power.apsw_connection import ApswConnection

Connection = Any
"""Of either kind."""


@pytest.fixture(params=["standard", "apsw"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Connection]:
    """Connects to the same file each time, by one of the two."""

    def made(mode: str) -> Connection:
        target = f"file:{tmp_path / 'some.db'}?mode={mode}"
        if request.param == "apsw":
            return ApswConnection(target)
        return sqlite3.connect(target, uri=True, isolation_level=None, timeout=0.01)

    return made


def test_rows_come_one_by_one_or_all_together(connect: Callable[[str], Connection]) -> None:
    with closing(connect("rwc")) as connection:
        assert connection.execute("CREATE TABLE some (a INTEGER PRIMARY KEY, b)").fetchone() is None
        connection.executemany("INSERT INTO some VALUES (?, ?)", [(1, "x"), (2, b"y"), (3, None)])
        cursor = connection.execute("SELECT * FROM some WHERE a < :most", {"most": 3, "more": 1})
        assert (cursor.fetchone(), cursor.fetchall(), cursor.fetchone()) == ((1, "x"), [(2, b"y")], None)
        assert list(connection.execute("SELECT b FROM some WHERE a = ?", (3,))) == [(None,)]


def test_changes_are_counted(connect: Callable[[str], Connection]) -> None:
    with closing(connect("rwc")) as connection:
        assert connection.execute("CREATE TABLE some (a)").rowcount == -1
        assert connection.execute("INSERT INTO some VALUES (1), (2), (3)").rowcount == 3
        assert connection.execute(" DELETE FROM some WHERE a > ?", (1,)).rowcount == 2
        assert connection.execute("UPDATE some SET a = 7 WHERE a = 9").rowcount == 0
        assert connection.execute("SELECT a FROM some").rowcount == -1


def test_it_knows_whether_a_transaction_is_open(connect: Callable[[str], Connection]) -> None:
    with closing(connect("rwc")) as connection:
        seen = [connection.in_transaction]
        for statement in ("BEGIN IMMEDIATE", "CREATE TABLE some (a)", "ROLLBACK"):
            connection.execute(statement)
            seen.append(connection.in_transaction)
        connection.interrupt()  # in vain
        assert seen == [False, True, True, False]
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchall() == [(0,)]


ERRORS = {
    "SELECT 1 FROM nowhere": (sqlite3.OperationalError, "SQLITE_ERROR"),
    "INSERT INTO some VALUES (1)": (sqlite3.IntegrityError, "SQLITE_CONSTRAINT_PRIMARYKEY"),
    "DELETE FROM some": (sqlite3.OperationalError, "SQLITE_READONLY"),
}


@pytest.mark.parametrize("statement", ERRORS)
def test_errors_are_those_of_the_standard_library(statement: str, connect: Callable[[str], Connection]) -> None:
    with closing(connect("rwc")) as connection:
        connection.execute("CREATE TABLE some (a INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO some VALUES (1)")
    kind, name = ERRORS[statement]
    with closing(connect("ro" if name == "SQLITE_READONLY" else "rw")) as connection:
        with pytest.raises(kind) as raised:
            connection.execute(statement)
        assert (type(raised.value), raised.value.sqlite_errorname) == (kind, name)


def test_a_file_that_is_locked_damaged_or_missing_says_so(
    connect: Callable[[str], Connection], tmp_path: Path
) -> None:
    with pytest.raises(sqlite3.OperationalError) as missing:
        connect("rw").execute("PRAGMA user_version")
    with closing(connect("rwc")) as one, closing(connect("rw")) as other:
        one.execute("BEGIN IMMEDIATE")
        other.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError) as locked:
            other.execute("BEGIN IMMEDIATE")
    (tmp_path / "some.db").write_bytes(b"no database at all" * 100)
    with closing(connect("rw")) as connection, pytest.raises(sqlite3.DatabaseError) as damaged:
        connection.execute("SELECT 1 FROM sqlite_master")
    names = [error.value.sqlite_errorname for error in (missing, locked, damaged)]
    assert names == ["SQLITE_CANTOPEN", "SQLITE_BUSY", "SQLITE_NOTADB"]


def test_who_was_closed_or_gets_the_wrong_number_of_values_says_so(connect: Callable[[str], Connection]) -> None:
    connection = connect("rwc")
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT ?", (1, 2))
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
