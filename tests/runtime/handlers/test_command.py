"""The command handler, with real processes, on asyncio's loop and on uvloop's."""

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from playbill.model.configs import CommandConfig
from playbill.model.errors import NodeConfigError, NodeExecutionError
from playbill.model.plain_text import MAX_TEXT_BYTES
from playbill.model.sizes import MAX_BYTES, json_size
from playbill.runtime.processes import linux
from tests.runtime.handlers.support import NODE, command, context_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """No file descriptor more than before, and no child process, not even a zombie."""
    before, children = {path.name for path in Path("/dev/fd").iterdir()}, linux.children()
    yield
    assert {path.name for path in Path("/dev/fd").iterdir()} == before
    assert linux.children() == children


async def run(*argv: str, **config: Any) -> dict[str, Any]:
    with nothing_left():
        return await command(NODE, {}, context_of(CommandConfig(argv=list(argv), **config)))


async def shell(script: str, **config: Any) -> dict[str, Any]:
    return await run("sh", "-c", script, **config)


@contextlib.asynccontextmanager
async def running(*argv: str) -> AsyncIterator[asyncio.Task[dict[str, Any]]]:
    """The handler's task, once its program has written something; nothing of it is left in the end."""
    ready = asyncio.Event()
    context = context_of(CommandConfig(argv=list(argv)))
    context.heartbeat = ready.set
    with nothing_left():
        task = asyncio.create_task(command(NODE, {}, context))
        await ready.wait()
        yield task
        assert task.done()


class Lifeline:
    """A FIFO whose end of file tells that all who held it are gone."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    async def is_let_go(self) -> bytes:
        """Give all that was written, once nobody holds it any more."""
        loop, said = asyncio.get_running_loop(), bytearray()
        over: asyncio.Future[bytes] = loop.create_future()

        def read() -> None:
            data = os.read(self.descriptor, 100)
            said.extend(data)
            if not data:
                loop.remove_reader(self.descriptor)
                over.set_result(bytes(said))

        loop.add_reader(self.descriptor, read)
        return await over


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    found = Lifeline(tmp_path / "lifeline")
    yield found
    os.close(found.descriptor)


async def test_a_program_gives_what_it_wrote_and_its_exit_code() -> None:
    assert await shell("echo out; echo err >&2") == {"stdout": "out\n", "stderr": "err\n", "exit_code": 0}


async def test_arguments_are_never_read_by_a_shell() -> None:
    assert (await run("echo", "$HOME; *"))["stdout"] == "$HOME; *\n"


async def test_cwd_env_and_stdin_are_the_configs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "kept")
    script = "pwd -P; echo $KEPT $ADDED; cat"
    found = await shell(script, cwd=str(tmp_path), env={"ADDED": "added"}, stdin="grüße")
    assert found["stdout"] == f"{tmp_path}\nkept added\ngrüße"


async def test_stdin_is_empty_by_default() -> None:
    assert (await run("cat"))["stdout"] == ""


async def test_a_large_stdin_arrives_whole_and_one_that_nobody_reads_does_no_harm() -> None:
    assert (await run("wc", "-c", stdin="x" * 3_000_000))["stdout"].strip() == "3000000"
    assert (await run("true", stdin="x" * 3_000_000))["exit_code"] == 0


async def test_output_that_is_not_utf_8_becomes_text() -> None:
    assert (await shell(r"printf '\377ok'"))["stdout"] == "�ok"


async def test_a_wrong_exit_code_is_named_with_the_end_of_stderr() -> None:
    with pytest.raises(NodeExecutionError) as caught:
        await shell("echo no such table >&2; exit 3")
    assert str(caught.value) == "command 'sh' gave exit code 3 (ok_codes: 0): no such table"


async def test_a_program_that_died_of_a_signal_is_told_so() -> None:
    with pytest.raises(NodeExecutionError, match=r"was ended by SIGKILL \(ok_codes: 0\): it said nothing"):
        await shell("kill -9 $$")


async def test_ok_codes_say_what_is_no_failure() -> None:
    assert (await shell("exit 3", ok_codes=[0, 3]))["exit_code"] == 3


NEVER_STARTS: list[tuple[dict[str, Any], str]] = [
    (
        {"argv": ["no-such-program"]},
        "command 'no-such-program' cannot start: No such file or directory; name",
    ),
    ({"argv": ["/etc/passwd"]}, "command '/etc/passwd' cannot start: Permission denied"),
    ({"argv": ["true"], "cwd": "/no/such"}, "'true' cannot start: its cwd '/no/such' is not a directory"),
    ({"argv": ["true", "a\0b"]}, "command 'true' cannot start: embedded null byte"),
    ({"argv": ["true", "x" * 3_000_000]}, "command 'true' cannot start: Argument list too long"),
]
"""Configs of commands that can never start, and what is said of them."""


@pytest.mark.parametrize(("config", "message"), NEVER_STARTS)
async def test_a_command_that_can_never_start_is_a_config_error(config: dict[str, Any], message: str) -> None:
    with nothing_left(), pytest.raises(NodeConfigError) as caught:
        await command(NODE, {}, context_of(CommandConfig(**config)))
    assert message in str(caught.value)


async def test_no_descriptor_left_for_a_pipe_is_worth_another_attempt() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        with pytest.raises(NodeExecutionError, match="command 'true' cannot start: Too many open files"):
            await command(NODE, {}, context_of(CommandConfig(argv=["true"])))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_long_output_keeps_its_head_and_tail_and_says_so() -> None:
    found = await shell("printf begin; head -c 100000 /dev/zero; printf end", max_output_bytes=100)
    assert found["truncated"] is True
    assert found["stdout"].startswith("begin")
    assert found["stdout"].endswith("end")
    assert "\n... 99908 bytes left out ...\n" in found["stdout"]


FILLS = {
    "zeros": "head -c 300000 /dev/zero",
    "bytes that are no UTF-8": r"head -c 300000 /dev/zero | tr '\0' '\377'",
    "quotes": r"head -c 900000 /dev/zero | tr '\0' '\"'",
    "control characters": r"head -c 900000 /dev/zero | tr '\0' '\1'",
    "wide characters": "yes 💥é | head -c 900000",
    "lines": "yes | head -c 3000000",
}


async def test_any_output_fits_an_output_of_a_node() -> None:
    for fill in FILLS.values():
        for where in ("1>&1", "1>&2", "| tee /dev/stderr"):
            for most in (256 * 1024, 10_000_000):
                found = await shell(f"({fill}) {where}", max_output_bytes=most)
                size = json_size(found)
                assert (found["exit_code"], size <= MAX_BYTES) == (0, True), fill
                if "truncated" in found:
                    assert "bytes left out ...\n" in found["stdout"] + found["stderr"], fill
                    assert size > MAX_BYTES * 0.7 or most < MAX_BYTES, fill


async def test_what_a_failed_command_said_is_cut_to_the_bound_of_a_failures_texts() -> None:
    for fill in FILLS.values():
        failed = await failure(f"({fill}) | tee /dev/stderr; exit 3")
        assert (failed["exit_code"], failed["truncated"]) == (3, True)
        for text in (failed["stdout"], failed["stderr"]):
            assert 10_000 < json_size(text) <= MAX_TEXT_BYTES, fill


async def failure(script: str, **config: Any) -> dict[str, Any]:
    with pytest.raises(NodeExecutionError) as caught:
        await shell(script, **config)
    return dict(caught.value.data or {})


async def test_a_failed_command_tells_its_exit_code_and_what_it_said() -> None:
    assert await failure("echo out; echo err >&2; exit 7") == {"exit_code": 7, "stdout": "out\n", "stderr": "err\n"}
    assert (await failure("kill -9 $$", strip=True)) == {"exit_code": -9, "stdout": "", "stderr": ""}


async def test_strip_takes_off_newlines_at_the_end_as_a_shell_does() -> None:
    script = r"printf '\n a \r\n\t \n\n'; printf 'b\n' >&2"
    assert (await shell(script))["stdout"] == "\n a \r\n\t \n\n"
    found = await shell(script, strip=True)
    assert (found["stdout"], found["stderr"]) == ("\n a \r\n\t ", "b")


async def test_a_flood_of_output_does_not_grow_our_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = await shell("head -c 300000000 /dev/zero | tr '\\0' x")
    assert found["truncated"] is True
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB; of 293,000


async def test_output_is_a_heartbeat() -> None:
    context = context_of(CommandConfig(argv=["echo", "x"]))
    await command(NODE, {}, context)
    assert context.beats == [None]


async def test_what_the_leader_left_in_the_background_is_killed(lifeline: Lifeline) -> None:
    found = await shell(f"exec 9>{lifeline.path}; (trap '' TERM; exec sleep 600) & echo done")
    assert found["stdout"] == "done\n"
    assert await lifeline.is_let_go() == b""


async def test_what_the_leader_left_without_our_pipes_is_killed_too(lifeline: Lifeline) -> None:
    await shell(f"exec 9>{lifeline.path} >/dev/null 2>&1; sleep 600 & sleep 0.1")
    assert await lifeline.is_let_go() == b""


async def test_who_left_the_group_cannot_hang_us_by_its_pipes(lifeline: Lifeline) -> None:
    found = await run(
        sys.executable,
        "-c",
        "import os, time\n"
        "left, leaves = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        f"    print(os.getpid(), file=open({str(lifeline.path)!r}, 'w'), flush=True)\n"
        "    os.write(leaves, b'.')\n"
        "    time.sleep(600)\n"
        "os.read(left, 1)\n"  # else it may be swept with the group before it has left
        "print('done')\n",
    )
    os.set_blocking(lifeline.descriptor, True)
    os.kill(int(os.read(lifeline.descriptor, 20)), signal.SIGKILL)
    assert found["stdout"] == "done\n"


async def test_a_cancel_is_sigterm_and_leaves_all_the_time_for_cleanup(lifeline: Lifeline) -> None:
    trap = "trap 'echo cleaned >&9; exit 0' TERM"
    script = f"exec 9>{lifeline.path}; {trap}; echo ready; while :; do sleep 0.01; done"
    async with running("sh", "-c", script) as task:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert await lifeline.is_let_go() == b"cleaned\n"


async def test_after_sigterm_children_may_clean_up_when_their_leader_is_gone(lifeline: Lifeline) -> None:
    trap = "trap 'sleep 0.1; echo cleaned >&9; exit' TERM"
    child = f"exec 9>{lifeline.path}; {trap}; echo ready; while :; do sleep 0.01; done"
    async with running("sh", "-c", f'sh -c "{child}" & wait') as task:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert await lifeline.is_let_go() == b"cleaned\n"


async def test_a_second_cancel_kills_the_whole_group(lifeline: Lifeline) -> None:
    script = f"exec 9>{lifeline.path}; trap '' TERM; sleep 600 & echo ready; while :; do sleep 600; done"
    async with running("sh", "-c", script) as task:
        task.cancel()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        for _ in range(3):  # the runner goes on cancelling: it is reaped first all the same
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        assert task.cancelled()
    assert await lifeline.is_let_go() == b""


async def test_a_kill_ends_what_cleans_up_for_too_long_after_its_leader(lifeline: Lifeline) -> None:
    child = f"exec 9>{lifeline.path}; trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done"
    async with running("sh", "-c", f'sh -c "{child}" & wait') as task:
        task.cancel()
        while not task.done():
            await asyncio.wait([task], timeout=0.01)
            task.cancel()
        assert task.cancelled()
    assert await lifeline.is_let_go() == b""


async def test_a_cancel_before_the_start_starts_nothing() -> None:
    with nothing_left():
        task = asyncio.create_task(command(NODE, {}, context_of(CommandConfig(argv=["sleep", "600"]))))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_without_pidfds_a_thread_waits_instead(monkeypatch: pytest.MonkeyPatch, lifeline: Lifeline) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert (await shell("exit 3", ok_codes=[3]))["exit_code"] == 3
    script = f"exec 9>{lifeline.path}; trap '' TERM; sleep 600 & echo ready; while :; do sleep 600; done"
    async with running("sh", "-c", script) as task:
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert await lifeline.is_let_go() == b""


async def test_many_commands_at_once_all_end() -> None:
    with nothing_left():
        configs = [CommandConfig(argv=["sh", "-c", f"echo {number}"]) for number in range(40)]
        found = await asyncio.gather(*(command(NODE, {}, context_of(config)) for config in configs))
    assert [output["stdout"] for output in found] == [f"{number}\n" for number in range(40)]
