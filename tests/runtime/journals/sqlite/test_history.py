"""The checker of histories finds whatever is wrong with one, and nothing with one that is sound."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from playbill.model.events import EventType
from playbill.runtime.journals.listing import LogLine
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.contracts.journal_support import AT, COMPLETED, event, put, row
from tests.runtime.journals.sqlite.history import check_history, problems_of

pytestmark = pytest.mark.anyio
LARGE = {"output": {"a": "b" * 100_000}, "live": ()}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A file with runs that ended or not, a tree, payloads, a log, and a breaker's stream that was pruned."""
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    for name, parent in (("r", None), ("child", "r"), ("open", None)):
        begun = journal.begin_run(row(name, definition="hash", parent=parent, attributes={"n": 1}), "{}")
        node = event(2, EventType.PIPELINE_NODE_COMPLETED, name, data=LARGE)
        await put(journal, event(1, stream=name), node, event(3, stream=name))
        await begun
    await put(journal, *(event(seq, stream="plain") for seq in (1, 2, 3)))
    for number in (1, 2, 3):
        journal.log("r", LogLine(node_id="a", attempt=1, number=number, at=AT, level="info", text="said"))
    await put(journal, event(4, COMPLETED))
    for seq, target in enumerate("aabbab", 1):
        data = {"epoch": seq, "target": target}
        await put(journal, event(seq, EventType.BREAKER_CLOSED, "breaker:shop", data=data))
    await journal.prune(AT + timedelta(days=1))
    await put(journal, event(7, EventType.BREAKER_CLOSED, "breaker:shop", data={"epoch": 7, "target": "a"}))
    await journal.aclose()
    return journal.path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, f"changes nothing: {statement}"


async def test_a_sound_history_has_no_problems(path: Path) -> None:
    check_history(path)


BROKEN = {
    "DELETE FROM events WHERE run = 3 AND seq = 2": "a payload of run 3 points to nothing",
    "DELETE FROM events WHERE run = 3 AND seq = 1": "events of 'open' are [2, 3], and must count from 1",
    "DELETE FROM events WHERE run = 3 AND seq = 3": "the row of 'open' says ('paused', 3,",
    "UPDATE events SET seq = 9 WHERE run = 3 AND seq = 3": "events of 'open' are [1, 2, 9]",
    "DELETE FROM events WHERE run = 1 AND seq = 4": "the row of 'r' says ('completed', 4,",
    'UPDATE events SET type = \'pipeline_run.failed\', data = \'{"status":"failed","cause":null}\''
    " WHERE run = 1 AND seq = 3": "events [3, 4] of 'r' end it, and only the last, 4, may",
    "UPDATE runs SET status = 'running' WHERE id = 1": "the row of 'r' says ('running', 4,",
    "UPDATE runs SET ended_at = ended_at + 1 WHERE id = 1": "the row of 'r' says ('completed', 4,",
    "UPDATE runs SET last_seq = 2 WHERE id = 3": "the row of 'open' says ('paused', 2,",
    "DELETE FROM payloads WHERE run = 1": "event 2 of 'r' has 1 payloads, and 0 are there",
    "UPDATE payloads SET zlib = x'00' WHERE run = 1": "cannot be read",
    "UPDATE events SET data = '{' WHERE run = 1 AND seq = 1": "cannot be read",
    "DELETE FROM definitions": "definition hash of 'open' is missing",
    "DELETE FROM runs WHERE id = 1": "a child of run 2 points to nothing",
    "UPDATE runs SET root = 3 WHERE id = 2": "a member of a tree of run 2 points to",
    "UPDATE attributes SET run = 7 WHERE run = 3": "an attribute of run 7 points to nothing",
    "UPDATE events SET at = at - 1 WHERE run = 3 AND seq = 3": "event 3 of 'open' is of ",
    "UPDATE events SET node = 'a', type = 'pipeline_node.skipped'"
    " WHERE run = 4 AND seq != 1": "event 3 of 'plain' is of node 'a', which has ended with event 2",
    "UPDATE events SET node = 'a', attempt = 4 - seq, type = 'pipeline_node.started'"
    " WHERE run = 4 AND seq != 1": "begins attempt 1 of 'a' after 2",
    "DELETE FROM log_lines WHERE number = 1": "the log of r, a, attempt 1 has 2 lines, from 2 to 3",
    "DELETE FROM log_lines WHERE number = 2": "the log of r, a, attempt 1 has 2 lines, from 1 to 3",
    "UPDATE log_lines SET cut = 1 WHERE number = 2": "the log of r, a, attempt 1 is cut at line 2, and goes on to 3",
    "UPDATE log_lines SET text = printf('%.*c', 300000, 'x') WHERE number = 2": "which is over its quota",
    "UPDATE log_lines SET run = 7": "a row of log_lines of run 7 points to nothing",
    "INSERT INTO pruned VALUES (3)": "a pruned run of run 3 points to",
    "DELETE FROM own_events WHERE seq = 6": "'breaker:shop' lacks events before 7",
}


@pytest.mark.parametrize("statement", BROKEN)
async def test_whatever_breaks_a_rule_is_found(statement: str, path: Path) -> None:
    change(path, statement)
    assert any(BROKEN[statement] in problem for problem in problems_of(path)), problems_of(path)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5 * 4096 : 6 * 4096] = b"x" * 4096
    path.write_bytes(content)


async def test_a_damaged_file_is_found(path: Path) -> None:
    damage(path)
    assert problems_of(path) != []
