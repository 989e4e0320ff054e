"""Properties of a plan: judged over events, nodes and trigger data; refused where they say what cannot be."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model import cel_program
from playbill.model.errors import DefinitionError
from playbill.model.runstate import RunState
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.faults.plan import FaultPlan, fault_plan
from playbill.runtime.simulation.checks import declared
from playbill.runtime.simulation.explore import explore
from playbill.runtime.simulation.outcomes.seed import Finding
from playbill.runtime.simulation.shrink import Shrinker
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.study import Study
from playbill.runtime.simulation.tapes import load_tape, save_tape
from tests.runtime.simulation.worlds import ALL, DIAMOND, found, study_of

COMPLETED = "pipeline_node.completed"
LEFT_FAILS: dict[str, Any] = {"fault": "raise", "node": "left", "probability": 0.5}


def study(*properties: dict[str, Any], faults: tuple[dict[str, Any], ...] = (LEFT_FAILS,), **more: Any) -> Study:
    plan = {"faults": list(faults), "properties": list(properties)}
    return study_of(DIAMOND, plan, trigger_data={"limit": 2}, **more)


def finding(*properties: dict[str, Any], seeds: int = 40, **more: Any) -> Finding | None:
    findings = found(study(*properties, **more), seeds).findings
    return findings[0] if findings else None


def said(*properties: Any) -> str:
    with pytest.raises(DefinitionError) as refused:
        fault_plan({"properties": list(properties)})
    return str(refused.value)


# ---- what they say of a run -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            {"always": "few", "that": "event.data.output.attempt < trigger.limit", "on": [COMPLETED]},
            (
                "cannot be judged at pipeline_node.completed of start: expression 'event.data.output.attempt <"
                " trigger.limit' failed: no key 'attempt'; keys are: 'limit'"
            ),
        ),
        (
            {
                "always": "few",
                "that": "!has(event.data.output.attempt) || event.data.output.attempt < trigger.limit",
                "on": [COMPLETED],
            },
            (
                "does not hold at pipeline_node.completed of left#2, at 1.47589 s: !has(event.data.output.attempt) ||"
                " event.data.output.attempt < trigger.limit"
            ),
        ),
        (
            {
                "always": "no trouble",
                "that": "event.data.failure.type != 'ConnectionError'",
                "on": ["pipeline_node.retrying"],
            },
            (
                "does not hold at pipeline_node.retrying of left#1, at 0 s:"
                " event.data.failure.type != 'ConnectionError'"
            ),
        ),
        ({"eventually": "told", "that": "event.type == 'pipeline_run.paused'"}, "never held"),
        (
            {
                "leads_to": "joined soon",
                "that": "event.node == 'start'",
                "to": "event.node == 'join'",
                "within": 0.5,
                "on": COMPLETED,
            },
            "took 3.1 s, at most 0.5 are allowed",
        ),
        (
            {"leads_to": "mailed", "that": "event.node == 'join'", "to": "event.type == 'pipeline_run.failed'"},
            "what should follow the event at 3 s never came",
        ),
        (
            {"always": "calm", "that": "!nodes.exists(n, nodes[n].error != null)"},
            "does not hold at pipeline_node.retrying of left#1, at 0 s: !nodes.exists(n, nodes[n].error != null)",
        ),
        (
            {"always": "short", "that": "event.time < 3.05"},
            "does not hold at pipeline_node.completed of join#1, at 3.1 s: event.time < 3.05",
        ),
        (
            {"always": "yes", "that": "event.attempt", "on": "pipeline_run.started"},
            (
                "cannot be judged at pipeline_run.started of run-1: expression 'event.attempt' must give a bool, not"
                " null: None"
            ),
        ),
    ],
)
def test_what_does_not_hold_is_named_with_its_event(rule: dict[str, Any], text: str) -> None:
    broken = finding(rule)
    assert broken is not None
    assert (broken.invariant, broken.text) == (next(iter(rule.values())), text)


@pytest.mark.parametrize(
    "rule",
    [
        {"always": "numbered", "that": "event.attempt == null || event.attempt >= 1"},
        {"always": "known", "that": "event.node != 'left' || has(nodes.left)"},
        {"eventually": "starts", "that": "event.node == 'start' && nodes.start.status == 'completed'"},
        {"leads_to": "goes on", "that": "event.node == 'start'", "to": "event.node == 'right'", "within": 1},
        {"sometimes": "retried", "that": "event.type == 'pipeline_node.retrying'"},
    ],
)
def test_what_holds_is_not_complained_about(rule: dict[str, Any]) -> None:
    assert finding(rule) is None


def test_nodes_are_those_reached_so_far_as_the_result_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[dict[str, Any]] = []
    whole = declared.View.variables

    def keep(self: declared.View, *arguments: Any) -> dict[str, Any]:
        looks.append(json.loads(json.dumps(whole(self, *arguments))))
        return whole(self, *arguments)

    monkeypatch.setattr(declared.View, "variables", keep)
    rule = {"always": "any", "that": "nodes != null && event != null && trigger != null"}
    faults = {"faults": [{"fault": "raise", "node": "left", "times": 1}], "properties": [rule]}
    with Simulation(faults=faults, types=ALL) as sim:
        result = sim.run(DIAMOND, {"limit": 2})
    assert looks[0]["nodes"] == {}
    assert looks[-1]["event"] == {
        "type": "pipeline_run.completed",
        "node": None,
        "attempt": None,
        "time": sim.time,
        "data": {"status": "completed", "cause": None},
    }
    assert {look["trigger"]["limit"] for look in looks} == {2}
    assert looks[-1]["nodes"] == {
        node: {"status": "completed", "attempts": end.attempts, "output": end.output, "error": None}
        for node, end in result.node_results.items()
    }
    (retrying,) = [look for look in looks if look["event"]["type"] == "pipeline_node.retrying"]
    left = retrying["nodes"]["left"]
    assert (left["status"], left["error"]["type"], left["error"]["message"]) == (
        "running", "ConnectionError", "injected",
    )  # fmt: skip


def test_nothing_is_written_down_for_events_of_other_types(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[tuple[str, dict[str, Any]]] = []
    whole = declared.View.variables

    def keep(self: declared.View, event: playbill.Event, reads: Any) -> dict[str, Any]:
        looks.append((str(event.type), whole(self, event, reads)))
        return looks[-1][1]

    monkeypatch.setattr(declared.View, "variables", keep)
    rules = [
        {"always": "a", "that": "event.node != '' && has(nodes.left)", "on": "pipeline_run.completed"},
        {"always": "b", "that": "event.node == 'right'", "node": "right", "on": [COMPLETED]},
    ]
    with Simulation(faults={"properties": rules}, types=ALL) as sim:
        sim.run(DIAMOND)
    (other, _), (kind, seen) = looks
    assert (other, kind) == (COMPLETED, "pipeline_run.completed")
    assert (seen["event"].keys(), seen["nodes"].keys()) == ({"type", "node", "attempt", "time"}, {"left"})


def test_an_expression_is_compiled_once_whatever_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    guard = cel_program.guard

    def count(call: Any, argument: object) -> Any:
        if isinstance(argument, str):
            compiled.append(argument)
        return guard(call, argument)

    monkeypatch.setattr(cel_program, "guard", count)
    text = "event.node != 'left' || 'compiled' != 'once'"
    assert explore(study({"always": "a", "that": text}), 5).findings == []
    assert compiled == [text]


def test_each_event_is_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[playbill.Event] = []

    class Counting(RunState):
        def apply(self, event: playbill.Event) -> None:
            folded.append(event)
            super().apply(event)

    monkeypatch.setattr(declared, "RunState", Counting)
    rules = [{"always": name, "that": "nodes != null"} for name in ("a", "b")]
    with Simulation(faults={"properties": rules}, types=ALL) as sim:
        sim.run(DIAMOND)
    assert folded == sim.world.events


def test_properties_of_python_and_of_the_plan_are_judged_together() -> None:
    pauses = playbill.Sometimes("pauses", lambda event: event.type is playbill.EventType.PIPELINE_RUN_PAUSED)
    both = study({"sometimes": "cancels", "that": "event.type == 'pipeline_run.cancelled'"}, properties=[pauses])
    assert explore(both, 5).never(both) == ["pauses", "cancels"]


# ---- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            {"always": "n", "that": "evnt.node == 'x'"},
            (
                "property 'n': that: expression 'evnt.node == 'x'': unknown name 'evnt', did you mean 'event'?; names"
                " are: 'event', 'nodes', 'trigger' at column 1"
            ),
        ),
        (
            {"always": "n", "that": "true", "on": "pipeline_node.complete"},
            (
                "property 'n': on: unknown type of event 'pipeline_node.complete', did you mean"
                " 'pipeline_node.completed'?; types are: 'pipeline_run.started'"
            ),
        ),
        (
            {"always": "n", "that": "event.type in ['pipeline_node.failed', 'pipeline_node.faild']"},
            "property 'n': that: unknown type of event 'pipeline_node.faild', did you mean 'pipeline_node.failed'?",
        ),
        (
            {"always": "n", "that": "event.node_id == 'a'"},
            "property 'n': that: an event has no 'node_id', did you mean 'node'?; it has: 'type', 'node',",
        ),
        (
            {"always": "n", "that": "event.type =="},
            "property 'n': that: expression 'event.type ==': mismatched input",
        ),
        ({"always": "n", "that": "5"}, "property 'n': that: expression '5' must give a bool, not int: 5"),
        ({"always": "n", "that": "1 / 0 == 1"}, "property 'n': that: expression '1 / 0 == 1' failed: "),
        ({"always": "n", "that": "true", "on": []}, "property 'n': on: takes a type of event or a list"),
        ({"always": "n"}, "property 'n': field 'that' is missing"),
        ({"leadsto": "n", "that": "true"}, "property 1: unknown field 'leadsto', did you mean 'leads_to'?"),
        (
            {"that": "true"},
            (
                "property 1: a property has one of 'always', 'eventually', 'leads_to', 'sometimes', with its name;"
                " this one has none"
            ),
        ),
        ({"always": "n", "sometimes": "m", "that": "true"}, "this one has 'always' and 'sometimes'"),
        ({"leads_to": "n", "that": "true"}, "property 'n': leads_to needs `to` beside `that`"),
        (
            {"always": "n", "that": "true", "within": 5},
            "property 'n': `within` goes with leads_to only, not with alw",
        ),
        (
            {"leads_to": "n", "that": "true", "to": "true", "node": "a"},
            "`node` does not go with leads_to, which is of",
        ),
        ("never twice", "property 1: a property is a mapping such as {always: NAME, that: CEL}, not 'never twice'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_property_and_the_way_out(rule: Any, text: str) -> None:
    assert text in said(rule)


def test_nodes_that_the_pipeline_does_not_have_are_refused_before_the_first_seed() -> None:
    rules = (
        {"always": "a", "that": "event.node != 'lft'", "node": "left"},
        {"leads_to": "b", "that": "nodes['start'].attempts > 0", "to": "nodes.jion.attempts > 0"},
        {"always": "a", "that": "true", "node": "rite"},
    )
    with pytest.raises(DefinitionError) as refused:
        study(*rules).check()
    assert [(problem.where, problem.message) for problem in refused.value.problems] == [
        (
            "properties[0].that",
            (
                "property 'a': that: unknown node 'lft', did you mean 'left'?; there are: 'join', 'left', 'pause',"
                " 'right', 'start'"
            ),
        ),
        (
            "properties[1].to",
            (
                "property 'b': to: unknown node 'jion', did you mean 'join'?; there are: 'join', 'left', 'pause',"
                " 'right', 'start'"
            ),
        ),
        (
            "properties[2].node",
            (
                "property 'a': node: unknown node 'rite', did you mean 'right'?; there are: 'join', 'left', 'pause',"
                " 'right', 'start'"
            ),
        ),
        ("properties[2]", "property 'a': there are two of this name: give each its own"),
    ]


def test_a_real_manager_refuses_properties_which_nobody_would_judge_there() -> None:
    async def open_one() -> None:
        async with playbill.PipelineRunManager(faults=plan_of({"properties": [{"always": "n", "that": "true"}]})):
            pass

    with pytest.raises(
        DefinitionError, match=r"property 'n' needs a simulated world: run the plan with `playbill sim`"
    ):
        asyncio.run(open_one())


# ---- as data --------------------------------------------------------------------------------------------------

RULE: dict[str, Any] = {
    "always": "few",
    "that": "event.attempt == null || event.attempt < 2",
    "on": ["pipeline_node.started"],
}


def test_a_changed_or_joined_plan_keeps_its_properties_once() -> None:
    plan = fault_plan({"faults": [LEFT_FAILS], "properties": [RULE]})
    other = {"leads_to": "x", "that": "true", "to": "true"}
    assert plan.changed(faults=()).properties == plan.properties
    joined = plan.joined(plan).joined(fault_plan({"properties": [other]}))
    assert [rule.name for rule in joined.properties] == ["few", "x"]
    assert fault_plan(joined.model_dump(mode="json", exclude_defaults=True)) == joined.joined(FaultPlan())


def test_a_plan_in_a_file_may_have_properties(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("properties:\n  - {sometimes: s, that: 'true', on: breaker.opened}\n")
    (rule,) = plan_of(str(tmp_path / "plan.yaml")).properties
    assert (rule.kind, rule.name, rule.on) == ("sometimes", "s", (playbill.EventType.BREAKER_OPENED,))


def test_a_finding_is_shrunk_without_becoming_another_and_its_tape_keeps_the_property(tmp_path: Path) -> None:
    asks = {"always": "few", "that": "nodes.left.attempts < trigger.limit", "on": "pipeline_node.started"}
    asks["that"] = f"!has(nodes.left) || {asks['that']}"
    whole = study(asks)
    (first,) = found(whole).findings
    smaller, least = Shrinker(whole, first).shrink()
    assert [node.id for node in smaller.definition.nodes] == ["start", "left"]
    assert smaller.trigger_data == {"limit": 2}
    assert least.invariant == "few"
    assert least.text.startswith("does not hold at pipeline_node.started of left#2, at 0")
    told = study({"eventually": "told", "that": "event.node == 'join'"}, faults=({**LEFT_FAILS, "probability": 1.0},))
    (first,) = found(told).findings
    assert Shrinker(told, first).shrink()[0].definition == told.definition
    save_tape(tmp_path / "few.json", whole.definition, smaller, least)
    played, lanes, name = load_tape(tmp_path / "few.json", study())
    again = played.tape(lanes).finding
    assert (name, str(again)) == ("few", str(least))
