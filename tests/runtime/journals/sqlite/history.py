"""Checks the history that a journal's file tells: whatever happened to it, these hold; used by tests of every fault.

1. SQLite finds the file sound.
2. A run's events count from 1 without a gap; there is one at least, for a run's row comes with its first event.
3. At most one event ends a run, and it is the last.
4. A run's row is what its events say: status, last seq, start and end.
5. What stands beside an event is there, all of it and nothing else, and each event can be read.
6. The definition of each run that has one is there; nothing else points to a run that is not there.
7. Trees of runs are whole, and what is pruned is not in the index.
8. A stream of playbill's own has gaps only where pruning may make them: it leaves the last event of each type and
   target, so that up to the event behind a gap there are no two of one kind.
9. The moments of a run's events never go back.
10. A node ends at most once, and nothing of it comes after that; the numbers of its attempts rise.
11. Of an attempt's log no line is missing up to the last, it is within its quota, and nothing comes after a cut.

Weak spot: an event that is missing at the end of a stream is missed by none of these; who knows what was
acknowledged must look for that.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from playbill.model.errors import PlaybillError
from playbill.model.events import TERMINAL, Event, EventType
from playbill.model.facts import RunStatus
from playbill.runtime.journals.index import RunRow, changed
from playbill.runtime.journals.log_quota import MAX_LOG_CHARACTERS, MAX_LOG_LINES
from playbill.runtime.journals.sqlite.files.connections import open_reader
from playbill.runtime.journals.sqlite.reading.facts import find_definition, read_events_of
from playbill.runtime.journals.sqlite.reading.queries import find_run

Problems = Iterator[str]
MANY = 1_000_000
NODE_ENDS: Final = frozenset(
    {
        EventType.PIPELINE_NODE_COMPLETED,
        EventType.PIPELINE_NODE_FAILED,
        EventType.PIPELINE_NODE_SKIPPED,
        EventType.PIPELINE_NODE_CANCELLED,
    }
)
BESIDE: Final = """
SELECT coalesce((SELECT run_id FROM runs WHERE id = e.run), e.run), seq, beside, n FROM (
    SELECT run, seq, beside, (SELECT count(*) FROM payloads AS p WHERE p.run = e.run AND p.seq = e.seq) AS n
    FROM events AS e WHERE e.run IN (SELECT id FROM runs)
) AS e WHERE beside != n
"""
POINTERS: Final = {
    "a payload": "SELECT run FROM payloads AS p WHERE p.run IN (SELECT id FROM runs)"
    " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.run = p.run AND e.seq = p.seq)",
    **{
        f"a row of {table}": f"SELECT run FROM {table} WHERE run NOT IN"
        " (SELECT id FROM runs UNION SELECT run FROM pruned)"
        for table in ("events", "payloads", "log_lines")
    },
    "an attribute": "SELECT run FROM attributes AS a WHERE NOT EXISTS"
    " (SELECT 1 FROM runs WHERE id = a.run AND created_at = a.created_at)",
    "a child": "SELECT id FROM runs WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM runs)",
    "a member of a tree": "SELECT id FROM runs AS r WHERE root !="
    " coalesce((SELECT root FROM runs WHERE id = r.parent), id)",
    "a pruned run": "SELECT id FROM runs WHERE id IN (SELECT run FROM pruned)",
}
"""What must have what it points to: the runs of those that do not."""
LOGS: Final = """
SELECT coalesce((SELECT run_id FROM runs WHERE id = run), run) || ', ' || node || ', attempt ' || attempt,
    count(*), max(number), min(number), sum(length(text)), min(CASE cut WHEN 1 THEN number END)
FROM log_lines GROUP BY run, node, attempt
"""
OWN: Final = (
    "SELECT stream, seq, type || ' ' || coalesce(json_extract(data, '$.target'), '') FROM own_events ORDER BY 1, 2"
)


def check_history(path: Path) -> None:
    """Fail if the file's history breaks one of the rules; names all that do."""
    problems = problems_of(path)
    assert problems == [], f"{path}: " + "; ".join(problems)


def problems_of(path: Path) -> list[str]:
    """All that is wrong with the history of a journal's file, which somebody has opened before as its owner."""
    with closing(open_reader(path)) as connection:
        damage = [*_readable(_damage, connection)]
        return damage or [problem for check in CHECKS for problem in _readable(check, connection)]


def _readable(check: Callable[[sqlite3.Connection], Problems], connection: sqlite3.Connection) -> Problems:
    try:
        yield from check(connection)
    except (sqlite3.Error, PlaybillError) as error:
        yield f"cannot be read: {error}"


def _damage(connection: sqlite3.Connection) -> Problems:
    yield from (str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok")


def of_runs(connection: sqlite3.Connection) -> Problems:
    for (run_id,) in connection.execute("SELECT run_id FROM runs ORDER BY id").fetchall():
        run = find_run(connection, run_id)
        assert run is not None
        events = read_events_of(connection, run_id, 0, MANY)
        yield from of_events(run, events)
        if run.definition is not None and find_definition(connection, run.definition) is None:
            yield f"definition {run.definition} of '{run_id}' is missing"


def of_events(run: RunRow, events: list[Event]) -> Problems:
    found = [event.seq for event in events]
    if not found or found != [*range(1, len(found) + 1)]:
        yield f"events of '{run.run_id}' are {found}, and must count from 1 without a gap"
    ends = [event.seq for event in events if event.node_id is None and event.type in TERMINAL]
    if ends not in ([], found[-1:]):
        yield f"events {ends} of '{run.run_id}' end it, and only the last, {found[-1]}, may"
    for before, event in pairwise(events):
        if event.at < before.at:
            yield f"event {event.seq} of '{run.run_id}' is of {event.at}, and the one before of {before.at}"
    yield from of_nodes(run.run_id, events)
    begun = replace(run, status=RunStatus.PENDING, started_at=None, ended_at=None, last_seq=0)
    if (told := _of_index(run)) != (folded := _of_index(changed(begun, events))):
        yield f"the row of '{run.run_id}' says {told}, and its events {folded}"


def of_nodes(run_id: str, events: list[Event]) -> Problems:
    ended, attempts = dict[str, int](), dict[str, int]()
    for event in events:
        if (node := event.node_id) is None:
            continue
        if node in ended:
            yield f"event {event.seq} of '{run_id}' is of node '{node}', which has ended with event {ended[node]}"
        if event.type in NODE_ENDS:
            ended[node] = event.seq
        if event.type is EventType.PIPELINE_NODE_STARTED and event.attempt is not None:
            if event.attempt <= (before := attempts.get(node, 0)):
                yield f"event {event.seq} of '{run_id}' begins attempt {event.attempt} of '{node}' after {before}"
            attempts[node] = event.attempt


def _of_index(run: RunRow) -> tuple[object, ...]:
    return str(run.status), run.last_seq, run.started_at, run.ended_at


def of_payloads(connection: sqlite3.Connection) -> Problems:
    for run, seq, said, found in connection.execute(BESIDE):
        yield f"event {seq} of '{run}' has {said} payloads, and {found} are there"


def of_pointers(connection: sqlite3.Connection) -> Problems:
    for what, query in POINTERS.items():
        for (run,) in connection.execute(
            f"SELECT DISTINCT run FROM ({query.replace('SELECT id', 'SELECT id AS run', 1)})"
        ):
            yield f"{what} of run {run} points to nothing that is there, or to what it may not"


def of_logs(connection: sqlite3.Connection) -> Problems:
    for whose, lines, last, first, characters, cut in connection.execute(LOGS):
        if (first, last) != (1, lines):
            yield f"the log of {whose} has {lines} lines, from {first} to {last}"
        if lines > MAX_LOG_LINES or characters > MAX_LOG_CHARACTERS:
            yield f"the log of {whose} has {lines} lines and {characters} characters, which is over its quota"
        if cut is not None and cut != last:
            yield f"the log of {whose} is cut at line {cut}, and goes on to {last}"


def of_own_streams(connection: sqlite3.Connection) -> Problems:
    streams: dict[str, list[tuple[int, str]]] = {}
    for stream, seq, kind in connection.execute(OWN):
        streams.setdefault(stream, []).append((seq, kind))
    for stream, found in streams.items():
        gaps = [behind for (seq, _), (behind, _) in pairwise([(0, ""), *found]) if behind != seq + 1]
        before = [kind for seq, kind in found if gaps and seq <= gaps[-1]]
        if len(before) != len(set(before)):
            yield f"'{stream}' lacks events before {gaps[-1]} that pruning would have left"


CHECKS: tuple[Callable[[sqlite3.Connection], Problems], ...] = (
    of_payloads,
    of_pointers,
    of_logs,
    of_runs,
    of_own_streams,
)
"""The first ones look at what the others need to read events."""
