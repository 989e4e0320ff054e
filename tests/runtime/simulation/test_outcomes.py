"""What an exploration tells its user: why runs failed, what of the pipeline was reached, what was watched."""

import time
from concurrent.futures import Future
from typing import Any, Final, Self

import pytest

import playbill
from playbill.model.facts import Cause, Failure, RunStatus
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.simulation import explore as exploring
from playbill.runtime.simulation.checks.properties import Always, LeadsTo
from playbill.runtime.simulation.explore import Exploration, explore, explore_in
from playbill.runtime.simulation.outcomes.causes import Causes
from playbill.runtime.simulation.outcomes.reached import marks_of, outline_of
from playbill.runtime.simulation.outcomes.words import describe_causes, describe_reached
from playbill.runtime.simulation.study import Study
from tests.runtime.simulation.worlds import DIAMOND, FAULTS, study_of

LINE: Final[dict[str, Any]] = {
    "nodes": [
        {"id": "start", "type": "trigger", "next": "charge"},
        {"id": "charge", "type": "works", "timeout": 5, "retry": {"max_attempts": 2, "base": 0.1}, "next": "ship"},
        {"id": "ship", "type": "waits", "config": {"seconds": 3}, "retry": {"max_attempts": 1}},
    ]
}
ALWAYS: Final = {"fault": "raise", "node": "charge"}


def rows(*faults: dict[str, Any], seeds: int = 3, definition: dict[str, Any] = LINE) -> list[tuple[str, str]]:
    return [*explore(study_of(definition, {"faults": list(faults)}), seeds).rows()]


# ---- why runs failed ------------------------------------------------------------------------------------------


def failed(node: str, kind: str, message: str) -> Cause:
    return Cause(RunStatus.FAILED, Failure(kind, message, retryable=True), node=node)


def test_causes_are_counted_by_node_and_error_with_the_message_of_the_lowest_seed() -> None:
    first, second = Causes(), Causes()
    for seed in (7, 9):
        first.add(failed("a", "OSError", f"port {seed}"), seed)
    second.add(failed("a", "OSError", "port 2"), 2)
    second.add(failed("", "NodeConfigError", "edge 'a->b': no key 'x'"), 3)
    second.add(None, 4)
    second.add(Cause(RunStatus.CANCELLED, source="user"), 5)
    for one, other in ((first, second), (second, first)):
        together = Causes()
        together.merge(one)
        together.merge(other)
        assert [*describe_causes(together.most_common())] == [
            ("failed", "3  node 'a': OSError: port 2"),
            ("", "1  NodeConfigError: edge 'a->b': no key 'x'"),
        ]


def test_of_many_causes_five_are_told_and_long_messages_are_cut() -> None:
    causes = Causes()
    for place in range(8):
        for seed in range(8 - place):
            causes.add(failed(f"n{place}", "ValueError", "so\n" * 100), seed)
    told = [*describe_causes(causes.most_common())]
    assert len(told) == 6
    assert told[0][1].startswith("8  node 'n0': ValueError: so so so")
    assert max(len(text) for _, text in told) <= 103
    assert told[-1] == ("", "6  by 3 more causes")


def test_when_no_run_completed_a_warning_says_what_was_never_simulated() -> None:
    label, text = rows(ALWAYS)[-1]
    assert label == "warning"
    assert text.startswith("no run completed: what comes after 'charge' was never simulated; give the runs what they")
    assert rows({**ALWAYS, "node": "ship"})[-1][1].startswith(
        "no run completed: only ends that failed were simulated;"
    )
    cancelled = rows({"fault": "cancel", "at": 0.5})
    assert cancelled[-1][1].startswith("no run completed: ship never began; ")
    assert "warning" not in dict(rows({**ALWAYS, "probability": 0.3}, seeds=10))


def test_runs_that_time_out_tell_which_nodes_were_running_or_waiting() -> None:
    definition = {
        "timeout": 5,
        "nodes": [
            {"id": "a", "type": "waits", "next": "after"},
            {"id": "b", "type": "works", "retry": {"base": 30}},
            {"id": "after", "type": "works"},
        ],
    }
    told = rows({"fault": "raise", "node": "b"}, definition=definition)
    assert told[:3] == [
        ("ends", "timeout 3"),
        ("timeout", "3  as node 'a' was running"),
        ("", "3  as node 'b' was waiting"),
    ]
    assert told[-1][1].startswith(
        "no run completed: what comes after 'a' was never simulated; give the pipeline a long"
    )
    alone = {"timeout": 5, "nodes": [{"id": "a", "type": "waits"}]}
    assert rows(definition=alone)[-1][1].startswith(
        "no run completed: only ends that ran out of time were simulated; "
    )


def test_what_shall_hold_sometimes_is_told_if_it_never_did() -> None:
    plan = {"properties": [{"sometimes": "paused", "that": "event.type == 'pipeline_run.paused'"}]}
    assert ("never held", "'paused'") in explore(study_of(LINE, plan), 3).rows()
    assert "never held" not in dict(
        explore(study_of(LINE, {**plan, "faults": [{"fault": "pause", "at": 0.1, "seconds": 1}]}), 3).rows()
    )


def test_a_property_that_no_event_came_for_is_told() -> None:
    paused = "event.type == 'pipeline_run.paused'"
    plan: dict[str, Any] = {
        "properties": [
            {"always": "v1", "that": "true", "on": "pipeline_run.paused"},
            {"leads_to": "v2", "that": paused, "to": "true"},
            {"always": "v3", "that": "true", "node": "ship"},
        ]
    }
    rules = [LeadsTo("v4", lambda _: False, lambda _: True), Always("v5", lambda _: True)]
    study = study_of(LINE, plan, properties=rules)
    told = [row for row in explore(study, 3).rows() if "came" in row[1]]
    assert told == [("not judged", f"'{name}': no event that it looks at came") for name in ("v4", "v1", "v2")]
    pausing = study.variant(faults=fault_plan({**plan, "faults": [{"fault": "pause", "at": 0.1, "seconds": 1}]}))
    assert [text[:4] for label, text in explore(pausing, 3).rows() if label == "not judged"] == ["'v4'"]


def test_an_exploration_is_told_as_text_and_in_a_line() -> None:
    seen = explore(study_of(LINE, {"faults": [ALWAYS]}), 3)
    assert str(seen).splitlines()[:5] == [
        "3 seeds",
        "ends       failed 3",
        "failed     3  node 'charge': ConnectionError: injected",
        "faults     raise 6",
        "coverage   1 of 3 nodes completed and 1 of 2 edges were live in some run",
    ]
    assert repr(seen) == "<Exploration seeds=3 {'failed': 3} findings=0>"


def test_the_text_names_nodes_that_a_default_behaviour_stood_in_for() -> None:
    agent = {"id": "ask", "type": "agent", "config": {"agent_id": "x", "task": "say"}}
    study = study_of({"nodes": [agent]}, {})
    told = "assumed    ask (agent): no agents are registered, so a default behaviour stood in"
    assert told in str(explore(study, 3)).splitlines()
    declared = study_of({"nodes": [agent]}, {"behaviours": {"nodes": {"ask": {"duration": 1.0}}}})
    assert "assumed" not in str(explore(declared, 3))


def test_what_never_was_before_a_finding_cut_it_short_says_in_how_few_seeds() -> None:
    plan = {"properties": [{"sometimes": "s", "that": "false"}], "faults": [{**ALWAYS, "probability": 0.6}]}
    study = study_of(LINE, plan, properties=[Always("one", lambda event: event.attempt != 2)])
    seen = explore(study, 50)
    assert len(seen.findings) == 1
    within = "(in 1 seed)" if seen.seeds == 1 else f"(in these {seen.seeds} seeds)"
    never = [text for label, text in seen.rows() if label in {"never", "never held"}]
    assert len(never) == 2
    assert all(text.endswith(within) for text in never)


def test_one_seed_is_not_called_seeds() -> None:
    assert str(explore(study_of(LINE, {}), 1)).splitlines()[0] == "1 seed"


# ---- what was reached -----------------------------------------------------------------------------------------


def test_what_was_never_reached_is_named_by_nodes_and_edges() -> None:
    longer = {"nodes": [*LINE["nodes"], {"id": "mail", "type": "works"}], "edges": [{"from": "ship", "to": "mail"}]}
    assert rows(ALWAYS, definition=longer)[3:7] == [
        ("coverage", "1 of 4 nodes completed and 1 of 3 edges were live in some run"),
        ("never", "began: ship, mail"),
        ("", "completed: charge"),
        ("", "live: charge->ship"),
    ]


def test_what_never_went_wrong_is_named_unless_it_cannot() -> None:
    told = rows({"fault": "hang", "node": "charge", "attempts": [1]}, {"fault": "raise", "node": "ship"})
    assert told[3:] == [
        ("coverage", "2 of 3 nodes completed and 2 of 2 edges were live in some run"),
        ("never", "completed: ship"),
        ("", "failed: charge"),
        ("", "stopped while running: any node"),
        told[-1],
    ]
    assert rows()[2:] == [
        ("coverage", "3 of 3 nodes completed and 2 of 2 edges were live in some run"),
        ("never", "failed, retried, timed out, stopped while running: any node"),
    ]


def test_a_node_that_the_run_stops_as_it_works_counts_as_stopped() -> None:
    assert ("", "stopped while running: charge") in rows({"fault": "cancel", "at": 2.0, "grace": 1.0})


CONDITION: Final[dict[str, Any]] = {
    "nodes": [
        {"id": "charge", "type": "works", "next": "paid"},
        {"id": "paid", "type": "condition", "config": {"condition": "input.amount > 5"}},
    ]
}


def test_a_condition_that_failed_is_among_those_that_did() -> None:
    told = rows(definition=CONDITION)
    assert told[1][1].startswith("3  node 'paid': NodeConfigError: expression 'input.amount > 5' failed")
    assert told[3:-1] == [
        ("coverage", "1 of 2 nodes completed and 1 of 1 edges were live in some run"),
        ("never", "completed: paid"),
        ("", "failed: charge"),
        ("", "retried, stopped while running: any node"),
    ]


def test_whoever_was_stopped_counts_though_it_was_not_expected_of_it() -> None:
    delay = {"nodes": [*LINE["nodes"], {"id": "pause", "type": "delay", "config": {"seconds": 9}}]}
    reached = {("pause", "stopped")}
    outline = outline_of(study_of(delay, {}).compiled().plan)
    told = [text for _, text in describe_reached(outline, {*reached, *((node, "began") for node in outline.nodes)})]
    assert "stopped while running: charge, ship" in told
    assert "failed, retried, timed out: any node" in told


def test_a_pipeline_without_edges_or_handlers_is_told_without_them() -> None:
    assert rows(definition={"nodes": [{"id": "a", "type": "parallel"}]})[2:] == [
        ("coverage", "1 of 1 nodes completed in some run")
    ]


def test_of_many_nodes_eight_are_named() -> None:
    nodes = [{"id": f"n{place}", "type": "works"} for place in range(12)]
    outline = outline_of(study_of({"nodes": nodes}, {}).compiled().plan)
    told = [*describe_reached(outline, marks_of([]))]
    assert told[0] == ("coverage", "0 of 12 nodes completed in some run")
    assert told[1] == ("never", "began: n0, n1, n2, n3, n4, n5, n6, n7 and 4 more")


def small() -> Study:
    return study_of(DIAMOND, FAULTS)


def test_several_processes_tell_what_one_tells() -> None:
    alone, together = explore(small(), 120), explore_in(2, small, (), 120)
    assert [*alone.rows()] == [*together.rows()]


# ---- what was watched -----------------------------------------------------------------------------------------


class Inline:
    """Runs what a pool of processes would, here: what is patched here holds there."""

    def __init__(self, jobs: int, context: object, initializer: Any, initargs: Any) -> None:
        initializer(*initargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, call: Any, *arguments: Any) -> "Future[Exploration]":
        future: Future[Exploration] = Future()
        future.set_result(call(*arguments))
        return future


@pytest.mark.parametrize("in_processes", [False, True])
def test_the_first_seeds_are_watched_for_escapes_and_every_eighth_of_the_rest(
    in_processes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: dict[int, bool] = {}
    play = Study.seed

    def seed(self: Study, seed: int, *, traced: bool = False, watched: bool = True) -> Any:
        told[seed] = watched
        return play(self, seed, traced=traced, watched=watched)

    told = watched
    monkeypatch.setattr(Study, "seed", seed)
    monkeypatch.setattr(exploring, "ProcessPoolExecutor", Inline)
    if in_processes:  # by chunks of 50
        explore_in(1, small, (), 200, first=1_003)
    else:
        explore(small(), 200, first=1_003)
    assert len(told) == 200
    rest = {seed for seed in range(1_035, 1_203) if seed % 8 == 0}
    assert {seed for seed, looked in told.items() if looked} == {*range(1_003, 1_035)} | rest


@playbill.node_type("looks_at_the_clock")
async def looks(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    """Leave the simulation."""
    return {"at": time.time()}


def test_a_replay_is_watched_whatever_its_seed() -> None:
    study = study_of({"nodes": [{"id": "a", "type": "looks_at_the_clock"}]}, {}, options={"types": [looks]})
    assert study.seed(1_003, watched=False).finding is None
    for replayed in (study.seed(1_003), study.tape({})):
        assert replayed.finding is not None
        assert replayed.finding.invariant == "Escape"
