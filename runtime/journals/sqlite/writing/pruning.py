"""Forgets ended runs in small commits, so that no group waits long, and so that a crash in between loses nothing.

1. A tree of runs goes as a whole: its rows move from `runs` to `pruned` in one commit. From then on the ids are free,
   and nobody finds the runs.
2. What is left of them is deleted bit by bit, and `pruned` tells what is left, also after a restart.
3. Of playbill's own streams the last event of each type and target stays: it gives their state, and the last seq.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from playbill.runtime.journals.sqlite.trees import prunable_trees
from playbill.runtime.journals.sqlite.writing.positions import LAST_OF_EACH

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["condemn", "drop_definitions", "give_back", "prune_all", "prune_own", "sweep"]

Step: TypeAlias = "Callable[[sqlite3.Connection], Any]"

TREES_A_COMMIT: Final = 100
ROWS_A_COMMIT: Final = 5000
PAGES_A_STEP: Final = 1000
SWEEPS: Final = (
    "DELETE FROM events WHERE run = ?1 AND seq IN (SELECT seq FROM events WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM payloads WHERE rowid IN (SELECT rowid FROM payloads WHERE run = ?1 LIMIT ?2)",
    """DELETE FROM log_lines WHERE run = ?1 AND (node, attempt, number) IN
    (SELECT node, attempt, number FROM log_lines WHERE run = ?1 LIMIT ?2)""",
)
PRUNE_OWN: Final = f"""
DELETE FROM own_events WHERE (stream, seq) IN (
    SELECT stream, seq FROM own_events WHERE at < :before AND (stream, seq) NOT IN ({LAST_OF_EACH}) LIMIT :most
)
"""  # noqa: S608 (ours)
DROP_DEFINITIONS: Final = """
DELETE FROM definitions WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.definition = definitions.hash)
"""


async def prune_all(work: Callable[[Step], Awaitable[Any]], before: int, statuses: Sequence[str]) -> int:
    """Forget all that is to be forgotten, step by step, each between two groups; return how many runs these were.

    Args:
        work: has a step done with the owner's connection.
        before: microseconds since 1970.
        statuses: of the runs at the top of their trees.
    """
    pruned = 0
    while count := await work(partial(condemn, before=before, statuses=statuses)):
        pruned += count
    for step in (sweep, partial(prune_own, before=before)):
        while await work(step):
            pass
    await work(drop_definitions)
    while await work(give_back):
        pass
    return pruned


def condemn(connection: sqlite3.Connection, before: int, statuses: Sequence[str]) -> int:
    """Forget some trees of runs that have ended before; return how many runs these were, 0: there are none left.

    Args:
        connection: the owner's.
        before: microseconds since 1970.
        statuses: of the runs at the top.
    """
    query = prunable_trees(before, statuses, TREES_A_COMMIT)
    connection.execute("BEGIN IMMEDIATE")
    tops = connection.execute(query.sql, query.parameters).fetchall()
    members = [row for top in tops for row in connection.execute("SELECT id FROM runs WHERE root = ?", top)]
    connection.executemany("INSERT INTO pruned VALUES (?)", members)
    connection.executemany("DELETE FROM attributes WHERE run = ?", members)
    connection.executemany("DELETE FROM runs WHERE id = ?", members)
    connection.execute("COMMIT")
    return len(members)


def sweep(connection: sqlite3.Connection) -> bool:
    """Delete some rows of forgotten runs; tell whether there may be more."""
    left = ROWS_A_COMMIT
    connection.execute("BEGIN IMMEDIATE")
    while left > 0 and (found := connection.execute("SELECT run FROM pruned LIMIT 1").fetchone()) is not None:
        deleted = sum(connection.execute(statement, (found[0], left)).rowcount for statement in SWEEPS)
        if not deleted:
            connection.execute("DELETE FROM pruned WHERE run = ?", found)
        left -= deleted + 1
    connection.execute("COMMIT")
    return left <= 0


def prune_own(connection: sqlite3.Connection, before: int) -> bool:
    """Delete some events of playbill's own streams; tell whether there may be more."""
    deleted = connection.execute(PRUNE_OWN, {"before": before, "most": ROWS_A_COMMIT}).rowcount
    return deleted == ROWS_A_COMMIT


def drop_definitions(connection: sqlite3.Connection) -> None:
    """Delete the definitions of which there is no run any more."""
    connection.execute(DROP_DEFINITIONS)


def give_back(connection: sqlite3.Connection) -> bool:
    """Give some free pages back to the file system; tell whether there are more."""
    connection.execute(f"PRAGMA incremental_vacuum({PAGES_A_STEP})").fetchall()
    return bool(connection.execute("PRAGMA freelist_count").fetchone()[0])
