"""What handlers do to the host that runs them inline, and what is left of a killed one: shown on other hosts."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.processes.support import Lifeline, children_of, until_dead
from tests.stories.nasty.support import ready, until_let_go
from tests.stories.nasty.table import CHILD, HostEnds, HostStops, InHost
from tests.stories.nasty.test_table import PROCESSES, is_stopped, parametrized
from tests.warm import programs

pytestmark = [pytest.mark.anyio, pytest.mark.real("nasty handlers need a host of their own")]
ROOT = Path(__file__).resolve().parents[3]
Host = subprocess.Popen[str]


@contextlib.contextmanager
def host_of(column: str, body: str, lifeline: Lifeline) -> Iterator[Host]:
    """Another host, which is killed in any case."""
    arguments = [sys.executable, "-m", "tests.stories.nasty.host", column, body, str(lifeline.path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with programs.Popen(arguments, cwd=ROOT, text=True, **pipes) as host:
        try:
            yield host
        finally:
            host.kill()


def tell(host: Host, word: str) -> None:
    assert host.stdin is not None
    host.stdin.write(f"{word}\n")
    host.stdin.flush()


def ended(host: Host) -> int:
    return host.wait(20)


async def said_by(host: Host) -> dict[str, Any]:
    assert host.stderr is not None
    said: dict[str, Any] = json.loads(host.stderr.readline())
    return said


def more_said_by(host: Host) -> bytes:
    """What has come since, without waiting for the end: its children may hold the pipe."""
    assert host.stderr is not None
    os.set_blocking(host.stderr.fileno(), False)
    try:
        return os.read(host.stderr.fileno(), 4096)
    except BlockingIOError:
        return b""


def processes(body: str, column: str) -> int:
    """How many processes of a body say that they are ready; on a loop it forks once only."""
    return 2 if (body, column) == ("forks", "async") else PROCESSES.get(body, 1)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@parametrized(HostEnds)
async def test_who_ends_the_host_takes_its_processes_along(
    lifeline: Lifeline, body: str, column: str, cell: HostEnds
) -> None:
    with host_of(column, body, lifeline) as host:
        (bystander,) = await ready(lifeline)
        (spawner,) = map(int, children_of(host.pid))
        tell(host, "go")
        assert ended(host) == cell.code
        await until_dead(bystander)
        await until_dead(spawner)
        until_let_go(lifeline)


@parametrized(HostStops)
async def test_who_stops_the_host_goes_on_with_it(
    lifeline: Lifeline, body: str, column: str, cell: HostStops
) -> None:
    with host_of(column, body, lifeline) as host:
        (bystander,) = await ready(lifeline)
        tell(host, "go")
        await ready(lifeline)
        while not is_stopped(host.pid):  # noqa: ASYNC110 (only its parent is told)
            await asyncio.sleep(0)
        os.kill(host.pid, signal.SIGCONT)
        assert (await said_by(host))["status"] == "completed"
        assert ended(host) == 0
        await until_dead(bystander)


@parametrized(InHost)
async def test_it_is_stopped_but_what_it_did_to_its_host_stays(
    lifeline: Lifeline, body: str, column: str, cell: InHost
) -> None:
    with host_of(column, body, lifeline) as host:
        (bystander,) = await ready(lifeline)
        tell(host, "go")
        children = set(await ready(lifeline, processes(body, column))) - {host.pid}
        try:
            if cell.receipt:
                tell(host, "cancel")
            said = await said_by(host)
            assert (said["how"] or "") == cell.receipt
            assert said["threads"] == (2 if body == "leaves_threads" else 0)
            assert ended(host) == 0
            assert more_said_by(host) == b""
            await until_dead(bystander)
            assert bool(children) == (cell.note == CHILD)
            assert lifeline.is_held == bool(children)  # the impossibility: who starts a child inline has to end it
        finally:
            for child in children:
                kill(child)
        until_let_go(lifeline)


@pytest.mark.parametrize(
    ("column", "body"),
    [("async", "swallows"), ("thread", "swallows"), ("process", "double_forks"), ("command", "double_forks")],
)
async def test_of_a_killed_host_nothing_is_left(lifeline: Lifeline, column: str, body: str) -> None:
    with host_of(column, body, lifeline) as host:
        family = await ready(lifeline)
        family += map(int, children_of(host.pid))
        tell(host, "go")
        family += await ready(lifeline, PROCESSES.get(body, 1))
        os.kill(host.pid, signal.SIGKILL)
        for pid in family:
            await until_dead(pid)
        until_let_go(lifeline)
