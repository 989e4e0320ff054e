"""Ids as users give them: what is counted or sent by them is never another's."""

import asyncio
from typing import Any

import pytest

import playbill
from tests.stories import support
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager


def limited(resources: dict[str, Any], **options: Any) -> Manager:
    """A manager under which two may work at once."""
    policy = {"swallows": playbill.BreakerPolicy(max_concurrent=2)}
    return Manager(types=support.ALL, resources=resources, breakers=policy, grace=0.0, kill_bound=0.01, **options)


async def begins(manager: Manager, resources: dict[str, Any], run_id: str, node_id: str) -> bool:
    """Start a run that nobody can stop, tell whether it began, and give it up."""
    resources["began"].clear()
    run = await manager.start_run(pipeline(node(node_id, "swallows")), run_id=run_id)
    waiting = asyncio.create_task(resources["began"].wait())
    await asyncio.wait([waiting], timeout=0.05)
    started = waiting.done()
    waiting.cancel()
    await run.cancel(grace=0.0)
    await run.result()
    return started


async def test_a_run_id_used_again_after_it_was_forgotten_leaks_no_share(resources: dict[str, Any]) -> None:
    async with limited(resources, keep_runs=0) as manager:
        assert [await begins(manager, resources, "r", "a") for _ in range(3)] == [True, True, False]
        resources["let_go"].set()


async def test_two_runs_whose_ids_join_to_the_same_text_are_two(resources: dict[str, Any]) -> None:
    async with limited(resources) as manager:
        ids = [("a", "b/c"), ("a/b", "c"), ("a/b/c", "d")]
        assert [await begins(manager, resources, *each) for each in ids] == [True, True, False]
        resources["let_go"].set()


@playbill.node_type("keyed")
async def keyed(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Tell its key."""
    return {"key": context.idempotency_key}


@pytest.mark.parametrize(
    ("run_id", "node_id", "key"),
    [
        ("run-1", "a_b.c", "run-1/a_b.c"),
        ("a", "b/c", "a/b%2Fc"),
        ("a/b", "c", "a%2Fb/c"),
        ("ä", "zwei Wörter\n", "%C3%A4/zwei%20W%C3%B6rter%0A"),
        ("100%", "a", "100%25/a"),
    ],
)
async def test_an_idempotency_key_is_one_runs_and_fits_into_a_header(run_id: str, node_id: str, key: str) -> None:
    async with Manager(types=[keyed]) as manager:
        run = await manager.start_run(pipeline(node(node_id, "keyed")), run_id=run_id)
        assert (await run.result()).outputs[node_id] == {"key": key}


@pytest.mark.parametrize("run_id", ["loop", "breaker:say", "breaker:"])
async def test_a_run_id_that_names_another_stream_is_refused(manager: Manager, run_id: str) -> None:
    with pytest.raises(
        playbill.DefinitionError, match=f"run_id '{run_id}' is the name of a stream of playbill's own"
    ):
        await manager.start_run(pipeline(node("a")), run_id=run_id)
    assert (await finished(manager, pipeline(node("a")))).status is playbill.RunStatus.COMPLETED
