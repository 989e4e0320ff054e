"""Exploring: the same seed gives the same run, every order is tried, findings are shrunk and played again."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import playbill
from playbill.model.definition import definition_from
from playbill.model.errors import DefinitionError
from playbill.model.facts import Verdict
from playbill.model.machines.node_base import NodeBase
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.simulation.checks.properties import Always, Eventually, LeadsTo, Sometimes
from playbill.runtime.simulation.coverage import all_pairs
from playbill.runtime.simulation.determinism import NotDeterministic, check_determinism, digest, trace_of
from playbill.runtime.simulation.explore import explore, explore_in
from playbill.runtime.simulation.outcomes.seed import Finding
from playbill.runtime.simulation.sequence import html, text
from playbill.runtime.simulation.shrink import Shrinker
from playbill.runtime.simulation.study import Study
from playbill.runtime.simulation.tapes import load_tape, save_tape
from tests.runtime.simulation.worlds import DIAMOND, FAULTS, found, invariant, study_of

ROOT = Path(__file__).resolve().parents[3]
COMPLETED = playbill.EventType.PIPELINE_NODE_COMPLETED
TWO: dict[str, Any] = {"nodes": [{"id": "a", "type": "parallel"}, {"id": "b", "type": "parallel"}]}


def diamond() -> Study:
    """Made anew in each process of an exploration."""
    return study_of(DIAMOND, FAULTS)


# ---- determinism ----------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_trace_again_and_its_tape_gives_it_too() -> None:
    study = diamond()
    for seed in range(30):
        verdict = study.seed(seed, traced=True)
        again = study.seed(seed, traced=True)
        assert list(map(str, verdict.trace)) == list(map(str, again.trace))
        assert len(verdict.trace) > 5


def test_another_process_with_other_hashes_gives_the_same_bytes() -> None:
    assert check_determinism(diamond(), range(5), diamond, ()) > 100


CHANGES: list[int] = []


@playbill.node_type("differs_each_time")
async def differs(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    """Give something else each time."""
    CHANGES.append(1)
    return {"n": len(CHANGES)}


def changing() -> Study:
    return Study(
        playbill.PipelineDefinition.model_validate({"nodes": [{"id": "a", "type": "differs_each_time"}]}),
        options={"types": [differs]},
    )


def test_a_handler_that_differs_is_found_and_the_line_is_shown() -> None:
    with pytest.raises(NotDeterministic, match=r"seed 0 is not deterministic: run again.*\n.*n: 1.*\n.*n: 2"):
        check_determinism(changing(), [0], changing, ())


@pytest.mark.parametrize("hashes", ["0", "1234"])
def test_the_digest_of_a_trace_does_not_depend_on_hashes(hashes: str) -> None:
    code = (
        "from tests.runtime.simulation.test_explore import diamond\n"
        "from playbill.runtime.simulation.determinism import digest, trace_of\n"
        "print(digest(trace_of(diamond(), 5)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == digest(trace_of(diamond(), 5))


# ---- exploring ------------------------------------------------------------------------------------------------


def test_an_exploration_counts_what_it_saw() -> None:
    shown: list[int] = []
    seen = explore(diamond(), 120, report=lambda so_far: shown.append(so_far.seeds))
    assert (seen.seeds, seen.findings, sum(seen.statuses.values())) == (120, [], 120)
    assert {"raise", "hang", "journal_slow", "message_delay", "cancel", "pause"} <= seen.fired.keys()
    assert any(name.startswith("buggify ") for name in seen.fired)
    assert seen.coverage <= all_pairs()
    assert shown == [1, 51, 101, 120]
    assert seen.seconds > 120


def test_several_processes_see_what_one_sees() -> None:
    alone, together = explore(diamond(), 200), explore_in(2, diamond, (), 200)
    assert (alone.seeds, alone.statuses, alone.fired) == (together.seeds, together.statuses, together.fired)
    assert alone.coverage == together.coverage


@pytest.mark.parametrize("policy", ["fifo", "random", "pct:3"])
def test_every_policy_runs_the_pipeline(policy: str) -> None:
    assert explore(study_of(DIAMOND, {}, policy=policy), 20).statuses == {"completed": 20}


def test_exhaustive_tries_every_order_once() -> None:
    seen = explore(study_of(TWO, {}, policy="exhaustive"), 100_000)
    assert seen.complete
    orders = set()
    study = study_of(TWO, {}, policy="random")
    for seed in range(300):
        orders.add(tuple(f"{told.sender} {told.to} {told.message}" for told in study.seed(seed, traced=True).trace))
    assert len(orders) <= seen.seeds < 200
    assert seen.statuses == {"completed": seen.seeds}


def test_an_exhaustive_exploration_that_is_cut_says_so() -> None:
    assert not explore(study_of(DIAMOND, {}, policy="exhaustive"), 5).complete


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    with pytest.raises(DefinitionError, match="unknown policy 'fastest': use one of random, fifo, pct"):
        study_of(TWO, {}, policy="fastest").check()


@pytest.mark.parametrize("faults", [{"faults": [{"fault": "raise"}]}, "all", [{"buggify": 0.1}, "all"], None])
def test_a_study_takes_what_a_simulation_takes(faults: Any) -> None:
    written: Any = TWO
    study = Study(written, faults=faults)
    study.check()
    assert study.definition == definition_from(TWO)
    assert study.faults == plan_of(faults)
    assert explore(study, 3).seeds == 3


def test_a_study_refuses_what_is_no_definition_or_plan() -> None:
    wrong: Any = {"nodes": [{"id": "a"}]}
    with pytest.raises(DefinitionError, match="type"):
        Study(wrong)
    faults: Any = {"faults": [{"fault": "rise"}]}
    with pytest.raises(DefinitionError, match="rise"):
        Study(definition_from(TWO), faults=faults)


# ---- properties of users --------------------------------------------------------------------------------------


def properties(*rules: Any) -> Study:
    return study_of(DIAMOND, {"faults": [{"fault": "raise", "node": "left", "probability": 0.5}]}, properties=rules)


def test_always_holds_at_every_event_or_is_named() -> None:
    assert invariant(properties(Always("few attempts", lambda event: (event.attempt or 0) < 3)), 50) == "few attempts"
    assert invariant(properties(Always("seq counts", lambda event: event.seq > 0)), 50) == ""


def test_eventually_and_leads_to_are_judged_at_the_end() -> None:
    joins = Eventually("joins", lambda event: event.node_id == "join" and event.type is COMPLETED)
    assert invariant(properties(joins), 50) == "joins"
    starts = Eventually("starts", lambda event: event.node_id == "start")
    assert invariant(properties(starts), 50) == ""
    left = LeadsTo("left ends", lambda e: e.node_id == "right", lambda e: e.node_id == "pause", within=10)
    assert invariant(properties(left), 50) == ""
    soon = LeadsTo("soon", lambda e: e.node_id == "start", lambda e: e.node_id == "join", within=0.5)
    assert invariant(properties(soon), 50) == "soon"


def test_sometimes_is_named_when_no_seed_had_it() -> None:
    retries = Sometimes("retries", lambda e: e.type is playbill.EventType.PIPELINE_NODE_RETRYING)
    pauses = Sometimes("pauses", lambda e: e.type is playbill.EventType.PIPELINE_RUN_PAUSED)
    study = properties(retries, pauses)
    assert explore(study, 50).never(study) == ["pauses"]


def test_a_predicate_that_raises_is_named_itself() -> None:
    (finding,) = found(properties(Always("odd", lambda event: event.data["nothing"])), 5).findings
    assert finding.invariant == "odd"
    assert "its predicate raised KeyError('nothing')" in finding.text


# ---- findings -------------------------------------------------------------------------------------------------


@pytest.fixture
def lossy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the machines: a permit is not given back when an attempt fails."""
    settle = NodeBase._settle

    def forget(self: NodeBase, out: Any, verdict: Verdict, *more: Any) -> None:
        if verdict is Verdict.FAILURE:
            self.permit = None
        settle(self, out, verdict, *more)

    monkeypatch.setattr(NodeBase, "_settle", forget)


def first_finding(study: Study) -> Finding:
    return found(study).findings[0]


def test_a_finding_is_shrunk_to_what_it_takes(lossy: None) -> None:
    study = diamond()
    finding = first_finding(study)
    shrinker = Shrinker(study, finding)
    smaller, least = shrinker.shrink()
    assert least.invariant == finding.invariant == "nothing owed"
    assert len(smaller.definition.nodes) == 1
    assert [fault.fault for fault in smaller.faults.faults] == ["raise"]
    assert sum(map(len, least.lanes.values())) < sum(map(len, finding.lanes.values())) / 4
    assert smaller.tape(least.lanes).finding is not None
    assert 1 < shrinker.runs <= 1_000


def shrunk(study: Study, seeds: int = 100) -> tuple[Study, Finding, Finding]:
    study.check()
    finding = explore(study, seeds).findings[0]
    return (*Shrinker(study, finding).shrink(), finding)


STORY: dict[str, Any] = {
    "nodes": [
        {"id": "start", "type": "trigger", "next": "charge"},
        {"id": "charge", "type": "works", "retry": {"base": 10}, "next": "ship"},
        {"id": "ship", "type": "works", "next": "tell"},
        {"id": "tell", "type": "works"},
    ]
}
RAISES = {"fault": "raise", "node": "charge", "probability": 0.4}


def ships(event: playbill.Event) -> bool:
    return event.node_id == "ship" and event.type is COMPLETED


def test_a_property_fails_for_the_same_reason_when_it_is_shrunk() -> None:
    shipped = Eventually("shipped", ships)
    soon = LeadsTo("soon", lambda event: event.node_id == "start", ships, within=8)
    declared = {"eventually": "shipped", "that": "event.node == 'ship' && event.type == 'pipeline_node.completed'"}
    studies = [study_of(STORY, {"faults": [RAISES]}, properties=[rule]) for rule in (shipped, soon)]
    studies.append(study_of(STORY, {"faults": [RAISES], "properties": [declared]}))
    for study in studies:
        smaller, least, finding = shrunk(study)
        assert finding.fired
        assert least.fired
        assert smaller.tape(least.lanes).fired["raise"] > 0
        assert re.sub(r"[\d.]+", "", least.text) == re.sub(r"[\d.]+", "", finding.text)
        assert smaller.definition == study.definition


def test_of_an_always_the_nodes_behind_the_event_are_removed() -> None:
    few = Always("few", lambda event: event.node_id != "charge" or (event.attempt or 0) < 2)
    smaller, least, _ = shrunk(study_of(STORY, {"faults": [RAISES]}, properties=[few]))
    assert [node.id for node in smaller.definition.nodes] == ["start", "charge"]
    assert least.invariant == "few"


def test_a_tape_is_kept_and_played_again(lossy: None, tmp_path: Path) -> None:
    study = diamond()
    finding = first_finding(study)
    save_tape(tmp_path / "x.tape.json", study.definition, study, finding)
    played, lanes, name = load_tape(tmp_path / "x.tape.json", diamond())
    assert name == "nothing owed"
    again = played.tape(lanes).finding
    assert again is not None
    assert (again.invariant, again.text) == (finding.invariant, finding.text)


def test_a_tape_of_another_pipeline_or_none_at_all_is_refused(tmp_path: Path) -> None:
    study = diamond()
    save_tape(tmp_path / "x.json", study.definition, study, Finding(1, "permits", "", {"mail": [1]}))
    with pytest.raises(DefinitionError, match=r"x.json was recorded with another pipeline than 'pipeline' as it is"):
        load_tape(tmp_path / "x.json", study_of(TWO, {}))
    data = json.loads((tmp_path / "x.json").read_text())
    for wrong in ({"format": 99}, {"lanes": {"mail": [-1]}}, {"lanes": {"mail": ["a"]}}, {"lanes": 5}):
        (tmp_path / "y.json").write_text(json.dumps({**data, **wrong}))
        with pytest.raises(DefinitionError, match=r"y.json is not a tape of this playbill"):
            load_tape(tmp_path / "y.json", study)
    (tmp_path / "z.json").write_text(json.dumps({key: data[key] for key in data if key != "faults"}))
    with pytest.raises(DefinitionError, match="a tape says faults; this one does not"):
        load_tape(tmp_path / "z.json", study)


def test_a_trace_is_drawn_as_text_and_as_a_page() -> None:
    trace = diamond().seed(1, traced=True).trace
    assert "run-1 -> run-1/start  Input(values={})  [waiting -> ended]" in text(trace)
    assert text(trace, 2).startswith(f"... {len(trace) - 2} deliveries before ...")
    page = html("a <b>", "permits: x", "playbill sim", "{}", trace)
    assert "a &lt;b&gt;" in page
    assert page.count('class="arrow"') == len(trace)
