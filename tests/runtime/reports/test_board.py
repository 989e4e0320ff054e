"""A run's board: at each width ids, times and symbols keep their place, and only messages shrink."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from playbill.model.events import Event, EventType
from playbill.model.facts import Cause, Failure, RunStatus
from playbill.model.progress import NodeProgress
from playbill.runtime.reports.board import Board
from playbill.runtime.reports.board_lines import cut_middle
from playbill.runtime.reports.printable import printable
from tests.stories.support import node, pipeline

LONG = "fetch_all_customer_records_of_the_warehouse_before_midnight"
WIDE = "日本語のノード名がとても長いので半分に切られる"
NOW = datetime.now(UTC)


def board_of(*ids: str, **fields: Any) -> Board:
    return Board(pipeline(*(node(each, **fields) for each in ids)), grace=5.0, clock=lambda: NOW)


def happens(board: Board, kind: EventType, name: str | None, after: float = 0, attempt: int = 1, **data: Any) -> None:
    at = NOW + timedelta(seconds=after)
    board.take(Event(kind, "run", 1, at, name, None if name is None else attempt, data))


def says(board: Board, name: str, progress: Any, attempt: int = 1) -> None:
    board.take(NodeProgress("run", NOW, name, attempt, progress))


def drawn(board: Board, width: int, height: int = 24) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, height=height, color_system=None, legacy_windows=False).print(board)
    return file.getvalue().splitlines()


def busy() -> Board:
    """A board with one node of each kind."""
    board = board_of("a", LONG, WIDE, "retried", "failed")
    for name in ("a", LONG, WIDE, "retried", "failed"):
        happens(board, EventType.PIPELINE_NODE_STARTED, name)
    failure = Failure("NodeExecutionError", "the far side says: " + "try again " * 10, retryable=True)
    happens(board, EventType.PIPELINE_NODE_COMPLETED, "a", 1.5)
    happens(board, EventType.PIPELINE_NODE_RETRYING, "retried", failure=failure)
    happens(board, EventType.PIPELINE_NODE_FAILED, "failed", 75, attempt=3, failure=failure, handled=True)
    says(board, LONG, {"done": 3, "of": 10})
    says(board, WIDE, "loading ✨ " * 30)
    return board


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_no_line_is_wider_than_the_terminal_and_all_columns_keep_their_place(width: int) -> None:
    *lines, summary = drawn(busy(), width)
    assert len(lines) == 5
    assert max(map(cell_len, lines)) <= width
    assert [line[0] for line in lines] == list("✔●●↻✘")
    assert f"75 s {'2↻' if width < 80 else '2 retries'} " in lines[4]
    ends = {
        cell_len(line[: line.index(unit) + len(unit)]) for line, unit in [(lines[0], "1.5 s"), (lines[4], "75 s")]
    }
    assert len(ends) == 1  # the times stand below each other
    assert width < 60 or "30%" in lines[1]
    assert summary.startswith("1 completed, 2 running, 1 retrying, 1 f")


def test_an_id_is_cut_in_its_middle_only_where_it_would_take_over_half() -> None:
    assert LONG in "\n".join(drawn(busy(), 140))
    assert "● fetch_all_cust…before_midnight " in "\n".join(drawn(busy(), 60))
    assert "● 日本語のノード…半分に切られる  " in "\n".join(drawn(busy(), 60))


@pytest.mark.parametrize("width", range(1, 30))
def test_what_is_cut_fits_and_keeps_both_ends(width: int) -> None:
    for text in (LONG, WIDE, "a"):
        cut = cut_middle(text, width)
        assert cell_len(cut) <= width
        assert cut == text or "…" in cut
    assert cut_middle("abcdefgh", 5) == "ab…gh"


def test_progress_is_a_bar_while_its_attempt_runs() -> None:
    board = board_of("a")
    happens(board, EventType.PIPELINE_NODE_STARTED, "a")
    says(board, "a", 0.5)
    assert "━━━━━━━━━━────────── " in drawn(board, 80)[0]
    assert drawn(board, 80)[0].endswith(" 50%")
    says(board, "a", {"done": 10, "of": 10})
    assert drawn(board, 80)[0].endswith(" 100% 10/10")
    says(board, "a", "first\nsecond \x1b[31m")
    assert drawn(board, 80)[0].endswith(" second \\x1b[31m")
    says(board, "a", 0.9, attempt=2)  # of an attempt that has not begun, or is over
    says(board, "b", 0.9)
    assert "%" not in drawn(board, 80)[0]
    says(board, "a", 0.9)
    happens(board, EventType.PIPELINE_NODE_COMPLETED, "a", 1)
    assert drawn(board, 80)[0] == "✔ a 1 s"


@pytest.mark.parametrize(
    ("explicit", "own", "said"),
    [(None, None, "5 s"), (None, 2, "2 s"), (None, 9, "9 s"), (3.0, None, "3 s"), (3.0, 2, "2 s"), (3.0, 9, "3 s")],
)
def test_a_stop_says_how_long_it_waits(explicit: float | None, own: float | None, said: str) -> None:
    board = board_of("a", grace=own)
    happens(board, EventType.PIPELINE_NODE_STARTED, "a")
    cause = Cause(RunStatus.CANCELLED, source="user")
    happens(board, EventType.PIPELINE_RUN_CANCEL_REQUESTED, None, cause=cause, grace=explicit)
    assert board.stop is not None
    assert board.stop.describe(NOW) == f"stopping, {said} of grace left; Ctrl-C kills"
    assert board.stop.describe(NOW + timedelta(seconds=9)) == "killing ..."
    assert "Ctrl-C kills" in drawn(board, 80)[1]
    happens(board, EventType.PIPELINE_RUN_CANCEL_REQUESTED, None, cause=cause, grace=0.0)
    assert drawn(board, 80)[1] == "killing ..."


def test_a_stop_by_timeout_or_failure_says_so() -> None:
    board = board_of("a", "b")
    for name in "ab":
        happens(board, EventType.PIPELINE_NODE_STARTED, name)
    happens(board, EventType.PIPELINE_NODE_FAILED, "a", handled=False, failure=Failure("E", "x", retryable=True))
    assert drawn(board, 80)[2] == "node 'a' failed: stopping, 5 s of grace left; Ctrl-C kills"
    cause = Cause(RunStatus.TIMEOUT, source="timeout", seconds=90)
    happens(board, EventType.PIPELINE_RUN_CANCEL_REQUESTED, None, cause=cause, grace=None)
    assert drawn(board, 80)[2] == "timeout after 90 s: stopping, 5 s of grace left; Ctrl-C kills"


@pytest.mark.parametrize("handled", [True, False])
def test_a_failure_that_stops_nothing_says_nothing_of_stopping(handled: bool) -> None:
    board = Board(pipeline(node("a"), on_failure="stop" if handled else "finish"))
    happens(board, EventType.PIPELINE_NODE_FAILED, "a", handled=handled, failure=Failure("E", "x", retryable=True))
    assert board.stop is None


def test_of_many_nodes_those_at_work_and_the_last_ones_are_shown() -> None:
    names = [f"step-{number:03}" for number in range(100)]
    board = board_of(*names)
    for name in names[:60]:
        happens(board, EventType.PIPELINE_NODE_STARTED, name)
    for name in names[1:50]:
        happens(board, EventType.PIPELINE_NODE_COMPLETED, name)
    lines = drawn(board, 60)
    assert len(lines) <= 23
    assert lines[0].startswith("● step-000")
    assert sum(line.startswith("●") for line in lines) == 11
    assert lines[-1] == "11 running, 49 completed, 40 waiting"


def test_what_the_terminal_cannot_show_is_escaped_before_it_is_measured() -> None:
    board = busy()
    board.encoding = "ascii"
    lines = drawn(board, 60)
    assert max(map(cell_len, lines)) <= 60
    assert "日" not in "\n".join(lines)
    assert "● \\u65e5\\u672" in lines[2]


def test_what_would_move_the_cursor_is_escaped() -> None:
    assert printable("a\nb\x1b[2J\ud800é✔") == "a\\nb\\x1b[2J\\ud800é✔"


@pytest.mark.parametrize(
    ("key", "said"), [(None, "waits for one of the run's slots"), ("shop/x", "a permit of shop/x")]
)
def test_who_waits_long_says_what_for_and_has_not_begun(key: str | None, said: str) -> None:
    board = board_of("a", "b")
    what = "slot" if key is None else "permit"
    happens(board, EventType.PIPELINE_NODE_WAITING, "a", 1, attempt=1, **{"for": what, "key": key, "since": NOW})
    line, summary = drawn(board, 80)
    assert line.startswith("◌ a ")
    assert said in line
    assert summary == "1 queued, 1 waiting"
    happens(board, EventType.PIPELINE_NODE_STARTED, "a", slot_ms=2000)
    assert drawn(board, 80)[0].split()[:2] == ["●", "a"]
