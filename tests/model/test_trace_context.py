"""W3C trace contexts: which are taken, what is said of others, and what commands see of them."""

import copy
import pickle
from typing import Any

import pytest

from playbill.model.errors import DefinitionError
from playbill.model.events import Event, EventType
from playbill.model.trace_context import environment_with, trace_context_of

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "given",
    [
        {"traceparent": PARENT},
        {"traceparent": PARENT, "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"},
        {"traceparent": PARENT, "tracestate": "x" * 512},
        {"traceparent": "cc" + PARENT[2:]},
        {"traceparent": PARENT[:-2] + "00"},
    ],
)
def test_what_the_standard_allows_is_taken_as_it_is_and_cannot_be_changed(given: dict[str, str]) -> None:
    trace = trace_context_of(given)
    assert trace == given
    assert trace is not None
    with pytest.raises(TypeError, match="what the run was started with is read-only"):
        trace["traceparent"] = "other"
    assert pickle.loads(pickle.dumps(trace)) == copy.deepcopy(trace) == given


@pytest.mark.parametrize("given", [None, {}])
def test_none_is_none(given: Any) -> None:
    assert trace_context_of(given) is None


def test_an_empty_state_is_left_out() -> None:
    assert trace_context_of({"traceparent": PARENT, "tracestate": ""}) == {"traceparent": PARENT}


FORM = (
    "trace_context.traceparent is version-traceid-parentid-flags, of 2, 32, 16 and 2 digits of lower-case hex, not "
)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (PARENT, f"trace_context is a mapping of traceparent and tracestate to texts, not '{PARENT}'"),
        ({"traceparent": PARENT.upper()}, FORM + repr(PARENT.upper())),
        ({"traceparent": PARENT + "\n"}, FORM + repr(PARENT + "\n")),
        ({"traceparent": PARENT + "-00"}, FORM + repr(PARENT + "-00")),
        ({"traceparent": PARENT[:-1]}, FORM + repr(PARENT[:-1])),
        ({"traceparent": ""}, FORM + "''"),
        ({"traceparent": None}, FORM + "None"),
        ({"traceparent": PARENT.replace("a", "٣")}, FORM + repr(PARENT.replace("a", "٣"))),
        ({"traceparent": "ff" + PARENT[2:]}, f"'ff{PARENT[2:]}' has version ff, which is none"),
        ({"traceparent": f"00-{'0' * 32}-{'1' * 16}-01"}, "has the trace id 0, which is none"),
        ({"traceparent": f"00-{'1' * 32}-{'0' * 16}-01"}, "has the parent id 0, which is none"),
        ({"tracestate": "a=1"}, "trace_context has a tracestate, which says nothing without a traceparent"),
        (
            {"traceparent": PARENT, "baggage": "x"},
            "trace_context has the key 'baggage', and takes traceparent and tracestate",
        ),
        (
            {"traceparent": PARENT, "tracestate": "x" * 513},
            "trace_context.tracestate has 513 characters, over the limit of 512: drop its last members",
        ),
        (
            {"traceparent": PARENT, "tracestate": "a=\x00"},
            "trace_context.tracestate is text of printable ASCII, not 'a=\\x00'",
        ),
        ({"traceparent": PARENT, "tracestate": 5}, "trace_context.tracestate is text of printable ASCII, not 5"),
    ],
)
def test_what_it_does_not_is_refused_by_what_is_wrong(given: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        trace_context_of(given)
    assert [problem.message.endswith(said) for problem in raised.value.problems] == [True]


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(DefinitionError) as raised:
        trace_context_of({"traceparent": f"ff-{'0' * 32}-{'0' * 16}-01", "tracestate": "é", "x": 1})
    assert len(raised.value.problems) == 5


# ---- in an event ---------------------------------------------------------------------------------------------------

STARTED = {
    "type": "pipeline_run.started",
    "stream": "r",
    "seq": 1,
    "at": "2026-01-02T03:04:05+00:00",
    "node_id": None,
    "attempt": None,
}
DATA = {"pipeline": "p", "version": "1", "trigger_data": {}}


def test_a_runs_first_event_says_it_and_is_read_back() -> None:
    event = Event.from_dict({**STARTED, "data": {**DATA, "trace": {"traceparent": PARENT}}})
    assert event.type is EventType.PIPELINE_RUN_STARTED
    assert event.data["trace"] == {"traceparent": PARENT}
    assert Event.from_dict(event.as_dict()) == event
    assert type(event.as_dict()["data"]["trace"]) is dict


@pytest.mark.parametrize("trace", [{}, {"traceparent": "x"}, PARENT, {"traceparent": PARENT, "PATH": "/evil"}])
def test_an_event_that_says_another_is_none(trace: Any) -> None:
    with pytest.raises(DefinitionError, match="this is not an event: trace: "):
        Event.from_dict({**STARTED, "data": {**DATA, "trace": trace}})


# ---- commands ------------------------------------------------------------------------------------------------------

TRACE = {"traceparent": PARENT, "tracestate": "a=1"}


def test_a_command_has_the_trace_context_of_its_run() -> None:
    assert environment_with(TRACE, {"A": "1"}, {"B": "2"}) == {
        "A": "1",
        "TRACEPARENT": PARENT,
        "TRACESTATE": "a=1",
        "B": "2",
    }


def test_it_takes_the_place_of_the_one_that_is_inherited_whole() -> None:
    inherited = {"TRACEPARENT": "other", "TRACESTATE": "others=1", "A": "1"}
    assert environment_with({"traceparent": PARENT}, inherited, {}) == {"A": "1", "TRACEPARENT": PARENT}
    assert environment_with(None, inherited, {}) == inherited


def test_what_a_commands_own_environment_says_wins() -> None:
    assert environment_with(TRACE, {}, {"TRACEPARENT": "own"}) == {"TRACEPARENT": "own"}
    assert environment_with(TRACE, {}, {"TRACESTATE": "own"}) == {"TRACEPARENT": PARENT, "TRACESTATE": "own"}
