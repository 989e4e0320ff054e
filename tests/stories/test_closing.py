"""How a manager ends: once, whoever asks for it, whoever gives up waiting, and by itself when nobody asks."""

import asyncio
import contextlib
import gc
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from pykka import ActorRegistry

import playbill
from tests.stories import support
from tests.stories.support import node, pipeline, receipts
from tests.warm import programs

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
ROOT = Path(__file__).resolve().parents[2]
LONG = pipeline(node("a", "delay", seconds=60))


@playbill.node_type("closes")
async def closes(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Close the manager it runs in, in the way its config says."""
    await context.resources["ways"][node.config["how"]](context.resources["manager"])
    return {}


async def leave(manager: Manager) -> None:
    async with manager:
        pass


def insisting(let_go: asyncio.Event) -> Callable[[Manager], Any]:
    async def insist(manager: Manager) -> None:
        while not let_go.is_set():
            try:
                await asyncio.sleep(0)
                await manager.close()
            except asyncio.CancelledError:
                continue

    return insist


WAYS: dict[str, Callable[[Manager], Any]] = {"closes": lambda manager: manager.close(), "leaves": leave}


def closing(how: str, on_exit: Any = "cancel") -> tuple[Manager, playbill.PipelineDefinition]:
    resources: dict[str, Any] = {"ways": WAYS}
    manager = Manager(types=[closes], resources=resources, grace=0.05, kill_bound=0.05, on_exit=on_exit)
    resources["manager"] = manager
    return manager, pipeline(node("a", "closes", how=how))


@pytest.mark.parametrize("on_exit", ["cancel", "wait"])
@pytest.mark.parametrize("how", ["closes", "leaves"])
async def test_a_handler_that_closes_its_manager_is_stopped_like_any_other(how: str, on_exit: Any) -> None:
    manager, definition = closing(how, on_exit)
    run = await manager.start_run(definition)
    result = await run.result()
    assert (result.status, receipts(result)) == ("cancelled", {"a": "interrupted"})
    await manager.close()
    assert manager.is_over
    assert manager.active_runs == []


@pytest.mark.real("it swallows its cancels for ever")
async def test_a_handler_that_insists_on_closing_is_given_up_within_the_bound() -> None:
    let_go = asyncio.Event()
    resources: dict[str, Any] = {"ways": {"insists": insisting(let_go)}}
    resources["manager"] = manager = Manager(types=[closes], resources=resources, grace=0.05, kill_bound=0.05)
    run = await manager.start_run(pipeline(node("a", "closes", how="insists")))
    result = await run.result()
    assert (result.status, result.orphans) == ("cancelled", ("a",))
    await manager.close()
    let_go.set()
    await asyncio.wait([task for task in asyncio.all_tasks() if task.get_name() == "a"])


async def test_who_gives_up_waiting_for_the_close_does_not_end_it(resources: dict[str, Any]) -> None:
    manager = Manager(types=support.ALL, resources=resources, grace=0.05, kill_bound=0.05)
    run = await manager.start_run(pipeline(node("a", "swallows")))
    await resources["began"].wait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(manager.close(), 0.001)
    with pytest.raises(RuntimeError, match="this manager is closed"):
        await manager.start_run(LONG)
    assert (await run.result()).status is playbill.RunStatus.CANCELLED
    await manager.close()
    assert manager.active_runs == []
    resources["let_go"].set()


async def test_all_who_close_wait_for_the_same_and_a_later_close_is_over_at_once() -> None:
    manager = Manager(types=[])
    run = await manager.start_run(LONG)
    await asyncio.gather(manager.close(), manager.close(), manager.close())
    assert run.done
    events = [event.type async for event in run.events()]
    assert events.count(playbill.EventType.PIPELINE_RUN_CANCEL_REQUESTED) == 1
    await manager.close()


async def test_a_second_close_may_shorten_the_grace(resources: dict[str, Any]) -> None:
    manager = Manager(types=support.ALL, resources=resources, grace=1e6, kill_bound=0.01)
    run = await manager.start_run(pipeline(node("a", "swallows")))
    await resources["began"].wait()
    first = asyncio.create_task(manager.close())
    await asyncio.sleep(0)
    await manager.close(grace=0)
    await first
    assert (await run.result()).orphans == ("a",)
    resources["let_go"].set()


@pytest.mark.parametrize("grace", [-1, float("nan"), "5", True])
async def test_a_grace_that_is_none_is_refused_before_anything_is_closed(grace: Any) -> None:
    async with Manager(types=[]) as manager:
        run = await manager.start_run(LONG)
        with pytest.raises(ValueError, match="grace is a number of seconds"):
            await manager.close(grace=grace)
        with pytest.raises(ValueError, match="grace is a number of seconds"):
            await manager.cancel_all(grace=grace)
        assert not manager.is_over
        assert await run.cancel()
        with pytest.raises(ValueError, match="grace is a number of seconds"):
            await manager.cancel_all(grace=grace)


@pytest.mark.parametrize("on_exit", ["cancel", "wait"])
@pytest.mark.parametrize("cancels", [1, 2, 3])
async def test_one_that_leaves_and_is_cancelled_has_closed_all_when_it_goes(on_exit: Any, cancels: int) -> None:
    resources = support.resources()
    manager = Manager(types=support.ALL, resources=resources, on_exit=on_exit, grace=0.01, kill_bound=0.01)

    async def use() -> None:
        async with manager:
            await manager.start_run(pipeline(node("a", "swallows")))
            await resources["began"].wait()

    using = asyncio.create_task(use())
    await resources["began"].wait()
    for _ in range(cancels):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert manager.active_runs == []
    resources["let_go"].set()


@pytest.mark.real("a cancel scope of anyio's")
@pytest.mark.parametrize("on_exit", ["cancel", "wait"])
async def test_a_cancelled_scope_of_anyios_closes_all_when_it_is_left(on_exit: Any) -> None:
    manager = Manager(types=[], on_exit=on_exit)
    with anyio.CancelScope() as scope:
        async with manager:
            await manager.start_run(LONG)
            scope.cancel()
            if on_exit == "cancel":
                await asyncio.sleep(60)
    assert scope.cancelled_caught
    assert manager.active_runs == []
    assert is_let_go(manager)


def is_let_go(manager: Manager) -> bool:
    """Whether the system of a manager was closed to its end."""
    assert manager._system is not None
    assert manager._system.watchdog is not None
    return manager._system.watchdog._closing.is_set()


@pytest.mark.real("workers and the spawner")
async def test_what_fails_in_closing_keeps_nothing_else_open(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager(types=[])
    await (await manager.start_run(pipeline(node("a", "command", argv=["true"])))).result()
    system = manager._system
    assert system is not None
    assert system._spawner is not None
    pid = system._spawner.pid
    assert pid is not None

    async def broken() -> None:
        raise OSError("no more descriptors")

    monkeypatch.setattr(system._processes, "aclose", broken)
    monkeypatch.setattr(system.parts.timers, "close", lambda: 1 / 0)
    with pytest.raises((OSError, ZeroDivisionError)):
        await manager.close()
    assert ActorRegistry.get_all() == []
    assert is_let_go(manager)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await manager.close()


async def test_a_close_on_another_loop_is_refused_and_closes_nothing() -> None:
    manager = Manager(types=[])
    run = await manager.start_run(LONG)
    errors: list[str] = []

    def elsewhere() -> None:
        try:
            asyncio.run(manager.close())
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert errors == ["this manager belongs to another event loop: use BlockingManager from there"]
    assert manager.is_running(run.id)
    await manager.close()
    assert run.done


async def test_a_closing_that_is_cancelled_before_its_first_step_is_begun_again() -> None:
    manager = Manager(types=[])
    run = await manager.start_run(LONG)
    closing = asyncio.create_task(manager.close())
    await asyncio.sleep(0)
    for task in asyncio.all_tasks():
        if task.get_name() == "playbill-closing":
            task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    await manager.close()
    assert run.done


# ---- paused runs ------------------------------------------------------------------------------------------------


async def test_leaving_with_wait_cancels_a_paused_run_once_the_others_have_ended() -> None:
    async with Manager(types=[], on_exit="wait") as manager:
        works = await manager.start_run(pipeline(node("a", "delay", seconds=0.05)))
        paused = await manager.start_run(LONG)
        assert await paused.pause()
    assert (await works.result()).status is playbill.RunStatus.COMPLETED
    assert (await paused.result()).status is playbill.RunStatus.CANCELLED
    causes = [event.data["cause"] async for event in paused.events() if "cancel_requested" in event.type]
    assert [cause.reason for cause in causes] == ["the manager is closed while the run is paused"]


async def test_a_run_that_is_paused_while_one_waits_keeps_nobody_either() -> None:
    async with Manager(types=[], on_exit="wait") as manager:
        run = await manager.start_run(LONG)
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, lambda: asyncio.ensure_future(run.pause()))
    assert (await run.result()).status is playbill.RunStatus.CANCELLED


async def test_a_paused_run_is_resumed_by_others_as_long_as_one_waits_for_a_third() -> None:
    async with Manager(types=[], on_exit="wait") as manager:
        await manager.start_run(pipeline(node("a", "delay", seconds=0.2)))
        paused = await manager.start_run(pipeline(node("a", "delay", seconds=0.3)))
        await paused.pause()
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, lambda: asyncio.ensure_future(paused.resume()))
    assert (await paused.result()).status is playbill.RunStatus.COMPLETED


# ---- managers that nobody closes --------------------------------------------------------------------------------

LEFT = """
import asyncio, gc, os, sys, threading, warnings
import playbill

definition = {{"nodes": [{{"id": "a", "type": "command", "config": {{"argv": ["true"]}}}},
                         {{"id": "b", "type": "works", "isolation": "process"}}]}}

@playbill.node_type("works")
def works(node, inputs, context):
    return {{}}

def children():
    with open(f"/proc/self/task/{{os.getpid()}}/children") as file:
        return file.read().split()

async def main():
    manager = {manager}
    live = await manager.start_run({{"nodes": [{{"id": "a", "type": "delay", "config": {{"seconds": 60}}}}]}})
    result = await (await manager.start_run(definition)).result()
    assert result.status == "completed", result
    {then}

def run():
    {run}

if __name__ == "__main__":
    import multiprocessing
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
        gc.collect()
        before = len(os.listdir("/proc/self/fd")), threading.active_count(), len(children())
        for _ in range(2):
            run()
        gc.collect()
        for thread in threading.enumerate():
            if thread.name.startswith("playbill"):
                thread.join(5)
        after = len(os.listdir("/proc/self/fd")), threading.active_count(), len(children())
    print(len(children()), after[0] - before[0], after[1] - 1)
    for warning in caught:
        print(warning.category.__name__, warning.filename, warning.lineno, warning.message)
"""
BY_RUN = "asyncio.run(main())"
BY_LOOP = "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()"
RUNS = {"asyncio.run": BY_RUN, "a loop of its own": BY_LOOP, "uvloop": "import uvloop; uvloop.run(main())"}


def told(manager: str, run: str, then: str, tmp_path: Path) -> list[str]:
    """What a program says that leaves managers behind: children, more descriptors, more threads; its warnings."""
    file = tmp_path / "left.py"
    file.write_text(LEFT.format(manager=manager, run=run, then=then))
    command = [sys.executable, str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = programs.run(command, capture_output=True, text=True, timeout=50, cwd=ROOT, env=environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


@pytest.mark.parametrize("run", ["asyncio.run", "uvloop"])
def test_the_processs_manager_closes_with_its_loop(run: str, tmp_path: Path) -> None:
    if run == "uvloop":
        pytest.importorskip("uvloop")
    assert told("playbill.get_run_manager()", RUNS[run], "", tmp_path) == ["0 0 0"]


def test_the_processs_manager_of_a_loop_that_was_only_closed_goes_with_the_next(tmp_path: Path) -> None:
    counts, *said = told("playbill.get_run_manager()", BY_LOOP, "await live.cancel()", tmp_path)
    assert counts.split()[1:] == ["0", "0"] or counts.split()[0] in {"0", "1"}
    assert said == []


@pytest.mark.parametrize("run", RUNS)
def test_a_manager_that_nobody_closes_is_let_go_with_a_warning_that_names_its_place(run: str, tmp_path: Path) -> None:
    if run == "uvloop":
        pytest.importorskip("uvloop")
    counts, *said = told("playbill.PipelineRunManager()", RUNS[run], "await live.cancel()", tmp_path)
    assert counts == "0 0 0"
    line = LEFT.splitlines().index("    manager = {manager}") + 1
    text = "was never closed: leave it by `async with`, or `await manager.close()`"
    assert said == [f"ResourceWarning {tmp_path / 'left.py'} {line} the PipelineRunManager made here {text}"] * 3


@pytest.mark.parametrize("run", RUNS)
def test_live_runs_do_not_keep_a_manager_that_nobody_closes(run: str, tmp_path: Path) -> None:
    if run == "uvloop":
        pytest.importorskip("uvloop")
    counts, *said = told("playbill.PipelineRunManager()", RUNS[run], "del live", tmp_path)
    if run == "a loop of its own":  # the last one is found when there is a next one
        assert int(counts.split()[0]) <= 1
        assert len(said) >= 2
    else:
        assert (counts, len(said)) == ("0 0 0", 3)


@pytest.mark.real("the collector and a thread")
async def test_a_manager_that_is_dropped_on_a_running_loop_ends_its_watchdog_and_says_so() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manager = Manager(types=[])
        await (await manager.start_run(pipeline(node("a", "parallel")))).result()
        system = manager._system
        assert system is not None
        assert system.watchdog is not None
        del manager
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert system.watchdog._closing.is_set()
    assert [warning.category for warning in caught] == [ResourceWarning]


async def test_a_manager_that_is_closed_or_was_never_used_ends_in_silence() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Manager(types=[])
        closed = Manager(types=[])
        await (await closed.start_run(pipeline(node("a", "parallel")))).result()
        await closed.close()
        del closed
        gc.collect()
        await asyncio.sleep(0)
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.real("a handler of its own kind of run")
async def test_a_run_goes_on_although_nobody_holds_its_manager() -> None:
    run = await Manager(types=[]).start_run(pipeline(node("a", "delay", seconds=0.01)))
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert (await run.result()).status is playbill.RunStatus.COMPLETED
        del run
        gc.collect()


def test_a_close_that_waits_no_more_is_made_whole_before_the_loop_ends() -> None:
    async def main() -> Manager:
        manager = Manager(types=[])
        await (await manager.start_run(pipeline(node("a", "command", argv=["true"])))).result()
        await manager.start_run(pipeline(node("a", "command", argv=["sleep", "60"])))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(manager.close(), 1e-6)
        return manager

    manager = asyncio.run(main())
    assert manager.active_runs == []
    assert is_let_go(manager)
    assert manager._system is not None
    assert manager._system._spawner is not None
    assert manager._system._spawner.pid is None


def test_a_close_that_the_end_of_the_loop_overtakes_is_made_whole_in_silence() -> None:
    async def main() -> Manager:
        manager = Manager(types=[])
        await (await manager.start_run(pipeline(node("a", "command", argv=["true"])))).result()
        closing = asyncio.create_task(manager.close())
        await asyncio.sleep(0)
        assert not closing.done()
        return manager

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manager = asyncio.run(main())
        assert is_let_go(manager)
        assert manager._system is not None
        assert manager._system._spawner is not None
        assert manager._system._spawner.pid is None
    assert [str(warning.message) for warning in caught] == []


def test_a_manager_whose_loop_was_closed_is_let_go_by_a_late_close() -> None:
    async def main() -> Manager:
        manager = Manager(types=[])
        await (await manager.start_run(pipeline(node("a", "command", argv=["true"])))).result()
        return manager

    loop = asyncio.new_event_loop()
    manager = loop.run_until_complete(main())
    loop.close()
    asyncio.run(manager.close())
    assert is_let_go(manager)
    assert manager._system is not None
    assert manager._system._spawner is not None
    assert manager._system._spawner.pid is None
