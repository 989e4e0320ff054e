"""Never run: mypy and pyright read it, as a user's editor would."""

from collections.abc import Mapping
from typing import Any, assert_type

import playbill


@playbill.node_type("typed")
async def typed(node: playbill.PipelineNode, inputs: dict[str, Any], context: playbill.NodeContext) -> dict[str, int]:
    assert_type(context.attempt, int)
    assert_type(context.run_id, str)
    assert_type(context.cancelled, bool)
    assert_type(context.trace_context, Mapping[str, str] | None)
    await context.sleep(1.0)
    return {"n": 1}


@playbill.action("acts")
def acts(node: playbill.PipelineNode, inputs: dict[str, Any], context: playbill.NodeContext) -> dict[str, str]:
    return {}


async def embedded(definition: playbill.PipelineDefinition) -> None:
    assert_type(await typed(playbill.PipelineNode(id="a", type="typed"), {}, _context()), dict[str, int])
    async with playbill.PipelineRunManager(journal="memory", resources={"db": 1}, types=[typed]) as manager:
        assert_type(manager, playbill.PipelineRunManager)
        run = await manager.start_run(definition, trigger_data={"city": "Lyon"}, timeout_seconds=60)
        assert_type(run, playbill.Run)
        async for event in run.events(from_seq=3):
            assert_type(event, playbill.Event)
            assert_type(event.type, playbill.EventType)
        async for item in run.events(progress=True):
            assert_type(item, playbill.Event | playbill.NodeProgress)
        for line in await run.logs("a", attempt=1):
            assert_type(line, playbill.LogLine)
        result = await run.result()
        assert_type(result.status, playbill.RunStatus)
        assert_type(result.raise_for_status(), playbill.RunResult)
        assert_type(await manager.cancel_run(run.id, reason="user", grace=5), bool)
        assert_type(await manager.cancel_all(), int)
        assert_type(manager.active_runs, list[playbill.Run])
        assert_type(manager.circuits, dict[str, playbill.CircuitState])
        again = await manager.retry_run(run.id, trace_context={"traceparent": "00-..."})
        assert_type(again.trace_context, Mapping[str, str] | None)
    async with playbill.PipelineRunManager(start_paused=True) as manager:
        assert_type(manager.is_paused, bool)
        manager.resume_all()
        assert_type((await manager.recovered()).cautious, bool)
    assert_type(await playbill.dispatch_node(definition.nodes[0], {}), dict[str, Any])
    assert_type(await playbill.PipelineExecutor(definition).execute(), dict[str, Any])


def sync(definition: playbill.PipelineDefinition) -> None:
    assert_type(playbill.run(definition, {"n": 1}, types=[typed, acts]), playbill.RunResult)
    playbill.run(definition, trace_context={"traceparent": "00-..."})
    playbill.run(definition, gracee=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] (a slip is an error)
    playbill.BlockingManager(gracee=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with playbill.BlockingManager() as manager:
        assert_type(manager.start_run(definition).result(timeout=1.0), playbill.RunResult)
    assert_type(playbill.load("pipeline.yaml"), playbill.PipelineDefinition)
    assert_type(playbill.get_execution_order(definition), list[str])
    assert_type(playbill.validate_pipeline_dag(definition), list[str])
    assert_type(playbill.parse_pipeline_definition([{"id": "a", "type": "trigger"}]), playbill.PipelineDefinition)
    assert_type(playbill.get_run_manager(), playbill.PipelineRunManager)
    breaker = playbill.CircuitBreaker(playbill.BreakerPolicy(failures=2))
    assert_type(breaker.state, playbill.CircuitState)
    with breaker.acquire() as permit:
        permit.settle("success")


def _context() -> playbill.NodeContext:
    raise NotImplementedError
