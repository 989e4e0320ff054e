"""A run of which its journal keeps nothing any more: stopped by the ladder, announced to nobody, and let go."""

from collections.abc import Callable
from typing import Any

import pytest

from playbill.model.errors import JournalError
from playbill.model.facts import Stopped
from playbill.model.messages import Cancel, Pause
from playbill.model.policies import StopPolicy
from tests.actors.support import World, chain

MakeWorld = Callable[..., World]
LOST = JournalError("somebody else writes it")


def fenced(made: World) -> list[JournalError]:
    """Fence the run; return what its manager hears, and when."""
    heard: list[JournalError] = []
    made.run.on_fenced = heard.append
    made.run.fenced(LOST)
    made.deliver()
    return heard


def test_what_is_at_work_is_stopped_and_nothing_is_announced(world: MakeWorld) -> None:
    made = world(chain("a", "b"), slow=True).start().keep()
    recorded = list(made.stream.events)
    heard = fenced(made)
    assert (made.attempt("a").asked, heard, made.run.is_stopped) == (["interrupt"], [], False)
    made.interrupted("a")
    assert (heard, made.run.ended, made.results) == ([LOST], True, [])
    assert made.stream.events == recorded
    assert made.begun() == ["a"]


def test_who_does_not_stop_is_killed_and_abandoned_within_the_bound(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True, stop=StopPolicy(grace=5, kill_bound=1)).start().keep()
    heard = fenced(made)
    made.advance(5)
    assert (made.attempt("a").asked, heard) == (["interrupt", "kill"], [])
    made.advance(1)
    assert (made.attempt("a").asked, heard) == (["interrupt", "kill", "abandon"], [LOST])
    assert made.run.machine.run.nodes["a"].receipt.how is Stopped.ABANDONED  # type: ignore[union-attr]


def test_a_run_that_waits_for_its_first_record_is_let_go_at_once(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start()
    assert fenced(made) == [LOST]
    made.keep()  # what a journal says later changes nothing
    assert (made.begun(), made.results) == ([], [])


def test_an_end_that_is_not_kept_is_not_announced(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start().keep().returns("a")
    assert made.run.is_stopped
    assert fenced(made) == [LOST]
    assert made.results == []


@pytest.mark.parametrize("message", [Cancel("user", grace=9), Pause()])
def test_whoever_waits_for_an_answer_hears_that_it_is_not_kept(world: MakeWorld, message: Any) -> None:
    made = world(chain("a"), slow=True).start().keep()
    asked = made.ask(message)
    assert not asked.is_answered
    fenced(made)
    made.interrupted("a")
    assert "the journal has not kept that: somebody else writes it; whoever opens the journal" in asked.error


def test_a_run_is_fenced_once_and_one_that_has_ended_never(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start().keep()
    heard = fenced(made)
    made.run.fenced(JournalError("again"))
    made.deliver().interrupted("a")
    made.run.fenced(JournalError("and again"))
    assert heard == [LOST]
    assert made.dispatcher.control == made.dispatcher.data


def test_a_waiter_for_the_stop_is_told_of_it(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start().keep()
    stopped: list[bool] = []
    made.run.on_stopped = lambda: stopped.append(made.run.is_stopped)
    fenced(made)
    made.interrupted("a")
    assert stopped == [True]


def test_a_breaker_that_is_fenced_tells_who_waits(world: MakeWorld) -> None:
    from playbill.model.messages import Force

    made = world(chain("a"), slow=True, guarded=True)
    assert made.breaker is not None
    asked = made.ask(Force("forced_open"), made.breaker)
    made.breaker.fenced(LOST)
    made.deliver().advance(5)
    assert "somebody else writes it" in asked.error
