"""The handler of agent nodes: gives a task to an agent that the host registered."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from playbill.model.diagnostics import did_you_mean, list_names
from playbill.model.errors import NodeConfigError
from playbill.runtime.runners.calling import in_daemon_thread, is_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.configs import AgentConfig
    from playbill.model.definition import PipelineNode
    from playbill.runtime.runners.context import NodeContext

__all__ = ["SIMULATE_AGENTS", "agent", "prompt_of", "simulated_answer"]


SIMULATE_AGENTS: ContextVar[bool] = ContextVar("SIMULATE_AGENTS", default=True)
"""Whether agents are simulated where none are registered: each run says; outside of all runs they are."""


async def agent(
    node: PipelineNode,
    inputs: Mapping[str, Mapping[str, Any]],
    context: NodeContext,
) -> dict[str, Any]:
    """Call `resources["agents"].get(agent_id).process_message(prompt)`.

    The prompt is one text: the node's `task`, rendered, and, if the node has inputs, an empty line, `Inputs:` and
    below it `{node id: output}` as indented JSON.

    An `async def` runs on the loop. Any other runs in a daemon thread, which nobody can interrupt: stopped, the
    attempt ends when the thread does, and is named an orphan if that is too late. An awaitable result is awaited.

    Returns:
        `result`, `agent_id` and `simulated`: true when no agents are registered, so that nobody was asked: in runs
        with `simulate_agents`, in simulations, and where `dispatch_node` tries a node outside any run.

    Raises:
        NodeConfigError: No agents are registered and none are to be simulated, the registry does not know the agent,
            or it is none.
    """
    config = cast("AgentConfig", context.config)
    agents = context.resources.get("agents")
    if agents is None:
        if not SIMULATE_AGENTS.get():
            raise NodeConfigError(_unregistered(config.agent_id, context.resources))
        return _simulate(config, context)
    process = await _process_of(agents, config.agent_id)
    result = await _ask(process, prompt_of(config.task, inputs))
    return {"result": result, "agent_id": config.agent_id, "simulated": False}


def prompt_of(task: str, inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the task and, below it, the inputs as JSON."""
    if not inputs:
        return task
    return f"{task}\n\nInputs:\n{json.dumps(inputs, indent=2, ensure_ascii=False, default=_plain)}"


def _plain(value: object) -> object:
    return dict(cast("Mapping[object, object]", value)) if isinstance(value, Mapping) else str(value)


def _unregistered(agent_id: str, resources: Mapping[str, Any]) -> str:
    found = "resources['agents'] is None" if "agents" in resources else f"resources are: {list_names(resources)}"
    return (
        f"agent '{agent_id}' cannot be asked: no agents are registered, {found}; register them with"
        ' resources={"agents": ...}, or try the pipeline with simulate_agents=True (playbill run --simulate-agents)'
    )


def _simulate(config: AgentConfig, context: NodeContext) -> dict[str, Any]:
    context.log.warning("no agents are registered (resources['agents']): agent '%s' is simulated", config.agent_id)
    return simulated_answer(config.agent_id, config.task)


def simulated_answer(agent_id: str, task: str) -> dict[str, Any]:
    """Return what an agent's node gives where nobody was asked, and says so."""
    result = f"Simulated result of agent '{agent_id}' for the task: {task}"
    return {"result": result, "agent_id": agent_id, "simulated": True}


async def _process_of(agents: Any, agent_id: str) -> Callable[[str], Any]:
    try:
        found = agents.get(agent_id)
        if inspect.isawaitable(found):
            found = await found
    except LookupError:
        found = None
    if found is None:
        raise NodeConfigError(f"no agent has the id '{agent_id}'{_known(agents, agent_id)}")
    process = getattr(found, "process_message", None)
    if not callable(process):
        raise NodeConfigError(f"agent '{agent_id}' ({type(found).__name__}) has no method process_message(prompt)")
    return cast("Callable[[str], Any]", process)


def _known(agents: object, agent_id: str) -> str:
    if not isinstance(agents, Mapping):
        return " in resources['agents']"
    names = [str(name) for name in cast("Mapping[object, object]", agents)]
    return f"{did_you_mean(agent_id, names)}; registered are: {list_names(names)}"


async def _ask(process: Callable[[str], Any], prompt: str) -> object:
    if is_async(process):
        return await process(prompt)
    result = await in_daemon_thread(process, prompt)
    return await result if inspect.isawaitable(result) else result
