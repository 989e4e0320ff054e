"""What if: a recorded run is replayed under other policies, and says what it had to assume."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.errors import DefinitionError
from playbill.model.events import BREAKERS, LOOP, Event, EventType
from playbill.model.facts import NodeStatus, RunStatus, Stopped
from playbill.model.plan import BUILT_IN
from playbill.model.policies import RetryPolicy
from playbill.runtime.faults.behaviour import Behaviour, Duration
from playbill.runtime.faults.plan import Behaviours, FaultPlan
from playbill.runtime.journals.event_file import EventFile
from playbill.runtime.simulation.simulation import Simulation, Violation
from playbill.runtime.simulation.strategies import behaviours, definitions
from playbill.runtime.simulation.whatif.changes import change_from
from playbill.runtime.simulation.whatif.comparison import critical_paths, is_same, pair_nodes, totals
from playbill.runtime.simulation.whatif.recording import load_recording
from playbill.runtime.simulation.whatif.timeline import Timeline, timeline_of
from playbill.runtime.simulation.whatif.what_if import WhatIf, what_if

SLACK = 0.26
"""A coarse timer's bucket."""


def command(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "command", "config": {"argv": ["true"]}, **more}


def record(
    definition: PipelineDefinition,
    plan: FaultPlan | dict[str, Any],
    trigger: dict[str, Any] | None = None,
    seed: int = 0,
) -> list[Event]:
    """Return the events of a simulated run: as good as a real one's, which takes mail in order, too; and exact."""
    with Simulation(seed, faults=plan, policy="fifo", allow=None) as sim:
        run = sim.start(definition, trigger)
        sim.result(run)

        async def read() -> list[Event]:
            return [event async for event in run.events()]

        return sim.call(read())


def pipeline(*nodes: dict[str, Any], **more: Any) -> PipelineDefinition:
    return definition_from({"name": "p", "nodes": list(nodes), **more})


def behaving(**nodes: Any) -> dict[str, Any]:
    return {"behaviours": {"nodes": nodes}}


def taken(timeline: Timeline, node: str) -> list[tuple[int, float, float, str]]:
    """Return number, beginning, end and end's kind of each attempt."""
    told = []
    for attempt in timeline.nodes[node].attempts:
        how = attempt.failure.type if attempt.failure else "stopped" if attempt.is_cut else "ok"
        told.append((attempt.number, round(attempt.began, 3), round(attempt.ended, 3), how))
    return told


def said(found: WhatIf) -> list[str]:
    return [str(assumption) for assumption in found.assumptions]


FAILING = {"duration": 1.0, "outcomes": [{"error": "ConnectionError", "message": "away"}]}
TWICE = {"faults": [{"fault": "raise", "node": "a", "attempts": [1, 2], "message": "away"}]}


def retried() -> tuple[PipelineDefinition, Timeline]:
    """Record a node that fails twice and then completes after 1 s."""
    definition = pipeline(command("a", retry={"base": 2.0, "jitter": 0.4}, next="b"), command("b"))
    plan = {**TWICE, **behaving(a={"duration": 1.0, "output": {"n": 3}}, b={"duration": 0.5})}
    return definition, timeline_of(record(definition, plan))


# ---- as it was ------------------------------------------------------------------------------------------------


def assert_the_same(found: WhatIf) -> None:
    before, after = found.before, found.after
    assert {name: (t.status, len(t.attempts), t.output) for name, t in before.nodes.items()} == {
        name: (t.status, len(t.attempts), t.output) for name, t in after.nodes.items()
    }
    for name, track in before.nodes.items():
        for old, new in zip(track.attempts, after.nodes[name].attempts, strict=True):
            assert old.seconds == pytest.approx(new.seconds, abs=SLACK)
            assert str(old.failure) == str(new.failure)
            assert (old.receipt and old.receipt.how) == (new.receipt and new.receipt.how)
    assert (after.status, after.complete) == (before.status, True)


def test_an_unchanged_run_is_replayed_as_it_was_with_its_very_waits() -> None:
    definition, recording = retried()
    found = what_if(definition, recording)
    assert_the_same(found)
    assert taken(found.after, "a") == taken(recording, "a")
    assert found.after.seconds == pytest.approx(recording.seconds, abs=1e-3)
    assert is_same(pair_nodes(definition, recording, found.after), recording, found.after)
    assert said(found) == []


def untied(definition: PipelineDefinition) -> PipelineDefinition:
    """Make all lengths of time different: what happens at one instant may come in another order in a replay."""
    nodes = []
    for place, node in enumerate(definition.nodes, 1):
        said = {name: getattr(node, name) for name in ("timeout", "idle_timeout", "total_timeout")}
        update: dict[str, Any] = {
            name: seconds and seconds * (1 + share * place)
            for share, (name, seconds) in zip((0.013, 0.017, 0.019), said.items(), strict=True)
        }
        if node.type not in BUILT_IN:
            retry = node.retry or RetryPolicy()
            update["retry"] = retry.model_copy(update={"base": retry.base * (1 + 0.023 * place)})
        if node.type == "delay":
            update["config"] = {"seconds": node.config["seconds"] * (1 + 0.029 * place)}
        nodes.append(node.model_copy(update=update))
    return definition.model_copy(update={"nodes": nodes})


def behaving_untied(drawn: Behaviour, definition: PipelineDefinition) -> FaultPlan:
    """Have each node take its own time over the same behaviour."""
    nodes = {}
    for place, node in enumerate(definition.nodes, 1):
        late = {name: Duration(uniform=(0.01 * place, 0.7 * place)) for name in ("duration", "cleanup")}
        nodes[node.id] = drawn.model_copy(update=late)
    return FaultPlan(behaviours=Behaviours(nodes=nodes))


def test_defaults_are_not_written_to_nodes_without_a_handler() -> None:
    definition = pipeline(
        {"id": "a", "type": "delay", "config": {"seconds": 1}, "next": ["b"]},
        command("b"),
        defaults={"retry": {"max_attempts": 2}, "timeout": 60, "total_timeout": 90},
    )
    recording = timeline_of(record(definition, behaving(b={"duration": 3.0})))
    assert_the_same(what_if(definition, recording))
    change = change_from({"nodes": {"a": {"total_timeout": 0.5}}, "defaults": {"retry": {"max_attempts": 3}}})
    assert what_if(definition, recording, change).after.nodes["a"].status == "failed"


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data(), st.integers(0, 1000))
def test_any_unchanged_run_is_replayed_as_it_was(data: st.DataObject, seed: int) -> None:
    definition = untied(data.draw(definitions(max_nodes=4, breakers=False)))
    plan = behaving_untied(data.draw(behaviours()), definition)
    recording = timeline_of(record_or_skip(definition, plan, seed))
    found = what_if(definition, recording)
    same = {name: (t.status, len(t.attempts), t.output) for name, t in recording.nodes.items()}
    assert same == {name: (t.status, len(t.attempts), t.output) for name, t in found.after.nodes.items()}
    assert found.after.status == recording.status
    steps = 1 + sum(len(track.attempts) for track in recording.nodes.values())
    assert found.after.seconds == pytest.approx(recording.seconds, abs=SLACK * steps)


def record_or_skip(definition: PipelineDefinition, plan: FaultPlan, seed: int) -> list[Event]:
    try:
        return record(definition, plan, seed=seed)
    except Violation:  # the strategies have a test of their own for that
        assume(False)
        raise


def test_a_run_that_was_cancelled_is_cancelled_again_at_the_same_time() -> None:
    definition = pipeline(command("a"))
    plan = {"faults": [{"fault": "cancel", "at": 7.0}], **behaving(a={"duration": 60.0, "cleanup": 2.0})}
    found = what_if(definition, timeline_of(record(definition, plan)))
    assert_the_same(found)
    assert taken(found.after, "a") == [(1, 0.0, 9.0, "stopped")]
    assert (found.after.status, found.after.cause and found.after.cause.source) == (RunStatus.CANCELLED, "injected")
    assert said(found) == ["whoever cancelled, paused or resumed it does so at the same time again"]


def test_a_pause_is_replayed() -> None:
    definition = pipeline(command("a", next="b"), command("b"))
    plan = {"faults": [{"fault": "pause", "at": 1.0, "seconds": 30.0}], **behaving(a={"duration": 5.0})}
    found = what_if(definition, timeline_of(record(definition, plan)))
    assert_the_same(found)
    assert taken(found.after, "b")[0][1] == 31.0


@pytest.mark.parametrize(
    ("stubborn", "how"),
    [
        ({"cleanup": 1.5}, Stopped.INTERRUPTED),
        ({"ignores_cancel": True}, Stopped.KILLED),
        ({"ignores_cancel": True, "ignores_kill": True}, Stopped.ABANDONED),
    ],
)
def test_what_was_hard_to_stop_is_hard_to_stop_again(stubborn: dict[str, Any], how: Stopped) -> None:
    definition = pipeline(command("a", timeout=2.0, grace=3.0, retry={"max_attempts": 1}))
    found = what_if(definition, timeline_of(record(definition, behaving(a={"duration": 60.0, **stubborn}))))
    assert_the_same(found)
    receipt = found.after.nodes["a"].attempts[0].receipt
    assert receipt is not None
    assert receipt.how is how


def test_an_answer_to_a_timeout_is_not_taken_for_one_in_time() -> None:
    definition = pipeline(command("a", total_timeout=1.0))
    plan = behaving(a={"duration": 1.0, "outcomes": [{"error": "ConnectionError", "retryable": False}]})
    recording = timeline_of(record(definition, plan))
    receipt = recording.nodes["a"].attempts[0].receipt
    assert receipt is not None
    assert receipt.how is Stopped.COOPERATIVE
    assert_the_same(what_if(definition, recording))


def test_what_had_timed_out_when_the_run_was_stopped_times_out_again() -> None:
    a = command("a", retry={"max_attempts": 1})
    definition = pipeline(a, command("b", idle_timeout=2.0, grace=0.0))
    hangs = {"outcomes": [{"hangs": True}], "ignores_cancel": True, "ignores_kill": True}
    plan = behaving(a={**FAILING, "duration": 2.5}, b=hangs)
    recording = timeline_of(record(definition, plan))
    assert taken(recording, "b") == [(1, 0.0, 3.0, "AttemptTimedOut")]
    assert_the_same(what_if(definition, recording))


def test_a_grace_from_the_command_line_holds_in_the_replay() -> None:
    definition = pipeline(command("a"))
    plan = {
        "faults": [{"fault": "cancel", "at": 2.0, "grace": 1.5}],
        **behaving(a={"duration": 60.0, "ignores_cancel": True}),
    }
    found = what_if(definition, timeline_of(record(definition, plan)))
    assert taken(found.after, "a") == [(1, 0.0, 3.5, "stopped")]


def test_a_second_cancel_with_less_grace_holds_in_the_replay() -> None:
    plan = {
        "faults": [{"fault": "cancel", "at": 2.0, "grace": 4.0}, {"fault": "cancel", "at": 3.0, "grace": 0.5}],
        **behaving(a={"duration": 60.0, "ignores_cancel": True}),
    }
    found = what_if(pipeline(command("a")), timeline_of(record(pipeline(command("a")), plan)))
    assert taken(found.after, "a") == [(1, 0.0, 3.5, "stopped")]


def test_a_change_of_the_timeout_wins_over_the_recorded_one() -> None:
    definition = pipeline(command("a"), timeout=9.0)
    recording = timeline_of(record(definition, behaving(a={"duration": 6.0})))
    found = what_if(definition, recording, change_from({"timeout": 4.0}))
    assert found.after.seconds == pytest.approx(4.0, abs=SLACK)


def test_a_timeout_from_the_command_line_holds_in_the_replay() -> None:
    definition = pipeline(command("a"))
    with Simulation(faults=behaving(a={"duration": 60.0})) as sim:
        run = sim.start(definition, timeout_seconds=4.0)
        sim.result(run)

        async def read() -> list[Event]:
            return [event async for event in run.events()]

        recording = timeline_of(sim.call(read()))
    found = what_if(definition, recording)
    assert found.after.status is RunStatus.TIMEOUT
    assert found.after.seconds == pytest.approx(4.0, abs=SLACK)


# ---- other policies -------------------------------------------------------------------------------------------


def test_fewer_attempts_fail_sooner() -> None:
    definition, recording = retried()
    found = what_if(definition, recording, change_from({"nodes": {"a": {"retry": {"max_attempts": 2}}}}))
    assert [kind for *_, kind in taken(found.after, "a")] == ["ConnectionError"] * 2
    assert found.after.status is RunStatus.FAILED
    assert "b" not in found.after.nodes
    lines = totals(pair_nodes(definition, recording, found.after), recording, found.after)
    assert lines[1:] == ["attempts    4 -> 2 (-2)", "failures    added: a"]
    assert said(found) == []


def test_another_base_makes_shorter_waits_with_the_jitter_that_was_drawn() -> None:
    definition, recording = retried()
    found = what_if(definition, recording, change_from({"defaults": {}, "nodes": {"a": {"retry": {"base": 1.0}}}}))
    waits = [attempt.back_off for attempt in recording.nodes["a"].attempts[:2]]
    now = [attempt.back_off for attempt in found.after.nodes["a"].attempts[:2]]
    assert now == pytest.approx([wait / 2 for wait in waits if wait], abs=1e-4)


def test_a_failure_that_asked_for_a_wait_gets_it_again() -> None:
    definition, recording = retried()
    first = recording.nodes["a"].attempts[0]
    assert first.failure is not None
    object.__setattr__(first, "failure", type(first.failure)("X", "later", True, ("X",), retry_after=17.0))
    found = what_if(definition, recording)
    assert found.after.nodes["a"].attempts[0].back_off == 17.0


def always_failing() -> tuple[PipelineDefinition, Timeline]:
    definition = pipeline(command("a", retry={"max_attempts": 2, "base": 1.0, "jitter": 0.0}, next="b"), command("b"))
    return definition, timeline_of(record(definition, behaving(a=FAILING)))


def test_more_attempts_than_were_recorded_repeat_the_last_and_say_so() -> None:
    definition, recording = always_failing()
    found = what_if(definition, recording, change_from({"nodes": {"a": {"retry": {"max_attempts": 4}}}}))
    assert taken(found.after, "a")[2:] == [(3, 5.0, 6.0, "ConnectionError"), (4, 10.0, 11.0, "ConnectionError")]
    assert said(found) == ["node 'a': attempts 3 to 4 not recorded; assumed to end as attempt 2 did"]


def test_or_they_succeed_and_what_was_never_reached_gives_nothing_at_once() -> None:
    definition, recording = always_failing()
    change = {"beyond": "succeed-like-recorded", "nodes": {"a": {"retry": {"max_attempts": 3}}}}
    found = what_if(definition, recording, change_from(change))
    assert taken(found.after, "a")[2:] == [(3, 5.0, 6.0, "ok")]
    assert taken(found.after, "b") == [(1, 6.0, 6.0, "ok")]
    assert said(found) == [
        "node 'a': attempt 3 not recorded; assumed to succeed with {}, for it never did",
        "node 'b': attempt 1 not recorded, for it was never reached; assumed to give {} at once",
    ]
    lines = totals(pair_nodes(definition, recording, found.after), recording, found.after)
    assert lines[-1] == "failures    avoided: a"


def test_or_they_do_as_a_behaviour_says() -> None:
    definition, recording = always_failing()
    nodes = {"a": {"duration": 4.0, "output": {"x": 1}}, "b": {"duration": 3.0}}
    change = {"behaviours": {"nodes": nodes}, "nodes": {"a": {"retry": {"max_attempts": 3}}}}
    found = what_if(definition, recording, change_from(change))
    assert (taken(found.after, "a")[2:], taken(found.after, "b")) == ([(3, 5.0, 9.0, "ok")], [(1, 9.0, 12.0, "ok")])
    assert found.after.nodes["a"].output == {"x": 1}
    assert said(found) == [
        f"node '{name}': attempt {n} not recorded; does as its behaviour says" for name, n in (("a", 3), ("b", 1))
    ]


def test_a_shorter_timeout_cuts_what_completed() -> None:
    definition = pipeline(command("a", retry={"max_attempts": 2, "base": 1.0, "jitter": 0.0}))
    recording = timeline_of(record(definition, behaving(a={"duration": 2.0, "output": {"n": 1}})))
    found = what_if(definition, recording, change_from({"defaults": {"timeout": 0.5}}))
    assert taken(found.after, "a") == [(1, 0.0, 0.5, "AttemptTimedOut"), (2, 1.5, 2.0, "AttemptTimedOut")]
    assert said(found) == ["node 'a': attempt 2 not recorded; assumed to end as attempt 1 did"]


def timed_out() -> tuple[PipelineDefinition, Timeline]:
    """Record a node that times out once and then completes after 1 s."""
    definition = pipeline(command("a", timeout=2.0, retry={"base": 1.0, "jitter": 0.0}))
    plan = {"faults": [{"fault": "hang", "attempts": [1]}], **behaving(a={"duration": 1.0, "output": {"n": 1}})}
    return definition, timeline_of(record(definition, plan))


def test_a_longer_timeout_ends_what_timed_out_as_it_did_and_says_that_nobody_knows() -> None:
    definition, recording = timed_out()
    assert [kind for *_, kind in taken(recording, "a")] == ["AttemptTimedOut", "ok"]
    found = what_if(definition, recording, change_from({"nodes": {"a": {"timeout": 2.4}}}))
    assert taken(found.after, "a") == [(1, 0.0, 2.4, "AttemptTimedOut"), (2, 3.4, 4.4, "ok")]
    unknown = "node 'a': attempt 1: its true duration is unknown, for it timed out after 2 s"
    assert said(found) == [f"{unknown}; assumed to go on until something ends it"]


def test_or_it_succeeds_as_the_node_did_later() -> None:
    definition, recording = timed_out()
    change = {"beyond": "succeed-like-recorded", "nodes": {"a": {"timeout": 60.0}}}
    found = what_if(definition, recording, change_from(change))
    assert taken(found.after, "a") == [(1, 0.0, 2.5, "ok")]
    assert found.after.nodes["a"].output == {"n": 1}
    assert said(found)[0].endswith("; assumed to succeed then, as attempt 2 did")


def test_a_node_that_another_failure_stopped_goes_on_when_that_is_avoided() -> None:
    definition = pipeline(command("a", retry={"max_attempts": 1}), command("b", next="c"), command("c"))
    plan = {
        "faults": [{"fault": "raise", "node": "a", "attempts": [1], "message": "away"}],
        **behaving(b={"duration": 50.0}),
    }
    recording = timeline_of(record(definition, plan))
    assert recording.nodes["b"].status is NodeStatus.CANCELLED
    change = {"beyond": "succeed-like-recorded", "nodes": {"a": {"retry": {"max_attempts": 2}}}}
    found = what_if(definition, recording, change_from(change))
    assert found.after.status is RunStatus.COMPLETED
    assert any(
        line.startswith("node 'b': attempt 1: its true duration is unknown, for it was stopped")
        for line in said(found)
    )


def test_an_idle_timeout_is_replayed_from_the_last_heartbeat_on() -> None:
    definition = pipeline(command("a", idle_timeout=2.0, retry={"max_attempts": 1}))
    recording = timeline_of(record(definition, behaving(a={"duration": 60.0})))
    found = what_if(definition, recording, change_from({"nodes": {"a": {"idle_timeout": 1.0}}}))
    assert taken(found.after, "a") == [(1, 0.0, 1.0, "AttemptTimedOut")]
    track = recording.nodes["a"].attempts[0]
    track.ended += 7.0  # as if it had been heard until then
    assert taken(what_if(definition, recording).after, "a") == [(1, 0.0, 9.0, "AttemptTimedOut")]


def test_a_breaker_that_opens_sooner_spares_attempts() -> None:
    retry = {"max_attempts": 4, "base": 1.0, "factor": 1.0, "jitter": 0.0}
    definition = pipeline(command("a", retry=retry), breakers={"command": {"failures": 5}})
    recording = timeline_of(record(definition, behaving(a=FAILING)))
    found = what_if(definition, recording, change_from({"breakers": {"command": {"failures": 2}}}))
    assert [kind for *_, kind in taken(found.after, "a")] == ["ConnectionError"] * 2
    failure = found.after.nodes["a"].failure
    assert failure is not None
    assert failure.type == "CircuitOpen"


def test_fewer_slots_take_longer_and_another_run_timeout_ends_it() -> None:
    definition = pipeline(command("a"), command("b"), command("c"))
    recording = timeline_of(record(definition, {"behaviours": {"default": {"duration": 10.0}}}))
    assert what_if(definition, recording, change_from({"max_concurrency": 1})).after.seconds == 30.0
    ended = what_if(definition, recording, change_from({"timeout": 5.0})).after
    assert ended.status is RunStatus.TIMEOUT
    assert ended.seconds == pytest.approx(5.0, abs=SLACK)


def test_on_error_continue_lets_the_rest_go_on() -> None:
    definition, recording = always_failing()
    found = what_if(definition, recording, change_from({"nodes": {"a": {"on_error": "continue"}}}))
    assert (found.after.status, found.after.nodes["b"].status) == (RunStatus.COMPLETED, NodeStatus.COMPLETED)


def test_what_differs_is_told_node_by_node() -> None:
    a = command("a", retry={"max_attempts": 1}, on_error="continue", next="b")
    definition = pipeline(a, {"id": "b", "type": "parallel", "next": "c"}, command("c"))
    plan = behaving(a=FAILING, c={"duration": 2.0})
    recording = timeline_of(record(definition, plan))
    change = {
        "beyond": "succeed-like-recorded",
        "nodes": {"a": {"retry": {"max_attempts": 2, "base": 3.0, "jitter": 0.0}}},
    }
    found = what_if(definition, recording, change_from(change))
    assert {pair.node: pair.differences for pair in pair_nodes(definition, recording, found.after)} == {
        "a": ["failed -> completed", "1 -> 2 attempts", "1 s -> 5 s (+4 s)"],
        "b": ["other output"],
        "c": [],
    }


def test_defaults_are_for_nodes_that_say_nothing_and_null_takes_a_bound_away() -> None:
    definition = pipeline(command("a", timeout=9.0), command("b"), command("c"), defaults={"timeout": 7.0})
    change = change_from({"defaults": {"timeout": 8.0, "retry": {"base": 0.5}}, "nodes": {"c": {"timeout": None}}})
    changed = change.applied(definition)
    assert [node.timeout for node in changed.nodes] == [9.0, 8.0, None]
    assert {(node.retry.base, node.retry.max_attempts) for node in changed.nodes if node.retry} == {(0.5, 3)}


# ---- what cannot be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"nodes": {"aa": {"timeout": 1.0}}}, "nodes.aa: unknown node 'aa', did you mean 'a'?; there are: 'a', 'b'"),
        ({"nodes": {"a": {"tiemout": 1.0}}}, "node 'a': unknown field 'tiemout', did you mean 'timeout'?"),
        ({"nodes": {"a": {"retry": {"bases": 1.0}}}}, "nodes.a.retry: unknown field 'bases', did you mean 'base'?"),
        ({"defaults": {"retry": {"base": -1.0}}}, "defaults.retry: base: input should be greater than or equal to 0"),
        ({"breakers": {"commandx": {}}}, "breakers.commandx: unknown breaker 'commandx', did you mean 'command'?"),
        ({"breakers": {"command": {"slow_rate": 0.5}}}, "slow_rate and slow_call_seconds need each other"),
        ({"beyond": "hope"}, "beyond: input should be 'repeat-last' or 'succeed-like-recorded', not 'hope'"),
        ({"behaviours": {"nodes": {"x": {}}}}, "unknown node 'x'"),
        ({"retries": 3}, "unknown field 'retries'; fields are: 'defaults'"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: dict[str, Any], wrong: str) -> None:
    definition, recording = retried()
    with pytest.raises(DefinitionError) as caught:
        what_if(definition, recording, change_from(change))
    assert wrong in str(caught.value)


def test_the_critical_paths_are_those_of_the_nodes_that_ran() -> None:
    definition = pipeline(command("a", next=["b", "c"]), command("b"), command("c", next="d"), command("d"))
    lengths = {"a": 1.0, "b": 5.0, "c": 1.0, "d": 1.0}
    before = timeline_of(record(definition, behaving(**{name: {"duration": n} for name, n in lengths.items()})))
    after = timeline_of(
        record(definition, behaving(**{name: {"duration": n} for name, n in {**lengths, "b": 1.0}.items()}))
    )
    assert critical_paths(definition, before, after) == [
        "before      critical path a -> b, 6 s",
        "after       critical path a -> c -> d, 3 s",
    ]


def test_all_that_is_wrong_with_a_change_is_told_at_once() -> None:
    definition, _ = retried()
    with pytest.raises(DefinitionError) as caught:
        change_from({"nodes": {"x": {}, "a": {"retry": {"base": -1.0}}}, "breakers": {"y": {}}}).applied(definition)
    assert [problem.where for problem in caught.value.problems] == ["nodes.x", "breakers.y", "nodes.a.retry.base"]


def test_a_recording_of_another_pipeline_is_refused() -> None:
    _, recording = retried()
    other = definition_from({"name": "q", "nodes": [command("a"), command("c")]})
    with pytest.raises(DefinitionError) as caught:
        what_if(other, recording)
    assert [str(problem) for problem in caught.value.problems] == [
        "the recording is another pipeline's: replay it with the file it was made with",
        "it was recorded with pipeline 'p', not with 'q'",
        "its node 'b' is not in the pipeline",
        "node 'c' is not in it although the run completed",
    ]


def write(path: Path, events: list[Event]) -> Path:
    with EventFile(path) as file:
        for event in events:
            file.write(event)
    return path


def test_a_recording_that_is_cut_short_is_replayed_as_far_as_it_goes_and_says_so(tmp_path: Path) -> None:
    definition = pipeline(command("a", next="b"), command("b", next="c"), command("c"))
    events = record(definition, behaving(a={"duration": 2.0, "output": {"n": 1}}, b={"duration": 9.0}))
    path = write(tmp_path / "events.jsonl", events[:4])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type":"pipeline_node.comp')
    recording = load_recording(path)
    assert (recording.complete, recording.nodes["b"].attempts[0].is_open) == (False, True)
    found = what_if(definition, recording)
    assert found.after.nodes["a"].output == {"n": 1}
    assert said(found)[0] == "the recording is cut short after 2 s; what follows is assumed"
    assert "for the recording ended after 0 s; assumed to give {} then" in said(found)[1]
    assert said(found)[2] == "node 'c': attempt 1 not recorded, for it was never reached; assumed to give {} at once"


def test_what_is_of_no_run_is_read_over(tmp_path: Path) -> None:
    events = record(pipeline(command("a")), {})
    blocked = {"run_id": None, "seconds": 2.0, "stack": ""}
    of_none = [
        Event(EventType.LOOP_BLOCKED, LOOP, 1, events[0].at, None, None, blocked),
        Event(EventType.BREAKER_CLOSED, f"{BREAKERS}command", 1, events[0].at, None, None, {"epoch": 1}),
    ]
    path = write(tmp_path / "events.jsonl", [*of_none, *events])
    assert load_recording(path).complete


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda events: [], "holds no events"),
        (lambda events: events[1:], "begins later"),
        (lambda events: [events[0], *events[2:]], "has event 3 after 1"),
        (lambda events: [*events, *record(pipeline(command("z")), {})], "has event 1 after"),
    ],
)
def test_events_that_are_no_whole_run_are_refused(tmp_path: Path, change: Any, wrong: str) -> None:
    definition, _ = retried()
    path = write(tmp_path / "events.jsonl", change(record(definition, {})))
    with pytest.raises(DefinitionError, match=wrong):
        load_recording(path)


def test_another_version_is_told() -> None:
    definition, recording = retried()
    found = what_if(definition.model_copy(update={"version": "2"}), recording)
    assert said(found) == ["recorded with version 1, replayed with version 2"]


def test_events_of_breakers_are_passed_over(tmp_path: Path) -> None:
    definition, _ = retried()
    events = record(definition, {})
    at = events[0].at + timedelta(seconds=1)
    odd = Event(EventType.BREAKER_CLOSED, "breaker:command", 1, at, None, None, {"epoch": 2})
    assert load_recording(write(tmp_path / "events.jsonl", [odd, *events])).complete


def test_no_handler_runs_in_a_replay(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    definition = pipeline({"id": "a", "type": "command", "config": {"argv": ["touch", str(touched)]}})
    recording = timeline_of(record(definition, behaving(a={"duration": 1.0, "output": {"exit_code": 0}})))
    found = what_if(definition, recording)
    assert found.after.nodes["a"].output == {"exit_code": 0}
    assert not touched.exists()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
