"""A leader as the host holds it, in the moments that a real spawner hurries through."""

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from playbill.runtime.processes.leader import Leader, ProcessEnd
from tests.runtime.processes.support import until_dead

pytestmark = pytest.mark.anyio


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has made no group of its own."""
    with subprocess.Popen(["sleep", "600"]) as started:
        yield started
        started.kill()


@pytest.mark.parametrize("later", [signal.SIGTERM, signal.SIGKILL])
async def test_a_signal_before_it_is_born_is_kept_and_none_replaces_a_kill(
    process: subprocess.Popen[bytes], later: signal.Signals
) -> None:
    leader = Leader(asyncio.get_running_loop(), lambda pid: None)
    assert repr(leader) == "<Leader starting>"
    leader.signal(signal.SIGKILL)
    leader.signal_alone(signal.SIGTERM)
    leader.signal(later)
    leader.bear(process.pid)
    await until_dead(process.pid)
    assert process.wait() == -signal.SIGKILL
    leader.forget()


async def test_one_that_is_refused_tells_why_and_is_signalled_and_swept_no_more() -> None:
    ordered: list[int] = []
    leader = Leader(asyncio.get_running_loop(), ordered.append)
    leader.signal(signal.SIGTERM)
    leader.refuse(OSError("no room"))
    leader.signal(signal.SIGKILL)
    leader.sweep()
    for future in (leader.exited, leader.ended):
        with pytest.raises(OSError, match="no room"):
            await future
    assert ordered == []


async def test_a_signal_before_it_made_its_group_reaches_it_all_the_same(process: subprocess.Popen[bytes]) -> None:
    leader = Leader(asyncio.get_running_loop(), lambda pid: None)
    leader.bear(process.pid)
    leader.signal(signal.SIGKILL)
    await until_dead(process.pid)
    leader.end(ProcessEnd(-9))
    assert leader.ended.result() == ProcessEnd(-9)


async def test_after_its_sweep_it_is_signalled_no_more(process: subprocess.Popen[bytes]) -> None:
    ordered: list[int] = []
    leader = Leader(asyncio.get_running_loop(), ordered.append)
    leader.bear(process.pid)
    leader.sweep()
    leader.sweep()
    assert ordered == [process.pid]
    await until_dead(process.pid)
    process.wait()
    leader.signal(signal.SIGKILL)
    leader.end(ProcessEnd(-9))


async def test_it_has_not_ended_as_long_as_the_kernel_says_so(
    process: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    leader = Leader(asyncio.get_running_loop(), lambda pid: None)
    leader.bear(process.pid)
    leader.exit(0)
    leader.end(ProcessEnd(-9, (process.pid,)))
    assert not leader.exited.done()
    assert not leader.ended.done()
    assert caplog.messages == [f"processes that SIGKILL does not end: {process.pid}"]
    process.kill()
    assert (await leader.ended).exit_code == -9


async def test_without_a_descriptor_for_it_the_spawner_is_believed(
    process: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_is_free(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", none_is_free)
    leader, lost = (Leader(asyncio.get_running_loop(), lambda pid: None) for _ in range(2))
    leader.signal(signal.SIGKILL)
    leader.bear(process.pid)
    assert "followed by the spawner only: [Errno 24] Too many open files" in caplog.text
    assert process.wait() == -signal.SIGKILL
    leader.end(ProcessEnd(-9))
    assert leader.ended.result() == ProcessEnd(-9)
    lost.bear(process.pid)
    lost.lose()
    assert lost.ended.result() == ProcessEnd(-9, spawner_died=True)
