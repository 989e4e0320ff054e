"""When descriptors run out every order is answered, by a failure that is worth another attempt, and nothing leaks."""

import asyncio
import json
import os
import resource
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from playbill.model.configs import CommandConfig
from playbill.model.messages import Began
from playbill.runtime.processes import packets
from playbill.runtime.processes.spawner_client import SpawnerClient
from playbill.runtime.runners.program_pool import ProgramPool
from tests.runtime.handlers.support import begun, context_of
from tests.runtime.processes.support import nothing_left
from tests.warm import programs

ROOT = Path(__file__).parents[3]
HOST = """
import asyncio, json, resource, sys
limit, commands, options, env = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
import playbill
nodes = [
    {"id": f"n{n}", "type": "command", "config": {"argv": ["sleep", "0.1"], "env": env}, "retry": {"max_attempts": 1}}
    for n in range(commands)
]
async def main():
    async with playbill.PipelineRunManager(
        breakers={"command": playbill.BreakerPolicy(failures=100_000)}, **options
    ) as manager:
        run = await manager.start_run({"nodes": nodes, "on_failure": "finish"}, timeout_seconds=60)
        result = await run.result()
        again = await manager.start_run({"nodes": [{**nodes[0], "config": {"argv": ["true"]}}]}, timeout_seconds=20)
        said = [f"{end.error.type}: {end.error.message}" for end in result.node_results.values() if end.error]
        ends = [str(result.status), sorted(set(said)), len(result.orphans), str((await again.result()).status)]
        print(json.dumps(ends))
asyncio.run(main())
"""


def host(limit: int, commands: int, env: dict[str, str] | None = None, **options: Any) -> list[Any]:
    """What a run of so many commands comes to in a host with so many descriptors, and another run after it."""
    given = json.dumps([limit, commands, options, env or {}])
    done = programs.run([sys.executable, "-c", HOST, given], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stdout, done.stderr
    assert "Traceback" not in done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def test_more_commands_than_descriptors_wait_their_turn_and_all_complete() -> None:
    assert host(512, 210) == ["completed", [], 0, "completed"]


NO_ROOM = "NodeExecutionError: command 'sleep' cannot start: Too many open files"


@pytest.mark.parametrize("limit", [24, 32, 48, 64, 128])
@pytest.mark.parametrize("env", [{}, {"LARGE": "x" * 40_000}], ids=["small", "in a file"])
def test_with_hardly_a_descriptor_each_command_is_answered(limit: int, env: dict[str, str]) -> None:
    status, said, orphans, again = host(limit, 60, env, max_commands=1000)
    assert (status, said, orphans, again) == ("failed", [NO_ROOM], 0, "completed")


@contextmanager
def free_descriptors(count: int) -> Iterator[None]:
    """Leave so many descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("argument", ["short", "x" * 100_000])
def test_an_order_whose_descriptors_are_lost_on_the_way_keeps_its_number(argument: str) -> None:
    with nothing_left():
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, its:
            packets.send(ours, packets.CommandOrder(7, [argument], "/", {}, has_stdin=True), [0, 1, 2])
            with free_descriptors(2):
                assert packets.receive(its) == (packets.Truncated(7), [])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_waiting_command_begins_when_it_is_its_turn_and_not_before() -> None:
    pool = ProgramPool(None, 1)
    first, one = begun(context_of(CommandConfig(argv=["sleep", "600"])), pool)
    _, other = begun(context_of(CommandConfig(argv=["echo", "x"])), pool)
    await asyncio.sleep(0)
    assert (repr(pool), other.mail) == ("<ProgramPool running=1 waiting=1>", [])
    first.interrupt()
    returned = await other.returned
    assert type(other.mail[0]) is Began
    assert returned.output is not None
    await one.returned
    assert repr(pool) == "<ProgramPool running=0 waiting=0>"


@pytest.mark.anyio
async def test_a_waiting_command_that_is_stopped_never_begins_and_waits_no_more() -> None:
    pool = ProgramPool(None, 1)
    first, one = begun(context_of(CommandConfig(argv=["sleep", "600"])), pool)
    second, other = begun(context_of(CommandConfig(argv=["echo", "x"])), pool)
    second.interrupt()
    assert repr(pool) == "<ProgramPool running=1 waiting=0>"
    returned = await other.returned
    assert (returned.output, returned.failure, other.mail) == (None, None, [returned])
    first.kill()
    await one.returned


@pytest.mark.anyio
async def test_commands_that_cannot_start_make_room_for_the_next() -> None:
    pool = ProgramPool(None, 1)
    callers = [begun(context_of(CommandConfig(argv=["no such program"])), pool)[1] for _ in range(5)]
    assert {(await caller.returned).failure is None for caller in callers} == {False}
    assert repr(pool) == "<ProgramPool running=0 waiting=0>"


@pytest.mark.anyio
async def test_a_report_that_is_not_understood_costs_the_spawner_and_nobody_waits_for_ever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = SpawnerClient(asyncio.get_running_loop())
    with nothing_left():
        pool = ProgramPool(client)
        _, caller = begun(context_of(CommandConfig(argv=["sleep", "600"])), pool)
        monkeypatch.setattr(packets, "receive", lambda control: (packets.ExitedReport(1, 0), []))
        failure = (await caller.returned).failure
        assert failure is not None
        assert (failure.message, failure.retryable) == ("command 'sleep' was lost: spawner died", True)
        assert "it is replaced" in caplog.text
        monkeypatch.undo()
        _, caller = begun(context_of(CommandConfig(argv=["echo", "again"])), pool)
        assert (await caller.returned).output == {"stdout": "again\n", "stderr": "", "exit_code": 0}
        await client.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("who", ["playbill-wait", "playbill-spawner"])
async def test_a_thread_that_does_not_start_is_a_failure_worth_another_attempt(
    who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pidfds a thread waits for a program; with a spawner one waits for its stops."""
    client = SpawnerClient(asyncio.get_running_loop())
    start = threading.Thread.start

    def none(self: threading.Thread) -> None:
        if self.name.startswith(who):
            raise RuntimeError("can't start new thread")
        start(self)

    with nothing_left():
        monkeypatch.setattr(threading.Thread, "start", none)
        if who == "playbill-wait":
            monkeypatch.delattr(os, "pidfd_open")
        pool = ProgramPool(None if who == "playbill-wait" else client)
        failure = (await begun(context_of(CommandConfig(argv=["sleep", "600"])), pool)[1].returned).failure
        assert failure is not None
        assert (failure.type, failure.retryable) == ("NodeExecutionError", True)
        assert failure.message == "command 'sleep' cannot start: Resource temporarily unavailable"
        monkeypatch.undo()
        returned = await begun(context_of(CommandConfig(argv=["echo", "x"])), pool)[1].returned
        assert returned.output is not None
        await client.aclose()
