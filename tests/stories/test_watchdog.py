"""A blocked loop is noticed, its culprit is named, and, if allowed, interrupted."""

import asyncio
import ctypes
import logging
import threading
import time
from typing import Any

import pytest

import playbill
from playbill.runtime.faults.plan import fault_plan
from playbill.runtime.watchdog import Watchdog
from tests.stories.support import node, pipeline

pytestmark = [pytest.mark.anyio, pytest.mark.real("it is about a thread that looks at the loop")]
BLOCKED = playbill.EventType.LOOP_BLOCKED
LIMIT = 0.05


@playbill.node_type("blocks")
async def blocks(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Keep the loop until the watchdog has said so; a program would do so for ever."""
    while not context.resources["seen"].is_set():
        pass
    return {"went": "on"}


@playbill.node_type("stuck")
async def stuck(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Compute for ever on the loop."""
    while True:
        pass


@playbill.node_type("locks")
def locks(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Hold the interpreter's lock in a C call, in a thread."""
    ctypes.PyDLL(None).usleep(200_000)
    if node.config["stays"]:
        context.resources["seen"].wait()
    return {}


class Heard(logging.Handler):
    """Sets a flag when the watchdog speaks of somebody, and keeps what it says.

    On a busy machine it speaks of others, too: of whoever kept the processor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.whom = ""
        self.seen = threading.Event()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "more than" in record.getMessage() and self.whom in record.getMessage():
            self.said.append(record.getMessage())
            self.seen.set()


@pytest.fixture
def heard() -> Any:
    handler, logger = Heard(), logging.getLogger("playbill")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@playbill.node_type("calls")
async def calls(node: Any, inputs: Any, context: playbill.NodeContext) -> Any:
    """Run a node of another type by itself."""
    return await playbill.dispatch_node(node.model_copy(update={"id": "inner", "type": "blocks"}), inputs, context)


async def first_word(manager: playbill.PipelineRunManager, whom: str) -> playbill.Event:
    """Return the first event of the watchdog whose stacks name somebody."""
    return await anext(
        event async for event in manager.events() if event.type is BLOCKED and whom in event.data["stack"]
    )


async def told(
    manager: playbill.PipelineRunManager, heard: Heard, kind: str, whom: str, **more: Any
) -> tuple[Any, playbill.Event]:
    """Run one node of a kind; return the result and the first word of the watchdog about somebody."""
    heard.whom = whom
    listening = asyncio.create_task(first_word(manager, whom))
    await asyncio.sleep(0)
    run = await manager.start_run(pipeline(node("a", kind, retry={"max_attempts": 1}, **more)), run_id="r")
    return await run.result(), await listening


async def test_a_handler_that_blocks_the_loop_is_named_with_its_line(heard: Heard) -> None:
    resources = {"seen": heard.seen}
    async with playbill.PipelineRunManager(types=[blocks], resources=resources, watchdog_seconds=LIMIT) as manager:
        result, event = await told(manager, heard, "blocks", "in blocks")
    assert result.outputs == {"a": {"went": "on"}}
    assert (event.stream, event.node_id, event.attempt) == ("loop", "a", 1)
    assert event.data["run_id"] == "r"
    assert event.data["seconds"] >= LIMIT
    assert 'test_watchdog.py", line' in event.data["stack"]
    first = heard.said[0].splitlines()[0]
    assert first.startswith("attempt 1 of node 'a' in run 'r' ")  # on a busy machine the watchdog oversleeps
    assert first.endswith(" for more than 0.05 s:")


@pytest.mark.parametrize("fault", [{"fault": "ignore_cancel"}, {"fault": "late"}, {"fault": "slow", "seconds": 0.01}])
async def test_a_handler_behind_a_fault_is_named_all_the_same(heard: Heard, fault: dict[str, Any]) -> None:
    options: dict[str, Any] = {"resources": {"seen": heard.seen}, "faults": fault_plan({"faults": [fault]})}
    async with playbill.PipelineRunManager(types=[blocks], watchdog_seconds=LIMIT, **options) as manager:
        _, event = await told(manager, heard, "blocks", "in blocks")
    assert (event.node_id, event.attempt, event.data["run_id"]) == ("a", 1, "r")


async def test_a_node_that_a_handler_runs_by_itself_is_named(heard: Heard) -> None:
    resources = {"seen": heard.seen}
    types = [blocks, calls]
    async with playbill.PipelineRunManager(types=types, resources=resources, watchdog_seconds=LIMIT) as manager:
        result, event = await told(manager, heard, "calls", "in blocks")
    assert result.outputs == {"a": {"went": "on"}}
    assert (event.node_id, event.attempt, event.data["run_id"]) == ("inner", 1, "r")


async def test_a_look_that_fails_is_not_the_last(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []

    def breaks_once(self: Watchdog) -> Any:
        looks.append(None)
        if len(looks) == 1:
            raise OSError("no memory")
        return named(self)

    named = Watchdog._on_loop
    monkeypatch.setattr(Watchdog, "_on_loop", breaks_once)
    resources = {"seen": heard.seen}
    async with playbill.PipelineRunManager(types=[blocks], resources=resources, watchdog_seconds=LIMIT) as manager:
        _, event = await told(manager, heard, "blocks", "in blocks")
    assert event.node_id == "a"
    assert len(looks) > 1


async def test_it_is_interrupted_if_that_is_allowed_and_the_run_goes_on(heard: Heard) -> None:
    options: dict[str, Any] = {"watchdog_seconds": LIMIT, "watchdog_interrupts": True}
    async with playbill.PipelineRunManager(types=[stuck], **options) as manager:
        result, event = await told(manager, heard, "stuck", "in stuck")
        other = await (await manager.start_run(pipeline(node("b", "parallel")))).result()
    assert (result.error.type, result.error.retryable) == ("Interrupted", False)
    assert result.error.message == "it blocked the event loop, and the watchdog interrupted it"
    assert event.node_id == "a"
    assert other.status is playbill.RunStatus.COMPLETED


@pytest.mark.parametrize("stays", [True, False])
async def test_a_thread_that_keeps_the_interpreters_lock_is_named_when_it_lets_go(heard: Heard, stays: bool) -> None:
    resources = {"seen": heard.seen}
    async with playbill.PipelineRunManager(types=[locks], resources=resources, watchdog_seconds=LIMIT) as manager:
        result, event = await told(manager, heard, "locks", "node 'a'", stays=stays)
    assert result.status is playbill.RunStatus.COMPLETED
    assert event.node_id == "a"
    assert "in locks" in event.data["stack"] or not stays
    assert "kept the interpreter's lock in a C call" in heard.said[0]


async def test_whoever_else_blocks_the_loop_is_shown_by_its_stack(heard: Heard) -> None:
    async with playbill.PipelineRunManager(types=[], watchdog_seconds=LIMIT) as manager:
        heard.whom = "in test_whoever_else_blocks_the_loop_is_shown_by_its_stack"
        listening = asyncio.create_task(first_word(manager, heard.whom))
        await asyncio.sleep(0)
        while not heard.seen.is_set():
            time.sleep(0.001)
        event = await listening
    assert (event.node_id, event.data["run_id"]) == (None, None)


async def test_nobody_looks_if_that_is_wished_and_a_closed_manager_leaves_no_thread() -> None:
    def watchers() -> int:
        return sum(thread.name == "playbill-watchdog" for thread in threading.enumerate())

    before = watchers()
    async with playbill.PipelineRunManager(types=[], watchdog_seconds=None):
        assert watchers() == before
    async with playbill.PipelineRunManager(types=[]) as manager:
        assert watchers() == before + 1
        (thread,) = [t for t in threading.enumerate() if t.name == "playbill-watchdog"][before:]
        assert manager._system is not None
        assert repr(manager._system.watchdog) == "<Watchdog limit=1 blocked=0>"
    thread.join()
