"""What no cell of the table can say: hosts that die or are hostile, forked handlers, threads that stay."""

import resource
import signal
import threading

import pytest

import playbill
from tests.runtime.processes.support import Lifeline
from tests.stories.nasty.support import definition, is_let_go, node_of, opened, ready
from tests.stories.nasty.test_table import fine

pytestmark = [pytest.mark.anyio, pytest.mark.real("nasty handlers need real threads and processes")]


@pytest.mark.parametrize("body", ["child_returns", "child_raises"])
async def test_a_forked_child_that_goes_on_as_the_handler_answers_for_nobody(lifeline: Lifeline, body: str) -> None:
    async with opened() as manager:
        for _ in range(3):
            result = await (await manager.start_run(definition(body, "process", lifeline.path))).result()
            assert result.status == "completed", result.error
            assert is_let_go(lifeline)
        assert (await (await manager.start_run(fine())).result()).status == "completed"


async def test_a_handler_may_use_a_pool_of_processes(lifeline: Lifeline) -> None:
    async with opened() as manager:
        result = await (await manager.start_run(definition("uses_a_pool", "process", lifeline.path))).result()
        assert result.status == "completed", result.error
        assert is_let_go(lifeline)


async def test_a_handler_that_waits_for_its_pool_is_stopped_with_it(lifeline: Lifeline) -> None:
    async with opened() as manager:
        run = await manager.start_run(definition("waits_for_a_pool", "process", lifeline.path))
        await ready(lifeline)
        await run.cancel()
        found = node_of(await run.result())
        assert found.receipt is not None
        assert found.receipt.how in {"interrupted", "killed"}
        assert is_let_go(lifeline)


async def test_a_signal_that_woke_nobody_up_is_sent_again(lifeline: Lifeline) -> None:
    async with opened() as manager:
        run = await manager.start_run(definition("misses_a_signal", "process", lifeline.path))
        await ready(lifeline)
        await run.cancel(grace=10.0)
        found = node_of(await run.result())
        assert found.receipt is not None
        assert found.receipt.how == "interrupted"


async def test_a_worker_that_runs_out_of_descriptors_is_replaced(lifeline: Lifeline) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        async with opened(max_processes=1) as manager:
            for _ in range(5):
                leaks = definition("leaks_descriptors", "process", lifeline.path)
                result = await (await manager.start_run(leaks)).result()
                assert result.status == "completed", result.error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_daemon_thread_that_is_left_ends_with_its_attempt(lifeline: Lifeline) -> None:
    async with opened(max_processes=1) as manager:
        left = await (await manager.start_run(definition("leaves_a_daemon", "process", lifeline.path))).result()
        after = await (await manager.start_run(fine())).result()
        assert after.outputs["a"]["threads"] == ["MainThread"]
        assert after.outputs["a"]["pid"] != left.outputs["a"]["pid"]


async def test_signals_that_the_host_blocks_reach_its_programs_all_the_same(lifeline: Lifeline) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        async with opened() as manager:
            run = await manager.start_run(definition("spins", "command", lifeline.path))
            await ready(lifeline)
            await run.cancel()
            found = node_of(await run.result())
            assert found.receipt is not None
            assert found.receipt.how == "interrupted"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def test_a_closed_manager_leaves_no_watchdog_although_its_loop_stands_still() -> None:
    before = set(threading.enumerate())
    async with playbill.PipelineRunManager(types=[], watchdog_seconds=60):
        (watchdog,) = set(threading.enumerate()) - before
    watchdog.join(10)
    assert not watchdog.is_alive()
