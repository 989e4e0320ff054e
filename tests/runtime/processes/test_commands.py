"""Command nodes whose programs are started by the spawner: the same rules, and nobody escapes."""

import asyncio
import gc
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from playbill.model.configs import CommandConfig
from playbill.model.errors import NodeExecutionError
from playbill.runtime.processes.spawner_client import SpawnerClient
from tests.runtime.handlers import test_command as theirs
from tests.runtime.handlers.support import NODE, SPAWNER, command, context_of
from tests.runtime.processes.support import Bank, Lifeline, children_of, nothing_left, opened, until_dead

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
ELSEWHERE = {
    "test_who_left_the_group_cannot_hang_us_by_its_pipes",  # with a spawner it is killed
    "test_without_pidfds_a_thread_waits_instead",  # there is no spawner then
    "test_a_command_that_can_never_start_is_a_config_error",  # parametrized: below
}
SHARED = [
    function
    for name, function in vars(theirs).items()
    if name.startswith("test_") and inspect.iscoroutinefunction(function) and name not in ELSEWHERE
]


@pytest.fixture
def spawner(client: SpawnerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpawnerClient]:
    client.start()
    monkeypatch.setattr(theirs, "nothing_left", nothing_left)
    token = SPAWNER.set(client)
    yield client
    SPAWNER.reset(token)


@pytest.mark.parametrize("test", SHARED, ids=lambda test: test.__name__)
async def test_the_rules_of_commands_hold(
    test: Callable[..., Any],
    spawner: SpawnerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = theirs.Lifeline(tmp_path / "line")
    given = {"tmp_path": tmp_path, "lifeline": line, "monkeypatch": monkeypatch}
    token = SPAWNER.set(spawner)
    try:
        await test(**{name: given[name] for name in inspect.signature(test).parameters})
    finally:
        SPAWNER.reset(token)
        os.close(line.descriptor)


@pytest.mark.parametrize(("config", "message"), theirs.NEVER_STARTS)
async def test_a_command_that_can_never_start_is_a_config_error(
    config: dict[str, Any], message: str, spawner: SpawnerClient
) -> None:
    token = SPAWNER.set(spawner)
    await theirs.test_a_command_that_can_never_start_is_a_config_error(config, message)
    SPAWNER.reset(token)


async def run(spawner: SpawnerClient, *argv: str) -> dict[str, Any]:
    token = SPAWNER.set(spawner)
    try:
        return await command(NODE, {}, context_of(CommandConfig(argv=[*argv])))
    finally:
        SPAWNER.reset(token)


async def test_a_cancelled_command_that_could_not_start_leaves_no_error_that_nobody_asked_for(
    spawner: SpawnerClient,
) -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    task = asyncio.create_task(run(spawner, "no such program"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    del task
    gc.collect()
    assert said == []


async def test_a_leader_is_the_spawners_child_in_a_session_of_its_own(spawner: SpawnerClient) -> None:
    found = await run(spawner, sys.executable, "-c", "import os; print(os.getppid(), os.getpid() == os.getsid(0))")
    assert found["stdout"] == f"{spawner.pid} True\n"


async def test_a_program_inherits_nothing_but_its_own_pipes(spawner: SpawnerClient) -> None:
    found = await run(spawner, "ls", "/proc/self/fd")
    assert found["stdout"].split() == ["0", "1", "2", "3"]  # 3 is the listing's own


ESCAPES = """
import os, sys, time
held = os.open(sys.argv[1], os.O_WRONLY)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("held", flush=True)
        time.sleep(600)
    os._exit(0)
if sys.argv[2] == "waits":
    time.sleep(600)
time.sleep(0.05)
"""


async def test_who_left_the_group_and_its_parents_is_killed_with_the_leader(
    spawner: SpawnerClient, lifeline: Lifeline
) -> None:
    await run(spawner, sys.executable, "-c", ESCAPES, str(lifeline.path), "ends")
    assert not lifeline.is_held


async def test_who_left_the_group_is_killed_by_the_second_cancel(spawner: SpawnerClient, lifeline: Lifeline) -> None:
    ready = asyncio.Event()
    context = context_of(CommandConfig(argv=[sys.executable, "-c", ESCAPES, str(lifeline.path), "waits"]))
    context.heartbeat = ready.set
    SPAWNER.set(spawner)
    task = asyncio.create_task(command(NODE, {}, context))
    await ready.wait()
    assert lifeline.is_held
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not lifeline.is_held


async def test_a_cancel_while_the_program_is_being_started_ends_it(
    spawner: SpawnerClient, lifeline: Lifeline
) -> None:
    SPAWNER.set(spawner)
    with nothing_left():
        script = f"exec 9>{lifeline.path}; while :; do sleep 600; done"
        task = asyncio.create_task(command(NODE, {}, context_of(CommandConfig(argv=["sh", "-c", script]))))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert not lifeline.is_held


async def test_a_program_dies_with_the_spawner_and_may_be_tried_again(lifeline: Lifeline) -> None:
    async with opened() as bank:
        ready = asyncio.Event()
        script = f"exec 9>{lifeline.path}; echo ready; while :; do sleep 600; done"
        context = context_of(CommandConfig(argv=["sh", "-c", script]))
        context.heartbeat = ready.set
        SPAWNER.set(bank.pool.client)
        task = asyncio.create_task(command(NODE, {}, context))
        await ready.wait()
        assert bank.pool.client.pid is not None
        os.kill(bank.pool.client.pid, signal.SIGKILL)
        with pytest.raises(NodeExecutionError, match=r"was ended by SIGKILL|was lost: spawner died"):
            await task
        await lifeline.is_let_go()
        assert (await run(bank.pool.client, "echo", "again"))["stdout"] == "again\n"


HOST = """
import asyncio, sys
from playbill.runtime.processes.programs.program import Program
from playbill.runtime.processes.spawner_client import SpawnerClient
async def main():
    client = SpawnerClient(asyncio.get_running_loop())
    ready = asyncio.Event()
    argv = [sys.executable, "-c", sys.argv[1], sys.argv[2], "waits"]
    child = Program(argv, on_output=lambda *_: ready.set(), spawner=client)
    await ready.wait()
    print(client.pid, flush=True)
    await child.ended
asyncio.run(main())
"""


@pytest.fixture
def host(lifeline: Lifeline) -> Iterator[tuple[int, int, int]]:
    """A host with a program whose children hold the lifeline: its process id, the program's, the spawner's."""
    arguments = [sys.executable, "-c", HOST, ESCAPES, str(lifeline.path)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        spawner = int(process.stdout.readline())
        (program,) = children_of(spawner)
        try:
            yield process.pid, int(program), spawner
        finally:  # a test that fails leaves nothing either
            process.kill()


async def test_a_killed_host_takes_its_programs_along(host: tuple[int, int, int], lifeline: Lifeline) -> None:
    pid, program, spawner = host
    os.kill(pid, signal.SIGKILL)
    await lifeline.is_let_go()
    await until_dead(program)
    await until_dead(spawner)


async def test_programs_die_with_a_spawner_even_when_the_host_stands_still(
    host: tuple[int, int, int], lifeline: Lifeline
) -> None:
    pid, program, spawner = host
    os.kill(pid, signal.SIGSTOP)
    os.kill(spawner, signal.SIGKILL)
    await until_dead(program)
    os.kill(pid, signal.SIGCONT)
    await lifeline.is_let_go()


async def test_a_killed_host_takes_its_programs_along_even_when_the_spawner_stands_still(
    host: tuple[int, int, int], lifeline: Lifeline
) -> None:
    pid, program, spawner = host
    os.kill(pid, signal.SIGSTOP)  # it would continue its spawner
    os.kill(spawner, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    await until_dead(program)
    await lifeline.is_let_go()  # by those who left the group, too
    await until_dead(spawner)


async def test_a_command_that_stops_its_parent_stops_nobody(own_bank: Bank) -> None:
    spawner = own_bank.pool.client
    script = "for each in 1 2 3; do kill -STOP $PPID; done; echo stopped"
    assert (await run(spawner, "sh", "-c", script))["stdout"] == "stopped\n"
    assert (await run(spawner, "echo", "other"))["stdout"] == "other\n"


async def test_a_stop_that_comes_with_an_order_is_undone(own_bank: Bank) -> None:
    spawner = own_bank.pool.client
    await run(spawner, "true")
    assert spawner.pid is not None
    for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        os.kill(spawner.pid, number)
        assert (await run(spawner, "echo", "answered"))["stdout"] == "answered\n"


@pytest.mark.parametrize("number", ["TERM", "HUP", "USR1", "USR2", "QUIT", "ALRM", "PIPE", "RTMIN"])
async def test_a_command_that_signals_its_parent_harms_nobody(own_bank: Bank, number: str) -> None:
    spawner = own_bank.pool.client
    await run(spawner, "true")
    before = spawner.pid
    script = f"kill -{number} $PPID; trap; echo told"
    assert (await run(spawner, "sh", "-c", script))["stdout"] == "told\n"
    assert (await run(spawner, "echo", "other"))["stdout"] == "other\n"
    assert spawner.pid == before


async def test_a_command_that_kills_its_parent_costs_the_others_one_attempt(own_bank: Bank) -> None:
    ready = asyncio.Event()
    context = context_of(CommandConfig(argv=["sh", "-c", "echo ready; sleep 600"]))
    context.heartbeat = ready.set
    SPAWNER.set(own_bank.pool.client)
    other = asyncio.create_task(command(NODE, {}, context))
    await ready.wait()
    with pytest.raises(NodeExecutionError, match=r"was ended by SIGKILL|was lost: spawner died"):
        await run(own_bank.pool.client, "sh", "-c", "kill -9 $PPID; sleep 600")
    with pytest.raises(NodeExecutionError, match=r"was ended by SIGKILL|was lost: spawner died"):
        await other
    assert (await run(own_bank.pool.client, "echo", "again"))["stdout"] == "again\n"


LIBC_SIGNALS = 0b11 << 31
"""32 and 33, which glibc keeps to itself: what its posix_spawn begins, such as what make runs, ignores them."""


async def test_programs_take_no_signal_of_the_spawners(spawner: SpawnerClient) -> None:
    found = await run(spawner, "sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status")
    sets = {name: int(bits, 16) for name, bits in (line.split(":") for line in found["stdout"].splitlines())}
    assert {name: bits & ~LIBC_SIGNALS for name, bits in sets.items()} == {"SigBlk": 0, "SigIgn": 0}
