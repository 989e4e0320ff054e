"""Brings a journal's file to the version of this program: each step is one commit, so that none is half done."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["APPLICATION_ID", "MIGRATIONS", "Migration", "check_schema", "migrate", "schema_text", "statements"]

APPLICATION_ID: Final = 0x506C6279
"""Stands in the file's header, by which `file` and we know it: "Plby"."""


class Migration(NamedTuple):
    """One step."""

    version: int
    """That a journal has after it."""
    sql: str


def _migrations() -> tuple[Migration, ...]:
    """Return the steps that come with this program, in order."""
    files = sorted(Path(__file__).parent.glob("*.sql"))  # importlib.resources takes long to import
    return tuple(Migration(int(file.stem), file.read_text(encoding="utf-8")) for file in files)


MIGRATIONS: Final = _migrations()


def schema_text() -> str:
    """Return the SQL that makes a journal, comments and all."""
    head = f"PRAGMA auto_vacuum = INCREMENTAL;\nPRAGMA application_id = {APPLICATION_ID};"
    steps = [f"{step.sql.rstrip()}\nPRAGMA user_version = {step.version};" for step in MIGRATIONS]
    return "\n\n".join([head, *steps]) + "\n"


def migrate(connection: sqlite3.Connection, name: str, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a journal to the last of `steps`, or make one of an empty file.

    Args:
        connection: of the journal's owner, with no transaction open.
        name: what to call the file in errors.
        steps: in order, numbered from 1.

    Raises:
        JournalError: it is newer than this program, or not a journal.
        sqlite3.Error: it cannot be written; the steps before are kept.
    """
    version = _version(connection, name, steps[-1].version)
    for step in steps:
        if step.version > version:
            _take(connection, step, is_new=step.version == 1)


def check_schema(connection: sqlite3.Connection, name: str) -> None:
    """Refuse to read what is not a journal of this program's version, as `migrate` refuses to write it.

    Raises:
        JournalError: it is not; names the way out.
    """
    newest = MIGRATIONS[-1].version
    version = _version(connection, name, newest)
    if version == 0:
        raise JournalError(f"journal {name} is empty: whoever made it has kept nothing in it yet; look again later")
    if version < newest:
        raise JournalError(
            f"{name} has version {version} of the journal's schema, and this playbill reads {newest}:"
            " `playbill recover` brings it there"
        )


def _version(connection: sqlite3.Connection, name: str, newest: int) -> int:
    """Return the version of a journal's schema; 0: it has none yet.

    Raises:
        JournalError: it is newer than this program, or not a journal.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == APPLICATION_ID:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > newest:
            raise JournalError(
                f"{name} has version {version} of the journal's schema, and this playbill knows {newest}:"
                " a newer playbill wrote it; use that one, or another file"
            )
        return version
    if application or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise JournalError(f"{name} is a SQLite file of another program: name another file for the journal")
    return 0


def _take(connection: sqlite3.Connection, step: Migration, *, is_new: bool) -> None:
    connection.execute("BEGIN" if is_new else "BEGIN IMMEDIATE")  # which writes the file's head, as it is by default
    try:
        if is_new:  # by itself it is a commit: of a file that says of nobody whose it is
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for statement in statements(step.sql):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {step.version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def statements(sql: str) -> Iterator[str]:
    """Yield the statements of a script: `executescript` would commit what is open."""
    collected = ""
    for line in sql.splitlines(keepends=True):
        collected += line
        if sqlite3.complete_statement(collected):
            yield collected
            collected = ""
