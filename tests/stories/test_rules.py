"""What a pipeline does: joins, conditions, edges, templates, outputs."""

from typing import Any

import pytest

import playbill
from tests.stories.support import finished, node, pipeline, statuses

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager


async def test_transparent_nodes_pass_on_what_they_received_under_its_own_ids(manager: Manager) -> None:
    definition = pipeline(
        node("start", "trigger", "score"),
        node("score", "say", "wait", score=7),
        node("wait", "delay", "fork", seconds=0.001),
        node("fork", "parallel", "big"),
        node("big", "condition", "end", condition="input.score > 5"),
        node("end", "seen"),
    )
    result = await finished(manager, definition, city="Lyon")
    assert result.outputs["end"] == {"inputs": {"score": {"score": 7}, "big": {"result": True}}}
    assert result.outputs["wait"] == result.outputs["fork"] == {"score": {"score": 7}}


@pytest.mark.parametrize(("score", "taken", "skipped"), [(7, "yes", "no"), (3, "no", "yes")])
async def test_an_else_branch(manager: Manager, score: int, taken: str, skipped: str) -> None:
    definition = pipeline(
        node("start", "trigger", "big"),
        {
            **node("big", "condition", condition="input.score > 5"),
            "next": [{"to": "yes"}, {"to": "no", "condition": "false"}],
        },
        node("yes", after="end"),
        node("no", after="end"),
        node("end", "seen"),
    )
    result = await finished(manager, definition, score=score)
    assert statuses(result) == {
        "start": "completed",
        "big": "completed",
        taken: "completed",
        skipped: "skipped",
        "end": "completed",
    }
    assert list(result.outputs["end"]["inputs"]) == [taken]


async def test_join_any_begins_with_the_first_and_the_run_waits_for_the_others(manager: Manager) -> None:
    definition = pipeline(
        node("fast", after="end"),
        node("slow", "delay", "end", seconds=0.05),
        {**node("end", "seen"), "join": "any"},
    )
    result = await finished(manager, definition)
    assert result.outputs["end"] == {"inputs": {"fast": {}}}
    assert statuses(result) == {"fast": "completed", "slow": "completed", "end": "completed"}


async def test_all_edges_dead_is_skipped_and_so_on(manager: Manager) -> None:
    definition = pipeline(
        {**node("first", flag=False), "next": [{"to": "second", "condition": "output.flag"}]},
        node("second", after="third"),
        node("third"),
    )
    assert statuses(await finished(manager, definition)) == {
        "first": "completed",
        "second": "skipped",
        "third": "skipped",
    }


async def test_a_failure_edge_handles_a_failure_and_carries_it(manager: Manager) -> None:
    definition = pipeline(
        {
            **node("risky", "fails", fatal=True, text="no disk"),
            "next": [{"to": "mend", "when": "failure"}, {"to": "go"}],
        },
        node("mend", "seen"),
        node("go"),
    )
    result = await finished(manager, definition)
    assert result.status is playbill.RunStatus.COMPLETED
    assert statuses(result) == {"risky": "failed", "mend": "completed", "go": "skipped"}
    error = {"type": "ValueError", "message": "no disk", "retryable": False}
    assert result.outputs["mend"] == {"inputs": {"risky": {"error": error}}}


async def test_on_error_continue_makes_a_failure_a_value(manager: Manager) -> None:
    definition = pipeline(node("risky", "fails", "end", fatal=True, on_error="continue"), node("end", "seen"))
    result = await finished(manager, definition)
    assert (result.status, statuses(result)) == ("completed", {"risky": "failed", "end": "completed"})
    assert result.outputs["end"]["inputs"]["risky"]["error"]["type"] == "ValueError"


async def test_an_unhandled_failure_stops_the_other_branches(manager: Manager) -> None:
    definition = pipeline(node("risky", "fails", fatal=True), node("wait", "delay", "end", seconds=60), node("end"))
    result = await finished(manager, definition)
    assert (result.status, str(result.error)) == ("failed", "ValueError: fatal")
    assert statuses(result) == {"risky": "failed", "wait": "cancelled", "end": "not_started"}
    with pytest.raises(playbill.RunFailed, match="at node 'risky': ValueError: fatal"):
        result.raise_for_status()


async def test_on_failure_finish_lets_them_end(manager: Manager) -> None:
    definition = pipeline(
        node("risky", "fails", fatal=True),
        node("wait", "delay", "end", seconds=0.01),
        node("end"),
        on_failure="finish",
    )
    result = await finished(manager, definition)
    assert result.status is playbill.RunStatus.FAILED
    assert statuses(result) == {"risky": "failed", "wait": "completed", "end": "completed"}


async def test_a_condition_that_fails_on_an_edge_fails_the_run_and_names_the_edge(manager: Manager) -> None:
    definition = pipeline({**node("a", n=1), "next": [{"to": "b", "condition": "output.missing > 1"}]}, node("b"))
    result = await finished(manager, definition)
    assert str(result.error) == (
        "NodeConfigError: edge 'a->b': expression 'output.missing > 1' failed: no key 'missing'; keys are: 'n'"
    )


async def test_templates_keep_types_and_render_text(manager: Manager) -> None:
    definition = pipeline(
        node("start", "trigger", "a"),
        node("a", whole="${trigger.n}", text="n is ${trigger.n}", raw="$${x}", nested={"list": ["${trigger.n + 1}"]}),
    )
    result = await finished(manager, definition, n=4)
    assert result.outputs["a"] == {"whole": 4, "text": "n is 4", "raw": "${x}", "nested": {"list": [5]}}


async def test_a_template_that_names_a_missing_input_says_so(manager: Manager) -> None:
    result = await finished(manager, pipeline(node("start", "trigger", "a"), node("a", x="${trigger.missing}")))
    assert str(result.error) == (
        "NodeConfigError: node 'a': template '${trigger.missing}': "
        "expression 'trigger.missing' failed: no key 'missing'"
    )


async def test_secrets_are_shown_by_no_failure_and_no_event(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "fails", fatal=True, text="bad token ${secrets.token}")))
    result = await run.result()
    assert str(result.error) == "ValueError: bad token ***"
    events = [event async for event in run.events()]
    assert "hunter2" not in repr(events)


async def test_outputs_are_what_the_definition_says(manager: Manager) -> None:
    definition = pipeline(
        node("a", n=2), node("b", n=3), outputs={"sum": "inputs.a.n + inputs.b.n", "city": "trigger.city"}
    )
    assert (await finished(manager, definition, city="Lyon")).outputs == {"sum": 5, "city": "Lyon"}


async def test_an_output_that_cannot_be_evaluated_fails_the_run(manager: Manager) -> None:
    result = await finished(manager, pipeline(node("a"), outputs={"n": "inputs.a.n"}))
    assert (result.status, result.outputs) == ("failed", {})
    assert "output 'n': expression 'inputs.a.n' failed: no key 'n'" in str(result.error)


async def test_trigger_data_is_checked_and_completed_by_the_schema(manager: Manager) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "default": 3}, "city": {"type": "string"}}}
    definition = pipeline(node("start", "trigger"), inputs=schema)
    assert (await finished(manager, definition, city="Lyon")).outputs["start"] == {"city": "Lyon", "n": 3}
    with pytest.raises(playbill.DefinitionError, match=r"trigger_data.city: 5 is not of type 'string'"):
        await manager.start_run(definition, {"city": 5})
    with pytest.raises(playbill.DefinitionError, match=r"trigger_data.x is bytes, which JSON cannot say"):
        await manager.start_run(definition, {"x": b"1"})


async def test_a_condition_that_gives_no_bool_fails_its_node(manager: Manager) -> None:
    result = await finished(
        manager, pipeline(node("start", "trigger", "c"), node("c", "condition", condition="trigger.n + 1")), n=1
    )
    assert "condition 'trigger.n + 1' must give a bool, not int: 2" in str(result.error)


async def test_max_concurrency_is_never_exceeded() -> None:
    busy, most = 0, 0

    @playbill.node_type("counts")
    async def counts(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await context.sleep(0.001)
        busy -= 1
        return {}

    async with playbill.PipelineRunManager(types=[counts]) as manager:
        result = await finished(manager, pipeline(*(node(f"n{i}", "counts") for i in range(12)), max_concurrency=3))
    assert (result.status, most) == ("completed", 3)


async def test_a_node_that_waits_for_long_is_an_event_and_its_start_says_how_long() -> None:
    @playbill.node_type("sleeps_for")
    async def sleeps_for(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        await context.sleep(node.config["seconds"])
        return {}

    nodes = (node("a", "sleeps_for", seconds=2.0), node("b", "sleeps_for", seconds=2.0))
    async with playbill.PipelineRunManager(types=[sleeps_for]) as manager:
        run = await manager.start_run(pipeline(*nodes, max_concurrency=1))
        events = [event async for event in run.events()]
    waiting = [event for event in events if event.type is playbill.EventType.PIPELINE_NODE_WAITING]
    assert [(event.attempt, event.data["for"], event.data["key"]) for event in waiting] == [(1, "slot", None)]
    assert waiting[0].data["since"] < waiting[0].at
    first, second = [event for event in events if event.type is playbill.EventType.PIPELINE_NODE_STARTED]
    assert (first.data, second.node_id, [*second.data]) == ({}, waiting[0].node_id, ["slot_ms"])
    assert second.data["slot_ms"] >= 1900
