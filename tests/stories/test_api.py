"""The public names as programs use them: managers, runs, executors, threads, single nodes, a breaker alone."""

import asyncio
import inspect
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, get_args, get_origin

import pytest

import playbill
from playbill.runtime.options import ManagerOptions, StartOptions
from tests.stories import support
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager


async def test_events_can_be_read_from_any_seq_and_by_many(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", after="b"), node("b")))
    first = [event async for event in run.events()]
    assert [event.seq for event in first] == list(range(1, 7))
    assert [event.seq async for event in run.events(from_seq=5)] == [5, 6]
    assert first[-1].type is playbill.EventType.PIPELINE_RUN_COMPLETED


async def test_listening_to_all_begins_with_the_call_and_ends_with_the_manager() -> None:
    async with playbill.PipelineRunManager(types=support.ALL) as manager:
        events = manager.events()
        await finished(manager, pipeline(node("a", "parallel")))
    types = [str(event.type) async for event in events]
    assert types == [
        "pipeline_run.started",
        "pipeline_node.started",
        "pipeline_node.completed",
        "pipeline_run.completed",
    ]


@pytest.mark.parametrize("grace", [-1, float("nan"), float("inf"), "5", True, 1e300, 10**400])
async def test_a_grace_that_is_none_harms_its_caller_only(manager: Manager, grace: Any) -> None:
    run = await manager.start_run(pipeline(node("a", "delay", seconds=1)))
    with pytest.raises(ValueError, match="grace is a number of seconds, 0 or more and finite, or None"):
        await run.cancel(grace=grace)
    with pytest.raises(ValueError, match="grace is a number of seconds"):
        run.request_cancel(grace=grace)
    assert await run.cancel(grace=0)


async def test_a_manager_knows_its_runs(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "delay", seconds=60)), run_id="mine")
    assert manager.active_runs == [run]
    assert manager.is_running("mine")
    assert manager.get_run("mine") is run
    assert await manager.cancel_run("mine", reason="user", grace=0)
    assert (await run.result()).status is playbill.RunStatus.CANCELLED
    assert not manager.is_running("mine")
    assert manager.get_run("mine").done
    with pytest.raises(playbill.UnknownRun, match="no run has the id 'other'"):
        manager.get_run("other")
    with pytest.raises(KeyError):
        await manager.cancel_run("other")


async def test_only_the_last_runs_are_remembered() -> None:
    async with playbill.PipelineRunManager(types=[], keep_runs=2) as manager:
        for run_id in "abc":
            await (await manager.start_run(pipeline(node("n", "parallel")), run_id=run_id)).result()
        with pytest.raises(playbill.UnknownRun):
            manager.get_run("a")
        assert manager.get_run("c").status is playbill.RunStatus.COMPLETED


async def test_several_managers_share_nothing(manager: Manager) -> None:
    async with playbill.PipelineRunManager(types=support.ALL) as other:
        policy = {"shop": {"failures": 1}}
        await finished(
            manager, pipeline(node("a", "fails", breaker="shop", retry={"max_attempts": 1}), breakers=policy)
        )
        assert (await finished(other, pipeline(node("a", breaker="shop"), breakers=policy))).status == "completed"
        assert (manager.circuits, other.circuits) == ({"shop": "open"}, {"shop": "closed"})


def test_one_manager_a_loop_each_in_its_thread() -> None:
    async def work() -> str:
        async with playbill.PipelineRunManager(types=[]) as manager:
            return str((await finished(manager, pipeline(node("a", "delay", seconds=0.001)))).status)

    with ThreadPoolExecutor() as threads:
        assert set(threads.map(lambda _: asyncio.run(work()), range(4))) == {"completed"}


@pytest.mark.real("another thread with a loop of its own")
async def test_a_manager_of_another_loop_is_refused(manager: Manager) -> None:
    errors: list[str] = []

    def elsewhere() -> None:
        try:
            asyncio.run(manager.start_run(pipeline(node("a"))))
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert errors == ["this manager belongs to another event loop: use BlockingManager from there"]


def test_the_processs_manager_is_one_until_its_loop_ends() -> None:
    async def twice() -> tuple[Manager, Manager]:
        first = playbill.get_run_manager()
        await finished(first, pipeline(node("a", "parallel")))
        return first, playbill.get_run_manager()

    first, again = asyncio.run(twice())
    assert first is again
    assert playbill.get_run_manager() is not first


async def test_an_executor_gives_plain_data() -> None:
    definition = pipeline(node("a", "fails", times=1), node("b"), outputs={"x": "1"})
    executor = playbill.PipelineExecutor(definition, types=support.ALL)
    result = await executor.execute(run_id="r", trigger_data={"n": 1}, max_retries=2, backoff_base=0.001)
    assert result.keys() == {"status", "outputs", "node_results", "error"}
    assert (result["status"], result["outputs"], result["error"]) == (
        "completed",
        {"a": {"attempt": 2}, "b": {}},
        None,
    )
    assert [(end["node_id"], end["retry_count"]) for end in result["node_results"]] == [("a", 1), ("b", 0)]
    failed = await executor.execute(max_retries=1)
    assert (failed["status"], failed["error"]) == ("failed", "NodeExecutionError: again")


@pytest.mark.real("another thread")
async def test_an_executor_is_cancelled_from_another_thread() -> None:
    resources = support.resources()
    executor = playbill.PipelineExecutor(pipeline(node("a", "hangs")), types=support.ALL, resources=resources)
    task = asyncio.create_task(executor.execute())
    await resources["began"].wait()
    await asyncio.to_thread(executor.request_cancel)
    assert (await task)["status"] == "cancelled"


def test_a_blocking_manager_serves_many_threads() -> None:
    with playbill.BlockingManager(types=support.ALL) as manager, ThreadPoolExecutor() as threads:

        def one(number: int) -> int:
            run = manager.start_run(pipeline(node("a", n="${trigger.n}")), {"n": number})
            assert [event.seq for event in run.events()] == [1, 2, 3, 4]
            value: int = run.result().outputs["a"]["n"]
            return value

        assert list(threads.map(one, range(20))) == list(range(20))


def test_a_blocking_runs_controls() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(pipeline(node("a", "delay", seconds=60)), run_id="r")
        with pytest.raises(TimeoutError):
            run.result(timeout=0.01)
        assert (run.pause(), run.status) == (True, "paused")
        assert run.resume()
        assert manager.is_running("r")
        assert manager.get_run("r").cancel("enough")
        assert run.result().status is playbill.RunStatus.CANCELLED
        assert not manager.cancel_run("r")
        assert manager.cancel_all() == 0
        assert repr(run).startswith("<Blocking<Run r cancelled")


def test_a_blocking_manager_says_when_it_cannot_be_used() -> None:
    manager = playbill.BlockingManager(types=[])
    with pytest.raises(RuntimeError, match="use a BlockingManager inside `with`"):
        manager.cancel_all()
    with pytest.raises(playbill.DefinitionError), playbill.BlockingManager(types=[print]):
        pass


def test_a_blocking_manager_refuses_to_wait_for_itself() -> None:
    said: list[str] = []

    @playbill.node_type("waits_for_itself")
    async def waits_for_itself(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        try:
            context.resources["manager"]().cancel_all()
        except RuntimeError as error:
            said.append(str(error))
        return {}

    resources: dict[str, Any] = {}
    with playbill.BlockingManager(types=[waits_for_itself], resources=resources) as manager:
        resources["manager"] = lambda: manager
        manager.start_run(pipeline(node("a", "waits_for_itself"))).result()
    assert said == ["this thread runs the manager's loop and cannot wait for it: use the async manager"]


def test_a_breaker_alone() -> None:
    time, events = [0.0], list[playbill.Event]()
    policy = playbill.BreakerPolicy(failures=2, open_seconds=10, max_concurrent=2)
    breaker = playbill.CircuitBreaker(policy, clock=lambda: time[0], key="shop", on_event=events.append)
    old = breaker.acquire()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), breaker.acquire():
            raise ZeroDivisionError
    with pytest.raises(playbill.CircuitOpen, match="circuit 'shop' is open; retry after 10 s"):
        breaker.acquire()
    assert old.settle("success") == "stale"
    assert old.settle("success") == "duplicate"
    time[0] = 10.0
    assert breaker.state is playbill.CircuitState.HALF_OPEN
    with breaker.acquire():
        pass
    assert [event.type for event in events] == ["breaker.opened", "breaker.half_opened", "breaker.closed"]
    first, second = breaker.acquire(), breaker.acquire()
    with pytest.raises(playbill.CircuitOpen, match=r"circuit 'shop' is open$"):
        breaker.acquire()
    assert (first.settle("cancelled"), second.settle("ignored")) == ("counted", "counted")
    breaker.force("forced_open")
    assert repr(breaker).startswith("<CircuitBreaker <BreakerMachine shop forced_open")


def test_types_come_from_modules_functions_and_a_definitions_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_types")

    @playbill.action("greet")
    async def greet(node: Any, inputs: Any, context: Any) -> dict[str, Any]:
        return {"hello": context.config["who"]}

    module.greet = greet  # type: ignore[attr-defined]  # that is what is found
    monkeypatch.setitem(sys.modules, "my_types", module)
    definition = pipeline(node("a", "action", action="greet", who="Ada"))
    choices: tuple[dict[str, Any], ...] = ({"types": [module]}, {"types": [greet]}, {"types": ["my_types"]})
    for options in choices:
        assert playbill.run(definition, **options).outputs["a"] == {"hello": "Ada"}
    importing = definition.model_copy(update={"imports": ["my_types"]})
    assert playbill.run(importing, types=[]).outputs["a"] == {"hello": "Ada"}


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_every_asyncio_loop_will_do(kind: str, *, debug: bool) -> None:
    factory: Any = asyncio.new_event_loop
    if kind == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        factory = uvloop.new_event_loop

    async def work() -> str:
        async with playbill.PipelineRunManager(types=support.ALL) as manager:
            nodes = [
                node("a", after="b", timeout=5),
                node("b", "command", argv=["true"]),
                node("p", "polls", timeout=0.01),
            ]
            return str((await finished(manager, pipeline(*nodes, defaults={"retry": {"max_attempts": 1}}))).error)

    async def stop() -> str:
        async with playbill.PipelineRunManager(types=support.ALL) as manager:
            run = await manager.start_run(pipeline(node("a", "command", argv=["sleep", "60"])))
            async for event in run.events():
                if event.type is playbill.EventType.PIPELINE_NODE_STARTED:
                    await run.cancel(grace=0.5)
            return str((await run.result()).node_results["a"].receipt.how)  # type: ignore[union-attr]

    with asyncio.Runner(debug=debug, loop_factory=factory) as runner:
        assert runner.run(work()) == "AttemptTimedOut: timeout of 0.01 s is over"
        assert runner.run(stop()) == "interrupted"


def test_a_context_can_say_what_its_config_is() -> None:
    context = playbill.NodeContext[playbill.RetryPolicy]
    assert (get_origin(context), get_args(context)) == (playbill.NodeContext, (playbill.RetryPolicy,))


async def test_reprs_tell_the_live_state(manager: Manager) -> None:
    run = await manager.start_run(pipeline(node("a", "delay", seconds=60), name="slow"), run_id="r")
    assert repr(run) == "<Run r pending of 'slow'>"
    assert repr(manager) == "<PipelineRunManager active=1 ended=0>"
    await run.cancel()
    await run.result()
    assert repr(run) == "<Run r cancelled of 'slow'>"


async def test_results_as_plain_data(manager: Manager) -> None:
    result = await finished(manager, pipeline(node("a", "fails", fatal=True), node("w", "delay", seconds=60)))
    data = result.as_dict()
    assert (data["status"], data["error"], data["orphans"]) == ("failed", "ValueError: fatal", [])
    assert data["node_results"]["w"]["receipt"] == {"how": "not_started", "ms": 0.0}
    assert data["node_results"]["a"]["duration_ms"] >= 0
    assert data["node_results"]["a"]["ended_at"].endswith("+00:00")


def test_the_options_that_are_handed_on_are_those_of_the_manager() -> None:
    assert {*inspect.signature(playbill.PipelineRunManager).parameters} == {*ManagerOptions.__annotations__}
    taken = {*inspect.signature(playbill.PipelineRunManager.start_run).parameters}
    assert taken == {"self", "definition", "trigger_data", *StartOptions.__annotations__}


@pytest.mark.real("two tasks leave the same manager")
async def test_a_close_while_another_waits_for_the_runs_lets_both_go() -> None:
    async with playbill.PipelineRunManager(on_exit="wait") as manager:
        run = await manager.start_run(pipeline(node("a", "delay", seconds=60)))
        closing = asyncio.create_task(manager.close(grace=0))
    await closing
    assert (await run.result()).status is playbill.RunStatus.CANCELLED


def is_let_go(manager: playbill.PipelineRunManager) -> bool:
    """Whether the system of a manager was closed to its end."""
    assert manager._system is not None
    assert manager._system.watchdog is not None
    return manager._system.watchdog._closing.is_set()


@pytest.mark.real("a task that closes is cancelled while handlers are")
async def test_a_close_that_was_cancelled_is_made_whole_by_the_next() -> None:
    manager = playbill.PipelineRunManager()
    await manager.__aenter__()
    run = await manager.start_run(pipeline(node("a", "command", argv=["sleep", "60"])))
    closing = asyncio.create_task(manager.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await manager.close()
    assert manager.active_runs == []
    assert (await run.result()).status is playbill.RunStatus.CANCELLED
    assert is_let_go(manager)
    await manager.close()


@pytest.mark.real("a task that waits for the runs is cancelled")
async def test_one_that_waits_on_exit_and_is_cancelled_closes_all_the_same() -> None:
    manager = playbill.PipelineRunManager(on_exit="wait")

    async def use() -> None:
        async with manager:
            await manager.start_run(pipeline(node("a", "delay", seconds=60)))
            started.set()

    started = asyncio.Event()
    using = asyncio.create_task(use())
    await started.wait()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert manager.active_runs == []
    assert is_let_go(manager)


async def test_an_executor_is_cancelled_once_and_gives_secrets() -> None:
    waits = playbill.PipelineExecutor(pipeline(node("a", "delay", seconds=0.01)))
    waits.request_cancel()
    assert [(await waits.execute())["status"] for _ in range(2)] == ["cancelled", "completed"]
    long = playbill.PipelineExecutor(pipeline(node("a", "delay", seconds=3600)))
    running = [asyncio.ensure_future(long.execute()) for _ in range(2)]
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.05, long.request_cancel)
    assert [(await each)["status"] for each in running] == ["cancelled", "cancelled"]
    knows = playbill.PipelineExecutor(pipeline(node("a", n="${secrets.n}")), types=support.ALL, secrets={"n": "x"})
    assert (await knows.execute())["outputs"] == {"a": {"n": "x"}}
    knows_not = await playbill.PipelineExecutor(pipeline(node("a", n="${secrets.n}")), types=support.ALL).execute()
    assert knows_not["error"].endswith("; give the manager secrets={'n': ...} (playbill run --secret n)")


async def test_a_definition_that_is_changed_is_run_as_it_is(manager: Manager) -> None:
    definition = playbill.load({"nodes": [{"id": "a", "type": "say", "config": {"n": 1}}]})
    said: list[Any] = []
    for n in (1, True, 1.0, 1):
        definition.nodes[0].config["n"] = n
        said.append((await finished(manager, definition)).outputs["a"]["n"])
    assert [(type(n), n) for n in said] == [(int, 1), (bool, True), (float, 1.0), (int, 1)]
