"""Queries of the index: each is a scan of one index in the order of the answer, and reads little more than a page."""

from __future__ import annotations

import json
import sys
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from playbill.model.facts import RunStatus
from playbill.runtime.journals.index import RunRow
from playbill.runtime.journals.listing import PageEnd, RunPage, end_before, micros, moment
from playbill.runtime.journals.sqlite.rows import attribute_text
from playbill.runtime.journals.sqlite.trees import prunable_trees

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from playbill.runtime.journals.listing import RunQuery

__all__ = ["count_prunable", "find_ids", "find_run", "list_runs", "statements_of"]

COLUMNS: Final = (
    "runs.id, runs.run_id, pipeline, version, definition, status, runs.created_at, started_at, ended_at, wake_at,"
    " last_seq, (SELECT run_id FROM runs AS p WHERE p.id = runs.parent),"
    " (SELECT run_id FROM runs AS r WHERE r.id = runs.root), origin, suspended_reason, suspended_at"
)


class Statement(NamedTuple):
    """SQL and its parameters."""

    sql: str
    parameters: tuple[Any, ...]


def find_run(connection: sqlite3.Connection, run_id: str) -> RunRow | None:
    """Return the row of one run."""
    found = connection.execute(f"SELECT {COLUMNS} FROM runs WHERE run_id = ?", (run_id,)).fetchall()  # noqa: S608
    rows = _with_attributes(connection, found)
    return rows[0] if rows else None


def find_ids(connection: sqlite3.Connection, beginning: str, limit: int) -> list[str]:
    """Return the first ids of runs, by the alphabet, that begin so."""
    query = "SELECT run_id FROM runs WHERE run_id BETWEEN ? AND ? ORDER BY run_id LIMIT ?"
    last = f"{beginning}{chr(sys.maxunicode)}"
    return [run_id for (run_id,) in connection.execute(query, (beginning, last, limit))]


def count_prunable(connection: sqlite3.Connection, before: int, statuses: Sequence[str]) -> int:
    """Return how many runs would be pruned."""
    query = prunable_trees(before, statuses)
    sql = f"SELECT count(*) FROM runs WHERE root IN ({query.sql})"  # noqa: S608 (ours)
    count: int = connection.execute(sql, query.parameters).fetchone()[0]
    return count


def list_runs(connection: sqlite3.Connection, query: RunQuery) -> RunPage:
    """Return a page of runs.

    Raises:
        ValueError: the query's cursor or limit is none.
    """
    listings: list[Iterator[Any]] = [connection.execute(*statement) for statement in statements_of(query)]
    found = list(islice(merge(*listings, key=_place, reverse=True), query.limit + 1))
    page = found[: query.limit]
    cursor = _place(page[-1]).cursor if len(found) > query.limit else None
    return RunPage(tuple(_with_attributes(connection, page)), cursor)


def _place(row: Sequence[Any]) -> PageEnd:
    return PageEnd(row[6], row[0])


def statements_of(query: RunQuery) -> list[Statement]:
    """Return a statement for each status asked for, one if that is no matter; together they give the answer.

    Raises:
        ValueError: the query's cursor or limit is none.
    """
    after, table = end_before(query), "attributes" if query.attributes else "runs"
    number = "run" if query.attributes else "id"
    terms, parameters = _terms(query)
    order = f"{table}.created_at DESC, {table}.{number} DESC"
    if after is not None:
        terms.append(f"({table}.created_at, {table}.{number}) < (?, ?)")
        parameters += after
    for moment_of, sign in ((query.since, ">="), (query.until, "<")):
        if moment_of is not None:
            terms.append(f"{table}.created_at {sign} ?")
            parameters.append(micros(moment_of))
    source = "attributes JOIN runs ON runs.id = attributes.run" if query.attributes else "runs"
    statuses: Sequence[str | None] = tuple(dict.fromkeys(query.statuses)) or (None,)
    made: list[Statement] = []
    for status in statuses:
        own = [*terms, "status = ?"] if status else terms
        where = f" WHERE {' AND '.join(own)}" if own else ""
        sql = f"SELECT {COLUMNS} FROM {source}{where} ORDER BY {order} LIMIT ?"  # noqa: S608 (names of ours)
        of_status = [str(status)] if status else []
        made.append(Statement(sql, (*parameters, *of_status, query.limit + 1)))
    return made


def _terms(query: RunQuery) -> tuple[list[str], list[Any]]:
    terms: list[str] = []
    parameters: list[Any] = []
    for number, (name, value) in enumerate(query.attributes.items()):
        if number:
            terms.append(
                "EXISTS (SELECT 1 FROM attributes AS a WHERE a.run = runs.id AND a.name = ? AND a.value = ?)"
            )
        else:
            terms.append("attributes.name = ? AND attributes.value = ?")
        parameters += (name, attribute_text(value))
    if query.pipeline is not None:
        terms.append("pipeline = ?")
        parameters.append(query.pipeline)
    if query.text:
        told, said = _like(query.text), _like(attribute_text(query.text)[1:-1])
        terms.append(
            r"(runs.run_id LIKE ? ESCAPE '\' OR pipeline LIKE ? ESCAPE '\' OR EXISTS"
            r" (SELECT 1 FROM attributes AS t WHERE t.run = runs.id AND t.value LIKE ? ESCAPE '\'))"
        )
        parameters += (f"%{told}%", f"%{told}%", f'"%{said}%"')
    return terms, parameters


def _like(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _with_attributes(connection: sqlite3.Connection, rows: Iterable[Sequence[Any]]) -> list[RunRow]:
    rows = list(rows)
    query = "SELECT run, name, value FROM attributes WHERE run IN (SELECT value FROM json_each(?)) ORDER BY run, name"
    found: dict[int, dict[str, Any]] = {row[0]: {} for row in rows}
    for run, name, value in connection.execute(query, (json.dumps([*found]),)).fetchall():
        found[run][name] = json.loads(value)
    return [_run_row(row, found[row[0]]) for row in rows]


def _run_row(row: Sequence[Any], attributes: dict[str, Any]) -> RunRow:
    _, run_id, pipeline, version, definition, status, *rest = row
    times = [None if at is None else moment(at) for at in (*rest[:4], rest[9])]
    created, started, ended, wake, suspended = times
    assert created is not None  # noqa: S101 (the column says so)
    return RunRow(
        run_id=run_id,
        pipeline=pipeline,
        version=version,
        definition=definition,
        status=RunStatus(status),
        created_at=created,
        started_at=started,
        ended_at=ended,
        wake_at=wake,
        last_seq=rest[4],
        parent=rest[5],
        root=None if rest[6] == run_id else rest[6],
        origin=rest[7],
        suspended_reason=rest[8],
        suspended_at=suspended,
        attributes=attributes,
    )
