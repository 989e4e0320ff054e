"""An answer is an announcement: it is given when what was asked for is kept; stopping itself waits for nothing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from playbill.actors.answers import PATIENCE_SECONDS, NotKept, NotKeptYet
from playbill.actors.supervisor import SupervisorActor
from playbill.model.facts import RunStatus
from playbill.model.machines.circuit_state import CircuitState
from playbill.model.machines.salvage import SalvageMachine
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.messages import Cancel, Force, Pause, Resume, Start, StopOverdue
from playbill.model.policies import StopPolicy
from tests.actors.support import World, chain, pipeline, work

MakeWorld = Callable[..., World]
Break = Callable[..., None]


@pytest.fixture
def slow(world: MakeWorld) -> World:
    """A run whose node is at work, over a journal that keeps later."""
    return world(chain("a"), slow=True).start().keep().keep()


@pytest.fixture
def forced(world: MakeWorld) -> tuple[World, Any, Any]:
    """A world, its breaker, and its stream."""
    made = world(chain("a"), slow=True, guarded=True)
    return made, made.breaker, made.journal.streams["breaker:work"]


# ---- when they are given -------------------------------------------------------------------------------------------


def test_a_cancel_acts_at_once_and_is_answered_when_it_is_kept(slow: World) -> None:
    asked = slow.ask(Cancel("user"))
    assert slow.attempt("a").asked == ["interrupt"]
    assert not asked.is_answered
    slow.keep()
    assert asked.answer is True


def test_pause_and_resume_are_answered_when_they_are_kept(slow: World) -> None:
    paused = slow.ask(Pause())
    assert slow.run.machine.run.status is RunStatus.PAUSED
    resumed = slow.ask(Resume())
    assert (paused.is_answered, resumed.is_answered) == (False, False)
    slow.keep(3)
    assert (paused.answer, resumed.is_answered) == (True, False)
    slow.keep(4)
    assert resumed.answer is True


def test_who_changed_nothing_hears_so_when_what_others_changed_is_kept(slow: World) -> None:
    first, second = slow.ask(Cancel("user")), slow.ask(Cancel("user"))
    assert (first.is_answered, second.is_answered) == (False, False)
    slow.keep()
    assert (first.answer, second.answer) == (True, False)


def test_a_start_that_is_asked_for_is_answered_when_it_is_kept(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True)
    asked = made.ask(Start({}))
    assert not asked.is_answered
    made.keep()
    assert asked.is_answered


def test_a_journal_that_keeps_at_once_holds_no_answer(world: MakeWorld) -> None:
    made = world(chain("a")).start()
    assert [made.ask(message).answer for message in (Pause(), Pause(), Resume(), Cancel("user"))] == [
        True,
        False,
        True,
        True,
    ]
    assert made.run.answers is None
    assert made.stream.pushes == []


def test_answers_are_given_in_order_and_before_the_result(slow: World) -> None:
    told: list[str] = []
    slow.run.on_end = lambda result: told.append(f"result {result.status}")
    for name, message in {"pause": Pause(), "cancel": Cancel("user"), "again": Cancel("user", grace=0.0)}.items():
        slow.ask(message).then(partial(told.append, name))
    slow.interrupted("a")
    assert told == []
    slow.keep()
    assert told == ["pause", "cancel", "again", "result cancelled"]
    assert slow.run.answers is None


def test_who_only_looks_waits_for_nothing(slow: World) -> None:
    slow.tell(Pause())
    looked = slow.run.actor_ref.proxy().describe()
    slow.deliver()
    assert looked.get().startswith("<SupervisorActor r <SupervisorMachine r paused")


def test_a_message_that_is_told_is_answered_to_nobody(slow: World) -> None:
    slow.run.actor_ref.tell(Pause())
    slow.deliver()
    assert slow.run.answers is None


# ---- while the journal fails ---------------------------------------------------------------------------------------


def test_a_cancel_while_the_journal_fails_acts_at_once_and_says_after_5_s_that_it_is_not_kept(slow: World) -> None:
    slow.fail()
    asked = slow.ask(Cancel("user", grace=60.0))
    assert slow.attempt("a").asked == ["interrupt"]
    slow.advance(PATIENCE_SECONDS - 0.1)
    assert not asked.is_answered
    assert repr(slow.run.answers) == "<Answers held=1 failing>"
    slow.advance(0.1)
    assert asked.error == (
        "run 'r' is being stopped; the journal has not kept that yet, and goes on trying: disk full"
    )
    slow.interrupted("a").keep()
    assert slow.result.status is RunStatus.CANCELLED


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([Pause()], "run 'r' is paused"),
        ([Pause(), Resume()], "run 'r' goes on"),
        ([Cancel("user", grace=0.0), StopOverdue(), StopOverdue()], "run 'r' has ended cancelled"),
    ],
)
def test_who_is_not_answered_hears_what_is_in_force(slow: World, messages: list[Any], said: str) -> None:
    slow.fail()
    asked = [slow.ask(message) for message in messages]
    slow.advance(PATIENCE_SECONDS)
    assert {each.error for each in asked} == {
        f"{said}; the journal has not kept that yet, and goes on trying: disk full"
    }


def test_a_slow_journal_that_does_not_fail_is_waited_for(slow: World) -> None:
    asked = slow.ask(Pause())
    slow.advance(100_000.0)
    assert not asked.is_answered
    slow.keep()
    assert asked.answer is True


def test_the_5_s_begin_when_the_journal_begins_to_fail(slow: World) -> None:
    asked = slow.ask(Pause())
    assert repr(slow.run.answers) == "<Answers held=1>"
    slow.advance(60.0).fail()
    slow.fail()  # as often as it likes
    later = slow.advance(2.0).ask(Pause())
    slow.advance(PATIENCE_SECONDS - 2.1)
    assert not asked.is_answered
    slow.advance(0.1)
    assert "run 'r' is paused" in asked.error
    assert not later.is_answered
    slow.advance(2.0)
    with pytest.raises(NotKeptYet):
        _ = later.answer


def test_when_the_journal_is_back_all_are_answered_as_ever(slow: World) -> None:
    slow.fail()
    asked = slow.ask(Pause())
    slow.advance(PATIENCE_SECONDS - 1).keep().advance(60.0)
    assert asked.answer is True
    again = slow.ask(Resume())
    slow.advance(60.0)
    assert not again.is_answered
    slow.keep()
    assert again.answer is True
    assert "HeldAnswer" not in slow.time.names()


def test_a_journal_that_keeps_some_does_not_fail_any_more(slow: World) -> None:
    slow.fail()
    first, second = slow.ask(Pause()), slow.ask(Resume())
    assert slow.time.names().count("HeldAnswer") == 2
    slow.keep(3).advance(60.0)
    assert (first.answer, second.is_answered) == (True, False)
    slow.fail("and again").advance(PATIENCE_SECONDS)
    assert second.error.endswith("goes on trying: and again")


def test_news_of_a_failure_that_is_over_ends_no_wait(slow: World) -> None:
    first = slow.ask(Pause())
    second = slow.ask(Resume())
    slow.run.failed("disk full")
    slow.stream.keep(3)  # before anybody has read of the failure
    slow.deliver().advance(60.0)
    assert (first.answer, second.is_answered) == (True, False)


# ---- nobody is left waiting ----------------------------------------------------------------------------------------


def test_a_run_that_breaks_answers_when_its_records_are_kept(
    slow: World, breaks: Break, caplog: pytest.LogCaptureFixture
) -> None:
    breaks(SupervisorMachine, Resume)
    asked = slow.ask(Pause())
    with pytest.raises(ZeroDivisionError):
        _ = slow.ask(Resume()).answer
    assert isinstance(slow.run.machine, SalvageMachine)
    slow.keep(3)
    assert asked.answer is True
    later = slow.ask(Cancel("user"))
    slow.interrupted("a").keep()
    assert later.answer is None
    assert slow.result.status is RunStatus.FAILED


def test_who_is_stopped_by_a_salvage_hears_so(slow: World, breaks: Break, caplog: pytest.LogCaptureFixture) -> None:
    breaks(SupervisorMachine, Resume)
    slow.fail().tell(Resume())
    asked = slow.ask(Cancel("user"))
    asked_again = slow.advance(1.0).ask(Cancel("user"))
    slow.advance(PATIENCE_SECONDS)
    assert {asked.is_answered, asked_again.is_answered} == {True}


def test_a_salvage_that_breaks_leaves_nobody_waiting(
    slow: World, breaks: Break, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = slow.ask(Pause())
    breaks(SupervisorMachine, Resume)
    monkeypatch.setattr(SalvageMachine, "begin", lambda *_: 1 / 0)
    slow.tell(Resume())
    assert not slow.results  # it announces nothing that is not kept
    slow.keep()
    assert slow.result.status is RunStatus.FAILED
    assert asked.answer is True


@pytest.mark.parametrize("end", [SupervisorActor.close, SupervisorActor.lose])
def test_an_actor_that_ends_or_is_lost_leaves_nobody_waiting(
    slow: World, end: Callable[[SupervisorActor], None]
) -> None:
    slow.fail()
    asked = slow.ask(Pause())
    end(slow.run)
    assert asked.error == (
        "run 'r' is paused; the journal has not kept that: disk full;"
        " whoever opens the journal, once it can be written, goes on from what it has"
    )
    with pytest.raises(NotKept):
        _ = asked.answer
    assert "HeldAnswer" not in slow.time.names()
    slow.keep()
    slow.fail()
    assert slow.run.journal_error == "disk full"


# ---- a run that is given up ----------------------------------------------------------------------------------------


def test_a_run_that_is_given_up_announces_nothing_and_answers_all(slow: World) -> None:
    stopped: list[bool] = []
    slow.run.on_stopped = lambda: stopped.append(slow.run.is_stopped)
    asked = slow.ask(Cancel("user"))
    stop = slow.run.actor_ref.stop(block=False)
    assert not slow.deliver().run.is_stopped
    slow.interrupted("a")
    assert stopped == [True]
    error = slow.run.give_up("its manager was closed")
    assert str(error) == (
        "run 'r' has ended cancelled; the journal has not kept that: its manager was closed;"
        " whoever opens the journal, once it can be written, goes on from what it has"
    )
    assert asked.error.startswith("run 'r' has ended cancelled; the journal has not kept that: ")
    assert stop.result() is True
    assert (slow.results, slow.run.ended, slow.run.is_stopped) == ([], True, True)
    letters = len(slow.letters.letters)
    slow.keep()
    assert (slow.results, len(slow.letters.letters)) == ([], letters)


def test_what_is_still_at_work_of_a_run_that_is_given_up_is_killed(slow: World) -> None:
    slow.fail()
    error = slow.run.give_up("its manager was closed")
    assert "run 'r' goes on; the journal has not kept that: its manager was closed: disk full" in str(error)
    assert slow.attempt("a").asked == ["kill", "abandon"]
    assert slow.run.nodes == {}


# ---- breakers ------------------------------------------------------------------------------------------------------


def test_a_breaker_that_is_forced_answers_when_that_is_kept(forced: tuple[World, Any, Any]) -> None:
    made, breaker, stream = forced
    asked = made.ask(Force("forced_open"), breaker)
    assert breaker.machine.forced is CircuitState.FORCED_OPEN
    assert (asked.is_answered, stream.pushes) == (False, [1])
    stream.keep()
    assert asked.answer is None
    assert made.ask(Force("no such state"), breaker).is_answered


def test_a_breaker_that_is_forced_while_its_journal_fails_says_so_after_5_s(forced: tuple[World, Any, Any]) -> None:
    made, breaker, stream = forced
    breaker.failed("disk full")
    asked = made.ask(Force("forced_open"), breaker)
    assert not made.advance(PATIENCE_SECONDS - 0.1) or not asked.is_answered
    made.advance(0.1)
    assert asked.error == (
        "what breaker 'work' was told is in force; the journal has not kept that yet, and goes on trying: disk full"
    )
    stream.keep()
    again = made.ask(Force("closed"), breaker)
    stream.keep()
    assert again.answer is None


def test_a_breaker_that_ends_leaves_nobody_waiting(forced: tuple[World, Any, Any]) -> None:
    made, breaker, _ = forced
    asked = made.ask(Force("disabled"), breaker)
    breaker.close()
    assert asked.error.startswith(
        "what breaker 'work' was told is in force; the journal has not kept that: nobody waits for it any more;"
    )


def test_nobody_is_held_by_a_breakers_records(forced: tuple[World, Any, Any]) -> None:
    made, breaker, stream = forced
    breaker.post(Force("disabled"))
    made.start().keep()
    assert made.begun() == ["a"]
    assert (stream.pushes, breaker.gate.closed) == ([], True)


# ---- the journal hears that somebody waits -------------------------------------------------------------------------


def test_the_journal_hears_once_a_batch_that_somebody_waits(world: MakeWorld) -> None:
    nodes = [work("a"), work("b"), work("c"), work("d"), work("e")]
    made = world(pipeline(*nodes, edges="a>b a>c a>d a>e"), slow=True).start()
    assert (made.stream.pushes, len(made.run.gate)) == ([1], 1)
    made.keep()
    assert made.stream.pushes == [1]  # nobody waits for the start of an attempt
    made.returns("a")
    assert (made.stream.pushes, len(made.run.gate)) == ([1, 3], 4)
    made.keep()
    assert made.stream.pushes == [1, 3]


def test_the_journal_hears_that_a_result_waits(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start().keep().returns("a")
    assert made.stream.pushes == [1, 4]


def test_the_journal_hears_once_that_answers_wait(slow: World) -> None:
    before = list(slow.stream.pushes)
    slow.ask(Pause())
    slow.ask(Pause())
    assert slow.stream.pushes == [*before, 3]
    slow.tell(Resume())
    assert slow.stream.pushes == [*before, 3]  # nobody has asked for that


def test_the_journal_hears_that_a_node_waits_for_its_recorded_start(world: MakeWorld) -> None:
    made = world(pipeline(work("a", on_crash="fail")), slow=True).start().keep()
    assert made.stream.pushes == [1, 2]


def test_the_journal_hears_nothing_of_waits_while_the_gate_is_open(world: MakeWorld) -> None:
    made = world(chain("a", "b"), stop=StopPolicy(grace=2, kill_bound=1)).start().returns("a")
    made.ask(Cancel("user"))
    made.interrupted("b")
    assert made.result.status is RunStatus.CANCELLED
    assert made.stream.pushes == []
