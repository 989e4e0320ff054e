"""Stopping is proven: each node's receipt says how it ended, and what could not be stopped is named an orphan."""

import asyncio
import time

import playbill


@playbill.node_type("tidy")
async def tidy(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, str]:
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05)  # the whole grace is there for cleaning up
    return {}


@playbill.node_type("polls")
def polls(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, str]:
    while not context.cancelled:
        time.sleep(0.01)
    return {"stopped": "by itself"}


@playbill.node_type("stubborn")
async def stubborn(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, str]:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


@playbill.node_type("asleep")
def asleep(node: playbill.PipelineNode, inputs: object, context: playbill.NodeContext) -> dict[str, str]:
    time.sleep(3600)
    return {}


nodes = [{"id": kind, "type": kind} for kind in ("tidy", "polls", "stubborn", "asleep")]
nodes.append({"id": "later", "type": "delay", "config": {"seconds": 60}})
result = playbill.run({"nodes": nodes}, timeout_seconds=0.3, grace=0.3, kill_bound=0.2)
for node in result.node_results.values():
    print(f"{node.node_id:<9} {node.status:<10} {node.receipt.how if node.receipt else ''}")
print(f"{result.status}; orphans: {', '.join(result.orphans)}")
