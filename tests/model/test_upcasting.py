"""Events of older versions, and what leads them to today's."""

import copy
from typing import Any

import pytest

from playbill.model.events import FIELDS, EventType, read_event
from playbill.model.upcasting import UPCASTERS, upcast, version_of

FIRST = {"type": "pipeline_node.completed", "stream": "r", "seq": 3, "at": "2026-01-02T03:04:05+00:00",
    "node_id": "p", "attempt": 1, "data": {}}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "today"),
    [
        (
            {"output": {"a": {"x": 1}}, "live": [0], "carried": {"a": {"x": 1}}},
            {"live": (0,), "passed_on": ("a",)},
        ),
        (
            {"output": {"result": True}, "live": [], "carried": {"a": {}, "p": {"result": True}}},
            {"output": {"result": True}, "live": (), "passed_on": ("a",)},
        ),
        ({"output": {"x": 1}, "live": []}, {"output": {"x": 1}, "live": ()}),
        ({"output": {}, "live": [], "carried": {}}, {"live": (), "passed_on": ()}),
    ],
)
def test_the_first_completions_repeated_what_they_passed_on(data: dict[str, Any], today: dict[str, Any]) -> None:
    written = {**FIRST, "data": data}
    before = copy.deepcopy(written)
    assert read_event(written).data == today
    assert written == before


def test_an_upcaster_leads_from_each_older_version_of_a_known_type() -> None:
    for kind in EventType:
        assert [version for name, version in UPCASTERS if name == kind] == list(range(1, version_of(kind)))
    assert {name for name, _ in UPCASTERS} <= {str(kind) for kind in FIELDS}


def test_an_event_of_today_is_left_as_it_is() -> None:
    today = {**FIRST, "version": 2, "data": {"output": {}, "live": [], "passed_on": ["carried"]}}
    assert upcast(today) == today


@pytest.mark.parametrize("data", [None, [], {"carried": 3}, {"carried": None, "output": {}}])
def test_what_is_no_event_is_left_for_its_reader_to_refuse(data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_event({**FIRST, "data": data})
