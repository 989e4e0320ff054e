"""The node types of the soak: real coroutines of every temper, and types that behaviours stand in for.

What they do by chance hangs on their node, their attempt and the time: the same for a seed, another for the next.
"""

import asyncio
from typing import Any, Final, NoReturn
from zlib import crc32

import playbill

ERRORS: Final[dict[str, type[Exception]]] = {
    error.__name__: error for error in (ConnectionError, OSError, TimeoutError, ValueError, PermissionError)
}


def share(context: playbill.NodeContext) -> float:
    """Give a number from 0 to 1 that nobody can foresee and a seed repeats."""
    now = asyncio.get_running_loop().time()
    return crc32(f"{context.node_id} {context.attempt} {now:.6f}".encode()) / 0xFFFFFFFF


@playbill.node_type("soaks")
async def work(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Work for a while and clean up when stopped: a real coroutine, run as it is."""
    try:
        await context.sleep(node.config.get("seconds", 1.0))
    finally:
        await context.sleep(node.config.get("cleanup", 0.2))
    return {"n": len(inputs), "attempt": context.attempt}


@playbill.node_type("stubborn_soak")
async def stubborn(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Swallow the first cancels."""
    for _ in range(node.config.get("swallows", 3)):
        try:
            await context.sleep(3.0)
        except asyncio.CancelledError:
            continue
    return {}


@playbill.node_type("soak_fails")
async def fail(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Fail the first times, each as the config says, and then now and then."""
    config = node.config
    await context.sleep(config.get("seconds", 0.5))
    first = config.get("first", ())
    if context.attempt <= len(first):
        _raise(first[context.attempt - 1])
    if share(context) < config.get("share", 0.3):
        _raise(config.get("then", "ConnectionError"))
    return {"ok": True, "n": context.attempt}


def _raise(name: str) -> NoReturn:
    if name in ERRORS:
        raise ERRORS[name]("it does so")
    raise playbill.NodeExecutionError("not now", retry_after=float(name) if name else None)


@playbill.node_type("soak_beats")
async def beat(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Say that it is alive, with gaps, the last of them the longer the later the attempt."""
    for gap in node.config.get("gaps", (0.5, 1.0)):
        await context.sleep(gap)
        context.heartbeat({"gap": gap})
    await context.sleep(node.config.get("last", 1.0) * context.attempt)
    return {"ok": True, "beats": len(node.config.get("gaps", ()))}


@playbill.node_type("soak_varies", target="label")
async def vary(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Give what depends on the attempt, on what came in, and on chance."""
    part = share(context)
    await context.sleep(node.config.get("seconds", 1.0) * (0.5 + part))
    given: dict[str, Any] = {"n": len(inputs), "attempt": context.attempt, "from": sorted(inputs)}
    if part < 0.7:
        given["ok"] = part < 0.4
    return given


@playbill.node_type("soak_polls")
async def poll(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Look now and then whether it shall end, and then give what it has."""
    for step in range(node.config.get("steps", 4)):
        try:
            await context.sleep(node.config.get("seconds", 0.5))
        except asyncio.CancelledError:
            if not context.cancelled:
                raise
        if context.cancelled:
            return {"n": step, "polite": True}
    return {"ok": True, "n": node.config.get("steps", 4)}


@playbill.node_type("soak_swallows")
async def swallow(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Swallow the first cancel, and return or fail a while later."""
    try:
        await context.sleep(node.config.get("seconds", 2.0))
    except asyncio.CancelledError:
        await context.sleep(node.config.get("more", 1.0))
        if share(context) < 0.5:
            raise ConnectionError("it was disturbed") from None
        return {"n": 0, "late": True}
    return {"ok": True, "n": 1}


@playbill.node_type("soak_endless")
async def last_for_ever(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> None:
    """Never end by itself."""
    if context.attempt < node.config.get("attempts", 2):
        await asyncio.Event().wait()
    await context.sleep(node.config.get("seconds", 0.5))


@playbill.node_type("soak_undead")
async def outlive(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> NoReturn:
    """Go on through every cancel for a while, and say so, to those who have given it up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + node.config.get("seconds", 2.5)
    while loop.time() < end:
        try:
            await context.sleep(0.3)
        except asyncio.CancelledError:
            continue
        context.heartbeat()
    raise ConnectionError("nobody waits any more")


@playbill.node_type("soak_declared")
async def declare(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> NoReturn:
    """Never run: a behaviour stands in for it, as on the loop."""
    raise AssertionError(f"node '{node.id}' has no behaviour")


@playbill.node_type("soak_threaded")
def thread(node: playbill.PipelineNode, inputs: Any, context: playbill.NodeContext) -> NoReturn:
    """Never run: in a thread it cannot be simulated, and a behaviour stands in for it."""
    raise AssertionError(f"node '{node.id}' has no behaviour")


def give(**arguments: Any) -> dict[str, Any]:
    """Give what it got: what a python node calls, in a thread, where a behaviour stands in for it."""
    return arguments


HANDLERS: Final = (work, stubborn, fail, beat, vary, poll, swallow, last_for_ever, outlive, declare, thread)
