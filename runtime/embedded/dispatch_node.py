"""Runs one node once, outside any run: for trying handlers out, and for handlers that use another type's work."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode
from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.model.expressions import CONDITION_ROOTS, compile_condition, merge_inputs
from playbill.model.facts import Failure, Now
from playbill.model.frozen import thaw
from playbill.model.messages import Returned
from playbill.model.plan import BUILT_IN, Kind, RunFacts, build_plan
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.definitions.binder import bind
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.runners.attempt import ON_LOOP, AttemptServices, Orphans
from playbill.runtime.runners.program_pool import ProgramPool
from playbill.runtime.runners.runner import RunnerServices, RunRunner
from playbill.runtime.runners.thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playbill.actors.ports import Attempt
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.runners.context import NodeContext


async def dispatch_node(
    node: PipelineNode,
    inputs: Mapping[str, Any],
    context: NodeContext | None = None,
    *,
    types: Iterable[Source] | None = None,
) -> dict[str, Any]:
    """Run `node` once, with no breaker, retry or timeout.

    A first cancel interrupts its handler, any further one kills it; it is passed on once the handler has ended.

    Args:
        node: the node; its config's `${...}` are rendered.
        inputs: outputs by node id.
        context: whose run id, resources and trigger data the handler sees, and with whose commands a command waits
            for its turn; None: none.
        types: as PipelineRunManager's.

    Returns:
        The output: of trigger, parallel and delay the inputs, of a condition `{"result": bool}`.

    Raises:
        NodeConfigError: the type is unknown, the config is wrong, or the failure is none to retry.
        NodeExecutionError: the handler failed.
    """
    if node.type == Kind.CONDITION:
        return {"result": _judge(node, inputs)}
    if node.type in BUILT_IN:
        return dict(inputs)
    catalog = catalog_of(types)
    if catalog.get(node.type) is None:
        raise NodeConfigError(f"Unknown node type '{node.type}'; types are: {', '.join(catalog.names)}")
    sources = [PipelineNode(id=source, type="parallel") for source in inputs]
    edges = [PipelineEdge(from_node=source, to_node=node.id) for source in inputs]
    definition = PipelineDefinition(nodes=[*sources, node], edges=edges)
    loop = asyncio.get_running_loop()
    dispatcher = LoopDispatcher(loop, SystemClock(loop))
    pool = ThreadPool()
    resources: Mapping[str, Any] = {} if context is None else context.resources
    programs = None if context is None else context.programs
    attempts = AttemptServices(loop, dispatcher, Orphans(), lambda: 0.5, ON_LOOP.get(), programs or ProgramPool(None))
    services = RunnerServices(attempts, pool, resources, {})
    runner = RunRunner(services, bind(definition, catalog), contextvars.copy_context())
    trigger: Mapping[str, Any] = {} if context is None else context.trigger_data
    run_id = "dispatch" if context is None else context.run_id
    try:
        return await _attempt(runner, RunFacts(run_id, build_plan(definition), trigger), node.id, inputs)
    finally:
        pool.close()


class _Caller:
    """Stands where a node's actor does in a run."""

    def __init__(self) -> None:
        self.returned: asyncio.Future[Returned] = asyncio.get_running_loop().create_future()

    def receive(self, message: object, now: Now) -> None:
        """Wait for the end only."""
        if isinstance(message, Returned) and not self.returned.done():
            self.returned.set_result(message)


async def _attempt(runner: RunRunner, run: RunFacts, node: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    caller = _Caller()
    attempt = runner.begin(run, run.plan.nodes[node], 1, inputs, caller)
    try:
        returned = await _outlast(attempt, caller.returned)
    finally:
        if not caller.returned.done():  # for whatever else ends a coroutine
            attempt.kill()
    if returned.failure is not None:
        raise _error_of(returned.failure)
    output: dict[str, Any] = thaw(returned.output or {})
    return output


async def _outlast(attempt: Attempt, returned: asyncio.Future[Returned]) -> Returned:
    """Wait for an attempt's end through all cancels, each a step of its ladder; then raise the first of them."""
    cancelled: asyncio.CancelledError | None = None
    while not returned.done():
        try:
            await asyncio.wait([returned])
        except asyncio.CancelledError as error:
            if cancelled is None:
                cancelled = error
                attempt.interrupt()
            else:
                attempt.kill()
    if cancelled is not None:
        raise cancelled
    return returned.result()


def _judge(node: PipelineNode, inputs: Mapping[str, Any]) -> bool:
    text = node.config.get("condition")
    if not isinstance(text, str):
        raise NodeConfigError(f"node '{node.id}': field 'condition' is missing or no text")
    condition = compile_condition(text, predecessors=[*inputs], roots=CONDITION_ROOTS)
    outputs: dict[str, Any] = {name: output for name, output in inputs.items() if isinstance(output, Mapping)}
    return condition.evaluate({"inputs": dict(inputs), "input": merge_inputs(outputs), "trigger": {}})


def _error_of(failure: Failure) -> NodeExecutionError | NodeConfigError:
    if failure.retryable:
        return NodeExecutionError(str(failure), retry_after=failure.retry_after, data=failure.data)
    return NodeConfigError(str(failure), data=failure.data)
