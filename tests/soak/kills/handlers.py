"""The node types of the program that is killed: what each gives hangs on its config and inputs alone.

Each call notes run, node, attempt and idempotency key in the file `effects` of the trigger data's folder, in one
write to its end: a kill can neither tear nor lose such a line.
"""

import asyncio
import os
import threading
from collections.abc import Mapping
from random import Random
from typing import Any, Final

import playbill

Said = dict[str, Any]
Context = playbill.NodeContext
FOR_EVER: Final = 3_600.0


def note(context: Context) -> None:
    """Write down that an attempt has begun, on the disk before it goes on."""
    line = "\t".join((context.run_id, context.node_id, str(context.attempt), context.idempotency_key))
    file = os.open(f"{context.trigger_data['folder']}/effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{line}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


def summed(node: playbill.PipelineNode, inputs: Mapping[str, Any]) -> Said:
    """Return the config's n, and all that came in, added."""
    return {"n": node.config.get("n", 1) + sum(given.get("n", 0) for given in inputs.values())}


@playbill.node_type("kills_add")
async def add(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Add, after a while."""
    note(context)
    await context.sleep(node.config.get("seconds", 0.02))
    return summed(node, inputs)


@playbill.node_type("kills_thread")
def add_in_thread(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Add, after a while, in a thread."""
    note(context)
    threading.Event().wait(node.config.get("seconds", 0.02))
    return summed(node, inputs)


@playbill.node_type("kills_process", isolation="process")
def add_in_process(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Add, after a while, in a process of its own, and say so."""
    note(context)
    print("added in a process")
    threading.Event().wait(node.config.get("seconds", 0.02))
    return summed(node, inputs)


@playbill.node_type("kills_fails_first")
async def fail_first(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Fail in the first two attempts."""
    note(context)
    await context.sleep(0.01)
    if context.attempt <= 2:
        raise ConnectionError("not yet")
    return summed(node, inputs)


@playbill.node_type("kills_hangs_first")
async def hang_first(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Hang in the first attempt."""
    note(context)
    await context.sleep(FOR_EVER if context.attempt == 1 else 0.01)
    return summed(node, inputs)


@playbill.node_type("kills_hold")
async def hold(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Wait until somebody stops it, and clean up for a moment."""
    note(context)
    try:
        await asyncio.Event().wait()
    finally:
        await context.sleep(0.02)
    return {}


@playbill.node_type("kills_big")
async def give_much(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Give a text of so many characters, drawn by a seed; two such texts are hardly alike, and hard to compress."""
    note(context)
    return {"text": drawn_text(node.config["seed"], node.config["size"])}


def drawn_text(seed: int, size: int) -> str:
    """Return a text of so many characters."""
    return Random(seed).randbytes(size).hex()[:size]


@playbill.node_type("kills_measure")
async def measure(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Tell how long the texts are that came in."""
    note(context)
    return {"n": sum(len(given.get("text", "")) for given in inputs.values())}


@playbill.node_type("kills_log")
async def log(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Log so many lines."""
    note(context)
    for number in range(node.config["lines"]):
        context.log.info("line %d", number)
    return summed(node, inputs)


@playbill.node_type("kills_open_later")
async def open_later(node: playbill.PipelineNode, inputs: Any, context: Context) -> Said:
    """Fail for good, but in a retry of the run."""
    note(context)
    if not context.run_id.endswith("-again"):
        raise playbill.NodeConfigError("closed")
    return summed(node, inputs)


HANDLERS: Final = (
    add, add_in_thread, add_in_process, fail_first, hang_first, hold, give_much, measure, log, open_later,
)  # fmt: skip
