"""Reports go up at once or by queue, as the tape says; either way nobody is told anything while at work."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from playbill.actors.shell import Shell
from playbill.model.facts import Now
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.faults.tape import RecordedTape, SeededTape
from playbill.runtime.simulation.study import Study
from playbill.runtime.simulation.trace import Delivery
from playbill.runtime.simulation.virtual.schedules import REPORTS
from tests.runtime.simulation.worlds import DIAMOND, FAULTS, study_of

BY_QUEUE, BY_CALL = 0, 1


def traced(study: Study, how: int) -> list[Delivery]:
    """What is delivered when all other choices are dull."""
    trace = study.play(RecordedTape({REPORTS: [how]}), None, traced=True).trace
    assert trace
    return trace


def messages(trace: list[Delivery], actor: str) -> list[str]:
    return [delivery.message.partition("(")[0] for delivery in trace if delivery.to == actor]


def test_by_call_a_report_comes_before_all_mail_and_a_permit_is_no_message() -> None:
    trace = traced(study_of(DIAMOND, {}), BY_CALL)
    returned = next(place for place, each in enumerate(trace) if each.message.startswith("Returned"))
    node = trace[returned].to
    told = [(each.sender, each.to, each.message.partition("(")[0]) for each in trace[returned + 1 : returned + 3]]
    assert told == [(node, "breaker:works", "Settle"), (node, "run-1", "Ended")]
    assert messages(trace, "run-1/left") == ["Input", "Returned"]


def test_by_queue_all_is_mail() -> None:
    trace = traced(study_of(DIAMOND, {}), BY_QUEUE)
    assert messages(trace, "run-1/left") == ["Input", "Granted", "Returned"]


def test_a_tape_from_before_there_was_the_choice_is_by_queue() -> None:
    before = study_of(DIAMOND, {}).play(RecordedTape({}), None, traced=True).trace
    assert before == traced(study_of(DIAMOND, {}), BY_QUEUE)


def test_half_of_the_seeds_are_by_call() -> None:
    study = study_of(DIAMOND, {})
    assert 60 < sum(_reports(study, seed) == [BY_CALL] for seed in range(200)) < 140


def test_where_messages_are_delayed_all_go_by_queue() -> None:
    delayed = fault_plan({"faults": [{"fault": "message_delay", "probability": 0.05, "seconds": 0.2}]})
    assert {len(_reports(study_of(DIAMOND, delayed), seed)) for seed in range(10)} == {0}


def _reports(study: Study, seed: int) -> list[int]:
    tape = SeededTape(seed)
    assert study.play(tape, seed).finding is None
    return tape.lanes.get(REPORTS, [])


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[list[Shell[Any]]]:
    """Those that are at work, outermost first; that none is told anything then is looked at each time."""
    working: list[Shell[Any]] = []
    deepest = 0
    real = Shell.receive
    caplog.set_level(logging.CRITICAL + 1, logger="playbill")

    def receive(self: Shell[Any], message: Any, now: Now) -> Any:
        nonlocal deepest
        assert self not in working, f"{self!r} is told {message} while it is at work"
        working.append(self)
        deepest = max(deepest, len(working))
        try:
            return real(self, message, now)
        finally:
            working.pop()

    monkeypatch.setattr(Shell, "receive", receive)
    yield working
    assert deepest == 2, "a report leads to no other report"


@pytest.mark.usefixtures("at_work")
def test_nobody_is_told_anything_while_at_work() -> None:
    faults = [fault.model_dump() for fault in FAULTS.faults if fault.fault != "message_delay"]
    plan = fault_plan({"faults": [*faults, {"fault": "actor_fails", "probability": 0.02}], "buggify": 0.25})
    study = study_of(DIAMOND, plan)
    assert 100 < sum(_reports(study, seed) == [BY_CALL] for seed in range(300)) < 200
