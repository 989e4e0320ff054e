"""The outbox that refuses, and the sets of timers, messages and events that others go by."""

from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.effects import COARSE, NullOutbox, Timer
from playbill.model.errors import InternalError
from playbill.model.events import TERMINAL
from playbill.model.machines.conclusion import RUN_END_EVENTS


class Nobody(NullOutbox):
    """A shell whose machine may ask for nothing."""

    def __repr__(self) -> str:
        return "<Nobody>"


@pytest.mark.parametrize(
    ("effect", "arguments", "refusal"),
    [
        ("record", ("it",), "record 'it'"),
        ("spawn", ("a",), "spawn 'a'"),
        ("forget", ("a",), "forget 'a'"),
        ("begin", (1, {}), "begin attempt 1"),
        ("interrupt", (2,), "interrupt attempt 2"),
        ("kill", (3,), "kill attempt 3"),
        ("abandon", (4, None), "abandon attempt 4"),
        ("finish", (None,), "finish with None"),
    ],
)
def test_an_effect_that_is_not_this_shells_is_a_fault_of_ours(
    effect: str, arguments: tuple[Any, ...], refusal: str
) -> None:
    with pytest.raises(InternalError, match=f"^<Nobody> cannot {refusal}$"):
        getattr(Nobody(), effect)(*arguments)


def test_a_coarse_wheel_never_delays_what_ends_or_retries_something() -> None:
    assert COARSE.isdisjoint({Timer.OVERDUE, Timer.LADDER, Timer.DUE, Timer.OPEN, Timer.HALF_OPEN, Timer.RATE})
    assert len(COARSE) == 5


def test_every_end_of_a_run_has_its_terminal_event_and_no_other_event_is_one() -> None:
    assert set(RUN_END_EVENTS.values()) == TERMINAL
    assert len(TERMINAL) == len(RUN_END_EVENTS) == 4


def test_what_begins_work_is_held_for_the_journal_and_what_ends_it_overtakes() -> None:
    assert m.GATED.isdisjoint(m.CONTROL)
    assert {m.Input, m.Skip, m.Proceed} == m.GATED
    assert {m.Stop, m.Cancel, m.Pause} <= m.CONTROL
