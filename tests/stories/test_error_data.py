"""What an error tells programs: it comes with the failure, wherever that goes."""

from typing import Any

import pytest

import playbill
from playbill.runtime.journals.codec import event_from_json, event_to_json
from tests.stories.support import ALL, finished, node, pipeline

pytestmark = pytest.mark.anyio


@playbill.node_type("reviews")
async def reviews(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Refuse, and say how."""
    raise playbill.NodeConfigError("no", data={"code": 7, "by": {"key": node.config["key"]}, "set": {1}})


@playbill.node_type("reviews_in_a_process")
def reviews_in_a_process(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Refuse, and say how."""
    raise playbill.NodeExecutionError("no", data={"code": 7, "by": {"key": node.config["key"]}, "set": {1}})


READ = "${inputs.review.error.code} by ${inputs.review.error.by.key}: ${inputs.review.error.message}"


@pytest.mark.parametrize("continues", [False, True])
async def test_a_failure_edge_and_on_error_continue_hand_it_on(*, continues: bool) -> None:
    review = node(
        "review",
        "reviews",
        config={"key": "${secrets.key}"},
        next=[
            {"to": "alarm"}
            if continues
            else {"to": "alarm", "when": "failure", "condition": "output.error.code == 7"}
        ],
        on_error="continue" if continues else "fail",
    )
    async with playbill.PipelineRunManager(types=[*ALL, reviews], secrets={"key": "hunter2"}) as manager:
        run = await manager.start_run(pipeline(review, node("alarm", said=READ)))
        result = await run.result()
        events = [event async for event in run.events()]
    assert result.outputs["alarm"]["said"] == "7 by ***: no"
    error = result.node_results["review"].error
    assert error is not None
    assert error.data == {"code": 7, "by": {"key": "***"}, "set": [1]}
    assert result.as_dict()["node_results"]["review"]["failure"]["data"] == error.data
    assert "hunter2" not in repr(events)
    assert [event_from_json(event_to_json(event)) for event in events] == events


@pytest.mark.real("processes")
async def test_it_comes_out_of_a_process() -> None:
    review = node(
        "review",
        "reviews_in_a_process",
        config={"key": "${secrets.key}"},
        isolation="process",
        retry={"max_attempts": 1},
    )
    async with playbill.PipelineRunManager(types=[reviews_in_a_process], secrets={"key": "hunter2"}) as manager:
        result = await finished(manager, pipeline(review))
    assert result.error is not None
    assert result.error.data == {"code": 7, "by": {"key": "***"}, "set": [1]}


@pytest.mark.real("programs")
async def test_a_failed_command_hands_on_its_exit_code_and_what_it_said() -> None:
    script = "echo seen: $KEY; echo bad >&2; exit 4"
    review = node(
        "review",
        "command",
        config={"argv": ["sh", "-c", script], "env": {"KEY": "${secrets.key}"}, "strip": True},
        retry={"max_attempts": 1},
        next=[{"to": "alarm", "when": "failure"}],
    )
    said = "${inputs.review.error.exit_code} ${inputs.review.error.stdout} ${inputs.review.error.stderr}"
    async with playbill.PipelineRunManager(types=ALL, secrets={"key": "hunter2"}) as manager:
        result = await finished(manager, pipeline(review, node("alarm", said=said)))
    assert result.outputs["alarm"]["said"] == "4 seen: *** bad"


@pytest.mark.real("programs")
@pytest.mark.parametrize("shift", range(0, 24, 5))
async def test_of_a_secret_that_a_cut_goes_through_nothing_is_left(shift: int) -> None:
    key = "abcdefghij0123456789"
    script = f"printf '%{shift + 5}s'; for i in $(seq 2000); do printf $KEY; done; printf '%{shift}s' >&2; exit 4"
    review = node("a", "command", config={"argv": ["sh", "-c", script], "env": {"KEY": "${secrets.key}"}})
    async with playbill.PipelineRunManager(secrets={"key": key}) as manager:
        result = await finished(manager, pipeline(review, defaults={"retry": {"max_attempts": 1}}))
    assert result.error is not None
    for text in (result.error.message, str(result.error.data)):
        assert not any(key[start : start + 4] in text for start in range(16))


@playbill.node_type("passes_on")
async def passes_on(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Dispatch another node."""
    return await playbill.dispatch_node(
        playbill.PipelineNode(id="inner", type="reviews", config={"key": "k"}), {}, context, types=[reviews]
    )


@pytest.mark.real("a loop of threads")
async def test_it_comes_out_of_a_node_that_a_handler_dispatches() -> None:
    async with playbill.PipelineRunManager(types=[passes_on]) as manager:
        result = await finished(manager, pipeline(node("a", "passes_on")))
    assert result.error is not None
    assert result.error.data is not None
    assert result.error.data["code"] == 7


def test_a_stand_in_fails_with_data_too() -> None:
    ending = {"error": "NodeExecutionError", "message": "no", "retryable": False, "data": {"exit_code": 9}}
    plan: dict[str, Any] = {"behaviours": {"nodes": {"review": {"outcomes": [ending]}}}}
    nodes = [
        node("review", "command", config={"argv": ["false"]}, next=[{"to": "alarm", "when": "failure"}]),
        node("alarm", said="${inputs.review.error.exit_code}"),
    ]
    with playbill.Simulation(seed=1, faults=plan, types=ALL) as sim:
        assert sim.run(pipeline(*nodes)).outputs["alarm"]["said"] == 9
