"""What a retry or a fork begins with: which nodes are kept, what their events say, and why others run again."""

from typing import Any

import pytest

from playbill.model import messages as m
from playbill.model.builtin import BUILTIN
from playbill.model.errors import DefinitionError
from playbill.model.events import Event, EventType
from playbill.model.facts import NodeStatus, Origin, Outcome
from playbill.model.machines.supervisor import start_data
from playbill.model.reuse import Earlier, Fork, check_began, forked, retried
from playbill.model.runstate import RunState
from tests.model.machines.recorder import EPOCH, FATAL, plan_of
from tests.model.machines.run import FAILED, Run, completed, step


def earlier(run: Run) -> Earlier:
    return Earlier(run.machine.facts.plan.definition, run.events)


def first(run: Run, **trigger: Any) -> Event:
    data = start_data(run.machine.facts.plan, trigger, 60.0, {"origin": Origin("run", "fork")})
    return Event(EventType.PIPELINE_RUN_STARTED, "new", 1, EPOCH, None, None, data)


def kept(history: list[Event]) -> list[tuple[int, str | None, tuple[int, ...]]]:
    """The number, node and live edges of what a history keeps; all of it can be folded."""
    state = RunState()
    for event in history:
        state.apply(event)
        assert event.stream == "new"
    assert state.cause is None
    assert {state.nodes[str(event.node_id)].reused_from for event in history[1:]} <= {"run", "before"}
    return [(event.seq, event.node_id, event.data["live"]) for event in history[1:]]


def ended(run: Run, *ends: tuple[str, Outcome]) -> Run:
    run.started()
    for node, outcome in ends:
        run.tell(m.AttemptReady(node, 1), m.Ended(node, outcome))
    return run


def forked_at(run: Run, node: str, *nodes: dict[str, Any], trigger: dict[str, Any] | None = None) -> list[Event]:
    plan = plan_of(*nodes) if nodes else run.machine.facts.plan
    return forked(earlier(run), first(run, **(trigger or {})), Fork(node, plan, BUILTIN))


def refusal(run: Run, node: str, *nodes: dict[str, Any], **trigger: Any) -> str:
    with pytest.raises(DefinitionError) as told:
        forked_at(run, node, *nodes, trigger=trigger)
    return str(told.value)


LINE = (step("a", "b"), step("b", "c"), step("c"))


def test_a_retry_keeps_what_completed_before_the_failure_and_copies_its_event() -> None:
    run = ended(Run(*LINE), ("a", completed(x=1)), ("b", FAILED))
    history = retried(earlier(run), first(run, day=1))
    assert kept(history) == [(2, "a", (0,))]
    assert dict(history[1].data) == {"output": {"x": 1}, "live": (0,), "reused_from": "run"}
    assert (history[1].at, history[1].attempt) == (EPOCH, None)


def test_what_was_reused_names_the_run_in_which_it_was_made() -> None:
    run = ended(Run(*LINE), ("a", completed(x=1)), ("b", FAILED))
    events = [*run.events]
    place = next(index for index, event in enumerate(events) if event.node_id == "a" and "output" in event.data)
    old = events[place]
    events[place] = Event(old.type, old.stream, old.seq, old.at, "a", None, {**old.data, "reused_from": "before"})
    history = retried(Earlier(earlier(run).definition, events), first(run))
    assert history[1].data["reused_from"] == "before"


def test_nothing_is_kept_behind_what_runs_again_and_what_was_skipped_is_skipped_anew() -> None:
    ways = [{"to": "b", "condition": "output.x > 3"}, {"to": "c"}]
    run = Run(step("a", *ways), step("b", "d"), step("c", "d"), step("d", "e"), step("e"))  # type: ignore[arg-type]
    ended(run, ("a", completed(x=1)))
    run.tell(m.Ended("b", Outcome(NodeStatus.SKIPPED)))
    run.tell(m.AttemptReady("c", 1), m.Ended("c", completed()), m.AttemptReady("d", 1), m.Ended("d", FAILED))
    assert kept(retried(earlier(run), first(run))) == [(2, "a", (1,)), (3, "c", (3,))]


def test_a_retry_runs_a_handled_failure_again_and_a_fork_keeps_it() -> None:
    run = Run(step("a", {"to": "b", "when": "failure"}), step("b", "c"), step("c"))  # type: ignore[arg-type]
    ended(run, ("a", FAILED), ("b", completed()), ("c", FAILED))
    assert kept(retried(earlier(run), first(run))) == []
    history = forked_at(run, "c")
    assert kept(history) == [(2, "a", (0,)), (3, "b", (1,))]
    assert history[1].data["failure"] == FATAL
    assert "'a' has failed, and nothing handles that any more" in refusal(run, "c", *LINE)


def test_a_fork_judges_the_edges_of_what_it_keeps_by_its_own_data_and_definition() -> None:
    ways = [{"to": "b", "condition": "trigger.day < 5"}, {"to": "c", "condition": "trigger.day >= 5"}]
    run = Run(step("a", *ways), step("b", "d"), step("c", "d"), step("d"))  # type: ignore[arg-type]
    ended(run, ("a", completed()), ("b", completed()))
    run.tell(m.Ended("c", Outcome(NodeStatus.SKIPPED)), m.AttemptReady("d", 1), m.Ended("d", completed()))
    assert kept(forked_at(run, "d", trigger={"day": 1})) == [(2, "a", (0,)), (3, "b", (2,))]
    assert kept(forked_at(run, "c", trigger={"day": 9})) == [(2, "a", (1,))]
    assert "'c' has not completed: fork from 'c'" in refusal(run, "d", day=9)
    assert "'c' would be skipped: no edge to it is live" in refusal(run, "c", day=1)
    assert "'a' has an edge that cannot be judged" in refusal(run, "d")


def test_a_transparent_node_passes_on_what_the_fork_has() -> None:
    run = Run(
        {"id": "t", "type": "trigger", "next": ["p"]}, {"id": "p", "type": "parallel", "next": ["a"]}, step("a")
    )
    run.started()
    run.tell(m.AttemptReady("t", 1), m.Ended("t", Outcome(NodeStatus.COMPLETED, 1, {"day": 1}, {"t": {"day": 1}})))
    run.tell(m.AttemptReady("p", 1), m.Ended("p", Outcome(NodeStatus.COMPLETED, 1, {}, {"t": {"day": 1}})))
    history = forked_at(run, "a", trigger={"day": 7})
    state = RunState()
    for event in history:
        state.apply(event)
    assert state.carried_by("p") == {"t": {"day": 7}}


def test_what_differs_runs_again_and_is_told_if_it_is_before_the_fork() -> None:
    run = ended(Run(*LINE), ("a", completed()), ("b", completed()), ("c", completed()))
    other = step("b", "c") | {"config": {"agent_id": "a", "task": "other"}}
    assert "'b' has another type, config or join than it had" in refusal(run, "c", LINE[0], other, LINE[2])
    assert "'n' has not completed" in refusal(run, "b", LINE[0], step("n", "b"), *LINE[1:])
    wired = (step("a", "b", "c"), step("b"), step("c", "d"), step("d"))
    assert "'c' gets its inputs from other nodes than it did" in refusal(run, "d", *wired)
    assert refusal(run, "x").endswith("the pipeline has no node 'x'")
    assert kept(forked_at(run, "b", LINE[0], other, LINE[2])) == [(2, "a", (0,))]


def test_an_edge_that_could_not_be_judged_makes_its_node_run_again() -> None:
    run = Run(step("a", {"to": "b", "condition": "output.x > 3"}), step("b"))  # type: ignore[arg-type]
    ended(run, ("a", completed(x="text")))
    assert run.events[-1].type is EventType.PIPELINE_RUN_FAILED
    assert kept(retried(earlier(run), first(run))) == []


def test_a_run_that_began_in_vain_has_nothing_to_keep() -> None:
    run = ended(Run(*LINE), ("a", completed()))
    assert check_began(earlier(run)) == earlier(run)
    with pytest.raises(DefinitionError, match="run 'run' has failed as it began"):
        check_began(Earlier(earlier(run).definition, run.events[1:]))
