"""Events as rows: equal when they are read, whatever they hold, and what is large stands beside them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbill.model.errors import JournalError
from playbill.model.events import HEAD, Event, EventType
from playbill.model.facts import Cause, Failure, Origin, Receipt, RunStatus, Stopped
from playbill.model.frozen import freeze
from playbill.runtime.journals.codec import compact, event_data, event_from_json, event_to_json
from playbill.runtime.journals.listing import micros, moment
from playbill.runtime.journals.sqlite.rows import (
    LARGE,
    _event_of_today,
    event_of,
    packed,
    row_of_event,
    storable,
    unpacked,
)
from tests.contracts.journal_support import AT, STARTED_DATA, event
from tests.runtime.journals.test_codec import OUTPUTS

COMPLETED = EventType.PIPELINE_NODE_COMPLETED


def completed(output: object, **more: object) -> Event:
    return event(2, COMPLETED, data={"output": output, "live": (0,), **more})


def there_and_back(given_event: Event) -> Event:
    row, beside = row_of_event(given_event)
    return event_of(given_event.stream, row, beside)


@given(st.dictionaries(st.text(), OUTPUTS, max_size=4))
def test_whatever_an_event_holds_is_read_back_equal_and_as_the_codec_does(output: dict[str, object]) -> None:
    for each in (completed(output), completed(freeze(output, "a"))):
        again = there_and_back(each)
        assert again == each
        assert event_to_json(again) == event_to_json(event_from_json(event_to_json(each)))


@given(OUTPUTS)
def test_compact_json_says_exactly_what_was_given(value: object) -> None:
    assert repr(json.loads(compact(value))) == repr(value)
    assert repr(json.loads(compact(freeze(value)))) == repr(value)


@pytest.mark.parametrize(
    "value",
    [2**63, 2**64, -(2**64), 10**4000, 0.1, 1e300, -0.0, 1.0, True, None, "\ud800", "\x00", "é\u2028", [[]] * 9],
)
def test_numbers_and_texts_at_the_edges_survive(value: object) -> None:
    assert repr(json.loads(compact({"a": value}))) == repr({"a": value})


@given(st.dictionaries(st.text(), OUTPUTS, max_size=4))
def test_the_fast_way_writes_what_the_long_way_does(output: dict[str, object]) -> None:
    data, text = event_data(completed(output))
    assert repr(json.loads(text)) == repr(json.loads(event_to_json(completed(output)))["data"])
    assert json.loads(text) == data


FAILURE = Failure("E", "m", retryable=True, kinds=("E", "Exception"), data={"exit_code": 1})
OF_EVERY_KIND = [
    event(1),
    event(1, data={**STARTED_DATA, "timeout": float("inf"), "origin": Origin("q", "fork", node="a")}),
    event(2, EventType.PIPELINE_NODE_STARTED, data={"due_at": AT, "slot_ms": 3}),
    event(2, EventType.PIPELINE_NODE_RETRYING, data={"failure": FAILURE, "due_at": AT, "receipt": None}),
    event(2, EventType.PIPELINE_NODE_SKIPPED),
    event(
        2,
        EventType.PIPELINE_NODE_FAILED,
        data={"failure": FAILURE, "receipt": Receipt(Stopped.KILLED, 1.5, 0.5), "live": (1,), "handled": True},
    ),
    event(2, EventType.PIPELINE_RUN_RECOVERED, data={"epoch": 1, "attempts": ("a", "b")}),
    event(
        2, EventType.PIPELINE_RUN_FAILED, data={"status": RunStatus.FAILED, "cause": Cause(RunStatus.FAILED, FAILURE)}
    ),
    completed({"a": [1, None]}, failure=FAILURE),
]


@pytest.mark.parametrize("each", OF_EVERY_KIND, ids=lambda each: str(each.type))
def test_the_fast_way_reads_what_the_long_way_does(each: Event) -> None:
    row, _ = row_of_event(each)
    fast = _event_of_today("r", row, json.loads(row.data))
    assert fast == each == event_from_json(event_to_json(each))
    assert repr(fast) == repr(each)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "pipeline_node.invented"},
        {"version": 1},
        {"version": 9},
        {"seq": "2"},
        {"node": 7},
        {"attempt": "1"},
        {"data": "[]"},
        {"data": '{"live":[0]}'},
        {"data": '{"output":{}}'},
        {"data": '{"output":{},"live":[0.5]}'},
        {"data": '{"output":{},"live":[0],"more":1}'},
    ],
    ids=str,
)
def test_what_the_fast_way_does_not_know_it_leaves_to_the_long_way(change: dict[str, Any]) -> None:
    row = row_of_event(completed({}))[0]._replace(**change)
    assert _event_of_today("r", row, json.loads(row.data)) is None


@pytest.mark.parametrize("value", [10**4500, "\ud800", float("nan")], ids=["long", "half", "nan"])
def test_what_is_frozen_and_cannot_be_written_fast_is_looked_at(value: object) -> None:
    try:
        row, _ = row_of_event(completed(freeze({"a": value})))
    except JournalError as error:
        assert "output.a" in str(error)  # noqa: PT017 (the one or the other)
    else:
        assert json.loads(row.data)["output"] == {"a": value}


def test_what_is_not_plain_goes_the_long_way_and_becomes_it() -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    data, _ = event_data(completed({"pair": (1, 2), "when": when, "kind": COMPLETED}))
    assert data["output"] == {"pair": [1, 2], "when": "2026-01-02T00:00:00+00:00", "kind": str(COMPLETED)}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, b"x", object()])
def test_what_json_cannot_say_is_refused_and_never_written_as_something_else(value: object) -> None:
    with pytest.raises(JournalError, match="event 2 of 'r'"):
        row_of_event(completed({"a": value}))


def test_what_is_large_stands_beside_the_event() -> None:
    large = {"text": "x" * LARGE}
    row, beside = row_of_event(completed(large, passed_on=("a",)))
    assert [payload.name for payload in beside] == ["output"]
    assert json.loads(row.data) == {"live": [0], "passed_on": ["a"]}
    assert len(beside[0].zlib) < 1000
    assert there_and_back(completed(large, passed_on=("a",))) == completed(large, passed_on=("a",))


def test_a_damaged_row_is_named() -> None:
    row, beside = row_of_event(completed({"text": "x" * LARGE}))
    for damaged in (row._replace(data="{"), row._replace(data="[]")):
        with pytest.raises(JournalError, match=r"^event 2 of 'r' is damaged: .*; restore a backup of the journal$"):
            event_of("r", damaged, beside)
    with pytest.raises(JournalError, match="event 2 of 'r' is damaged: Error -3 while decompressing"):
        event_of("r", row, [payload._replace(zlib=b"no zlib") for payload in beside])


def test_many_small_members_stay_with_their_event() -> None:
    half = "x" * (LARGE // 2 + 100)
    row, beside = row_of_event(completed({"text": half}, failure=Failure("E", half, retryable=True)))
    assert beside == ()
    assert len(row.data) > LARGE


def test_every_field_of_an_events_head_has_its_column() -> None:
    assert {*HEAD} == {"type", "stream", "seq", "at", "node_id", "attempt"}


def test_moments_survive_to_the_microsecond() -> None:
    for at in (datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2026, 1, 2, 3, 4, 5, 6, UTC)):
        assert moment(micros(at)) == at


def test_text_that_no_column_takes_is_told_or_written_otherwise() -> None:
    assert storable("a\ud800é") == "a\\ud800é"
    assert unpacked(packed("a\ud800é")) == "a\ud800é"
    with pytest.raises(ValueError, match="surrogates not allowed"):
        row_of_event(Event(COMPLETED, "r", 2, event(2).at, "a\ud800", 1, {"output": {}, "live": ()}))
