"""The gate: what begins work or announces an end waits for the journal; stopping never does."""

from collections.abc import Callable

import pytest

from playbill.actors.gate import Gate, HeldMail
from playbill.model.facts import NodeStatus, RunStatus, Stopped
from playbill.model.machines.node_state import NodeState
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import Cancel, Input, Pause, Skip, Stop
from playbill.model.policies import StopPolicy
from tests.actors.support import World, chain, pipeline, work

MakeWorld = Callable[..., World]


def test_a_root_gets_its_input_once_the_start_is_kept(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start()
    assert made.stream.types() == ["pipeline_run.started"]
    assert (made.begun(), list(made.run.nodes)) == ([], ["a"])
    assert made.node("a").machine.state is NodeState.WAITING
    made.keep()
    assert made.begun() == ["a"]


def test_a_successor_begins_once_its_predecessors_end_is_kept(world: MakeWorld) -> None:
    made = world(chain("a", "b"), slow=True).start().keep().returns("a")
    assert made.stream.types()[-1] == "pipeline_node.completed a"
    assert made.begun() == ["a"]
    made.keep(2)  # the start of a's attempt, and not yet its end
    assert made.begun() == ["a"]
    made.keep(3)
    assert made.begun() == ["a", "b"]


def test_skips_wait_with_the_inputs_and_come_in_order(world: MakeWorld) -> None:
    nodes = [{"id": "q", "type": "condition", "config": {"condition": "trigger.x == 1"}}, work("yes"), work("no")]
    written = pipeline(*nodes)
    written["edges"] = [
        {"from": "q", "to": "yes", "condition": "true"},
        {"from": "q", "to": "no", "condition": "false"},
    ]
    made = world(written, slow=True, trigger_data={"x": 1}).start().keep()
    gate = made.run.gate
    assert len(gate) == 2
    assert repr(gate) == "<Gate closed recorded=3 held=2>"
    made.keep()
    told = [(to.machine.plan.id, type(m)) for to, m in made.dispatcher.carried if type(m) in {Input, Skip}]
    assert told == [("q", Input), ("yes", Input), ("no", Skip)]
    assert repr(gate) == f"<Gate closed recorded={gate.recorded} held=0>"


def test_what_was_held_is_released_in_order_batch_by_batch(world: MakeWorld) -> None:
    made = world(pipeline(work("a"), work("b"), work("x"), work("y"), edges="a>x b>y"), slow=True).start().keep()
    made.returns("a").returns("b")  # events 4 and 5
    assert made.begun() == ["a", "b"]
    made.keep(4)
    assert made.begun() == ["a", "b", "x"]
    made.keep(5)
    assert made.begun() == ["a", "b", "x", "y"]


def test_the_supervisor_goes_on_receiving_while_effects_are_held(world: MakeWorld) -> None:
    made = world(pipeline(work("a"), work("b"), edges="a>b"), slow=True).start().keep().returns("a")
    made.tell(Pause())
    assert made.run.machine.state is SupervisorState.PAUSED
    assert made.stream.types()[-2:] == ["pipeline_node.completed a", "pipeline_run.paused"]
    assert made.begun() == ["a"]


def test_the_result_waits_for_the_terminal_event(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start().keep().returns("a")
    assert made.stream.types()[-1] == "pipeline_run.completed"
    assert made.results == []
    assert not made.run.ended
    made.keep(3)
    assert made.results == []
    made.keep(4)
    assert made.result.status is RunStatus.COMPLETED
    assert made.run.ended


def test_an_open_gate_holds_nothing(world: MakeWorld) -> None:
    made = world(chain("a", "b"), slow=False).start().returns("a").returns("b")
    assert made.result.status is RunStatus.COMPLETED
    assert repr(made.run.gate) == "<Gate open recorded=6 held=0>"


def test_a_record_kept_out_of_step_opens_nothing_too_early() -> None:
    gate = Gate()
    gate.recorded, gate.closed = 1, True
    gate.hold("a", "first")
    gate.recorded, gate.closed = 2, True
    gate.hold("b", "second")
    assert list(gate.keep(0)) == []
    assert list(gate.keep(1)) == [HeldMail(1, "a", "first")]
    assert gate.closed
    assert list(gate.keep(7)) == [HeldMail(2, "b", "second")]
    assert not gate.closed


# ---- stopping is never held ----------------------------------------------------------------------------------------


def test_stop_overtakes_an_input_that_is_held(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start()
    made.tell(Cancel("user"))
    assert made.run.machine.state is SupervisorState.ENDED
    assert made.run.nodes == {}
    assert made.begun() == []
    assert made.results == []
    made.keep()
    assert made.result.status is RunStatus.CANCELLED
    assert made.statuses() == {"a": "not_started"}
    receipt = made.result.node_results["a"].receipt
    assert receipt is not None
    assert receipt.how is Stopped.NOT_STARTED
    assert made.letters.names() == ["r Input"]


def test_a_cancel_between_spawn_and_commit_leaves_the_successor_not_started(world: MakeWorld) -> None:
    made = world(chain("a", "b"), slow=True).start().keep().returns("a")
    assert list(made.run.nodes) == ["b"]
    made.tell(Cancel("user", grace=9.0)).keep()
    assert made.statuses() == {"a": "completed", "b": "not_started"}
    assert made.letters.names() == ["r Input"]
    assert made.begun() == ["a"]


def test_interrupts_and_kills_go_at_once_and_timers_too(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True, stop=StopPolicy(grace=2, kill_bound=1)).start().keep()
    made.tell(Cancel("user"))
    assert made.attempt("a").asked == ["interrupt"]
    made.advance(2)
    assert made.attempt("a").asked == ["interrupt", "kill"]
    made.advance(1)
    assert made.attempt("a").asked == ["interrupt", "kill", "abandon"]
    assert made.results == []
    made.keep()
    assert made.result.orphans == ("a",)
    assert made.statuses() == {"a": "cancelled"}


def test_a_deadline_is_not_held_by_the_journal(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True, timeout=10.0).start()
    made.advance(10)
    assert made.run.nodes == {}
    made.keep()
    assert made.result.status is RunStatus.TIMEOUT


def test_a_stop_reaches_the_node_before_an_input_already_in_its_mail(world: MakeWorld) -> None:
    made = world(chain("a", "b"), slow=True).start().keep().returns("a")
    made.stream.keep()  # the Input is in the mail now
    made.run.post(Cancel("user"))
    made.deliver()
    told = [type(message) for to, message in made.dispatcher.carried if to is not made.run]
    assert told[-2:] == [Stop, Input]
    assert made.letters.names() == ["r/b Input"]
    made.keep()
    assert made.result.status is RunStatus.CANCELLED


# ---- on_crash: fail ------------------------------------------------------------------------------------------------


def test_a_node_that_must_not_run_twice_waits_for_its_recorded_start(world: MakeWorld) -> None:
    made = world(pipeline(work("a", on_crash="fail")), slow=True).start().keep()
    assert made.node("a").machine.state is NodeState.COMMITTING
    assert made.stream.types()[-1] == "pipeline_node.started a"
    assert made.begun() == []
    made.keep()
    assert made.begun() == ["a"]
    made.returns("a").keep()
    assert made.result.status is RunStatus.COMPLETED


def test_a_committing_node_that_is_stopped_never_begins(world: MakeWorld) -> None:
    made = world(pipeline(work("a", on_crash="fail")), slow=True, guarded=True).start().keep()
    made.tell(Cancel("user")).keep()
    assert made.begun() == []
    assert made.statuses() == {"a": "not_started"}
    assert made.letters.names() == ["r Proceed"]
    assert made.breaker is not None
    assert made.breaker.machine.out == {}


# ---- the journal fails ---------------------------------------------------------------------------------------------


def test_a_failing_journal_holds_the_nodes_and_its_return_lets_them_go(world: MakeWorld) -> None:
    made = world(pipeline(work("a"), work("b"), work("c"), edges="a>b a>c"), slow=True).start().keep().returns("a")
    made.run.failed("disk full")
    made.run.failed("disk full")  # as often as it likes
    made.deliver()
    assert made.run.machine.state is SupervisorState.PAUSED
    assert [event for event in made.stream.types() if "paused" in event] == []
    assert {node: actor.machine.paused for node, actor in made.run.nodes.items()} == {"b": True, "c": True}
    made.keep(2)
    assert made.run.machine.state is SupervisorState.PAUSED
    made.keep()
    assert str(made.run.machine.state) == SupervisorState.RUNNING
    assert made.begun() == ["a", "b", "c"]


def test_a_cancel_is_carried_out_while_the_journal_fails(world: MakeWorld) -> None:
    made = world(chain("a"), slow=True).start().keep()
    made.run.failed("disk full")
    made.deliver().tell(Cancel("user"))
    assert made.attempt("a").asked == ["interrupt"]
    made.interrupted("a")
    assert made.run.nodes == {}
    assert made.results == []
    made.keep()
    assert made.result.node_results["a"].status is NodeStatus.CANCELLED


def test_a_breaker_goes_on_while_the_journal_fails(world: MakeWorld) -> None:
    made = world(chain("a"), guarded=True)
    assert made.breaker is not None
    made.breaker.failed("disk full")
    made.breaker.kept(1)
    made.start().returns("a")
    assert made.result.status is RunStatus.COMPLETED


@pytest.mark.parametrize("slow", [False, True])
def test_a_terminal_state_is_final(world: MakeWorld, slow: bool) -> None:
    made = world(chain("a"), slow=slow).start()
    if slow:
        made.keep()
    made.returns("a").tell(Cancel("user"))
    if slow:
        made.keep()
    assert made.result.status is RunStatus.COMPLETED
    assert made.letters.names() == ["r Cancel"]
