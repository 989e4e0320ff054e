"""Handlers that run unchanged under load: coroutines, one of which leaves the simulation."""

import asyncio
import time
from typing import Any

import playbill


@playbill.node_type("napping")
async def napping(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    await asyncio.sleep(3.0)
    return {"load": context.trigger_data.get("load")}


@playbill.node_type("clocked")
async def clocked(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    return {"at": time.time()}


@playbill.node_type("threaded")
def threaded(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
    raise AssertionError("a simulated load starts no thread")
