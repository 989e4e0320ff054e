"""How a cell of the table is played: a manager, one node, a FIFO that tells who is alive, and nothing left."""

import asyncio
import contextlib
import os
import select
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import playbill
from playbill.model.results import NodeExecutionResult, RunResult
from playbill.runtime.processes import linux
from tests.runtime.processes.support import Lifeline, until_readable
from tests.stories.nasty import bodies, handlers

GRACE = 0.2
KILL_BOUND = 1.0
SLACK_MS = 2000
PROGRAM = [sys.executable, "-S", bodies.__file__]


def definition(body: str, column: str, path: Path, **more: Any) -> dict[str, Any]:
    """A pipeline of one node `a` that plays a body."""
    node: dict[str, Any] = {"id": "a", "retry": {"max_attempts": 1}, **more}
    if column == "command":
        node |= {"type": "command", "config": {"argv": [*PROGRAM, body, str(path)]}}
    else:
        in_host = column != "process"
        node["config"] = {"body": body, "path": str(path), "in_host": in_host}
        on_loop = column == "async" or (column == "process" and body == "blocks_a_loop")
        node["type"] = "nasty_on_loop" if on_loop else "nasty"
        if not in_host:
            node["isolation"] = "process"
    return {"name": "nasty", "nodes": [node]}


@contextlib.asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[playbill.PipelineRunManager]:
    """A manager, of which nothing is left in the end; what cannot be ended is let go."""
    handlers.LET_GO.clear()
    settings = {"types": handlers.ALL, "grace": GRACE, "kill_bound": KILL_BOUND, **options}
    with nothing_left():
        async with playbill.PipelineRunManager(**settings) as manager:
            try:
                yield manager
            finally:
                handlers.LET_GO.set()
        await turns_until_ended(manager)


async def turns_until_ended(manager: playbill.PipelineRunManager) -> None:
    """Let the loop turn until no orphan is left; the test's own timeout bounds it."""
    while manager.orphans:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0)


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Look that neither descriptor nor process nor thread is left."""
    descriptors, children = open_descriptors(), linux.children()
    threads = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive(), thread
    assert open_descriptors() == descriptors
    assert linux.children() == children


def open_descriptors() -> dict[str, str]:
    """What each of our descriptors leads to."""
    found: dict[str, str] = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found[path.name] = str(path.readlink())
    return found


async def ready(lifeline: Lifeline, processes: int = 1) -> list[int]:
    """Wait until so many processes have said that they are there; return their ids."""
    pids: list[int] = []
    while len(pids) < processes:
        await until_readable(lifeline.descriptor)
        pids += read_pids(lifeline)
    return pids


def read_pids(lifeline: Lifeline) -> list[int]:
    return [int(line) for line in os.read(lifeline.descriptor, 4096).split()]


def is_let_go(lifeline: Lifeline) -> bool:
    """Tell whether nobody holds the lifeline, whatever was said through it."""
    with contextlib.suppress(BlockingIOError):
        os.read(lifeline.descriptor, 4096)
    return not lifeline.is_held


def until_let_go(lifeline: Lifeline) -> None:
    """Wait until nobody holds the lifeline, without a loop."""
    while lifeline.is_held:
        select.select([lifeline.descriptor], [], [])


def node_of(result: RunResult) -> NodeExecutionResult:
    return result.node_results["a"]


def assert_in_bound(found: NodeExecutionResult, grace: float) -> None:
    """Look that the runner measured an end within grace and kill bound."""
    assert found.receipt is not None
    assert found.receipt.ms <= (grace + KILL_BOUND) * 1000 + SLACK_MS
