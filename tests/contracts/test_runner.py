"""What every runner of handlers keeps, on the loop and in threads."""

import asyncio
import contextlib
import contextvars
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import playbill
from playbill.model.definition import definition_from
from playbill.model.facts import Now, Permit
from playbill.model.messages import Began, Heartbeat, Returned
from playbill.model.plan import RunFacts
from playbill.model.planning import build_plan
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.definitions.binder import try_to_bind
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.dispatchers.loop import LoopDispatcher
from playbill.runtime.runners.attempt import AttemptServices, HandlerAttempt, Orphans
from playbill.runtime.runners.runner import RunnerServices, RunRunner
from playbill.runtime.runners.thread_pool import ThreadPool

pytestmark = pytest.mark.anyio
COLOUR = contextvars.ContextVar("COLOUR", default="none")
DEFINITION = definition_from({"nodes": [{"id": "n", "type": "work", "config": {"x": 1}}], "name": "p"})


class Node:
    """Stands where a node's actor does."""

    def __init__(self) -> None:
        self.mail: list[Any] = []
        self.returned = asyncio.Event()

    def receive(self, message: Any, now: Now) -> None:
        self.mail.append(message)
        if isinstance(message, Returned):
            self.returned.set()

    @property
    def result(self) -> Returned:
        (returned,) = [message for message in self.mail if isinstance(message, Returned)]
        return returned


class Bank:
    """A runner with its pool, and one node."""

    def __init__(self, max_threads: int = 4) -> None:
        loop = asyncio.get_running_loop()
        dispatcher = LoopDispatcher(loop, SystemClock(loop))
        self.pool = ThreadPool(max_threads)
        self.orphans = Orphans()
        attempts = AttemptServices(loop, dispatcher, self.orphans, lambda: 0.5)
        self.services = RunnerServices(attempts, self.pool, {"db": "there"}, {})
        self.node = Node()

    def begin(self, handler: Any, number: int = 1) -> HandlerAttempt:
        bindings, _ = try_to_bind(DEFINITION, catalog_of([playbill.node_type("work")(handler)]))
        runner = RunRunner(self.services, bindings, contextvars.copy_context())
        run = RunFacts("r", build_plan(DEFINITION), {"city": "Lyon"})
        attempt = runner.begin(run, run.plan.nodes["n"], number, {"a": {}}, self.node)
        assert isinstance(attempt, HandlerAttempt)
        return attempt

    async def end(self) -> Returned:
        await self.node.returned.wait()
        return self.node.result


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    made = Bank()
    yield made
    made.pool.close()


def on_loop(body: Any) -> Any:
    async def handler(node: Any, inputs: Any, context: Any) -> Any:
        return body(node, inputs, context)

    return handler


def in_thread(body: Any) -> Any:
    def handler(node: Any, inputs: Any, context: Any) -> Any:
        return body(node, inputs, context)

    return handler


both = pytest.mark.parametrize("kind", [on_loop, in_thread])


@both
async def test_an_attempt_returns_once_with_its_output(bank: Bank, kind: Any) -> None:
    bank.begin(kind(lambda node, inputs, context: {"x": node.config["x"], "from": list(inputs)}), number=3)
    returned = await bank.end()
    assert (returned.attempt, returned.output, returned.failure) == (3, {"x": 1, "from": ["a"]}, None)


@both
async def test_a_handler_is_told_about_its_run(bank: Bank, kind: Any) -> None:
    def body(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        context.heartbeat("half")
        said = [context.run_id, context.node_id, context.attempt, context.idempotency_key, context.cancelled]
        return {"said": [*said, dict(context.trigger_data), context.resources["db"], context.config]}

    bank.begin(kind(body))
    returned = await bank.end()
    assert returned.output == {"said": ["r", "n", 1, "r/n", False, {"city": "Lyon"}, "there", {"x": 1}]}
    assert Heartbeat(1, "half") in bank.node.mail
    assert (Began(1) in bank.node.mail) == (kind is in_thread)


@both
async def test_a_handlers_log_names_run_node_and_attempt(
    bank: Bank, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def body(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        context.log.warning("look at %s", "this")
        return {}

    bank.begin(kind(body))
    await bank.end()
    (record,) = caplog.records
    assert record.getMessage() == "r/n#1: look at this"
    assert (record.run_id, record.node_id, record.attempt) == ("r", "n", 1)  # type: ignore[attr-defined]  # the extras


@both
@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), ValueError("v"), GeneratorExit()]
)
async def test_whatever_is_raised_is_a_failure(bank: Bank, kind: Any, error: BaseException) -> None:
    def body(node: Any, inputs: Any, context: Any) -> Any:
        raise error

    bank.begin(kind(body))
    failure = (await bank.end()).failure
    assert failure is not None
    assert (failure.type, failure.retryable) == (type(error).__name__, False)
    assert "body" in failure.traceback


class Speechless(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise ZeroDivisionError


@both
async def test_an_exception_that_cannot_say_its_text_is_a_failure_all_the_same(bank: Bank, kind: Any) -> None:
    def body(node: Any, inputs: Any, context: Any) -> Any:
        raise Speechless

    bank.begin(kind(body))
    failure = (await bank.end()).failure
    assert failure is not None
    assert (failure.type, failure.message) == ("Speechless", "(its text cannot be had: ZeroDivisionError)")


async def test_a_handler_on_the_loop_may_send_its_heartbeat_from_a_thread(bank: Bank) -> None:
    asyncio.get_running_loop().set_debug(True)

    async def handler(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        await asyncio.to_thread(context.heartbeat, "from afar")
        return {}

    bank.begin(handler)
    assert (await bank.end()).output == {}
    assert Heartbeat(1, "from afar") in bank.node.mail


@both
async def test_no_variable_of_one_attempt_is_seen_by_another(bank: Bank, kind: Any) -> None:
    def body(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        seen = COLOUR.get()
        COLOUR.set("red")
        return {"seen": seen}

    COLOUR.set("blue")
    bank.begin(kind(body))
    assert (await bank.end()).output == {"seen": "blue"}
    assert COLOUR.get() == "blue"


async def test_interrupted_before_its_first_step_it_never_runs(bank: Bank) -> None:
    ran: list[int] = []
    attempt = bank.begin(on_loop(lambda *_: ran.append(1)))
    attempt.interrupt()  # type: ignore[attr-defined]  # both kinds have it
    returned = await bank.end()
    assert (returned.output, returned.failure, returned.begun, ran) == (None, None, False, [])


def refuses(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
    """A task factory that nobody may ask."""
    work.close()
    raise AssertionError("a host's factory makes the host's tasks")


def hurries(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
    """A task factory that takes the first step at once, as eager ones do."""
    with contextlib.suppress(StopIteration):
        work.send(None)
    return loop.create_future()


EAGER: Any = getattr(asyncio, "eager_task_factory", None)
"""None before Python 3.12."""


@pytest.mark.parametrize("factory", [refuses, hurries, *([EAGER] if EAGER else [])])
async def test_the_hosts_task_factory_makes_no_attempt(bank: Bank, factory: Any) -> None:
    loop, ran = asyncio.get_running_loop(), list[int]()

    async def handler(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        ran.append(1)
        return {}

    before = loop.get_task_factory()
    loop.set_task_factory(factory)
    try:
        bank.begin(handler)
    finally:
        loop.set_task_factory(before)
    assert ran == []
    assert (await bank.end()).output == {}
    assert ran == [1]


@both
async def test_an_attempt_knows_whose_it_is(bank: Bank, kind: Any) -> None:
    attempt = bank.begin(kind(lambda *_: {}), number=2)
    assert attempt.identity == ("r", "n", 2)
    await bank.end()


async def test_interrupted_while_it_waits_it_may_clean_up(bank: Bank) -> None:
    began, cleaned = asyncio.Event(), asyncio.Event()

    async def handler(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        began.set()
        try:
            await context.sleep(3600)
        finally:
            await asyncio.sleep(0)
            cleaned.set()
        return {}

    attempt: Any = bank.begin(handler)
    await began.wait()
    attempt.interrupt()
    returned = await bank.end()
    assert (returned.output, returned.failure, cleaned.is_set()) == (None, None, True)


async def test_a_kill_cancels_again_until_it_ends(bank: Bank) -> None:
    began, swallowed = asyncio.Event(), 0

    async def handler(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        nonlocal swallowed
        began.set()
        while swallowed < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        return {"swallowed": swallowed}

    attempt: Any = bank.begin(handler)
    await began.wait()
    attempt.kill()
    assert (await bank.end()).output == {"swallowed": 3}


async def test_a_kill_ends_a_loop_in_a_thread_and_the_pool_lives_on(bank: Bank) -> None:
    began = threading.Event()

    def spins(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        began.set()
        while True:
            pass

    attempt: Any = bank.begin(spins)
    await asyncio.to_thread(began.wait)
    attempt.kill()
    returned = await bank.end()
    assert (returned.output, returned.failure) == (None, None)
    for _ in range(20):
        bank.node = Node()
        bank.begin(in_thread(lambda *_: {"fine": True}))
        assert (await bank.end()).output == {"fine": True}


async def test_under_a_tracer_nothing_is_raised_in_a_thread(bank: Bank) -> None:
    began, wake = threading.Event(), threading.Event()

    def asleep(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        began.set()
        wake.wait()
        return {"unharmed": True}

    attempt: Any = bank.begin(asleep)
    await asyncio.to_thread(began.wait)
    tracer = threading.gettrace()
    threading.settrace(lambda *_: None)
    try:
        attempt.kill()
    finally:
        threading.settrace(tracer)
    wake.set()
    returned = await bank.end()
    killed = sys.version_info >= (3, 12)
    assert returned.output == (None if killed else {"unharmed": True})


async def test_kills_at_any_moment_leave_the_pool_whole() -> None:
    bank = Bank(max_threads=1)
    for number in range(200):
        bank.node = Node()
        attempt: Any = bank.begin(in_thread(lambda *_: {"n": sum(range(200))}))
        if number % 2:
            time.sleep(0.00002 * (number % 50))  # whenever that is: before, within or after the handler
        attempt.kill()
        await bank.end()
    assert repr(bank.pool).startswith("<ThreadPool threads=1")
    bank.pool.close()


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
async def test_a_kill_at_the_very_moment_of_the_return_costs_the_pool_no_thread() -> None:
    bank, returning, threads, killed = Bank(max_threads=1), list[int](), set[int](), 0

    def returns(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        threads.add(threading.get_ident())
        returning.append(1)
        for _ in range(spare):  # how long we take to wake up is the machine's business: try all
            pass
        return {}

    spare = 0
    while killed < 10 or spare < 8_000:
        spare += 40
        bank.node = Node()
        returning.clear()
        attempt: Any = bank.begin(returns)
        while not returning:  # a wait would wake up too late
            pass
        attempt.kill()
        killed += (await bank.end()).output is None
    bank.node = Node()
    bank.begin(in_thread(lambda *_: {"fine": True}))
    assert (await bank.end()).output == {"fine": True}
    assert len(threads) == 1
    bank.pool.close()


async def test_an_abandoned_thread_is_an_orphan_until_it_ends_and_its_place_is_given_away() -> None:
    bank = Bank(max_threads=1)
    began, wake, released = threading.Event(), threading.Event(), asyncio.Event()

    def asleep(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        began.set()
        wake.wait()
        return {}

    attempt = bank.begin(asleep)
    await asyncio.to_thread(began.wait)
    permit = Permit("k", 0, "i")
    attempt.abandon(lambda given: released.set() if given is permit else None, permit)
    assert len(bank.orphans) == 1
    bank.node = Node()
    bank.begin(in_thread(lambda *_: {"next": True}))
    assert (await bank.end()).output == {"next": True}
    wake.set()
    await released.wait()
    assert len(bank.orphans) == 0
    bank.pool.close()


async def test_the_pool_knows_of_an_orphans_end_before_anybody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = Bank()
    began, wake, released = threading.Event(), threading.Event(), asyncio.Event()
    orphans: list[int] = []

    def asleep(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        began.set()
        wake.wait()
        return {}

    def submit(self: LoopDispatcher, call: Any, value: Any) -> bool:
        orphans.append(bank.pool.orphans)
        return submits(self, call, value)

    submits = LoopDispatcher.submit
    monkeypatch.setattr(LoopDispatcher, "submit", submit)
    attempt = bank.begin(asleep)
    await asyncio.to_thread(began.wait)
    attempt.abandon(lambda _: released.set(), Permit("k", 0, "i"))
    assert bank.pool.orphans == 1
    wake.set()
    await released.wait()
    assert orphans == [0, 0]
    bank.pool.close()


async def test_an_attempt_that_has_just_ended_releases_at_once(bank: Bank) -> None:
    attempt = bank.begin(on_loop(lambda *_: {}))
    await bank.end()
    given: list[Permit] = []
    attempt.abandon(given.append, Permit("k", 0, "i"))
    assert given == [Permit("k", 0, "i")]
    assert len(bank.orphans) == 0


async def test_attempts_wait_for_a_thread_and_can_be_taken_back() -> None:
    bank = Bank(max_threads=1)
    began, wake = threading.Event(), threading.Event()

    def first(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        began.set()
        wake.wait()
        return {}

    bank.begin(first)
    await asyncio.to_thread(began.wait)
    busy, bank.node = bank.node, Node()
    waiting: Any = bank.begin(in_thread(lambda *_: {"never": True}))
    waiting.interrupt()
    returned = await bank.end()
    assert (returned.output, returned.begun) == (None, False)
    wake.set()
    await busy.returned.wait()
    assert Began(1) not in bank.node.mail
    bank.pool.close()


async def test_a_sleep_in_a_thread_ends_when_the_attempt_shall(bank: Bank) -> None:
    began = threading.Event()

    def sleeps(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
        context.sleep(0)
        began.set()
        context.sleep(3600)
        return {}

    attempt: Any = bank.begin(sleeps)
    await asyncio.to_thread(began.wait)
    attempt.interrupt()
    returned = await bank.end()
    assert (returned.output, returned.failure) == (None, None)
