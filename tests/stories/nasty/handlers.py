"""The node types of the nasty handlers; worker processes import them from here."""

import inspect
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import playbill
from tests.stories.nasty.bodies import Stage, body

LET_GO = threading.Event()
"""Ends what a handler does in the host's own process and nobody can end; of no use in workers."""


@contextmanager
def staged(context: playbill.NodeContext) -> Iterator[Stage]:
    stage = Stage(context.config["path"], let_go=LET_GO if context.config["in_host"] else None)
    try:
        yield stage
    finally:
        stage.close()


@playbill.node_type("nasty")
def nasty(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Play a body in a thread, or in a process."""
    with staged(context) as stage:
        body(context.config["body"])(stage)
    return {"pid": os.getpid()}


@playbill.node_type("nasty_on_loop")
async def nasty_on_loop(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Play a body on the loop."""
    with staged(context) as stage:
        played = body(context.config["body"], on_loop=True)(stage)
        if inspect.isawaitable(played):
            await played
    return {"pid": os.getpid()}


@playbill.node_type("fine")
def fine(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Tell where it ran."""
    return {"pid": os.getpid(), "threads": [thread.name for thread in threading.enumerate()]}


ALL = [nasty, nasty_on_loop, fine]
