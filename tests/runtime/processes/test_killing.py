"""Whatever a handler does, it is ended, and nothing of it is left."""

import asyncio
import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playbill.model.facts import Permit
from tests.runtime.processes import bodies
from tests.runtime.processes.support import Bank, Lifeline, children_of, is_dead, opened, until_dead

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("handler", [bodies.waits, bodies.waits_on_loop])
async def test_sigterm_runs_finally_and_the_worker_lives_on(bank: Bank, tmp_path: Path, handler: Any) -> None:
    before = await bank.output(bodies.pid)
    attempt, node = await bank.ready(handler, str(tmp_path / "file"))
    attempt.interrupt()
    returned = await node.end()
    assert (returned.output, returned.failure) == (None, None)
    assert (tmp_path / "file").read_text() == "cleaned, cancelled=True"
    assert await bank.output(bodies.pid) == before


async def test_an_interrupt_ends_a_loop_of_python(bank: Bank) -> None:
    attempt, node = await bank.ready(bodies.spins)
    attempt.interrupt()
    returned = await node.end()
    assert (returned.output, returned.failure) == (None, None)


async def test_what_is_raised_in_finally_is_its_failure(bank: Bank) -> None:
    attempt, node = await bank.ready(bodies.raises_in_finally)
    attempt.interrupt()
    assert (await node.failure()).message == "in finally"


async def test_who_returns_after_sigterm_has_returned(bank: Bank) -> None:
    attempt, node = await bank.ready(bodies.goes_on)
    attempt.interrupt()
    assert await node.output() == {"went": "on"}


async def test_who_dies_of_sigterm_was_interrupted(bank: Bank) -> None:
    attempt, node = await bank.ready(bodies.dies_by_default)
    attempt.interrupt()
    returned = await node.end()
    assert (returned.output, returned.failure) == (None, None)


@pytest.mark.parametrize("handler", [bodies.ignores_sigterm, bodies.blocks_all_signals, bodies.holds_the_gil])
async def test_a_kill_ends_who_does_not_listen(bank: Bank, handler: Any) -> None:
    pid = (await bank.output(bodies.pid))["pid"]
    attempt, node = await bank.ready(handler)
    attempt.interrupt()
    attempt.kill()
    returned = await node.end()
    assert (returned.output, returned.failure, returned.begun) == (None, None, True)
    assert is_dead(pid)
    assert (await bank.output(bodies.pid))["pid"] != pid


async def test_a_result_that_came_before_the_kill_counts_once_the_worker_is_dead(bank: Bank) -> None:
    first = await bank.begin_planned(bodies.pid, bank.plan)[1].output()
    attempt, node = bank.begin_planned(bodies.pid, bank.plan)
    worker: Any = attempt._worker
    select.select([worker._task._socket], [], [])  # the loop does not turn: the result is there, unread
    attempt.kill()
    assert await node.output() == first
    assert is_dead(first["pid"])


async def test_blocked_signals_are_let_through_for_the_next_attempt(bank: Bank, tmp_path: Path) -> None:
    await bank.output(bodies.blocks_all_signals, "returns")
    attempt, node = await bank.ready(bodies.waits, str(tmp_path / "file"))
    attempt.interrupt()
    await node.end()
    assert (tmp_path / "file").exists()


async def test_interrupted_before_its_worker_is_there_it_never_runs(bank: Bank, tmp_path: Path) -> None:
    attempt, node = bank.begin(bodies.waits, str(tmp_path / "file"))
    attempt.interrupt()
    returned = await node.end()
    assert (returned.output, returned.failure, node.began.is_set()) == (None, None, False)
    assert not returned.begun
    assert not (tmp_path / "file").exists()


async def test_killed_before_its_worker_is_there_it_never_runs(bank: Bank, tmp_path: Path) -> None:
    attempt, node = bank.begin(bodies.waits, str(tmp_path / "file"))
    attempt.kill()
    returned = await node.end()
    assert (returned.output, returned.failure, returned.begun) == (None, None, False)
    assert not (tmp_path / "file").exists()


async def test_interrupted_while_its_handler_runs_it_was_begun(bank: Bank, tmp_path: Path) -> None:
    attempt, node = await bank.ready(bodies.waits, str(tmp_path / "file"))
    attempt.interrupt()
    returned = await node.end()
    assert (returned.output, returned.failure, returned.begun) == (None, None, True)


async def test_interrupts_at_any_moment_hit_no_other_attempt(bank: Bank) -> None:
    for _ in range(200):
        attempt, node = bank.begin(bodies.nothing)
        interrupting = asyncio.get_running_loop().call_soon(attempt.interrupt)
        await asyncio.sleep(0)
        returned = await node.end()
        assert returned.failure is None
        interrupting.cancel()
        assert await bank.output(bodies.nothing) == {}
    assert "workers=1" in repr(bank.pool)


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (bodies.exits, "its process ended with exit code 3"),
        (bodies.segfaults, "its process died of SIGSEGV"),
        (bodies.aborts, "its process died of SIGABRT"),
        (bodies.closes_everything, "its process died of SIGKILL"),
    ],
)
async def test_a_lost_worker_is_a_retryable_failure_and_is_replaced(bank: Bank, handler: Any, text: str) -> None:
    failure = await bank.failure(handler)
    assert (failure.type, failure.message, failure.retryable) == (
        "HandlerKilled",
        f"handler was killed: {text}",
        True,
    )
    assert "pid" in await bank.output(bodies.pid)


async def test_what_a_handler_leaves_behind_ends_with_it(bank: Bank, lifeline: Lifeline) -> None:
    left = await bank.output(bodies.family, [str(lifeline.path), "returns"])
    assert not lifeline.is_held
    assert (await bank.output(bodies.pid))["pid"] != left["pid"]


async def test_what_a_lost_worker_leaves_behind_ends_with_it(bank: Bank, lifeline: Lifeline) -> None:
    failure = await bank.failure(bodies.family, [str(lifeline.path), "exits"])
    assert failure.message == "handler was killed: its process ended with exit code 0"
    assert not lifeline.is_held


async def test_after_a_kill_none_of_its_descendants_is_left_when_it_returns(bank: Bank, lifeline: Lifeline) -> None:
    attempt, node = await bank.ready(bodies.family, [str(lifeline.path), "waits"])
    assert lifeline.is_held
    attempt.kill()
    returned = await node.end()
    assert (returned.output, returned.failure) == (None, None)
    assert not lifeline.is_held


async def test_one_kill_does_not_hurt_the_others(bank: Bank, lifeline: Lifeline) -> None:
    survivor, other = await bank.ready(bodies.family, [str(lifeline.path), "waits"])
    for _ in range(5):
        attempt, node = await bank.ready(bodies.spins)
        attempt.kill()
        await node.end()
    assert lifeline.is_held
    assert not other.returned.is_set()
    survivor.kill()
    await other.end()


async def test_kills_leave_no_process_no_thread_and_no_descriptor() -> None:
    async with opened(max_workers=4) as bank:
        await bank.output(bodies.nothing)
        spawner = bank.pool.client.pid
        before = resources_of(os.getpid()), resources_of(spawner or 0)
        for _ in range(10):
            ready = await asyncio.gather(*(bank.ready(bodies.spins) for _ in range(3)))
            for attempt, _ in ready:
                attempt.kill()
            await asyncio.gather(*(node.end() for _, node in ready))
        await bank.output(bodies.nothing)
        assert (resources_of(os.getpid()), resources_of(spawner or 0)) == before


def resources_of(pid: int) -> tuple[int, int, int]:
    """Descriptors, threads and children of a process."""
    threads, descriptors = (len(list(Path(f"/proc/{pid}/{what}").iterdir())) for what in ("task", "fd"))
    return descriptors, threads, len(children_of(pid))


async def test_an_abandoned_worker_is_an_orphan_and_its_place_is_given_away() -> None:
    async with opened(max_workers=1) as bank:
        attempt, node = await bank.ready(bodies.ignores_sigterm)
        released = asyncio.Event()
        attempt.abandon(lambda permit: released.set(), Permit("k", 0, "i"))
        assert len(bank.orphans) == 1
        assert await bank.output(bodies.nothing) == {}
        attempt.kill()
        await released.wait()
        assert len(bank.orphans) == 0
        await node.end()


async def test_a_closed_pool_has_killed_what_ran(lifeline: Lifeline) -> None:
    async with opened() as bank:
        await bank.ready(bodies.family, [str(lifeline.path), "waits"])
    assert not lifeline.is_held


async def test_a_pool_may_be_closed_from_plain_code(lifeline: Lifeline) -> None:
    async with opened() as bank:
        await bank.ready(bodies.family, [str(lifeline.path), "waits"])
        bank.pool.close()
        assert not lifeline.is_held


async def test_a_pool_of_a_shared_spawner_may_be_closed_from_plain_code(
    bank: Bank, lifeline: Lifeline, caplog: pytest.LogCaptureFixture
) -> None:
    await bank.ready(bodies.family, [str(lifeline.path), "waits"])
    (worker,) = bank.pool._workers
    bank.pool.close()
    await worker.leader.ended
    assert not lifeline.is_held
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_spawner_that_dies_takes_its_workers_along_and_is_replaced(own_bank: Bank) -> None:
    pid = (await own_bank.output(bodies.pid))["pid"]
    _, node = await own_bank.ready(bodies.ignores_sigterm)
    spawner = own_bank.pool.client.pid
    assert spawner is not None
    os.kill(spawner, signal.SIGKILL)
    failure = await node.failure()
    assert (failure.message, failure.retryable) == ("handler was killed: worker lost: spawner died", True)
    assert is_dead(pid)
    assert (await own_bank.output(bodies.pid))["spawner"] not in {spawner, os.getpid()}


async def test_a_spawner_that_dies_leaves_no_descendant_of_its_workers(own_bank: Bank, lifeline: Lifeline) -> None:
    _, node = await own_bank.ready(bodies.family, [str(lifeline.path), "waits"])
    assert own_bank.pool.client.pid is not None
    os.kill(own_bank.pool.client.pid, signal.SIGKILL)
    assert "spawner died" in (await node.failure()).message
    assert not lifeline.is_held


async def test_a_spawner_that_is_dead_already_is_noticed_before_the_handler_begins(own_bank: Bank) -> None:
    os.kill((await own_bank.output(bodies.pid))["pid"], signal.SIGSTOP)
    spawner = own_bank.pool.client.pid
    assert spawner is not None
    os.kill(spawner, signal.SIGKILL)
    assert "pid" in await own_bank.output(bodies.pid)


HOST = """
import asyncio, os, sys, time
from tests.runtime.processes import bodies
from tests.runtime.processes.support import Bank
async def main():
    bank = Bank()
    _, node = await bank.ready(bodies.family, [sys.argv[1], "waits"])
    pid = (await bank.output(bodies.pid))
    fork = os.fork() if sys.argv[2] == "forks" else 0
    if sys.argv[2] == "forks" and fork == 0:
        time.sleep(600)
    print(pid["pid"], pid["spawner"], fork, flush=True)
    await node.end()
asyncio.run(main())
"""


@contextlib.contextmanager
def another_host(lifeline: Lifeline, then: str = "") -> Iterator[tuple[int, int, int]]:
    """A host with a busy worker, which may have forked itself: its process id, the idle worker's, the spawner's."""
    root = Path(__file__).parents[3]
    arguments = [sys.executable, "-c", HOST, str(lifeline.path), then]
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        worker, spawner, fork = map(int, host.stdout.readline().split())
        try:
            yield host.pid, worker, spawner
        finally:  # a test that fails leaves nothing either
            for pid in (host.pid, fork, spawner):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid or host.pid, signal.SIGKILL)


@pytest.mark.parametrize("then", ["", "forks"])
async def test_a_killed_host_takes_everything_along(lifeline: Lifeline, then: str) -> None:
    with another_host(lifeline, then) as (host, worker, spawner):
        os.kill(host, signal.SIGKILL)
        await lifeline.is_let_go()
        await until_dead(worker)
        await until_dead(spawner)


async def test_a_killed_host_takes_its_workers_along_even_when_the_spawner_stands_still(lifeline: Lifeline) -> None:
    with another_host(lifeline) as (host, worker, spawner):
        os.kill(spawner, signal.SIGSTOP)
        os.kill(host, signal.SIGKILL)
        await until_dead(worker)
        os.kill(spawner, signal.SIGCONT)
        await lifeline.is_let_go()
        await until_dead(spawner)


async def test_workers_die_with_a_spawner_even_when_the_host_stands_still(lifeline: Lifeline) -> None:
    with another_host(lifeline) as (host, worker, spawner):
        os.kill(host, signal.SIGSTOP)
        os.kill(spawner, signal.SIGKILL)
        await until_dead(worker)
        os.kill(host, signal.SIGCONT)
        await lifeline.is_let_go()
        os.kill(host, signal.SIGKILL)


async def test_a_spawner_does_not_listen_to_signals_that_mean_its_host(own_bank: Bank) -> None:
    before = await own_bank.output(bodies.pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(before["spawner"], number)
    assert await own_bank.output(bodies.pid) == before


async def test_sigterm_between_attempts_does_nothing(bank: Bank, tmp_path: Path) -> None:
    before = await bank.output(bodies.pid)
    for _ in range(20):
        os.kill(before["pid"], signal.SIGTERM)
        assert await bank.output(bodies.pid) == before
