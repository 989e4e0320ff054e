"""A blocking manager among threads and forks: whoever asks one that is closed, or not here, is told so at once."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import playbill
from tests.stories.support import node, pipeline

ROOT = Path(__file__).resolve().parents[2]
LONG = pipeline(node("a", "delay", seconds=60))
CLOSED = "this BlockingManager is closed: make a new one, and use it inside `with`"


def ask_on(manager: playbill.BlockingManager) -> None:
    while True:
        manager.cancel_all()


def asking(manager: playbill.BlockingManager, errors: list[BaseException], began: threading.Event) -> None:
    """Ask on and on, until it is an error."""
    try:
        while True:
            manager.start_run(pipeline(node("a", "parallel"))).result()
            began.set()
    except BaseException as error:  # noqa: BLE001 (whatever it is)
        errors.append(error)


@pytest.mark.parametrize("repeat", range(3))
def test_threads_that_go_on_asking_while_it_closes_are_told_so(repeat: int) -> None:
    errors: list[BaseException] = []
    threads = []
    with playbill.BlockingManager(types=[]) as manager:
        for _ in range(4):
            began = threading.Event()
            threads.append(threading.Thread(target=asking, args=(manager, errors, began), daemon=True))
            threads[-1].start()
            assert began.wait(10)
    for thread in threads:
        thread.join(10)
    assert [thread.is_alive() for thread in threads] == [False] * 4
    assert [type(error) for error in errors] == [RuntimeError] * 4
    assert all("closed: make a new one" in str(error) for error in errors), errors


def test_one_who_waits_for_a_result_while_it_closes_gets_it() -> None:
    results: list[Any] = []
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(LONG)
        thread = threading.Thread(target=lambda: results.append(run.result()))
        thread.start()
    thread.join(10)
    assert [result.status for result in results] == ["cancelled"]
    assert run.result().status is playbill.RunStatus.CANCELLED


def test_a_closed_one_says_so_whatever_is_asked() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(pipeline(node("a", "parallel")))
        run.result()
    for ask in (
        lambda: manager.start_run(LONG),
        lambda: manager.get_run(run.id),
        lambda: manager.is_running(run.id),
        manager.cancel_all,
        run.pause,
        lambda: list(run.events()),
    ):
        with pytest.raises(RuntimeError, match="this BlockingManager is closed: make a new one"):
            ask()


def test_it_may_be_entered_again_but_not_twice_at_once() -> None:
    manager = playbill.BlockingManager(types=[])
    with manager:
        with pytest.raises(RuntimeError, match="this BlockingManager is entered already"), manager:
            pass
        assert manager.start_run(pipeline(node("a", "parallel"))).result().status == "completed"
    with manager:
        assert manager.start_run(pipeline(node("a", "parallel"))).result().status == "completed"
    with pytest.raises(RuntimeError, match="closed"):
        manager.cancel_all()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # its thread says why
def test_a_loop_that_dies_keeps_nobody_waiting() -> None:
    with contextlib.suppress(RuntimeError), playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(LONG)
        errors: list[BaseException] = []

        def wait() -> None:
            try:
                run.result()
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=wait)
        thread.start()

        async def die() -> None:
            asyncio.get_running_loop().stop()

        manager.call(die())
        with pytest.raises(RuntimeError, match=CLOSED):
            ask_on(manager)
        thread.join(10)
        assert [str(error) for error in errors] == [CLOSED]


@pytest.mark.parametrize("timeout", ["5", -1, float("nan"), float("inf"), 1e12, True])
def test_a_wrong_wait_is_refused(timeout: Any) -> None:
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(LONG)
        with pytest.raises(ValueError, match="timeout is a number of seconds, 0 to 1,000,000,000, or None"):
            run.result(timeout)


def in_a_fork(work: Any) -> str:
    """What `work` says in a forked child, which is killed if it hangs."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "nothing"
        try:
            said = str(work())
        except BaseException as error:  # noqa: BLE001 (the parent reads it)
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(write, said.encode()[:2000])
            os._exit(0)
    os.close(write)
    watch = threading.Timer(10, os.kill, (pid, 9))
    watch.start()
    os.waitpid(pid, 0)
    watch.cancel()
    with os.fdopen(read) as file:
        return file.read()


INHERITED = "was inherited by a forked process, where its event loop does not run: make a new one there"


def test_a_blocking_manager_in_a_forked_child_says_so_at_once() -> None:
    with playbill.BlockingManager(types=[]) as manager:
        run = manager.start_run(LONG)
        for work in (manager.cancel_all, run.result, lambda: manager.start_run(LONG), lambda: next(run.events())):
            assert in_a_fork(work) == f"RuntimeError: this BlockingManager {INHERITED}"
        assert in_a_fork(lambda: manager.__exit__(None, None, None)) == "None"
        assert manager.is_running(run.id)


def test_a_blocking_manager_that_is_made_in_a_forked_child_works() -> None:
    def work() -> str:
        with playbill.BlockingManager(types=[]) as manager:
            return str(manager.start_run(pipeline(node("a", "parallel"))).result().status)

    with playbill.BlockingManager(types=[]):
        assert in_a_fork(work) == "completed"


def test_a_manager_in_a_forked_child_says_so_at_once() -> None:
    async def main() -> None:
        async with playbill.PipelineRunManager(types=[]) as manager:
            run = await manager.start_run(LONG)

            def on_a_loop(work: Any) -> Any:
                def new_loop() -> Any:
                    async def inner() -> Any:
                        return await work()

                    return asyncio.new_event_loop().run_until_complete(inner())

                return new_loop

            for work in (
                lambda: manager.start_run(LONG),
                manager.close,
                manager.cancel_all,
                run.result,
                run.cancel,
                lambda: anext(run.events()),
            ):
                assert in_a_fork(on_a_loop(work)) == f"RuntimeError: this manager {INHERITED}"
            assert manager.is_running(run.id)

    asyncio.run(main())


def test_the_processs_manager_in_a_forked_child_is_a_new_one() -> None:
    async def main() -> None:
        manager = playbill.get_run_manager()
        await manager.start_run(LONG)
        assert in_a_fork(lambda: playbill.get_run_manager() is manager) == "False"
        assert playbill.get_run_manager() is manager

    asyncio.run(main())


FORKED = """
import asyncio, gc, os, playbill
async def main():
    async with playbill.PipelineRunManager() as manager:
        sleep = {"id": "a", "type": "command", "config": {"argv": ["sleep", "0.5"]}}
        run = await manager.start_run({"nodes": [sleep]})
        async for event in run.events():
            if event.type == "pipeline_node.started":
                break
        if os.fork() == 0:
            raise SystemExit(0)
        os.wait()
        print((await run.result()).status)
asyncio.run(main())
"""


def test_a_forked_child_that_ends_harms_no_run_of_its_parent() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=20, cwd=ROOT)
    assert ran.stdout.strip() == "completed", ran.stderr


def test_an_interrupted_exit_closes_all_the_same() -> None:
    program = """
import os, signal, threading, time, playbill
manager = playbill.BlockingManager(on_exit="wait", grace=0.1)
try:
    with manager:
        run = manager.start_run({"nodes": [{"id": "a", "type": "delay", "config": {"seconds": 60}}]})
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
except KeyboardInterrupt:
    print(run.status, [thread.name for thread in threading.enumerate() if thread.name == "playbill"])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, cwd=ROOT)
    assert ran.stdout.strip() == "cancelled []", ran.stderr
