"""What nasty handlers do, with the standard library alone: called by handlers, and run as programs by commands."""

import asyncio
import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NoReturn

FOR_EVER = 1e9
FLOOD_BYTES = 256 * 1024 * 1024
BLOCK = b"x" * (64 * 1024 - 1) + b"\n"


class Stage:
    """Where a body plays: it tells who is ready by a FIFO, which stays open as long as anybody of it is alive."""

    def __init__(self, path: str, *, let_go: threading.Event | None = None) -> None:
        self.let_go = let_go
        """Ends in the host what would otherwise never end there; None: in a process of its own."""
        self._held = os.open(path, os.O_WRONLY)

    def ready(self) -> None:
        """Tell our process id."""
        os.write(self._held, f"{os.getpid()}\n".encode())

    def getting_ready(self) -> Iterator[int]:
        """Be ready as soon as C code iterates over this: no byte code is executed for it."""
        return map(os.write, [self._held], [f"{os.getpid()}\n".encode()])

    @property
    def is_over(self) -> bool:
        return self.let_go is not None and self.let_go.is_set()

    @property
    def seconds(self) -> float:
        """What a call lasts that cannot be ended: for ever only in a process of its own."""
        return FOR_EVER if self.let_go is None else 0.6

    def close(self) -> None:
        os.close(self._held)


def spins(stage: Stage) -> None:
    stage.ready()
    while True:
        pass


def sleeps(stage: Stage) -> None:
    stage.ready()
    time.sleep(stage.seconds)


def holds_the_lock(stage: Stage) -> None:
    """Hold the interpreter's lock in C code that looks for no signal: for ever only in a process of its own."""
    if stage.let_go is None:
        deque(itertools.chain(stage.getting_ready(), itertools.repeat(0)), maxlen=0)
    ctypes.PyDLL(None).usleep(600_000)


def swallows(stage: Stage) -> None:
    if stage.let_go is None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    is_ready = False
    while not stage.is_over:
        with contextlib.suppress(BaseException):  # all is in here: outside a kill would find it unprotected
            if not is_ready:
                is_ready = True
                stage.ready()
            while not stage.is_over:
                time.sleep(0.001)


async def swallows_on_loop(stage: Stage) -> None:
    stage.ready()
    while not stage.is_over:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.001)


def blocks_signals(stage: Stage) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        spins(stage)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def blocks_signals_on_loop(stage: Stage) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        stage.ready()
        await asyncio.Event().wait()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stays(stage: Stage) -> NoReturn:
    """Be a child that nothing but SIGKILL ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    stage.ready()
    while True:
        time.sleep(FOR_EVER)


def forks(stage: Stage) -> None:
    """Have two children, of which one ignores everything, and wait for them."""
    if os.fork() == 0:
        stays(stage)
    if os.fork() == 0:
        stage.ready()
        time.sleep(FOR_EVER)
    stage.ready()
    waits(stage)


async def forks_on_loop(stage: Stage) -> None:
    if os.fork() == 0:
        stays(stage)
    stage.ready()
    await asyncio.Event().wait()


def leave_the_session(stage: Stage) -> None:
    """Have a grandchild in a session of its own, whose parent has ended."""
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            stays(stage)
        os._exit(0)
    os.waitpid(child, 0)


def double_forks(stage: Stage) -> None:
    leave_the_session(stage)
    stage.ready()
    waits(stage)


async def double_forks_on_loop(stage: Stage) -> None:
    leave_the_session(stage)
    stage.ready()
    await asyncio.Event().wait()


def waits(stage: Stage) -> None:
    while not stage.is_over:
        time.sleep(0.001 if stage.let_go is not None else FOR_EVER)


def exits(stage: Stage) -> None:
    stage.ready()
    os._exit(3)


def segfaults(stage: Stage) -> None:
    stage.ready()
    ctypes.string_at(0)


def eats(stage: Stage) -> None:
    stage.ready()
    kept: list[bytes] = []
    while True:
        kept.append(b"x" * 10_000_000)


def closes_stdout(stage: Stage) -> None:
    sys.stdout.close()
    with contextlib.suppress(OSError):  # a program's own stream has closed it
        os.close(1)
    stage.ready()
    waits(stage)


async def closes_stdout_on_loop(stage: Stage) -> None:
    sys.stdout.close()
    stage.ready()
    await asyncio.Event().wait()


def floods(stage: Stage) -> None:
    stage.ready()
    for _ in range(FLOOD_BYTES // len(BLOCK)):
        os.write(1, BLOCK)


def misses_a_signal(stage: Stage) -> None:
    """Lose the first SIGTERM, as the interpreter does that looks for signals just before it waits."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    stage.ready()
    signal.sigwait({signal.SIGTERM})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    time.sleep(FOR_EVER)


def forks_with_lock(stage: Stage) -> None:
    """Fork while a lock is held: the child waits for it for ever."""
    lock = threading.Lock()
    there, is_there = os.pipe()
    with lock:
        if os.fork() == 0:
            stage.ready()
            os.write(is_there, b".")
            lock.acquire()
    os.read(there, 1)  # what is left of us is killed, so it must have spoken before
    os.close(there)
    os.close(is_there)
    stage.ready()


def raises_in_finally(stage: Stage) -> None:
    if stage.let_go is None and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # a program makes it an error
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    try:
        stage.ready()
        waits(stage)
    finally:
        raise ValueError("in finally")


async def raises_in_finally_on_loop(stage: Stage) -> None:
    try:
        stage.ready()
        await asyncio.Event().wait()
    finally:
        raise ValueError("in finally")


def leaves_threads(stage: Stage) -> None:
    """Return, and leave a daemon thread and one that Python waits for."""
    for daemon in (True, False):
        threading.Thread(target=waits, args=(stage,), daemon=daemon, name="left-behind").start()
    stage.ready()


def leaves_a_daemon(stage: Stage) -> None:
    threading.Thread(target=waits, args=(stage,), daemon=True, name="left-behind").start()
    stage.ready()


async def blocks_a_loop_on_loop(stage: Stage) -> None:
    spins(stage)


def blocks_a_loop(stage: Stage) -> None:
    asyncio.run(blocks_a_loop_on_loop(stage))


def stops_itself(stage: Stage) -> None:
    stage.ready()
    os.kill(os.getpid(), signal.SIGSTOP)


def leaks_descriptors(stage: Stage) -> None:
    for _ in range(150):
        os.dup(0)


def uses_a_pool(stage: Stage) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        if pool.map(abs, [-1, -2]) != [1, 2]:
            raise ValueError("wrong")


def waits_for_a_pool(stage: Stage) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        stage.ready()
        pool.map(time.sleep, [FOR_EVER, FOR_EVER])


def child_returns(stage: Stage) -> None:
    """Fork, and let both go on as if each were the handler."""
    os.fork()
    stage.ready()


def child_raises(stage: Stage) -> None:
    if os.fork() == 0:
        raise ValueError("in the child")
    os.wait()
    stage.ready()


def body(name: str, *, on_loop: bool = False) -> Callable[[Stage], object]:
    """Return a body; with `on_loop` its twin for the loop, if it has one."""
    found: Callable[[Stage], object] = globals().get(f"{name}_on_loop" if on_loop else name, globals()[name])
    return found


if __name__ == "__main__":
    body(sys.argv[1])(Stage(sys.argv[2]))
