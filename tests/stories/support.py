"""The handlers that stories use, and a short way to run a pipeline."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

import playbill
from playbill.model.results import RunResult

Handler = Callable[..., Any]


@playbill.node_type("say")
async def say(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Give its config back."""
    return dict(node.config)


class Letters(BaseModel):
    """Has fields of text in all the places where they may stand."""

    label: str = ""
    names: list[str] = []
    named: dict[str, str] = {}
    note: str | None = None
    either: int | str = 0


@playbill.node_type("lettered", config=Letters)
async def lettered(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Give its parsed config back."""
    config: Letters = context.config
    return config.model_dump()


@playbill.node_type("seen")
async def seen(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Tell what it received."""
    return {"inputs": dict(inputs)}


@playbill.node_type("fails")
async def fails(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Fail `times` times: with an error worth another attempt, or else with a ValueError."""
    if context.attempt <= node.config.get("times", 99):
        if node.config.get("fatal"):
            raise ValueError(node.config.get("text", "fatal"))
        raise playbill.NodeExecutionError(
            node.config.get("text", "again"), retry_after=node.config.get("retry_after")
        )
    return {"attempt": context.attempt}


@playbill.node_type("hangs")
async def hangs(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Wait until somebody stops it."""
    context.resources["began"].set()
    await asyncio.Event().wait()
    return {}


@playbill.node_type("swallows")
async def swallows(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Ignore every cancel until it is let go."""
    context.resources["began"].set()
    while not context.resources["let_go"].is_set():
        try:
            await context.resources["let_go"].wait()
        except asyncio.CancelledError:
            continue
    return {"too": "late"}


@playbill.node_type("polls")
def polls(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """End soon after it was asked to, in a thread."""
    while not context.cancelled:
        time.sleep(0.001)
    return {}


@playbill.node_type("spins")
def spins(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Compute for ever, in a thread."""
    while True:
        pass


@playbill.node_type("asleep")
def asleep(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Sleep in a thread where no exception reaches it, until it is let go."""
    context.resources["wake"].wait()
    return {"too": "late"}


@playbill.node_type("depends", target="host")
async def depends(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Need a host, which is down if the config says so."""
    if node.config.get("down"):
        raise ConnectionError(f"{node.config['host']} is down, by {node.config.get('by', 'nobody')}")
    return {"host": node.config.get("host")}


@playbill.action("lift")
async def lift(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """An action that is down if its config says so."""
    if node.config.get("down"):
        raise ConnectionError("the lift is stuck")
    return {}


@playbill.action("ring")
async def ring(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """An action that works."""
    return {}


@playbill.node_type("exits")
async def exits(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Raise what would end the program."""
    raise SystemExit(3)


ALL: list[Handler] = [say, lettered, seen, fails, hangs, swallows, polls, spins, asleep, exits, depends, lift, ring]


def resources() -> dict[str, Any]:
    return {"began": asyncio.Event(), "let_go": asyncio.Event(), "wake": threading.Event()}


def pipeline(*nodes: dict[str, Any], **more: Any) -> playbill.PipelineDefinition:
    """A pipeline of these nodes; the config of a story's type may stand beside `id`."""
    return playbill.PipelineDefinition.model_validate({"nodes": list(nodes), **more})


def node(node_id: str, kind: str = "say", after: str = "", **fields: Any) -> dict[str, Any]:
    """Write a node; `after` names its targets."""
    known = set(playbill.PipelineNode.model_fields)
    config = {key: value for key, value in fields.items() if key not in known}
    rest = {key: value for key, value in fields.items() if key in known}
    return {"id": node_id, "type": kind, "config": config or rest.pop("config", {}), "next": after.split(), **rest}


async def finished(
    manager: playbill.PipelineRunManager, definition: playbill.PipelineDefinition, **trigger: Any
) -> RunResult:
    """Run a pipeline to its end."""
    return await (await manager.start_run(definition, trigger)).result()


def statuses(result: RunResult) -> dict[str, str]:
    return {node: str(end.status) for node, end in result.node_results.items()}


def receipts(result: RunResult) -> dict[str, str]:
    return {node: str(end.receipt.how) for node, end in result.node_results.items() if end.receipt}
