"""Runs one node once, outside any run: for trying handlers out, and for handlers that use another type's work."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from playbill.model.builtin import BUILTIN
from playbill.model.definition import PipelineDefinition, PipelineEdge, PipelineNode
from playbill.model.diagnostics import did_you_mean
from playbill.model.errors import DefinitionError, InternalError, NodeConfigError, NodeExecutionError
from playbill.model.expressions import CONDITION_ROOTS, compile_condition, merge_inputs
from playbill.model.facts import Failure, Now
from playbill.model.frozen import thaw
from playbill.model.messages import Returned
from playbill.model.plan import BUILT_IN, Kind, RunFacts
from playbill.model.planning import build_plan
from playbill.model.run_inputs import check_trigger_data
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.definitions.binder import try_to_bind
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.handlers.agent import SIMULATE_AGENTS
from playbill.runtime.options import check_options
from playbill.runtime.redaction import Redaction
from playbill.runtime.runners.attempt import ON_LOOP, AttemptServices, Orphans
from playbill.runtime.runners.program_pool import ProgramPool
from playbill.runtime.runners.runner import RunnerServices, RunRunner
from playbill.runtime.runners.thread_pool import ThreadPool
from playbill.runtime.secrets import check_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from playbill.actors.ports import Attempt
    from playbill.model.catalog import Catalog
    from playbill.model.configs import ConditionConfig, DelayConfig
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.context import NodeContext
    from playbill.runtime.secrets import Secret


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a node alone has of a run."""

    run_id: str
    trigger_data: Mapping[str, Any]
    resources: Mapping[str, Any]
    secrets: Mapping[str, Secret] = field(repr=False)
    programs: ProgramPool
    within_run: bool
    trace: Mapping[str, str] | None = None


async def dispatch_node(
    node: PipelineNode | Mapping[str, Any],
    inputs: Mapping[str, Any],
    context: NodeContext | None = None,
    *,
    types: Iterable[Source] | None = None,
    trigger_data: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Secret] | None = None,
) -> dict[str, Any]:
    """Run `node` once, with no breaker, retry or timeout.

    A first cancel interrupts its handler, any further one kills it; it is passed on once the handler has ended.

    Args:
        node: the node, or the mapping it is written as; its config's `${...}` are rendered.
        inputs: outputs by node id.
        context: whose run id, resources, trigger data and trace context the handler sees, and with whose commands a
            command waits for its turn; None: none.
        types: as PipelineRunManager's.
        trigger_data: what `${trigger...}` sees; None: the context's.
        resources: what the handler finds in `context.resources`; None: the context's.
        secrets: as PipelineRunManager's.

    Returns:
        The output: of trigger, parallel and, once its seconds are over, delay the inputs; of a condition
        `{"result": bool}`.

    Raises:
        DefinitionError: the node, the inputs or an option are not what they have to be.
        NodeConfigError: the type is unknown, the config is wrong, or the failure is none to retry.
        NodeExecutionError: the handler failed.
    """
    node = _node_of(node).model_copy(update={"next": None})  # nothing comes after it
    _check_inputs(node, inputs)
    check_options({"types": types, "resources": resources, "secrets": secrets})
    trial = _trial_of(context, trigger_data, resources, secrets)
    if node.type in BUILT_IN:
        return await _pass_on(node, inputs, trial)
    definition, bindings = _bound(node, inputs, catalog_of(types))
    pool = ThreadPool()
    runner = _runner(trial, bindings, pool)
    try:
        facts = RunFacts(trial.run_id, build_plan(definition), trial.trigger_data, trace=trial.trace)
        return await _attempt(runner, facts, node.id, inputs)
    finally:
        pool.close()


def _bound(node: PipelineNode, inputs: Mapping[str, Any], catalog: Catalog) -> tuple[PipelineDefinition, Bindings]:
    """Return a pipeline of a node and of what its inputs came from, and who does the node's work.

    Raises:
        NodeConfigError: its type is unknown, or its config is wrong.
    """
    node_type = catalog.get(node.type)
    if node_type is None:
        near = did_you_mean(node.type, catalog.names)
        raise NodeConfigError(f"Unknown node type '{node.type}'{near}; types are: {', '.join(catalog.names)}")
    if wrong := node_type.check(node.config, subject=f"node '{node.id}'"):
        raise NodeConfigError("; ".join(map(str, wrong)))
    sources = [PipelineNode(id=source, type="parallel") for source in inputs if source != node.id]
    edges = [PipelineEdge(from_node=source.id, to_node=node.id) for source in sources]
    definition = PipelineDefinition(nodes=[*sources, node], edges=edges)
    bindings, unbound = try_to_bind(definition, catalog)
    if unbound:
        raise NodeConfigError("; ".join(map(str, unbound)))
    return definition, bindings


def _runner(trial: _Trial, bindings: Bindings, pool: ThreadPool) -> RunRunner:
    loop = asyncio.get_running_loop()
    dispatcher = LoopDispatcher(loop, SystemClock(loop))
    attempts = AttemptServices(loop, dispatcher, Orphans(), lambda: 0.5, ON_LOOP.get(), trial.programs)
    redaction = Redaction(trial.secrets.values())
    services = RunnerServices(attempts, pool, trial.resources, trial.secrets, redaction=redaction)
    around = contextvars.copy_context()
    if trial.within_run and SIMULATE_AGENTS not in around:  # in a process of its own a handler has no run's
        around.run(SIMULATE_AGENTS.set, False)  # noqa: FBT003 (ContextVar.set takes nothing by name)
    return RunRunner(services, bindings, around)


def _trial_of(
    context: NodeContext | None,
    trigger_data: Mapping[str, Any] | None,
    resources: Mapping[str, Any] | None,
    secrets: Mapping[str, Secret] | None,
) -> _Trial:
    """Return what a node sees: what was given for it, else what its context has.

    Raises:
        DefinitionError: the trigger data are no JSON.
    """
    data = {} if trigger_data is None else check_trigger_data(PipelineDefinition(nodes=[]), trigger_data)
    hidden, programs = check_secrets(secrets or {}), ProgramPool(None)
    if context is None:
        return _Trial("dispatch", data, resources or {}, hidden, programs, within_run=False)
    return _Trial(
        context.run_id,
        context.trigger_data if trigger_data is None else data,
        context.resources if resources is None else resources,
        hidden,
        context.programs or programs,
        within_run=True,
        trace=context.trace_context,
    )


def _node_of(given: object) -> PipelineNode:
    """Return the node that a caller has given.

    Raises:
        DefinitionError: it is none, or its shape is wrong; carries all problems.
    """
    if isinstance(given, PipelineNode):
        return given
    if isinstance(given, Mapping):
        return PipelineNode.model_validate(dict(cast("Mapping[str, Any]", given)))
    text = f"a node is a PipelineNode or the mapping it is written as, not {type(given).__name__}: {given!r:.60}"
    raise DefinitionError.single("no-node", "node", text)


def _check_inputs(node: PipelineNode, inputs: object) -> None:
    """Refuse what are no outputs by node id.

    Raises:
        DefinitionError: it is no mapping, or has a key that is no node's id.
    """
    if not isinstance(inputs, Mapping):
        text = f"are a mapping of node ids to outputs, not {type(inputs).__name__}: {inputs!r:.60}"
    elif wrong := [key for key in cast("Mapping[object, object]", inputs) if not isinstance(key, str) or not key]:
        text = f"have the key {wrong[0]!r:.60}, which is not a node's id: give it a name"
    else:
        return
    raise DefinitionError.single("inputs", "inputs", f"inputs of node '{node.id}' {text}")


async def _pass_on(node: PipelineNode, inputs: Mapping[str, Any], trial: _Trial) -> dict[str, Any]:
    """Do the work of a node that has no handler."""
    names = _variables(inputs, trial)
    if node.type == Kind.DELAY:
        delay = cast("DelayConfig", _config(node, names))
        await asyncio.sleep(delay.seconds)
    elif node.type == Kind.CONDITION:
        text = cast("ConditionConfig", _config(node, names)).condition
        condition = compile_condition(text, predecessors=[*inputs], roots=CONDITION_ROOTS)
        return {"result": condition.evaluate({root: names[root] for root in CONDITION_ROOTS})}
    return dict(inputs)


def _config(node: PipelineNode, names: Mapping[str, Any]) -> BaseModel:
    """Render and parse the config of a node that has no handler."""
    node_type = BUILTIN.get(node.type)
    if node_type is None:
        raise InternalError(f"node type '{node.type}' is built in, and not in the catalog")
    template = node_type.template(node.config)
    config = node.config if template is None else template.render(names)
    return node_type.parse(config, subject=f"node '{node.id}'")


def _variables(inputs: Mapping[str, Any], trial: _Trial) -> dict[str, Any]:
    """Return what expressions see of a node alone."""
    outputs: dict[str, Any] = {name: output for name, output in inputs.items() if isinstance(output, Mapping)}
    run = {"id": trial.run_id, "pipeline": "dispatch", "attempt": 1}
    trigger = dict(trial.trigger_data)
    return {
        "inputs": dict(inputs),
        "input": merge_inputs(outputs),
        "trigger": trigger,
        "run": run,
        "secrets": trial.secrets,
    }


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


def _error_of(failure: Failure) -> NodeExecutionError | NodeConfigError:
    kind = NodeExecutionError if failure.retryable else NodeConfigError
    text = failure.message if failure.type == kind.__name__ else str(failure)
    if failure.retryable:
        return NodeExecutionError(text, retry_after=failure.retry_after, data=failure.data)
    return NodeConfigError(text, data=failure.data)
