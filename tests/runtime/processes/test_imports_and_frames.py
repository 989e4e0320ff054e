"""Neither what a worker imports nor what it says is trusted: a failure there is one attempt's, told as it is."""

import importlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from playbill.model.messages import Heartbeat
from playbill.model.plain_text import MAX_TEXT_BYTES
from playbill.runtime.runners.workers.frames import MAX_BYTES, BrokenFrame, Reader, from_worker
from tests.runtime.processes import bodies
from tests.runtime.processes.support import Bank

pytestmark = pytest.mark.anyio

IN_HOST = "import os, sys\nif os.getpid() != {host}:\n    "
HANDLER = "\ndef handler(node, inputs, context):\n    return {{'file': __file__, 'pid': os.getpid()}}\n"
BROKEN = {
    "raises SystemExit": ("raise SystemExit(3)", "SystemExit(3)"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt()"),
    "raises CancelledError": ("import asyncio; raise asyncio.CancelledError", "CancelledError()"),
    "raises an error": ("raise RuntimeError('no licence')", "RuntimeError('no licence')"),
    "is another module": ("sys.modules[__name__] = sys", "AttributeError("),
    "ends half way": ("sys.modules['gone.half'] = None; import gone.half", "ModuleNotFoundError("),
}


def module(folder: Path, name: str, breaks: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A handler of a module that does something in a worker only."""
    text = IN_HOST + breaks.replace("{", "{{").replace("}", "}}") + HANDLER
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text.format(host=__import__("os").getpid()))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name).handler


@pytest.mark.parametrize("name", BROKEN)
async def test_a_failed_import_is_told_each_time_and_harms_nobody_else(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    breaks, cause = BROKEN[name]
    handler = module(tmp_path, f"breaks_{name.replace(' ', '_')}", breaks, monkeypatch)
    assert "pid" in await bank.output(bodies.pid)
    for _ in range(3):
        returned = await bank.again(handler)
        assert returned.failure is not None
        assert (returned.failure.type, returned.failure.retryable) == ("NodeConfigError", False)
        assert f"its handler cannot be loaded in a process: {cause}" in returned.failure.message
        assert "pid" in await bank.output(bodies.pid)


class Stubborn:
    """A config that only its host can load."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


async def test_a_config_that_does_not_unpickle_is_told_each_time(bank: Bank) -> None:
    for _ in range(3):
        failure = await bank.failure(bodies.nothing, Stubborn())
        assert 'cannot be loaded in a process: ValueError("invalid literal for int()' in failure.message
    assert await bank.output(bodies.nothing) == {}


async def test_a_module_that_the_host_finds_by_now_is_found_by_workers_that_were_warm_before(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bank.output(bodies.pid)
    found = await bank.output(module(tmp_path, "found_later", "pass", monkeypatch))
    assert found["file"] == str(tmp_path / "found_later.py")


async def test_of_two_modules_of_one_name_the_hosts_own_is_executed(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("first", "second"):
        found = await bank.output(module(tmp_path / folder, "of_one_name", "pass", monkeypatch))
        assert found["file"] == str(tmp_path / folder / "of_one_name.py")


async def test_a_module_that_a_process_finds_elsewhere_is_refused(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = module(tmp_path / "there", "elsewhere", "pass", monkeypatch)
    other = tmp_path / "here" / "elsewhere.py"
    sys.modules["elsewhere"].__file__ = str(other)
    failure = await bank.failure(handler)
    assert failure.message.startswith(f"its module 'elsewhere' is {other} in the host, and ")


def framed(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


NONSENSE = {
    "4 GiB": (b"\xff\xff\xff\xff", "announced a frame of 4,294,967,295 bytes"),
    "no JSON": (framed(b"nonsense"), "said b'nonsense', which is no frame"),
    "unknown": (framed(b'["ExitFrame", 1]'), "which is no frame"),
    "a number": (framed(b"7"), "which is no frame"),
    "deep": (framed(b"[" * 100_000), "which is no frame"),
    "too few": (framed(b'["DoneFrame", 1]'), "which is no DoneFrame"),
    "another type": (framed(b'["LogFrame", 1, "high", "x", true]'), "which is no LogFrame"),
    "no failure": (
        framed(json.dumps(["DoneFrame", 1, 0.0, None, [7], False]).encode()),
        "told of a failure that is none",
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_who_says_what_no_worker_says_fails_clearly_and_is_replaced(bank: Bank, name: str) -> None:
    said, text = NONSENSE[name]
    before = (await bank.output(bodies.pid))["pid"]
    if name == "no failure":
        serial = next(iter(bank.pool._workers))._serial + 1
        said = framed(json.dumps(["DoneFrame", serial, 0.0, None, [7], True]).encode())
    failure = await bank.failure(bodies.writes_to_the_host, said.hex())
    assert (failure.type, failure.retryable) == ("HandlerKilled", True)
    assert text in failure.message
    assert (await bank.output(bodies.pid))["pid"] != before


def test_a_reader_holds_no_more_than_has_come() -> None:
    reader = Reader(MAX_BYTES)
    assert reader.feed(struct.pack("<I", MAX_BYTES) + b"x") == []
    with pytest.raises(BrokenFrame, match="33,554,433 bytes; 33,554,432 at most"):
        Reader(MAX_BYTES).feed(struct.pack("<I", MAX_BYTES + 1))


def test_an_end_outside_the_attempt_is_none() -> None:
    with pytest.raises(BrokenFrame):
        from_worker(b'["DoneFrame", true, 1.0, null, null, false]')


@pytest.mark.parametrize(
    ("progress", "heard"), [("{'a': [1, None]}", {"a": [1, None]}), ("(1, {2})", [1, [2]]), ("0.5", 0.5)]
)
async def test_progress_is_told_as_an_output_is(bank: Bank, progress: str, heard: object) -> None:
    _, node = bank.begin(bodies.beats, progress)
    await node.output()
    assert [message.progress for message in node.mail if isinstance(message, Heartbeat)] == [heard]


async def test_what_is_too_large_to_be_told_is_cut_or_named(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    failure = await bank.failure(bodies.beats, "'x' * 40_000_000")
    assert failure.message == "40,000,020 bytes as JSON cannot be told to the host, 33,554,432 at most"
    assert len((await bank.failure(bodies.fails_at_length, 40_000_000)).message) <= MAX_TEXT_BYTES
    await bank.output(bodies.logs_much, 2_000_000)
    assert caplog.records[-1].getMessage().endswith("xxx... 951424 characters left out")
