"""How each event changes its run's row, and what others may change."""

from datetime import timedelta

import pytest

from playbill.model.events import TERMINAL, EventType
from playbill.model.facts import RunStatus
from playbill.runtime.journals.index import ALIVE, ENDED, change_of, changed, check_change, row_of
from tests.contracts.journal_support import AT, event, row

T = EventType


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (T.PIPELINE_RUN_STARTED, {"status": "running", "started_at": AT}),
        (T.PIPELINE_RUN_PAUSED, {"status": "paused"}),
        (T.PIPELINE_RUN_RESUMED, {"status": "running"}),
        (T.PIPELINE_RUN_RECOVERED, {"suspended_reason": None, "suspended_at": None, "wake_at": None}),
        (T.PIPELINE_RUN_COMPLETED, {"status": "completed", "ended_at": AT, "wake_at": None}),
        (T.PIPELINE_RUN_FAILED, {"status": "failed", "ended_at": AT, "wake_at": None}),
        (T.PIPELINE_RUN_CANCELLED, {"status": "cancelled", "ended_at": AT, "wake_at": None}),
        (T.PIPELINE_RUN_TIMEOUT, {"status": "timeout", "ended_at": AT, "wake_at": None}),
    ],
)
def test_an_event_of_a_run_changes_its_row(kind: EventType, change: dict[str, object]) -> None:
    assert change_of(event(2, kind)) == change


def test_all_other_events_change_nothing_but_the_last_seq() -> None:
    others = {
        kind for kind in EventType if not kind.startswith("pipeline_run.") or kind is T.PIPELINE_RUN_CANCEL_REQUESTED
    }
    assert {kind: change_of(event(2, kind)) for kind in others} == dict.fromkeys(others)
    assert changed(row("r"), [event(7, T.PIPELINE_NODE_STARTED)]).last_seq == 7


def test_statuses_are_alive_or_ended() -> None:
    assert {*ALIVE, *ENDED} == {*RunStatus}
    assert not {*ALIVE} & {*ENDED}
    assert len(ENDED) == len(TERMINAL)


def test_a_row_follows_its_events() -> None:
    ended = event(3, T.PIPELINE_RUN_FAILED, at=AT + timedelta(seconds=9))
    found = changed(row("r"), [event(1), event(2, T.PIPELINE_RUN_PAUSED), ended])
    assert (found.status, found.started_at, found.ended_at, found.last_seq) == (
        RunStatus.FAILED,
        AT,
        AT + timedelta(seconds=9),
        3,
    )


def test_a_first_event_that_is_no_start_gives_a_row_without_a_pipeline() -> None:
    assert row_of(event(1)).pipeline == "p"
    assert row_of(event(1, T.PIPELINE_RUN_FAILED)).pipeline == ""


def test_what_events_say_nobody_else_may_change() -> None:
    check_change({"wake_at": AT, "attributes": {"a": True}})
    with pytest.raises(
        ValueError, match="last_seq, status: only events change these; others may change attributes, sus"
    ):
        check_change({"status": "failed", "last_seq": 1})
