"""Faults of ours: a machine that breaks costs its node, its run or its breaker's memory, and nothing else."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from playbill.model.errors import InternalError
from playbill.model.events import EventType
from playbill.model.facts import RunStatus, Verdict
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit_state import CircuitState
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.salvage import SalvageMachine
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.messages import (
    Ask,
    AskAgain,
    AttemptOverdue,
    AttemptReady,
    Cancel,
    Ended,
    Force,
    Pause,
    Refused,
    Resume,
    Returned,
    Start,
    Withdraw,
)
from playbill.model.policies import BreakerPolicy, StopPolicy
from tests.actors.support import World, chain, pipeline, work

MakeWorld = Callable[..., World]
Break = Callable[..., None]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1, logger="playbill")


# ---- in a node -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_broken_node_machine_fails_its_node(world: MakeWorld, breaks: Break, error: BaseException) -> None:
    breaks(NodeMachine, Returned, error)
    made = world(chain("a", "b"), guarded=True).start().returns("a")
    assert made.dispatcher.interrupted == isinstance(error, KeyboardInterrupt)
    assert made.result.status is RunStatus.FAILED
    assert made.statuses() == {"a": "failed", "b": "not_started"}
    failure = made.result.error
    assert failure is not None
    assert failure.type == "InternalError"
    assert repr(error) in failure.message
    assert "the actor of node 'a' failed" in failure.message
    assert "Traceback" in failure.traceback
    assert made.breaker is not None
    assert made.breaker.machine.out == {}
    assert made.breaker.machine.counts[Verdict.LOST] == 1
    assert made.attempt("a").asked == ["kill", "abandon"]
    assert made.run.nodes == {}


def test_a_broken_node_is_a_failure_like_any_other_to_its_run(world: MakeWorld, breaks: Break) -> None:
    breaks(NodeMachine, Returned, times=1)
    written = pipeline(work("a", on_error="continue"), work("b"), edges="a>b")
    made = world(written).start().returns("a").returns("b")
    assert made.result.status is RunStatus.COMPLETED
    assert made.statuses() == {"a": "failed", "b": "completed"}
    assert made.attempt("b").inputs["a"]["error"]["type"] == "InternalError"


def test_a_broken_node_is_not_retried(world: MakeWorld, breaks: Break) -> None:
    breaks(NodeMachine, Returned)
    made = world(pipeline(work("a", retry={"max_attempts": 5}))).start().returns("a")
    assert made.result.status is RunStatus.FAILED
    assert made.begun() == ["a"]


def test_a_broken_node_stops_its_siblings_by_the_ladder(world: MakeWorld, breaks: Break) -> None:
    breaks(NodeMachine, Returned, times=1)
    made = world(pipeline(work("a"), work("b"))).start().returns("a")
    assert made.attempt("b").asked == ["interrupt"]
    made.interrupted("b")
    assert made.statuses() == {"a": "failed", "b": "cancelled"}


def test_a_node_that_breaks_while_it_asks_takes_its_ask_back(world: MakeWorld, breaks: Break) -> None:
    policy = BreakerPolicy(max_concurrent=1)
    breaks(NodeMachine, Pause)
    made = world(pipeline(work("a"), work("b")), guarded=True, policy=policy).start()
    assert made.breaker is not None
    assert list(made.breaker.machine.parked) == ["0:r/b#1"]
    made.dispatcher.post_control(made.node("b"), Pause())
    made.deliver()
    assert made.breaker.machine.parked == {}
    assert made.letters.names() == []
    made.interrupted("a")
    assert made.breaker.machine.out == {}
    assert made.statuses()["b"] == "failed"


def test_a_node_ends_with_nothing_to_kill_when_its_machine_breaks_before_an_attempt(
    world: MakeWorld, breaks: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(chain("a"), guarded=True)

    def refuses(*_: object) -> object:
        raise MemoryError

    monkeypatch.setattr(made.runner, "begin", refuses)
    made.start()
    assert made.result.status is RunStatus.FAILED
    assert made.breaker is not None
    assert made.breaker.machine.counts[Verdict.LOST] == 1


def test_mail_a_node_cannot_legally_get_is_a_fault_of_ours(world: MakeWorld) -> None:
    made = world(chain("a")).start()
    made.node("a").post(Start({}))
    made.deliver()
    assert made.result.error is not None
    assert "cannot receive Start" in made.result.error.message


def test_an_attempts_late_answer_to_a_broken_node_is_a_dead_letter(world: MakeWorld, breaks: Break) -> None:
    breaks(NodeMachine, Pause)
    made = world(chain("a")).start()
    made.dispatcher.post_control(made.node("a"), Pause())
    made.deliver().returns("a")
    assert made.letters.names() == ["r/a Returned"]
    assert made.result.status is RunStatus.FAILED


# ---- in a supervisor -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_broken_supervisor_machine_sends_its_nodes_down_the_ladder(
    world: MakeWorld, breaks: Break, error: BaseException
) -> None:
    breaks(SupervisorMachine, Ended, error)
    stop = StopPolicy(grace=2, kill_bound=1)
    made = world(pipeline(work("a"), work("b"), work("c"), edges="a>c"), stop=stop).start().returns("a")
    assert made.dispatcher.interrupted == isinstance(error, KeyboardInterrupt)
    assert made.results == []
    assert made.attempt("b").asked == ["interrupt"]
    made.advance(2)
    assert made.attempt("b").asked == ["interrupt", "kill"]
    made.interrupted("b")
    result = made.result
    assert result.status is RunStatus.FAILED
    assert result.error is not None
    assert result.error.type == "InternalError"
    assert "the supervisor of run 'r' failed" in result.error.message
    assert made.stream.types()[-1] == "pipeline_run.failed"
    assert made.run.ended
    assert "c" not in made.begun()
    assert [event.seq for event in made.stream.events] == list(range(1, len(made.stream.events) + 1))


def test_a_broken_supervisor_without_nodes_ends_at_once(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Start)
    made = world(chain("a")).start()
    assert made.result.status is RunStatus.FAILED
    assert made.stream.types() == ["pipeline_run.failed"]


def test_a_supervisor_that_breaks_at_its_last_nodes_end_waits_for_nobody(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Ended)
    made = world(chain("a"), stop=StopPolicy(grace=2, kill_bound=1)).start().returns("a")
    assert made.result.status is RunStatus.FAILED
    assert made.result.orphans == ()
    assert made.time.names() == []


def test_nodes_that_outlive_a_broken_supervisors_ladder_are_orphans(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Pause)
    made = world(chain("a"), stop=StopPolicy(grace=2, kill_bound=1)).start().tell(Pause())
    made.node("a").machine.ladder = None  # its own ladder is lost, too
    made.node("a").timers = None
    made.time.set_timers = {k: t for k, t in made.time.set_timers.items() if type(t[2]).__name__ == "StopOverdue"}
    made.advance(3.2)
    made.node("a").timers = None
    made.advance(1.2)
    assert made.result.orphans == ("a",)
    assert made.run.nodes == {}
    assert made.attempt("a").asked[-2:] == ["kill", "abandon"]


def test_a_supervisor_whose_salvage_breaks_too_still_gives_a_result(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Ended)
    breaks(SalvageMachine, Ended)
    made = world(pipeline(work("a"), work("b"))).start().returns("a").interrupted("b")
    assert made.result.status is RunStatus.FAILED
    assert made.run.ended
    assert made.run.nodes == {}
    terminal = made.stream.events[-1]
    assert (terminal.type, made.result.ended_at) == ("pipeline_run.failed", terminal.at)
    assert "running" not in {str(end.status) for end in made.result.node_results.values()}
    assert made.result.orphans == ("b",)


@pytest.fixture
def no_salvage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the salvage of every run break as it begins."""

    def begin(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SalvageMachine, "begin", begin)


@pytest.mark.usefixtures("no_salvage")
def test_a_supervisor_whose_salvage_cannot_begin_still_gives_a_result(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Ended)
    made = world(pipeline(work("a"), work("b"))).start().returns("a")
    assert made.result.status is RunStatus.FAILED
    assert made.attempt("b").asked == ["kill", "abandon"]


def test_a_run_that_has_ended_makes_no_more_nodes(world: MakeWorld) -> None:
    made = world(pipeline(work("a"))).start().returns("a")
    made.run.spawn("a")
    assert made.run.nodes == {}
    assert made.letters.effects == [("r", "a")]


@pytest.mark.usefixtures("no_salvage")
def test_a_node_whose_run_ends_over_its_own_report_begins_nothing(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, AttemptReady)
    made = world(pipeline(work("a", timeout=5.0)), guarded=True).start()
    assert made.result.status is RunStatus.FAILED
    assert made.breaker is not None
    assert made.breaker.machine.out == {}
    assert made.time.names() == []
    if made.dispatcher.by_call:  # the node was at work then
        assert made.begun() == []
        assert [effect for _, effect in made.letters.effects] == [1, AttemptOverdue(1)]
        assert made.breaker.machine.counts[Verdict.CANCELLED] == 1
    else:
        assert made.attempt("a").asked == ["kill", "abandon"]


def test_a_permit_that_was_given_as_its_breaker_broke_is_told_by_mail(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BreakerMachine._give

    def broken(*given: Any) -> None:
        real(*given)
        monkeypatch.setattr(BreakerMachine, "_give", real)
        raise ZeroDivisionError

    monkeypatch.setattr(BreakerMachine, "_give", broken)
    made = world(pipeline(work("a")), guarded=True).start().returns("a")
    assert made.result.status is RunStatus.COMPLETED
    assert made.breaker is not None
    assert made.breaker.machine.out == {}
    assert made.breaker.machine.own.at_work == 0


def test_a_journal_that_raises_ends_the_run_failed(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world(chain("a")).start()

    def raises(_: object) -> bool:
        raise OSError("no disk")

    monkeypatch.setattr(made.stream, "append", raises)
    made.returns("a")
    assert made.result.status is RunStatus.FAILED
    assert made.result.error is not None
    assert "no disk" in made.result.error.message


def test_a_fault_after_the_end_changes_no_result(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Cancel)
    made = world(chain("a"), slow=True).start().keep().returns("a")
    made.tell(Cancel("user"))
    made.keep()
    assert made.result.status is RunStatus.COMPLETED
    assert made.stream.types().count("pipeline_run.completed") == 1
    assert made.stream.types()[-1] == "pipeline_run.completed"


def test_a_result_nobody_can_take_ends_the_run_all_the_same(world: MakeWorld) -> None:
    made = world(chain("a"))

    def refuses(result: object) -> None:
        raise ZeroDivisionError

    made.run.on_end = refuses
    made.start().returns("a")
    assert made.run.ended
    assert made.stream.types()[-1] == "pipeline_run.completed"


def test_a_salvaged_run_says_how_each_of_its_nodes_ended(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Ended)
    made = world(pipeline(work("a"), work("b"), work("c"), edges="a>c")).start().returns("a", {"n": 1})
    made.interrupted("b")
    assert made.statuses() == {"a": "completed", "b": "cancelled", "c": "not_started"}
    assert made.result.node_results["a"].output == {"n": 1}
    assert made.stream.types()[-3:] == [
        "pipeline_node.completed a",
        "pipeline_node.cancelled b",
        "pipeline_run.failed",
    ]


def test_a_result_names_all_nodes_also_when_the_salvage_breaks(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Ended)
    breaks(SalvageMachine, Ended)
    made = world(pipeline(work("a"), work("b"), work("c"), edges="a>c")).start().returns("a")
    made.interrupted("b")
    assert [*made.result.node_results] == ["a", "b", "c"]
    assert made.result.error is not None


def test_the_share_of_a_broken_nodes_work_is_taken_until_that_ends(world: MakeWorld, breaks: Break) -> None:
    breaks(NodeMachine, Pause, times=1)
    written = pipeline(work("a", on_error="continue"), work("b"))
    made = world(written, guarded=True, policy=BreakerPolicy(max_concurrent=1)).start()
    made.tell(Pause())
    made.tell(Resume())
    assert made.begun() == ["a"]
    assert made.stream.events[-2].data["receipt"].how == "abandoned"
    release = made.attempt("a").released
    assert release is not None
    release()
    assert made.deliver().begun() == ["a", "b"]
    assert made.returns("b").result.orphans == ("a",)


# ---- in a breaker --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_broken_breaker_starts_afresh_and_its_askers_ask_again(
    world: MakeWorld, breaks: Break, error: BaseException
) -> None:
    breaks(BreakerMachine, Force, error, times=1)
    policy = BreakerPolicy(max_concurrent=1)
    made = world(pipeline(work("a"), work("b"), work("c")), guarded=True, policy=policy).start()
    breaker = made.breaker
    assert breaker is not None
    old = breaker.machine.own
    assert list(old.line) == ["0:r/b#1", "0:r/c#1"]
    breaker.post(Force("disabled"))
    made.deliver()
    assert made.dispatcher.interrupted == isinstance(error, KeyboardInterrupt)
    assert breaker.machine.own is not old
    assert (breaker.machine.own.epoch, breaker.machine.own.state) == (old.epoch + 1, CircuitState.CLOSED)
    (event,) = made.journal.streams["breaker:work"].events
    assert (event.type, event.seq, event.data["epoch"]) == (EventType.BREAKER_RESET, 1, 1)
    assert repr(error) in event.data["error"]
    asked = [m.ask_id for _, m in made.dispatcher.carried if type(m) is AskAgain]
    assert asked == ["0:r/b#1", "0:r/c#1"]
    assert made.begun() == ["a"]  # its share stays with its work, until that ends
    assert made.returns("a").begun() == ["a", "b"]
    made.returns("b").returns("c")
    assert made.result.status is RunStatus.COMPLETED
    assert made.letters.names() == []


def test_a_broken_breaker_drops_its_timers(world: MakeWorld, breaks: Break) -> None:
    breaks(BreakerMachine, Withdraw)
    made = world(chain("a"), guarded=True, policy=BreakerPolicy(failures=1)).start().fails("a")
    made.breaker.post(Force("closed")) if made.breaker else None
    made.deliver()
    assert made.breaker is not None
    made.breaker.post(Withdraw("nobody"))
    made.deliver()
    assert "OpenOver" not in made.time.names()
    assert str(made.breaker.machine.own.state) == CircuitState.CLOSED


def test_an_open_breaker_that_breaks_forgets_its_timer(world: MakeWorld, breaks: Break) -> None:
    from playbill.model.failures import failure_of

    breaks(BreakerMachine, Withdraw)
    made = world(
        pipeline(work("a", retry={"max_attempts": 1})), guarded=True, policy=BreakerPolicy(failures=1)
    ).start()
    made.fails("a", failure_of(OSError("down")))
    assert made.breaker is not None
    assert made.breaker.machine.own.state is CircuitState.OPEN
    assert "OpenOver" in made.time.names()
    made.breaker.post(Withdraw("nobody"))
    made.deliver()
    assert "OpenOver" not in made.time.names()
    assert str(made.breaker.machine.own.state) == CircuitState.CLOSED


def test_an_ask_that_breaks_the_breaker_is_refused(world: MakeWorld, breaks: Break) -> None:
    breaks(BreakerMachine, Ask)
    made = world(chain("a"), guarded=True).start()
    assert made.result.status is RunStatus.FAILED
    assert made.result.error is not None
    assert made.result.error.type == "CircuitOpen"
    assert [type(m) for _, m in made.dispatcher.carried].count(Refused) == 1


# ---- the effects nobody has ----------------------------------------------------------------------------------------


def test_actors_refuse_effects_that_are_not_theirs(world: MakeWorld) -> None:
    made = world(chain("a"), guarded=True).start()
    node, breaker = made.node("a"), made.breaker
    assert breaker is not None
    for effect, argument in (("spawn", "x"), ("record", None)):
        with pytest.raises(InternalError, match=f"NodeActor r/a .* cannot {effect}"):
            getattr(node, effect)(argument)
    with pytest.raises(InternalError, match=r"BreakerActor .* cannot spawn 'x'"):
        breaker.spawn("x")
    for effect in ("interrupt", "kill"):
        with pytest.raises(InternalError, match=f"SupervisorActor .* cannot {effect} attempt 1"):
            getattr(made.run, effect)(1)
    for effect in ("begin", "abandon"):
        with pytest.raises(InternalError, match=f"SupervisorActor .* cannot {effect} attempt 1"):
            getattr(made.run, effect)(1, None)
    with pytest.raises(InternalError, match=r"BreakerActor .* cannot finish"):
        breaker.finish(None)


def test_a_node_without_an_attempt_has_none_to_end(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start()
    node = made.node("a")
    node.interrupt(1)
    node.kill(1)
    node.abandon(1, None)
    assert made.begun() == []


# ---- dead letters --------------------------------------------------------------------------------------------------


def test_mail_to_actors_that_have_ended_is_counted(world: MakeWorld) -> None:
    made = world(chain("a"), guarded=True).start()
    node = made.node("a")
    made.returns("a")
    node.post(Returned(1, 0.0, {}))
    made.run.post(Cancel("user"))
    made.breaker.close() if made.breaker else None
    made.breaker.post(Force("closed")) if made.breaker else None
    made.deliver()
    assert made.letters.names() == ["r Cancel", "r/a Returned", "breaker:work Force"]
    assert made.result.status is RunStatus.COMPLETED


def test_an_orphan_tells_its_breaker_when_it_ends_at_last(world: MakeWorld) -> None:
    made = world(chain("a"), guarded=True, stop=StopPolicy(grace=1, kill_bound=1)).start()
    made.tell(Cancel("user")).advance(2)
    assert made.result.orphans == ("a",)
    assert made.breaker is not None
    assert list(made.breaker.machine.orphaned) == ["0:r/a#1"]
    released = made.attempt("a").released
    assert released is not None
    released()
    made.deliver()
    assert made.breaker.machine.orphaned == {}


def test_actors_say_where_they_stand(world: MakeWorld) -> None:
    made = world(chain("a"), guarded=True).start()
    assert repr(made.node("a")) == "<NodeActor r/a <NodeMachine r/a running attempt=1>>"
    assert str(made.run) == "<SupervisorActor r <SupervisorMachine r running running live=1 seq=2>>"
    made.returns("a")
    assert repr(made.run) == "<SupervisorActor r 'ended'>"
    assert made.run.describe() == "<SupervisorActor r 'ended'>"


def test_ctrl_c_in_an_answer_reaches_the_asker_and_the_program(world: MakeWorld, breaks: Break) -> None:
    breaks(SupervisorMachine, Cancel, KeyboardInterrupt())
    made = world(pipeline(work("a"))).start()
    answer = made.run.actor_ref.ask(Cancel("user"), block=False)
    made.deliver()
    assert made.dispatcher.interrupted == 1
    with pytest.raises(KeyboardInterrupt):
        answer.get()
