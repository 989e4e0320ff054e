"""No exception is raised in a thread that holds a lock of everybody's."""

import asyncio
import importlib.util
import logging
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

import playbill
from playbill.runtime.runners.context import NodeContext
from playbill.runtime.runners.strike import may_strike
from playbill.runtime.runners.thread import CALLER, call_handler
from tests.stories.support import node, pipeline

Look = Callable[[], bool]


def look() -> bool:
    """Judge the calling thread, from where a library calls."""
    return may_strike(sys._getframe(), CALLER)


def asked(through: Callable[[Look], Any]) -> bool:
    """Tell whether a handler that calls `through(look)` may be struck where that calls `look`."""
    seen: list[bool] = []

    def seeing(*_: Any) -> bool:
        seen.append(look())
        return True

    call_handler(lambda: through(seeing))
    return seen[0]


class Handler(logging.Handler):
    def __init__(self, look: Look) -> None:
        super().__init__()
        self.emit = lambda record: look()  # type: ignore[assignment, method-assign]


def by_logging(look: Look) -> None:
    logger, handler = logging.getLogger("mine"), Handler(look)
    logger.addHandler(handler)
    logger.warning("now")
    logger.removeHandler(handler)


def by_queue(look: Look) -> None:
    class Mine(queue.Queue[int]):
        def _put(self, item: int) -> None:
            look()

    Mine().put(1)


def by_future(look: Look) -> None:
    future: Future[int] = Future()
    future.add_done_callback(look)  # type: ignore[arg-type]
    future.set_result(1)


def by_condition(look: Look) -> None:
    threading.Condition().wait_for(look, timeout=1)


def by_asyncio(look: Look) -> None:
    async def main() -> None:
        look()

    asyncio.run(main())


def by_import(look: Look) -> None:
    class Finder:
        def find_spec(self, *_: Any) -> None:
            look()

    sys.meta_path.insert(0, Finder())
    try:
        importlib.util.find_spec("no_such_module_at_all")
    finally:
        del sys.meta_path[0]


def by_playbill(look: Look) -> None:
    class Running:
        number = 1

        @property
        def asked(self) -> bool:
            return look()

    assert NodeContext(Running(), 1, "r", "n", {}, {}, {}).cancelled  # type: ignore[arg-type]


def by_breaker(look: Look) -> None:
    playbill.CircuitBreaker().call(look)


def by_finalizer(look: Look) -> None:
    weakref.finalize(Handler(look), look)


def by_del(look: Look) -> None:
    class Mine:
        def __del__(self) -> None:
            look()

    Mine()


@pytest.mark.parametrize("through", [by_finalizer, by_del])
def test_what_a_finalizer_calls_is_not_struck(through: Callable[[Look], Any]) -> None:
    assert not asked(through)


@pytest.mark.parametrize("through", [by_logging, by_queue, by_future, by_condition, by_import])
def test_what_a_shared_library_calls_is_not_struck(through: Callable[[Look], Any]) -> None:
    assert not asked(through)


@pytest.mark.parametrize(
    "through",
    [lambda look: look(), lambda look: sorted([1], key=look), lambda look: max([1, 2], key=look)],
)
def test_a_handlers_own_code_and_other_libraries_are(through: Callable[[Look], Any]) -> None:
    assert asked(through)


def test_what_asyncio_and_playbill_do_is_not_struck_and_what_they_call_is() -> None:
    scope: dict[str, Any] = {"__name__": "asyncio.events", "may_strike": may_strike, "sys": sys, "CALLER": CALLER}
    exec("def inside():\n    return may_strike(sys._getframe(), CALLER)", scope)
    assert not call_handler(lambda: scope["inside"]())  # noqa: PLW0108 (a handler of its own calls it)
    assert asked(by_asyncio)
    assert asked(by_playbill)
    assert asked(by_breaker)


def test_who_stands_in_no_handler_is_never_struck() -> None:
    assert not look()
    assert not may_strike(None, CALLER)


class Slow(logging.Handler):
    """Stands in `emit`, with the handler's lock held, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.let_go, self.left = threading.Event(), threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.entered.set()
        while not self.let_go.is_set():
            pass
        self.left.set()


@pytest.fixture
def slow() -> Iterator[Slow]:
    handler, logger = Slow(), logging.getLogger("struck")
    logger.addHandler(handler)
    yield handler
    handler.let_go.set()
    logger.removeHandler(handler)


@pytest.mark.anyio
async def test_a_handler_that_holds_loggings_lock_is_killed_when_it_has_given_it_back(slow: Slow) -> None:
    @playbill.node_type("logs")
    def logs(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        logging.getLogger("struck").warning("x")
        while True:
            pass

    async with playbill.PipelineRunManager(types=[logs], grace=0, kill_bound=30) as manager:
        run = await manager.start_run(pipeline(node("a", "logs")))
        await asyncio.to_thread(slow.entered.wait)
        stopping = asyncio.create_task(run.cancel())
        for _ in range(10):
            await asyncio.sleep(0.002)  # looks in the meantime, which do nothing
        assert not run.done
        slow.let_go.set()
        assert await stopping
        result = await run.result()
    assert slow.left.is_set()
    assert str(result.node_results["a"].receipt.how) == "killed"  # type: ignore[union-attr]
    assert slow.lock is not None
    assert slow.lock.acquire(blocking=False)
    slow.lock.release()


@pytest.mark.anyio
async def test_the_watchdog_interrupts_no_handler_that_holds_loggings_lock(slow: Slow) -> None:
    @playbill.node_type("logs")
    async def logs(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        logging.getLogger("struck").warning("x")
        while True:
            pass

    @playbill.node_type("lets_go")
    def lets_go(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        slow.entered.wait()
        while not manager._system.watchdog.blocked:  # type: ignore[union-attr]
            pass
        slow.let_go.set()
        return {}

    options: Any = {"watchdog_seconds": 0.05, "watchdog_interrupts": True}
    async with playbill.PipelineRunManager(types=[logs, lets_go], **options) as manager:
        definition = pipeline(node("b", "lets_go"), node("a", "logs", retry={"max_attempts": 1}))
        result = await (await manager.start_run(definition)).result()
    assert slow.left.is_set()
    assert result.error is not None
    assert result.error.type == "Interrupted"
