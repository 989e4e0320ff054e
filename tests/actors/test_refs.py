"""Actors as pykka's users see them: references used from other threads, from the loop, and after the end."""

import asyncio
import gc
import logging
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pykka
import pytest
from pykka import ActorRegistry

import playbill
from playbill.actors.futures import Answer
from playbill.actors.node import NodeActor
from playbill.actors.shell import Shell
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.messages import Ask, Cancel, Force, Pause, Resume, Start

pytestmark = pytest.mark.anyio

T = TypeVar("T")
Thread = Callable[..., Awaitable[Any]]


class Doors:
    """Handlers wait here until the test lets them go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()


@playbill.node_type("waits_by_doors")
async def waits(node: object, inputs: Mapping[str, Any], context: playbill.NodeContext) -> dict[str, Any]:
    doors: Doors = context.resources["doors"]
    doors.entered.set()
    await doors.open.wait()
    return {"waited": True}


PIPELINE = {"name": "p", "nodes": [{"id": "a", "type": "waits_by_doors"}, {"id": "b", "type": "waits_by_doors"}]}


@pytest.fixture
async def doors() -> Doors:
    return Doors()


@pytest.fixture
async def manager(doors: Doors) -> AsyncIterator[playbill.PipelineRunManager]:
    async with playbill.PipelineRunManager(types=[waits], resources={"doors": doors}, grace=0) as manager:
        yield manager
    assert ActorRegistry.get_all() == []


@pytest.fixture
async def run(manager: playbill.PipelineRunManager, doors: Doors) -> playbill.Run:
    run = await manager.start_run(PIPELINE, run_id="r")
    await doors.entered.wait()
    return run


async def elsewhere(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call in another thread, as a host program would."""
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: call(*arguments, **named))


def breaker_of(manager: playbill.PipelineRunManager) -> Shell[Any]:
    assert manager._system is not None
    found = manager._system.breakers.find("waits_by_doors")
    assert found is not None
    return found[0]


def node_of(run: playbill.Run, node: str = "a") -> NodeActor:
    return run.actor.nodes[node]


# ---- from other threads --------------------------------------------------------------------------------------------


async def test_a_message_told_from_another_thread_arrives(run: playbill.Run) -> None:
    await elsewhere(run.actor.actor_ref.tell, Cancel("thread", "enough", 0.0))
    result = await run.result()
    assert result.status is playbill.RunStatus.CANCELLED
    assert result.cause is not None
    assert (result.cause.source, result.cause.reason) == ("thread", "enough")


async def test_a_question_from_another_thread_is_answered(run: playbill.Run) -> None:
    ref = run.actor.actor_ref
    assert await elsewhere(ref.ask, Pause()) is True
    assert await elsewhere(ref.ask, Pause()) is False
    future = await elsewhere(ref.ask, Resume(), block=False)
    assert await elsewhere(future.get) is True
    assert await elsewhere(future.get, timeout=1) is True


async def test_a_question_may_be_asked_with_a_timeout(run: playbill.Run) -> None:
    assert await elsewhere(run.actor.actor_ref.ask, Pause(), timeout=30) is True


async def test_a_blocking_stop_from_another_thread_waits_for_the_end(run: playbill.Run) -> None:
    ref = run.actor.actor_ref
    assert ref.is_alive()
    assert await elsewhere(ref.stop) is True
    assert run.actor.ended
    assert not ref.is_alive()
    result = await run.result()
    assert result.status is playbill.RunStatus.CANCELLED
    assert result.cause is not None
    assert result.cause.source == "stop"
    assert await elsewhere(ref.stop) is False


async def test_a_stop_that_does_not_block_gives_a_future(run: playbill.Run) -> None:
    future = await elsewhere(run.actor.actor_ref.stop, block=False)
    assert await elsewhere(future.get) is True
    assert (await run.result()).status is playbill.RunStatus.CANCELLED


async def test_all_who_stop_an_actor_are_answered(run: playbill.Run) -> None:
    ref = run.actor.actor_ref
    futures = [ref.stop(block=False) for _ in range(3)]
    assert [await future for future in futures] == [True, True, True]
    assert await ref.stop(block=False) is False


async def test_a_stop_on_its_way_to_an_actor_that_ends_is_answered_false(run: playbill.Run) -> None:
    ref = run.actor.actor_ref
    run.actor.tell_nodes = None  # type: ignore[attr-defined]
    first = ref.stop(block=False)
    run.actor.close()
    assert await first is False
    for node in list(run.actor.nodes.values()):
        node.give_up()
    run.actor.on_end(await _end_by_hand(run))


async def _end_by_hand(run: playbill.Run) -> playbill.RunResult:
    return playbill.RunResult(run.id, playbill.RunStatus.CANCELLED, {}, {})


async def test_a_proxy_reads_and_calls_from_another_thread(run: playbill.Run) -> None:
    ref = run.actor.actor_ref
    described = await elsewhere(ref.proxy().describe().get)
    assert described.startswith("<SupervisorActor r <SupervisorMachine r running running live=2")
    assert await elsewhere(ref.proxy().actor_urn.get) == "r"


async def test_a_proxy_call_that_fails_fails_for_its_caller_only(run: playbill.Run) -> None:
    ref = run.actor.actor_ref

    def misuse() -> None:
        ref.proxy().describe("too", "many").get()

    with pytest.raises(TypeError):
        await elsewhere(misuse)
    assert ref.is_alive()


async def test_a_proxy_sets_an_attribute(run: playbill.Run) -> None:
    ref = run.actor.actor_ref

    def mark() -> None:
        ref.proxy().mark = "seen"

    await elsewhere(mark)
    assert run.actor.mark == "seen"  # type: ignore[attr-defined]


async def test_stop_all_ends_every_run_and_breaker(manager: playbill.PipelineRunManager, doors: Doors) -> None:
    runs = [await manager.start_run(PIPELINE) for _ in range(5)]
    await doors.entered.wait()
    assert len(ActorRegistry.get_all()) == 6
    assert await elsewhere(ActorRegistry.stop_all) == [True] * 6
    results = [await run.result() for run in runs]
    assert {result.status for result in results} == {playbill.RunStatus.CANCELLED}
    assert ActorRegistry.get_all() == []
    assert manager.active_runs == []


async def test_stop_all_does_not_wait_for_slow_cleanups_one_after_the_other(doors: Doors) -> None:
    stubborn = asyncio.Event()

    @playbill.node_type("cleans")
    async def cleans(node: object, inputs: object, context: playbill.NodeContext) -> dict[str, Any]:
        doors.entered.set()
        try:
            await doors.open.wait()
        except asyncio.CancelledError:
            stubborn.set()
            raise
        return {}

    async with playbill.PipelineRunManager(types=[cleans]) as manager:
        runs = [await manager.start_run({"nodes": [{"id": "a", "type": "cleans"}]}) for _ in range(2)]
        await doors.entered.wait()
        futures: Any = await elsewhere(ActorRegistry.stop_all, block=False)
        assert [await elsewhere(future.get) for future in futures] == [True] * 3
        assert stubborn.is_set()
        for run in runs:
            assert (await run.result()).status is playbill.RunStatus.CANCELLED


async def test_actors_are_in_the_registry_while_they_live_and_nodes_never(run: playbill.Run) -> None:
    assert {ref.actor_urn for ref in ActorRegistry.get_all()} == {"r", "breaker:waits_by_doors"}
    found = ActorRegistry.get_by_urn("r")
    assert found is run.actor.actor_ref


async def test_an_actor_that_has_ended_is_freed_without_the_collector(
    manager: playbill.PipelineRunManager, doors: Doors
) -> None:
    run = await manager.start_run({"nodes": [{"id": "a", "type": "waits_by_doors"}]}, run_id="freed")
    await doors.entered.wait()
    node = run.actor.nodes["a"]
    made = [weakref.ref(actor) for actor in (run.actor, node)]
    assert [ref.is_alive() for ref in (run.actor.actor_ref, node.actor_ref)] == [True, True]
    gc.collect()
    gc.disable()
    try:
        doors.open.set()
        assert (await run.result()).status is playbill.RunStatus.COMPLETED
        manager._runs.ended.clear()
        del run, node
        await asyncio.sleep(0)
        assert [ref() for ref in made] == [None, None]
    finally:
        gc.enable()


# ---- on the actors' own loop ---------------------------------------------------------------------------------------


async def test_an_answer_can_be_awaited_on_the_loop(run: playbill.Run) -> None:
    future = run.actor.actor_ref.ask(Pause(), block=False)
    assert await future is True
    assert await future is True


async def test_an_answer_can_be_awaited_on_another_loop(run: playbill.Run) -> None:
    ref = run.actor.actor_ref

    async def there() -> Any:
        return await ref.ask(Pause(), block=False)

    assert await elsewhere(asyncio.run, there()) is True


async def test_an_asker_that_is_cancelled_harms_nobody(run: playbill.Run) -> None:
    async def asks() -> Any:
        return await run.actor.actor_ref.ask(Pause(), block=False)

    task = asyncio.create_task(asks())
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await run.resume() is True


async def test_a_blocking_get_on_the_loop_raises_at_once_and_names_the_way(run: playbill.Run) -> None:
    ref = run.actor.actor_ref
    with pytest.raises(RuntimeError, match=r"await ref\.ask\(message, block=False\)"):
        ref.ask(Pause())
    with pytest.raises(RuntimeError, match="would wait for ever"):
        ref.stop()
    with pytest.raises(RuntimeError, match="would wait for ever"):
        ref.ask(Resume(), block=False).get(timeout=1)
    assert (await run.result()).status is playbill.RunStatus.CANCELLED


async def test_messages_told_on_the_loop_arrive(run: playbill.Run) -> None:
    run.actor.actor_ref.tell(Cancel("loop"))
    assert (await run.result()).status is playbill.RunStatus.CANCELLED


# ---- after the end -------------------------------------------------------------------------------------------------


async def test_an_actor_that_has_ended_is_dead_to_pykka(
    run: playbill.Run, manager: playbill.PipelineRunManager
) -> None:
    ref = run.actor.actor_ref
    await run.cancel()
    await run.result()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell(Pause())
    with pytest.raises(pykka.ActorDeadError):
        await elsewhere(ref.ask, Pause())
    with pytest.raises(pykka.ActorDeadError):
        await ref.ask(Pause(), block=False)
    assert await ref.stop(block=False) is False
    assert await run.cancel() is False
    assert manager.dead_letters == 0


async def test_mail_under_way_to_an_actor_that_ends_is_answered_dead(
    run: playbill.Run, manager: playbill.PipelineRunManager
) -> None:
    ref = breaker_of(manager).actor_ref
    asked = ref.ask(Force("disabled"), block=False)
    ref.tell(Force("disabled"))
    breaker_of(manager).close()
    with pytest.raises(pykka.ActorDeadError, match="<BreakerActor breaker:waits_by_doors 'ended'> has ended"):
        await asked
    assert manager.dead_letters == 1


def left_on_a_closed_loop(work: Any) -> Any:
    """Do work on a loop that is closed without a word to those who live on it."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


def test_a_reference_outlives_its_loop() -> None:
    kept: list[Any] = []

    async def main() -> None:
        manager = playbill.PipelineRunManager(types=[waits], resources={"doors": Doors()})
        run = await manager.start_run(PIPELINE, run_id="r")
        kept.extend([run, run.actor.actor_ref, breaker_of(manager).actor_ref, manager])

    left_on_a_closed_loop(main())
    _, ref, other, manager = kept
    assert ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell(Pause())
    assert not ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        ref.ask(Pause())
    with pytest.raises(pykka.ActorDeadError):
        other.ask(Force("closed"))
    assert other.stop() is False
    assert ActorRegistry.get_all() == []
    asyncio.run(manager.close())


def test_asyncios_run_ends_the_actors_that_nobody_has_ended() -> None:
    async def main() -> Any:
        manager = playbill.PipelineRunManager(types=[waits], resources={"doors": Doors()})
        run = await manager.start_run(PIPELINE)
        return run, run.actor.actor_ref, breaker_of(manager).actor_ref, manager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run, ref, other, _ = asyncio.run(main())
    assert not ref.is_alive()
    assert not other.is_alive()
    assert run.status is playbill.RunStatus.CANCELLED
    assert ActorRegistry.get_all() == []


@pytest.mark.parametrize("own_thread", [True, False])
def test_stop_all_after_the_loop_is_closed_hangs_nobody(own_thread: bool) -> None:
    async def main() -> playbill.PipelineRunManager:
        manager = playbill.PipelineRunManager(types=[waits], resources={"doors": Doors()})
        await manager.start_run(PIPELINE)
        return manager

    kept = left_on_a_closed_loop(main())
    if own_thread:
        assert ActorRegistry.stop_all() == [False, False]
    else:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(ActorRegistry.stop_all).result() == [False, False]
    assert ActorRegistry.get_all() == []
    assert repr(kept).startswith("<PipelineRunManager")
    asyncio.run(kept.close())


async def started() -> tuple[playbill.PipelineRunManager, playbill.Run]:
    """A manager and its run, a long delay: nothing that the end of the loop would leave half done."""
    manager = playbill.PipelineRunManager()
    return manager, await manager.start_run({"nodes": [{"id": "a", "type": "delay", "config": {"seconds": 60}}]})


def test_an_answer_that_the_closed_loop_never_brought_is_an_error() -> None:
    loop = asyncio.new_event_loop()
    kept, run = loop.run_until_complete(started())
    answer = run.actor.actor_ref.ask(Pause(), block=False)  # the loop stands still: the question waits in it
    loop.close()
    with pytest.raises(pykka.ActorDeadError, match="loop is closed"):
        answer.get()
    with pytest.raises(pykka.Timeout):
        answer.get(timeout=0.01)
    ActorRegistry.stop_all()
    assert kept.is_over
    asyncio.run(kept.close())


def test_a_thread_that_waits_while_the_loop_closes_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playbill.actors.futures.LOOK_AGAIN_SECONDS", 0.01)
    waiting = threading.Event()

    def ask(ref: Any) -> None:
        future = ref.ask(Pause(), block=False)
        waiting.set()
        future.get()

    loop = asyncio.new_event_loop()
    kept, run = loop.run_until_complete(started())
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, run.actor.actor_ref)
        waiting.wait()
        loop.close()
        with pytest.raises(pykka.ActorDeadError, match="no answer will come"):
            asked.result()
    ActorRegistry.stop_all()
    assert kept.is_over
    asyncio.run(kept.close())


# ---- pykka's stop, by kind of actor --------------------------------------------------------------------------------


async def test_stopping_a_breaker_ends_it_at_once_and_later_asks_are_refused(
    run: playbill.Run, manager: playbill.PipelineRunManager, doors: Doors
) -> None:
    breaker = breaker_of(manager)
    assert await breaker.actor_ref.stop(block=False) is True
    assert breaker.ended
    assert not run.done
    asked: list[Any] = []

    class Asker:
        def receive(self, message: Any, now: object) -> None:
            asked.append(message)

    breaker.post(Ask("x", Asker()))
    await breaker.actor_ref.stop(block=False)
    await asyncio.sleep(0)
    assert [type(message).__name__ for message in asked] == ["Refused"]
    doors.open.set()
    assert (await run.result()).status is playbill.RunStatus.COMPLETED


async def test_nodes_that_wait_for_a_breaker_that_is_stopped_are_refused(doors: Doors) -> None:
    policy = playbill.BreakerPolicy(max_concurrent=1)
    async with playbill.PipelineRunManager(
        types=[waits], resources={"doors": doors}, breakers={"waits_by_doors": policy}, grace=0
    ) as manager:
        run = await manager.start_run(PIPELINE)
        await doors.entered.wait()
        await breaker_of(manager).actor_ref.stop(block=False)
        result = await run.result()
        assert result.status is playbill.RunStatus.FAILED
        assert result.error is not None
        assert result.error.type == "CircuitOpen"
        doors.open.set()
        again = await manager.start_run(PIPELINE)  # with a new breaker
        assert (await again.result()).status is playbill.RunStatus.COMPLETED


async def test_a_breaker_closed_twice_refuses_its_waiters_once(doors: Doors) -> None:
    policy = playbill.BreakerPolicy(max_concurrent=1)
    async with playbill.PipelineRunManager(
        types=[waits], resources={"doors": doors}, breakers={"waits_by_doors": policy}, grace=0
    ) as manager:
        run = await manager.start_run(PIPELINE)
        await doors.entered.wait()
        breaker_of(manager).close()
        breaker_of(manager).close()
        await run.result()
        assert manager.dead_letters == 1  # the Settle of the attempt that was granted


async def test_stopping_a_nodes_actor_fails_the_node(run: playbill.Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, logger="playbill"):
        assert await node_of(run).actor_ref.stop(block=False) is True
        result = await run.result()
    assert result.status is playbill.RunStatus.FAILED
    assert result.error is not None
    assert result.error.type == "InternalError"
    assert "the actor of node 'a' was stopped from outside" in result.error.message
    assert result.node_results["b"].status is playbill.NodeStatus.CANCELLED


async def test_a_dead_nodes_reference_says_so(run: playbill.Run, doors: Doors) -> None:
    node = node_of(run)
    doors.open.set()
    await run.result()
    assert not node.actor_ref.is_alive()
    assert node.actor_ref.actor_urn == "r/a"


# ---- wrong mail from outside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["text", None, {"type": "cancel"}, Start({}), [], object()])
async def test_mail_of_a_wrong_type_harms_only_its_sender(
    run: playbill.Run, doors: Doors, manager: playbill.PipelineRunManager, wrong: object
) -> None:
    for ref in (run.actor.actor_ref, breaker_of(manager).actor_ref, node_of(run).actor_ref):
        with pytest.raises(playbill.InternalError, match="cannot receive"):
            await ref.ask(wrong, block=False)
    doors.open.set()
    assert (await run.result()).status is playbill.RunStatus.COMPLETED


async def test_wrong_mail_that_nobody_asked_about_is_counted_and_logged(
    run: playbill.Run,
    doors: Doors,
    manager: playbill.PipelineRunManager,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run.actor.actor_ref.tell("nonsense")
    assert await run.pause()
    assert manager.dead_letters == 1
    assert "cannot receive 'nonsense'" in caplog.text
    assert await run.resume()
    doors.open.set()
    assert (await run.result()).status is playbill.RunStatus.COMPLETED


async def test_a_fault_by_mail_from_outside_is_told_to_its_sender_and_ends_the_run(
    run: playbill.Run, breaks: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    breaks(SupervisorMachine, Pause, SystemExit(3))
    with caplog.at_level(logging.CRITICAL, logger="playbill"):
        with pytest.raises(SystemExit):
            await elsewhere(run.actor.actor_ref.ask, Pause())
        result = await run.result()
    assert result.status is playbill.RunStatus.FAILED
    assert result.error is not None
    assert result.error.type == "InternalError"


async def test_a_breaker_broken_from_outside_starts_afresh(
    run: playbill.Run,
    doors: Doors,
    manager: playbill.PipelineRunManager,
    breaks: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaks(BreakerMachine, Force)
    with caplog.at_level(logging.CRITICAL, logger="playbill"):
        breaker_of(manager).actor_ref.tell(Force("disabled"))
        with pytest.raises(ZeroDivisionError):
            await manager.force_circuit("waits_by_doors", "disabled")
    doors.open.set()
    assert (await run.result()).status is playbill.RunStatus.COMPLETED


async def test_an_answer_nobody_can_use_any_more_does_not_stop_the_actors(run: playbill.Run) -> None:
    loop = asyncio.new_event_loop()
    answer = run.actor.actor_ref.ask(Pause(), block=False)
    waiting = loop.create_task(_awaits(answer))
    loop.run_until_complete  # noqa: B018
    waiting.cancel()
    await elsewhere(_drain, loop)
    assert await run.resume() is True


async def _awaits(answer: Any) -> Any:
    return await answer


def _drain(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


# ---- what pykka might ask of a shell -------------------------------------------------------------------------------


async def test_pykkas_hooks_that_have_no_sense_here_say_so(run: playbill.Run) -> None:
    inbox = run.actor.actor_ref.actor_inbox
    with pytest.raises(playbill.InternalError, match="the dispatcher brings the mail"):
        inbox.get()
    assert inbox.empty()
    with pytest.raises(playbill.InternalError, match="made with its reference"):
        run.actor._create_actor_inbox()
    run.actor._start_actor_loop()
    with pytest.raises(NotImplementedError):
        Shell.fault(run.actor, ValueError(), None)


async def test_an_answer_that_belongs_to_nobody_is_pykkas_future() -> None:
    answer = Answer()
    answer.set(5)
    assert answer.get() == 5
    assert await answer == 5
    late = Answer()
    with pytest.raises(pykka.Timeout):
        late.get(timeout=0)
    heard: list[str] = []
    late.when_settled(lambda: heard.append("later"))
    late.set_exception((KeyError, KeyError("x"), None))
    late.when_settled(lambda: heard.append("at once"))
    assert heard == ["later", "at once"]
    with pytest.raises(KeyError):
        late.result()
