"""The schema: made in steps that are whole or not at all, read by people, and every listing a scan of one index."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from playbill.model.errors import JournalError
from playbill.model.facts import RunStatus
from playbill.runtime.journals.listing import RunQuery
from playbill.runtime.journals.sqlite.files.headers import check_header
from playbill.runtime.journals.sqlite.reading.queries import statements_of
from playbill.runtime.journals.sqlite.schema.migrations import (
    APPLICATION_ID,
    MIGRATIONS,
    Migration,
    migrate,
    schema_text,
    statements,
)
from playbill.runtime.journals.sqlite.trees import prunable_trees
from tests.contracts.journal_support import AT

INVENTED = Migration(
    2, "ALTER TABLE runs ADD COLUMN colour TEXT; -- a note\nUPDATE runs SET colour = 'red; or blue';\n"
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as made:
        yield made


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_an_empty_file_becomes_a_journal(connection: sqlite3.Connection) -> None:
    migrate(connection, "FILE")
    assert [pragma(connection, name) for name in ("application_id", "user_version", "auto_vacuum")] == [
        APPLICATION_ID,
        1,
        2,
    ]
    migrate(connection, "FILE")  # once more changes nothing


class CutOff(sqlite3.Connection):
    """A connection whose process ends before one of its statements."""

    left = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().execute(*arguments)


def test_a_file_that_is_being_made_is_empty_or_a_journal(tmp_path: Path) -> None:
    """Wherever that is broken off: else the next owner would take it for the file of another program."""
    sizes: list[int] = []
    for left in count():
        path = tmp_path / f"{left}.db"
        made = sqlite3.connect(path, isolation_level=None, factory=CutOff)
        made.left = left
        with closing(made), suppress(KeyboardInterrupt):
            migrate(made, "FILE")
            break
        check_header(path)
        sizes.append(path.stat().st_size)
    assert left > 20
    assert set(sizes) == {0}  # the last statement is the commit
    check_header(path)


def test_an_older_journal_is_brought_up_with_what_it_holds(connection: sqlite3.Connection) -> None:
    migrate(connection, "FILE", MIGRATIONS)
    connection.execute(
        "INSERT INTO runs (id, run_id, pipeline, version, status, created_at, last_seq, root)"
        " VALUES (1, 'r', 'p', '', 'running', 0, 0, 1)"
    )
    migrate(connection, "FILE", (*MIGRATIONS, INVENTED))
    assert pragma(connection, "user_version") == 2
    assert connection.execute("SELECT run_id, colour FROM runs").fetchall() == [("r", "red; or blue")]
    with pytest.raises(JournalError, match="FILE has version 2 of the journal's schema, and this playbill knows 1"):
        migrate(connection, "FILE", MIGRATIONS)


def test_a_step_that_fails_leaves_the_version_before(connection: sqlite3.Connection) -> None:
    migrate(connection, "FILE", MIGRATIONS)
    broken = Migration(2, "CREATE TABLE more (a);\nCREATE TABLE runs (b);\n")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, "FILE", (*MIGRATIONS, broken))
    assert pragma(connection, "user_version") == 1
    assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone() is None


def test_the_file_of_another_program_is_left_alone(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (text)")
    with pytest.raises(JournalError, match="FILE is a SQLite file of another program"):
        migrate(connection, "FILE")


def test_the_steps_are_numbered_without_gaps() -> None:
    assert [step.version for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_the_text_of_the_schema_makes_a_journal_and_explains_each_table(connection: sqlite3.Connection) -> None:
    text = schema_text()
    connection.executescript(text)
    migrate(connection, "FILE")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert len(tables) > 8
    for table in tables:
        assert "-- " in text.partition(f"CREATE TABLE {table} ")[0].rstrip().rpartition("\n\n")[2]


def test_a_script_is_cut_into_statements_and_not_within_texts() -> None:
    assert [each.strip() for each in statements("SELECT ';';\n-- a; b\nSELECT 2\n;\n")] == [
        "SELECT ';';",
        "-- a; b\nSELECT 2\n;",
    ]


# ---- listings -------------------------------------------------------------------------------------------------

STATUSES = (RunStatus.RUNNING, RunStatus.PAUSED)
TIMES = {"since": AT, "until": AT + timedelta(days=1)}
LISTINGS: dict[str, tuple[RunQuery, str]] = {
    "all": (RunQuery(), "runs_by_time"),
    "text": (RunQuery(text="abc"), "runs_by_time"),
    "time": (RunQuery(**TIMES), "runs_by_time (created_at>? AND created_at<?)"),  # type: ignore[arg-type]
    "status": (RunQuery(statuses=STATUSES), "runs_by_status (status=?)"),
    "pipeline": (RunQuery(pipeline="p"), "runs_by_pipeline (pipeline=?)"),
    "both": (RunQuery(pipeline="p", statuses=STATUSES), "runs_by_pipeline_and_status (pipeline=? AND status=?)"),
    "attribute": (RunQuery(attributes={"city": "Lyon"}), "attributes USING PRIMARY KEY (name=? AND value=?)"),
    "page": (RunQuery(cursor="5.6"), "runs_by_time (created_at<?)"),
    "page of status": (RunQuery(cursor="5.6", statuses=STATUSES), "runs_by_status (status=? AND created_at<?)"),
    "page of attribute": (
        RunQuery(cursor="5.6", attributes={"city": "Lyon"}, statuses=STATUSES, pipeline="p"),
        "attributes USING PRIMARY KEY (name=? AND value=?",
    ),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_is_one_scan_of_an_index_in_the_order_of_the_answer(
    name: str, connection: sqlite3.Connection
) -> None:
    migrate(connection, "FILE")
    query, index = LISTINGS[name]
    for sql, parameters in statements_of(query):
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        assert index in plan[0]
        assert not [step for step in plan if "TEMP B-TREE" in step or step in {"SCAN runs", "SCAN attributes"}]


def test_what_can_be_pruned_is_found_by_an_index(connection: sqlite3.Connection) -> None:
    migrate(connection, "FILE")
    query = prunable_trees(1, ["failed"], 1)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)]
    assert "runs_by_end (ended_at<?)" in plan[0]
    assert not [step for step in plan if "TEMP B-TREE" in step]
