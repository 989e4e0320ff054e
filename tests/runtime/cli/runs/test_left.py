"""How runs are shown that were left, parked, recovered or wait out of memory: by their rows and events alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from playbill.model.definition import PipelineDefinition
from playbill.model.events import Event, EventType
from playbill.model.facts import RunStatus
from playbill.runtime.cli.runs import listing
from playbill.runtime.cli.runs.listing import ListedRun
from playbill.runtime.cli.runs.stored import Standing, standing_of
from playbill.runtime.cli.runs.tailing import note_of_run
from playbill.runtime.journals.index import RunRow
from playbill.runtime.journals.sqlite.files.ownership import Owner
from playbill.runtime.reports.board import Board

AT = datetime(2026, 11, 28, 6, 30, tzinfo=UTC)
T = EventType
ONE = PipelineDefinition.model_validate({"name": "one", "nodes": [{"id": "work", "type": "trigger"}]})


def event(kind: EventType, attempt: int | None = None, **data: Any) -> Event:
    node = "work" if kind.startswith("pipeline_node.") else None
    return Event(kind, "run", 1, AT, node, attempt, data)


def started(attempt: int) -> Event:
    return event(T.PIPELINE_NODE_STARTED, attempt)


def recovered(*nodes: str) -> Event:
    return event(T.PIPELINE_RUN_RECOVERED, attempts=nodes, epoch=1)


RETRYING = event(T.PIPELINE_NODE_RETRYING, 1)
PARKED, INTERRUPTED = event(T.PIPELINE_RUN_PARKED), event(T.PIPELINE_NODE_INTERRUPTED, 1)


@pytest.mark.parametrize(
    ("events", "retries", "note"),
    [
        ([started(1), RETRYING, started(2)], "1 retry", ""),
        ([started(1), recovered("work"), started(2)], "", "1 attempt lost in a crash"),
        ([started(1), recovered("work")], "", "1 attempt lost in a crash"),
        ([started(1), RETRYING, started(2), recovered("work")], "1 retry", "1 attempt lost in a crash"),
        ([started(1), RETRYING, started(2), recovered("work"), started(3)], "1 retry", "1 attempt lost in a crash"),
        (
            [started(1), recovered("work"), started(2), recovered("work"), started(3), RETRYING, started(4)],
            "1 retry",
            "2 attempts lost in crashes",
        ),
        ([started(1), INTERRUPTED, PARKED, recovered(), started(2)], "", "1 attempt interrupted"),
        ([started(1), PARKED, recovered("work"), started(2)], "", "1 attempt interrupted"),
        (
            [started(1), PARKED, recovered("work"), started(2), recovered("work"), started(3)],
            "",
            "1 attempt lost in a crash; 1 attempt interrupted",
        ),
        ([started(1), INTERRUPTED], "", ""),  # which its state says
        ([recovered("work")], None, None),
    ],
)
def test_attempts_that_were_lost_are_not_called_retries(
    events: list[Event], retries: str | None, note: str | None
) -> None:
    board = Board(ONE)
    for each in events:
        board.take(each)
    lines = [line.words(AT)[2:] for line in board.lines.values()]
    assert lines == ([] if retries is None else [(retries, note)])


@pytest.mark.parametrize(
    ("told", "note"),
    [
        (event(T.PIPELINE_RUN_CLOCK_STEPPED, seconds=3600.0), "the clock went 60 min ahead: it was set, or the"),
        (event(T.PIPELINE_RUN_CLOCK_STEPPED, seconds=-90.0), "the clock went 90 s back: it was set, or the"),
        (recovered("a", "b"), "attempts lost: 'a', 'b'"),
        (recovered(), ""),
        (PARKED, ""),
        (event(T.PIPELINE_RUN_PAUSED, unowned=True), "while nobody had it at work"),
        (event(T.PIPELINE_RUN_PAUSED), ""),
    ],
)
def test_events_of_runs_that_outlive_a_process_say_what_they_mean(told: Event, note: str) -> None:
    assert note_of_run(told).startswith(note)
    assert bool(note_of_run(told)) is bool(note)


KEPT = event(T.PIPELINE_NODE_COMPLETED, output={}, reused_from="old")
BEGUN = event(T.PIPELINE_RUN_STARTED)
BEFORE, AFTER = (Owner(1, "here", AT + timedelta(seconds=seconds)) for seconds in (-1, 1))


@pytest.mark.parametrize(
    ("origin", "last", "owner", "standing"),
    [
        ("old", KEPT, None, Standing.LATER),
        ("old", BEGUN, None, Standing.LATER),
        ("old", BEGUN, AFTER, Standing.LATER),
        ("old", BEGUN, BEFORE, Standing.HELD),
        ("old", recovered(), None, Standing.LEFT),
        ("old", started(1), None, Standing.LEFT),
        (None, BEGUN, None, Standing.LEFT),
        (None, started(1), AFTER, Standing.LEFT),
        (None, started(1), BEFORE, Standing.HELD),
    ],
)
def test_a_run_is_for_later_if_nothing_follows_what_was_recorded_of_it(
    origin: str | None, last: Event, owner: Owner | None, standing: Standing
) -> None:
    row = RunRow(run_id="run", pipeline="one", created_at=AT, status=RunStatus.RUNNING, origin=origin)
    assert standing_of(row, last, owner) is standing


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_run_that_waits_out_of_memory_is_listed_with_until_when(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(listing, "console", lambda: Console(width=width))
    wake = datetime(2026, 12, 1, 12).astimezone()
    row = RunRow(run_id="f" * 32, pipeline="p" * 50, created_at=AT, status=RunStatus.RUNNING, wake_at=wake)
    listing._show([ListedRun(Path("runs.db"), row, standing) for standing in Standing])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    said = "12-01 12:00" if width < 100 else "2026-12-01 12:00:00"
    assert [line for line in lines if line.startswith("  waits")] == [f"  waits until {said}"] * 3
    assert [line.split()[1] for line in lines if not line.startswith(" ")] == ["running", "interrupted", "later"]
    assert [line.partition(":")[0] for line in lines if "recover" in line] == [
        "  its process has gone",
        "  nobody has begun it yet",
    ]
