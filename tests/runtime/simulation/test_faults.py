"""Faults as data: each kind does what it says, simulated and around a real manager; wrong plans are refused."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.errors import DefinitionError, InternalError
from playbill.model.facts import RunStatus
from playbill.model.machines.circuit import CircuitMachine
from playbill.model.machines.circuit_state import CircuitState
from playbill.model.messages import Settle
from playbill.runtime.faults.behaviour import Behaviour, Duration
from playbill.runtime.faults.kinds import KINDS
from playbill.runtime.faults.loading import load_faults, plan_of
from playbill.runtime.faults.plan import EVERYTHING, FaultPlan, fault_plan
from playbill.runtime.faults.recorded import recorded_behaviours
from playbill.runtime.faults.tape import SeededTape
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.coverage import pairs_of
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.clock import EPOCH
from playbill.runtime.simulation.virtual.escapes import Escape
from tests.runtime.simulation.worlds import ALL, DIAMOND, FAULTS, works

ONE: dict[str, Any] = {"nodes": [{"id": "a", "type": "works", "retry": {"max_attempts": 1}}]}
TWICE: dict[str, Any] = {
    "nodes": [{"id": "a", "type": "works", "timeout": 5, "retry": {"max_attempts": 2, "base": 1.0, "jitter": 0.0}}]
}


def under(fault: dict[str, Any], definition: dict[str, Any] = ONE, **options: Any) -> tuple[Any, Simulation]:
    with Simulation(faults={"faults": [fault]}, types=ALL, grace=2.0, **options) as sim:
        return sim.run(definition), sim


def test_raise_fails_the_attempt_with_its_error() -> None:
    result, sim = under({"fault": "raise", "error": "OSError", "message": "no route"})
    assert str(result.error) == "OSError: no route"
    assert sim.world.injector.fired == {"raise": 1}


def test_a_fault_of_the_first_attempt_leaves_the_second_alone() -> None:
    result, sim = under({"fault": "raise", "attempts": [1]}, TWICE)
    assert (result.status, result.node_results["a"].attempts, sim.time) == ("completed", 2, 2.0)


def test_hang_is_ended_by_the_timeout_and_its_ladder() -> None:
    result, _ = under({"fault": "hang", "attempts": [1]}, TWICE)
    assert (result.status, result.node_results["a"].attempts) == ("completed", 2)


def test_faults_that_happen_are_kept_with_their_time_and_place() -> None:
    faults = [
        {"fault": "raise", "attempts": [1]},
        {"fault": "journal_slow", "seconds": 0.0, "times": 1},
        {"fault": "pause", "at": 0.25, "seconds": 1.0},
        {"fault": "clock_skew", "at": 1.0, "seconds": -60.0},
        {"fault": "breaker", "breaker": "works", "at": 2.0},
    ]
    with Simulation(faults={"faults": faults}, types=ALL) as sim:
        sim.run(TWICE)
    injector = sim.world.injector
    assert list(map(tuple, injector.happened)) == [
        (0.0, "journal_slow", "pipeline_run.started", 0),
        (0.0, "raise", "a", 1),
        (0.25, "pause", "", 0),
        (1.0, "clock_skew", "-60 s", 0),
        (2.0, "breaker", "works", 0),
    ]
    assert [str(one) for one in injector.happened][1:3] == ["       0.000  raise  a#1", "       0.250  pause"]
    assert injector.fired.total() == len(injector.happened)


@pytest.mark.parametrize("registered", [False, True])
def test_an_agent_is_stood_in_for_where_none_are_registered(
    registered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Agent:
        async def process_message(self, prompt: str) -> str:
            return prompt.upper()

    definition = {"nodes": [{"id": "a", "type": "agent", "config": {"agent_id": "x", "task": "say"}}]}
    with Simulation(3, resources={"agents": {"x": Agent()}} if registered else None) as sim:
        output = sim.run(definition).outputs["a"]
    if registered:
        assert (output, sim.time) == ({"result": "SAY", "agent_id": "x", "simulated": False}, 0.0)
    else:
        result = "Simulated result of agent 'x' for the task: say"
        assert output == {"result": result, "agent_id": "x", "simulated": True}
        assert 0.0 < sim.time < 2.0
    assert caplog.text == ""


@playbill.action("weigh")
async def weigh(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Take 3 seconds."""
    await context.sleep(3.0)
    return {"weighed": True}


@playbill.action("weigh_in_a_thread")
def weigh_in_a_thread(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Never run: in a thread it cannot be simulated."""
    raise AssertionError


@pytest.mark.parametrize(
    ("config", "runs"),
    [
        ({"action": "weigh"}, True),
        ({"action": "weigh_in_a_thread"}, False),
        ({"action": "call_api", "url": "http://nowhere.invalid/"}, False),
        ({"action": "send_notification", "webhook": "http://nowhere.invalid/", "message": "x"}, False),
    ],
)
def test_of_actions_a_coroutine_of_the_user_runs_itself(config: dict[str, Any], runs: bool) -> None:
    definition = {"nodes": [{"id": "a", "type": "action", "config": config}]}
    with Simulation(3, types=[weigh, weigh_in_a_thread]) as sim:
        result = sim.run(definition)
    assert result.outputs["a"] == ({"weighed": True} if runs else {})
    assert (sim.time == 3.0) is runs


def test_slow_begins_later() -> None:
    _, sim = under({"fault": "slow", "seconds": 7.0})
    assert sim.time == 8.0


def test_slow_stopped_before_it_began_is_over_at_once() -> None:
    with Simulation(faults={"faults": [{"fault": "slow", "seconds": 7.0}]}, types=ALL) as sim:
        run = sim.start(ONE)
        sim.advance(1)
        sim.call(run.cancel())
        assert sim.result(run).status is RunStatus.CANCELLED
        assert sim.time == 1.0


@pytest.mark.parametrize(("kill", "how"), [(False, "killed"), (True, "abandoned")])
def test_ignoring_cancel_leads_down_the_ladder(kill: bool, how: str) -> None:
    fault = {"fault": "ignore_cancel", "kill": kill}
    definition = {"timeout": 3, "nodes": [{"id": "a", "type": "waits", "config": {"cleanup": 0.0}}]}
    result, _ = under(fault, definition)
    receipt = result.node_results["a"].receipt
    assert (result.status, receipt.how) == ("timeout", how)
    assert result.orphans == (("a",) if kill else ())


def test_garbage_is_refused_as_an_output() -> None:
    result, _ = under({"fault": "garbage"})
    assert result.error.type == "NodeConfigError"
    assert "garbage" in result.error.message


def test_late_returns_after_it_was_given_up_and_changes_nothing() -> None:
    with Simulation(faults={"faults": [{"fault": "late", "seconds": 60.0}]}, types=ALL, grace=1.0) as sim:
        result = sim.run({"timeout": 3, "nodes": [{"id": "a", "type": "waits", "config": {"seconds": 20}}]})
        before = sim.manager.dead_letters
        assert (result.status, result.orphans, sim.manager.orphans) == ("timeout", ("a",), 1)
        sim.advance(100)
        assert (sim.manager.orphans, sim.manager.dead_letters) == (0, before + 1)


def test_a_lost_worker_is_retried() -> None:
    result, _ = under({"fault": "lost", "seconds": 0.5, "times": 1}, TWICE)
    assert (result.status, result.node_results["a"].attempts) == ("completed", 2)


@pytest.mark.parametrize("kind", ["journal_slow", "journal_failing", "journal_full"])
def test_a_sick_journal_holds_the_run_and_nothing_is_lost(kind: str) -> None:
    result, sim = under({"fault": kind, "seconds": 10.0, "times": 1}, DIAMOND)
    assert (result.status, sim.time >= 10.0) == ("completed", True)


def test_a_crash_ends_the_simulation_at_the_event_it_names() -> None:
    fault = {"fault": "crash", "event": "pipeline_node.completed"}
    with pytest.raises(Crashed, match=r"the runtime died as pipeline_node.completed was recorded"):
        under(fault)


def test_timers_and_messages_can_be_late() -> None:
    _, timers = under({"fault": "timer_late", "message": "Due", "seconds": 4.0}, DIAMOND)
    _, mail = under({"fault": "message_delay", "message": "Ended", "seconds": 0.5, "times": 1})
    assert timers.time == pytest.approx(7.1)
    assert timers.world.injector.lateness == 4.0
    assert mail.time == 1.5


@pytest.mark.parametrize(("jump", "seconds"), [(3600.0, 3601.0), (-3600.0, 0.0)])
def test_the_wall_clock_can_jump_and_no_timer_minds(jump: float, seconds: float) -> None:
    """Within a run time does not go back: what happens after a jump back is told with the time before it."""
    with Simulation(faults={"faults": [{"fault": "clock_skew", "at": 0.5, "seconds": jump}]}, types=ALL) as sim:
        result = sim.run(ONE)
    assert sim.time == 1.0
    assert result.started_at is not None
    assert result.ended_at is not None
    assert (result.ended_at - result.started_at).total_seconds() == seconds


def test_a_breaker_can_be_forced_for_a_while() -> None:
    fault = {"fault": "breaker", "breaker": "works", "at": 0.5, "seconds": 60.0}
    definition = {"nodes": [{"id": "a", "type": "works", "next": "b"}, {"id": "b", "type": "works"}]}
    result, _ = under(fault, definition)
    assert result.error.type == "CircuitOpen"
    waiting = {"nodes": [definition["nodes"][0], {"id": "b", "type": "works", "on_open": "wait"}]}
    result, sim = under(fault, waiting)
    assert (result.status, sim.time) == ("completed", 61.5)


def test_runs_can_be_cancelled_and_paused() -> None:
    result, _ = under({"fault": "cancel", "at": 0.5})
    assert (result.status, result.cause.source) == ("cancelled", "injected")
    result, sim = under({"fault": "pause", "at": 0.5, "seconds": 30.0}, DIAMOND)
    assert (result.status, sim.time > 30) == ("completed", True)


def test_faults_that_stand_in_no_list_are_read_or_refused_as_well() -> None:
    said = {"fault": "hang"}
    assert fault_plan({"faults": (one for one in [said])}) == fault_plan({"faults": [said]})
    with pytest.raises(DefinitionError, match=r"- faults\[0\]: input should be a valid dictionary"):
        fault_plan({"faults": {1, 2}})
    with pytest.raises(DefinitionError, match=r"faults\[0\]: input tag 'hong'"):
        fault_plan({"faults": (one for one in [{"fault": "hong"}])})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_plan_of_any_kind_is_read_again_from_what_it_writes(kind: str) -> None:
    said = {"fault": kind, "probability": 0.5, **({"breaker": "works"} if kind == "breaker" else {})}
    plan = fault_plan({"faults": [said, {**said, "probability": 1.0}]})
    written = plan.model_dump(mode="json", exclude_defaults=True)
    assert written["faults"][0] == said
    assert fault_plan(written) == plan
    assert type(plan.faults[0]) is KINDS[kind]


def test_a_fault_refuses_what_only_other_kinds_take() -> None:
    takes = {kind: set(model.model_fields) for kind, model in KINDS.items()}
    everything = set().union(*takes.values())
    for kind, mine in takes.items():
        for field in everything - mine:
            with pytest.raises(DefinitionError, match=f"fault 1: .*unknown field '{field}'"):
                fault_plan({"faults": [{"fault": kind, "breaker": "works", field: 1}]})


def test_all_that_a_plan_of_everything_says_is_written() -> None:
    assert FaultPlan.model_validate(EVERYTHING.model_dump(mode="json", exclude_defaults=True)) == EVERYTHING


def test_every_kind_of_fault_is_among_everything_or_left_out_on_purpose() -> None:
    assert KINDS.keys() - {fault.fault for fault in EVERYTHING.faults} == {"breaker", "actor_fails"}


# ---- behaviours -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "mean"),
    [
        (3, 3.0),
        ({"uniform": [2, 4]}, 3.0),
        ({"exponential": 3}, 3.0),
        ({"lognormal": {"median": 3.0, "sigma": 0.2}}, 3.06),
        ({"recorded": [1, 2, 6]}, 3.0),
    ],
)
def test_a_duration_is_drawn_from_what_was_declared(duration: Any, mean: float) -> None:
    drawn, tape = Duration.model_validate(duration), SeededTape(1)
    values = [drawn.draw(tape) for _ in range(4_000)]
    assert sum(values) / len(values) == pytest.approx(mean, rel=0.08)
    assert min(values) >= 0


def test_outcomes_come_in_proportion_to_their_weights() -> None:
    behaviour = Behaviour.model_validate(
        {
            "outcomes": [
                {"weight": 3, "output": {"ok": 1}},
                {"weight": 1, "error": "OSError"},
                {"weight": 0.5, "hangs": True},
            ]
        }
    )
    tape = SeededTape(2)
    drawn = [behaviour.ending(tape) for _ in range(3_000)]
    assert sum(ending.output is not None for ending in drawn) / 3_000 == pytest.approx(3 / 4.5, rel=0.1)
    assert sum(ending.hangs for ending in drawn) / 3_000 == pytest.approx(0.5 / 4.5, rel=0.3)


def test_a_command_is_stood_in_for_and_goes_down_the_ladder_as_declared() -> None:
    definition = {"timeout": 10, "nodes": [{"id": "c", "type": "command", "config": {"argv": ["make"]}}]}
    told = {"duration": 3.0, "output": {"exit_code": 0}}
    with Simulation(faults={"behaviours": {"nodes": {"c": told}}}) as sim:
        assert sim.run(definition).outputs == {"c": {"exit_code": 0}}
    stuck = {"outcomes": [{"hangs": True}], "ignores_cancel": True}
    with Simulation(faults={"behaviours": {"types": {"command": stuck}}}) as sim:
        result = sim.run(definition)
    assert result.node_results["c"].receipt.how == "killed"  # type: ignore[union-attr]


async def record() -> list[playbill.Event]:
    async with playbill.PipelineRunManager(types=[*ALL, flaky]) as manager:
        run = await manager.start_run({"nodes": [{"id": "a", "type": "fails_once", "retry": {"base": 0.0}}]})
        return [event async for event in run.events()]


@playbill.node_type("fails_once")
async def flaky(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Fail once."""
    if context.attempt == 1:
        raise ConnectionError("once")
    return {"n": 1}


def test_a_recorded_run_gives_behaviours() -> None:
    told = recorded_behaviours(asyncio.run(record()))["a"]
    assert [(end.output, end.error, end.message) for end in told.outcomes] == [
        ({"n": 1}, None, ""),
        (None, "ConnectionError", "once"),
    ]
    assert len(told.duration.recorded or ()) == 2


def test_a_plan_names_a_recording_and_its_own_words_win(tmp_path: Path) -> None:
    from playbill.runtime.journals.event_file import EventFile

    with EventFile(tmp_path / "run.jsonl") as file:
        for event in asyncio.run(record()):
            file.write(event)
    (tmp_path / "plan.yaml").write_text("recorded: run.jsonl\nfaults: [{fault: hang, probability: 0.1}]\n")
    plan = load_faults(tmp_path / "plan.yaml")
    assert plan.behaviours.nodes.keys() == {"a"}
    assert len(plan.faults) == 1
    (tmp_path / "own.yaml").write_text("recorded: run.jsonl\nbehaviours: {nodes: {a: {duration: 9}}}\n")
    assert load_faults(tmp_path / "own.yaml").behaviours.nodes["a"].duration.constant == 9
    (tmp_path / "wrong.yaml").write_text("recorded: [1]\n")
    with pytest.raises(DefinitionError, match="recorded names a file of events, not \\[1\\]"):
        load_faults(tmp_path / "wrong.yaml")


# ---- actors of ours that fail ---------------------------------------------------------------------------------


def failing(actor: str, message: str, **more: Any) -> tuple[Any, Simulation]:
    fault = {"fault": "actor_fails", "actor": actor, "message": message, "times": 1, **more}
    return under(fault, DIAMOND, traced=True)


def test_a_supervisor_that_fails_stops_its_nodes_and_ends_the_run_failed() -> None:
    result, sim = failing("supervisor", "Ended", after=1.0)
    assert (result.status, result.error.type) == ("failed", "InternalError")
    assert "cannot receive <injected: the actor fails>" in result.error.message
    assert ("SalvageMachine", "stopping", "Ended") in pairs_of(sim.world.seen)
    assert sim.world.injector.fired == {"actor_fails": 1}


def test_a_node_that_fails_ends_failed_and_gives_its_permit_back() -> None:
    result, sim = failing("node", "Returned")
    failed = [node for node, end in result.node_results.items() if end.status == "failed"]
    assert len(failed) == 1
    assert result.node_results[failed[0]].error.type == "InternalError"
    assert any("verdict=lost" in delivery.message for delivery in sim.trace)


def test_a_breaker_that_fails_begins_afresh_and_the_run_goes_on() -> None:
    result, sim = failing("breaker", "Settle")
    assert result.status == "completed"
    assert [str(event.type) for event in sim.world.events].count("breaker.reset") == 1


def test_those_who_wait_at_a_breaker_that_fails_ask_again() -> None:
    one_at_a_time = {"breakers": {"works": {"max_concurrent": 1}}}
    fault = {"fault": "actor_fails", "actor": "breaker", "message": "Settle", "times": 1}
    result, sim = under(fault, DIAMOND | one_at_a_time, traced=True)
    assert result.status == "completed"
    assert any(delivery.message.startswith("AskAgain") for delivery in sim.trace)


def test_an_actor_is_told_what_it_failed_at_after_it_has_failed() -> None:
    _, sim = failing("supervisor", "Start")
    assert [(delivery.message, delivery.was, delivery.became) for delivery in sim.trace[:2]] == [
        ("<injected: the actor fails>", "new", "ended"),
        ("Start(trigger_data={})", "ended", "ended"),
    ]


def test_a_salvage_that_fails_as_well_ends_the_run_all_the_same() -> None:
    fault = {"fault": "actor_fails", "actor": "supervisor", "message": "Ended", "after": 1.0, "times": 2}
    result, sim = under(fault, DIAMOND)
    assert (result.status, sim.world.injector.fired) == ("failed", {"actor_fails": 2})


def test_a_fault_of_ours_that_no_plan_says_is_found_beside_one_that_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(machine: Any, message: Any, now: Any, out: Any) -> None:
        raise InternalError("not from any plan")

    monkeypatch.setitem(CircuitMachine.ACTIONS[CircuitState.CLOSED], Settle, fail)
    with pytest.raises(Violation, match=r"breaker:works failed: InternalError\('not from any plan'\)"):
        failing("node", "Returned")


# ---- a plan around a real manager -----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_same_plan_works_in_a_unit_test_on_a_real_loop() -> None:
    plan = fault_plan({"faults": [{"fault": "raise", "node": "a", "attempts": [1], "error": "OSError"}]})
    quick = {"nodes": [{"id": "a", "type": "works", "config": {"seconds": 0}, "retry": {"base": 0.0}}]}
    async with playbill.PipelineRunManager(types=[works], faults=plan) as manager:
        result = await (await manager.start_run(quick)).result()
    assert (result.status, result.node_results["a"].attempts) == ("completed", 2)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["crash", "actor_fails", "message_delay"])
async def test_what_only_a_simulated_world_can_do_is_refused_elsewhere(kind: str) -> None:
    async with playbill.PipelineRunManager(types=[works], faults=fault_plan({"faults": []})) as manager:
        assert manager.dead_letters == 0
    with pytest.raises(DefinitionError, match=f"a {kind} fault needs a simulated world"):
        async with playbill.PipelineRunManager(faults=fault_plan({"faults": [{"fault": kind}]})):
            pass


def test_a_manager_in_a_simulation_has_no_faults_of_its_own() -> None:
    async def start() -> None:
        async with playbill.PipelineRunManager(faults=fault_plan({"faults": [{"fault": "hang"}]})):
            pass

    with Simulation() as sim, pytest.raises(DefinitionError, match=r"give them to Simulation\(faults=\.\.\.\)"):
        sim.call(start())


# ---- wrong plans ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (
            {"faults": [{"fault": "rayse"}]},
            "fault 1: fault: unknown kind 'rayse', did you mean 'raise'?; kinds are: 'raise', 'hang', 'slow', ",
        ),
        ({"faults": [{"probability": 1}]}, "fault 1: field 'fault' is missing; kinds are: 'raise', 'hang', "),
        ({"faults": ["hang"]}, "fault 1: a fault is a mapping such as {fault: hang}, not 'hang'"),
        (
            {"faults": [{"fault": "raise", "probabillity": 1}]},
            "fault 1: unknown field 'probabillity', did you mean 'probability'?; fields are: 'probability', ",
        ),
        ({"faults": [{"fault": "raise", "probability": 1.5}]}, "1.5"),
        (
            {"faults": [{"fault": "slow", "seconds": -1.0}]},
            "fault 1: seconds: input should be greater than or equal to 0, not -1.0",
        ),
        ({"faults": [{"fault": "raise", "after": 5, "until": 2}]}, "fault 1: until (2) comes after `after` (5)"),
        ({"faults": [{"fault": "breaker"}]}, "fault 1: field 'breaker' is missing"),
        (
            {"faults": [{"fault": "hang"}, {"fault": "cancel", "node": "a"}]},
            "fault 2: unknown field 'node'; fields are: 'probability', 'at', 'after', 'fault', 'grace'",
        ),
        ({"faults": [{"fault": "raise", "attempts": [0]}]}, "greater than or equal to 1"),
        (
            {"faults": [{"fault": "crash", "event": "pipeline_node.complete"}]},
            "fault 1: event: unknown event 'pipeline_node.complete', did you mean 'pipeline_node.completed'?; events",
        ),
        (
            {"faults": [{"fault": "timer_late", "message": "Dew"}]},
            "fault 1: message: unknown message 'Dew', did you mean 'Due'?; messages are: 'Start', ",
        ),
        ({"behaviours": {"nodes": {"a": {"duration": -1}}}}, "behaviour of node 'a'"),
        ({"behaviours": {"types": {"t": {"duration": {"uniform": [3, 1]}}}}}, "from the smaller to the larger"),
        ({"behaviours": {"default": {"duration": {"constant": 1, "exponential": 2}}}}, "exactly one of constant"),
        ({"behaviours": {"default": {"outcomes": [{"output": {}, "hangs": True}]}}}, "exactly one of output, error"),
        ({"behaviours": {"default": {"output": {}, "outcomes": [{"hangs": True}]}}}, "either output or outcomes"),
        ({"buggify": 2}, "buggify"),
    ],
)
def test_a_wrong_plan_is_refused_with_what_is_wrong(plan: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        fault_plan(plan)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"faults": [{"fault": "raise", "node": "lefft"}]}, "unknown node 'lefft', did you mean 'left'"),
        ({"faults": [{"fault": "raise", "type": "work"}]}, "unknown type 'work', did you mean 'works'"),
        ({"faults": [{"fault": "breaker", "breaker": "shop"}]}, "unknown breaker 'shop'"),
        ({"behaviours": {"nodes": {"nobody": {}}}}, "unknown node 'nobody'"),
        ({"behaviours": {"types": {"nothing": {}}}}, "unknown type 'nothing'"),
    ],
)
def test_a_plan_that_speaks_of_strangers_is_refused(plan: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as caught, Simulation(faults=plan, types=ALL) as sim:
        sim.run(DIAMOND)
    assert said in str(caught.value)


def test_times_may_have_units_wherever_a_plan_has_seconds() -> None:
    plan = fault_plan(
        {
            "faults": [
                {"fault": "slow", "seconds": "250ms", "after": "1m"},
                {"fault": "clock_skew", "seconds": "-1h", "at": "1d"},
            ],
            "behaviours": {"nodes": {"a": {"duration": "3s", "cleanup": {"uniform": ["1s", "1m30s"]}}}},
        }
    )
    slow, skew = plan.faults
    assert (getattr(slow, "seconds", 0), getattr(slow, "after", 0)) == (0.25, 60)
    assert (getattr(skew, "seconds", 0), getattr(skew, "at", 0)) == (-3600, 86400)
    behaviour = plan.behaviours.nodes["a"]
    assert (behaviour.duration.constant, behaviour.cleanup.uniform) == (3, (1, 90))
    with pytest.raises(DefinitionError, match="'soon' is not a duration"):
        fault_plan({"behaviours": {"nodes": {"a": {"duration": "soon"}}}})


@pytest.mark.parametrize(("on", "attempts"), [("OSError", 2), ("ConnectionError", 2), ("TimeoutError", 1)])
def test_an_injected_error_is_of_its_bases_too(on: str, attempts: int) -> None:
    node = {"id": "a", "type": "parallel"}
    work = {"id": "b", "type": "work", "retry": {"on": [on]}}

    @playbill.node_type("work")
    async def does(node: Any, inputs: Any, context: Any) -> None: ...

    plan = {"faults": [{"fault": "raise", "node": "b", "times": 1}]}
    with Simulation(faults=plan, types=[does]) as sim:
        assert sim.run({"nodes": [node, work]}).node_results["b"].attempts == attempts


def test_plans_are_taken_together_and_the_later_word_wins() -> None:
    one = {"faults": [{"fault": "hang"}], "behaviours": {"nodes": {"a": {"duration": 1}}}, "buggify": 0.1}
    other = {"behaviours": {"nodes": {"a": {"duration": 2}}, "default": {"duration": 3}}}
    plan = plan_of([one, "all", other, None])
    assert len(plan.faults) == 1 + len(EVERYTHING.faults)
    assert (plan.behaviours.nodes["a"].duration.constant, plan.buggify) == (2, 0.25)
    assert plan.behaviours.default is not None


# ---- driving a simulation -------------------------------------------------------------------------------------


def test_time_is_let_pass_by_hand_and_by_the_clock() -> None:
    with Simulation(types=ALL) as sim:
        run = sim.start({"timeout": 90_000, "nodes": [{"id": "a", "type": "delay", "config": {"seconds": 43_200}}]})
        sim.at("11:59:59")
        assert (run.done, sim.now) == (False, datetime(2026, 1, 1, 11, 59, 59, tzinfo=UTC))
        sim.advance(1.0)
        assert run.done
        sim.at("06:00")
        assert (sim.now - EPOCH).total_seconds() == 30 * 3600
        with pytest.raises(ValueError, match="time goes forwards: advance by 0 s or more, not by -1"):
            sim.advance(-1)


def test_a_handler_that_asks_the_real_world_ends_the_simulation() -> None:
    import time

    @playbill.node_type("reads_clock")
    async def reads(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        await context.sleep(1)
        return {"now": time.time()}

    definition = {"nodes": [{"id": "a", "type": "reads_clock"}]}
    said = r"time.time\(\) at test_faults.py:\d+ in reads leaves the simulation"
    with pytest.raises(Escape, match=said), Simulation(types=[reads]) as sim:
        sim.run(definition)
    with Simulation(types=[reads], allow=["time.time"]) as sim:
        assert sim.run(definition).status is RunStatus.COMPLETED


def test_a_month_passes_at_once() -> None:
    nodes = [
        {"id": f"d{day}", "type": "delay", "config": {"seconds": 86_400}, "next": [f"d{day + 1}"]}
        for day in range(30)
    ]
    definition = {"timeout": 3e6, "nodes": [*nodes, {"id": "d30", "type": "parallel"}]}
    with Simulation() as sim:
        assert sim.run(definition).status is RunStatus.COMPLETED
        assert sim.time == 30 * 86_400
        assert repr(sim).startswith("<Simulation seed=0 t=2.592e+06 runs=1>")


def test_everything_at_once_breaks_nothing() -> None:
    for seed in range(100):
        sim = Simulation(seed, faults=FAULTS, types=ALL)
        with sim:
            assert sim.run(DIAMOND).status in set(RunStatus)


def test_all_problems_of_a_plan_are_told_at_once_in_its_own_name() -> None:
    with pytest.raises(DefinitionError) as caught:
        fault_plan({"faults": [{"fault": "rayse"}], "buggify": 2})
    assert str(caught.value).startswith("fault plan has 2 problems:\n- fault 1: fault")
