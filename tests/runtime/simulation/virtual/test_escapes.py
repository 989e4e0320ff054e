"""What leaves a simulation is found, named and placed; what stays inside is left alone."""
# ruff: noqa: PLW0108 - a builtin is seen when Python code calls it, so the lambdas are needed

import _thread
import asyncio
import cProfile
import importlib
import logging
import multiprocessing
import os
import pickle
import queue
import random
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from time import time as known_by_another_name
from types import FrameType
from typing import Any

import anyio
import anyio.to_thread
import pytest

from playbill.runtime.simulation.virtual.escapes import Escape, EscapeWatch

Call = Callable[[], object]


def watched(call: Call, *allow: str) -> EscapeWatch:
    """Make a call under a watch; an escape is raised."""
    watch = EscapeWatch(allow)
    watch.enter()
    try:
        call()
    finally:
        watch.leave()
    return watch


def on_a_loop(*allow: str) -> Callable[[Any], EscapeWatch]:
    """Watch what a coroutine function does, but not the making of its loop."""

    def watch_it(main: Any) -> EscapeWatch:
        watch = EscapeWatch(allow)

        async def inner() -> None:
            watch.enter()
            try:
                await main()
            finally:
                watch.leave()

        asyncio.run(inner())
        return watch

    return watch_it


def process() -> multiprocessing.Process:
    return multiprocessing.Process(target=int)


SYSTEM = random.SystemRandom(3)
CALLS: list[tuple[str, Call]] = [
    ("time.time", lambda: time.time()),
    ("time.time", lambda: known_by_another_name()),
    ("time.time_ns", lambda: time.time_ns()),
    ("time.monotonic", lambda: time.monotonic()),
    ("time.monotonic_ns", lambda: time.monotonic_ns()),
    ("time.perf_counter", lambda: time.perf_counter()),
    ("time.perf_counter_ns", lambda: time.perf_counter_ns()),
    ("time.process_time", lambda: time.process_time()),
    ("time.process_time_ns", lambda: time.process_time_ns()),
    ("datetime.datetime.now", lambda: datetime.now()),  # noqa: DTZ005
    ("datetime.datetime.now", lambda: datetime.now(UTC)),
    ("datetime.datetime.utcnow", lambda: datetime.utcnow()),  # noqa: DTZ003
    ("datetime.datetime.today", lambda: datetime.today()),  # noqa: DTZ002
    ("datetime.date.today", lambda: date.today()),  # noqa: DTZ011
    ("time.monotonic", lambda: queue.Queue[int]().get(timeout=9)),
    ("time.sleep", lambda: time.sleep(9)),
    ("select.select", lambda: select.select([], [], [], 9)),
    ("os.urandom", lambda: os.urandom(3)),
    ("os.getrandom", lambda: os.getrandom(3)),
    ("uuid.uuid1", lambda: uuid.uuid1()),
    ("uuid.uuid4", lambda: uuid.uuid4()),
    ("secrets.token_bytes", lambda: secrets.token_bytes(3)),
    ("secrets.token_hex", lambda: secrets.token_hex(3)),
    ("secrets.token_urlsafe", lambda: secrets.token_urlsafe(3)),
    ("secrets.randbelow", lambda: secrets.randbelow(3)),
    ("random.SystemRandom.getrandbits", lambda: secrets.choice([1, 2])),
    ("random.SystemRandom.getrandbits", lambda: secrets.randbits(3)),
    ("random.SystemRandom.random", lambda: SYSTEM.random()),
    ("random.Random", lambda: random.Random()),
    ("random.Random", lambda: random.Random(3).seed()),
    ("random.Random", lambda: vars(tempfile)["_RandomNameSequence"]().rng),
    ("random.random", lambda: random.random()),
    ("random.getrandbits", lambda: random.getrandbits(3)),
    ("random.seed", lambda: random.seed(3)),
    ("random.randint", lambda: random.randint(1, 6)),
    ("random.shuffle", lambda: random.shuffle([1, 2])),
    ("random.choice", lambda: random.choice([1, 2])),
    ("threading.Thread.start", lambda: threading.Thread(target=int).start()),
    ("_thread.start_new_thread", lambda: _thread.start_new_thread(int, ())),
    ("socket.socket", lambda: socket.socket()),
    ("socket.socketpair", lambda: socket.socketpair()),
    ("socket.getaddrinfo", lambda: socket.create_connection(("localhost", 1))),
    ("subprocess.Popen", lambda: subprocess.Popen(["false"])),
    ("subprocess.Popen", lambda: subprocess.run(["false"])),
    ("multiprocessing.process.BaseProcess.start", lambda: process().start()),
    ("os.fork", lambda: os.fork()),
    ("os.posix_spawn", lambda: os.posix_spawn("/bin/false", ["false"], {})),
    ("os.posix_spawnp", lambda: os.posix_spawnp("false", ["false"], {})),
    ("os.system", lambda: os.system("false")),
]


def this_line() -> int:
    frame = sys._getframe(1)
    return frame.f_lineno


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_a_call_that_leaves_the_simulation_is_raised_at_the_line_that_made_it(name: str, call: Call) -> None:
    with pytest.raises(Escape) as caught:
        watched(call)
    line = call.__code__.co_firstlineno
    assert (caught.value.call, caught.value.place) == (name, f"test_escapes.py:{line} in <lambda>")
    assert f'allow=["{name}"]' in str(caught.value)


async def coroutines_of(name: str) -> None:
    """Await the call; its place is this function."""
    if name == "asyncio.to_thread":
        await asyncio.to_thread(int)
    elif name == "anyio.to_thread.run_sync":
        await anyio.to_thread.run_sync(int)
    elif name == "asyncio.BaseEventLoop.run_in_executor":
        await asyncio.get_running_loop().run_in_executor(None, int)
    elif name == "asyncio.open_connection":
        await asyncio.open_connection("localhost", 1)
    elif name == "asyncio.start_server":
        await asyncio.start_server(print, "localhost", 0)
    elif name == "asyncio.create_subprocess_exec":
        await asyncio.create_subprocess_exec("false")
    else:
        await asyncio.create_subprocess_shell("false")


AWAITED = [
    "asyncio.to_thread",
    "anyio.to_thread.run_sync",
    "asyncio.BaseEventLoop.run_in_executor",
    "asyncio.open_connection",
    "asyncio.start_server",
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
]


@pytest.mark.parametrize("name", AWAITED)
def test_what_is_awaited_is_found_too(name: str) -> None:
    with pytest.raises(Escape) as caught:
        on_a_loop()(lambda: coroutines_of(name))
    assert caught.value.call == name
    assert caught.value.place.endswith(" in coroutines_of")


def test_a_thread_that_a_task_of_its_own_asks_for_is_found() -> None:
    async def main() -> None:
        await asyncio.gather(asyncio.to_thread(int))

    watch = EscapeWatch()

    async def watched_by_a_loop() -> None:  # as a virtual loop does it: around each step of each task
        loop = asyncio.get_running_loop()
        loop.call_soon(watch.enter)
        task = asyncio.ensure_future(main())
        await asyncio.wait([task])
        with pytest.raises(Escape, match=r"asyncio\.to_thread"):
            task.result()

    asyncio.run(watched_by_a_loop())
    watch.leave()
    assert [escape.call for escape in watch.escapes] == ["asyncio.to_thread"]


def test_seeded_randomness_is_fine() -> None:
    def seeded() -> None:
        generator = random.Random(3)
        generator.random()
        generator.randint(1, 6)
        generator.shuffle([1, 2, 3])
        generator.choice([1, 2])
        generator.seed(4)
        uuid.UUID(int=generator.getrandbits(128), version=4)

    assert watched(seeded).escapes == []


def test_what_asyncio_and_anyio_do_for_the_loop_is_fine() -> None:
    async def main() -> None:
        async with asyncio.timeout(9), anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.001)
            await asyncio.gather(asyncio.sleep(0.001), asyncio.Event().wait(), return_exceptions=True)

    async def ends() -> None:
        with anyio.move_on_after(0.005):
            await main()
        assert asyncio.get_running_loop().time() > 0

    assert on_a_loop()(ends).escapes == []


def test_logging_a_record_is_fine() -> None:
    def logs() -> None:
        try:
            int("no number")
        except ValueError:
            logging.getLogger("tests.escapes").warning("at %s", 3, exc_info=True)

    assert watched(logs).escapes == []


def test_a_clock_read_by_a_handlers_own_formatter_is_not_loggings() -> None:
    class Stamped(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            time.time()

    logger = logging.Logger("tests.stamped")  # noqa: LOG001 - it is nobody else's
    logger.addHandler(Stamped())
    with pytest.raises(Escape, match=r"in emit leaves"):
        watched(lambda: logger.warning("now"))


def test_a_condition_of_threading_may_measure_its_timeout() -> None:
    def waits() -> None:
        condition = threading.Condition()
        with condition:
            condition.wait_for(lambda: False, timeout=0.001)

    assert watched(waits).escapes == []


def test_what_an_import_does_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reads_the_clock.py").write_text("import time\nBEGAN = time.time()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert watched(lambda: importlib.import_module("reads_the_clock")).escapes == []


@pytest.mark.parametrize(
    ("allow", "call"),
    [
        ("time.time", lambda: time.time()),
        ("clock", lambda: datetime.now(UTC)),
        ("uuid.uuid4", lambda: uuid.uuid4()),
        ("random.randint", lambda: random.randint(1, 6)),
        ("random.Random", lambda: random.Random()),
        ("secrets.token_hex", lambda: secrets.token_hex(3)),
        ("threads", lambda: threading.Thread(target=int).start()),
        ("threading.Thread.start", lambda: threading.Thread(target=int).start()),
        ("socket.socket", lambda: socket.socket().close()),
        ("subprocess.Popen", lambda: subprocess.run(["true"])),
    ],
)
def test_an_allowed_call_is_let_through_with_all_that_it_does(allow: str, call: Call) -> None:
    assert watched(call, allow).escapes == []


@pytest.mark.parametrize("name", ["asyncio.to_thread", "anyio.to_thread.run_sync"])
def test_an_allowed_thread_starts(name: str) -> None:
    assert on_a_loop(name)(lambda: coroutines_of(name)).escapes == []


def test_to_allow_one_call_is_not_to_allow_its_kind() -> None:
    with pytest.raises(Escape, match=r"time\.time_ns"):
        watched(lambda: time.time_ns(), "time.time")


def test_an_unknown_name_in_allow_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"allow has 'time.tme': .*; there are: .*'clock', .*'time.time'"):
        EscapeWatch(["time.time", "time.tme"])


def test_the_place_is_the_line_of_the_call() -> None:
    lines: list[int] = []

    def fetch() -> float:
        lines.append(this_line() + 1)
        return known_by_another_name()

    with pytest.raises(Escape) as caught:
        watched(fetch)
    assert caught.value.place == f"test_escapes.py:{lines[0]} in fetch"
    assert str(caught.value) == (
        f"time.time() at test_escapes.py:{lines[0]} in fetch leaves the simulation: its answer differs from run to"
        ' run; use the loop\'s time, asyncio.get_running_loop().time(), or allow it with allow=["time.time"]'
    )


@pytest.mark.parametrize(
    ("call", "way"),
    [
        (lambda: time.sleep(9), "use await asyncio.sleep(...)"),
        (lambda: random.random(), "use random.Random(seed)"),
        (lambda: threading.Thread().start(), "await the work on the loop"),
        (lambda: socket.socket(), "what the other side answers"),
        (lambda: subprocess.run(["true"]), "what a process does"),
    ],
)
def test_each_kind_of_call_has_its_own_way_out(call: Call, way: str) -> None:
    with pytest.raises(Escape) as caught:
        watched(call)
    assert way in str(caught.value)


def test_a_swallowed_escape_is_kept() -> None:
    def swallows() -> None:
        try:
            time.time()
        except Exception:  # noqa: BLE001
            return

    watch = watched(swallows)
    assert [escape.call for escape in watch.escapes] == ["time.time"]
    assert repr(watch) == "<EscapeWatch depth=0 escapes=1>"


def test_the_next_step_is_watched_again_after_an_escape() -> None:
    watch = EscapeWatch()
    for _ in range(2):
        watch.enter()
        with pytest.raises(Escape):
            time.time()
        watch.leave()
    assert len(watch.escapes) == 2


def test_the_profile_function_there_was_is_restored() -> None:
    def before(_frame: FrameType, _event: str, _arg: object) -> None:
        """Another profiler."""

    outer, inner = EscapeWatch(), EscapeWatch()
    sys.setprofile(before)
    try:
        outer.enter()
        inner.enter()
        inner.leave()
        with pytest.raises(Escape):
            time.time()
        outer.leave()
        assert sys.getprofile() is before
    finally:
        sys.setprofile(None)
    watched(lambda: None)
    assert sys.getprofile() is None


def test_a_profiler_in_c_goes_on_afterwards() -> None:
    profiler: Any = cProfile.Profile()
    profiler.enable()
    watched(lambda: None)
    after = sys.getprofile()
    profiler.disable()
    assert after is profiler


def test_an_escape_survives_pickle() -> None:
    escape = Escape("time.time", "clock", "a.py:1 in f")
    again = pickle.loads(pickle.dumps(escape))
    assert (str(again), again.call, again.kind, again.place) == (str(escape), "time.time", "clock", "a.py:1 in f")
