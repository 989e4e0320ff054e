"""Handlers as users write them, and worse; workers import them from here."""

import asyncio
import builtins
import contextlib
import contextvars
import ctypes
import decimal
import gc
import locale
import logging
import os
import random
import resource as kernel
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import playbill


def said(context: playbill.NodeContext, text: str = "ready") -> None:
    context.heartbeat(text)


def write(context: playbill.NodeContext) -> None:
    Path(context.config["x"]).write_text(f"cleaned, cancelled={context.cancelled}")


def nothing(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {}


def echo(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"config": context.config, "inputs": inputs, "pid": os.getpid()}


def pid(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"pid": os.getpid(), "spawner": os.getppid(), "group": os.getpgrp(), "session": os.getsid(0)}


def told(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    context.heartbeat("half")
    context.sleep(0)
    facts = [context.run_id, context.node_id, context.attempt, context.idempotency_key, context.cancelled]
    resources = [context.resources["db"], sorted(context.resources), context.resources.get("none")]
    return {
        "said": [*facts, context.trigger_data, *resources, context.config, isinstance(context, playbill.NodeContext)]
    }


async def on_loop(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    context.heartbeat("half")
    await context.sleep(0)
    return {"on_loop": asyncio.get_running_loop().is_running()}


def raises(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    raise getattr(builtins, context.config["x"], asyncio.CancelledError)("boom")


def not_json(node: Any, inputs: Any, context: playbill.NodeContext) -> Any:
    return {"x": object()}


class Text(str):
    __slots__ = ()


def subclass(node: Any, inputs: Any, context: playbill.NodeContext) -> Any:
    return {"x": [Text("y")]}


def resource(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"got": context.resources[context.config["x"]]}


def logs(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    context.log.warning("look at %s", "this")
    return {}


def waits(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Sleep; write a file in `finally`."""
    try:
        said(context)
        context.sleep(3600)
    finally:
        write(context)
    return {}


async def waits_on_loop(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    try:
        said(context)
        await context.sleep(3600)
    finally:
        await asyncio.sleep(0)
        write(context)
    return {}


def spins(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    said(context)
    while True:
        pass


def raises_in_finally(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    try:
        said(context)
        time.sleep(3600)
    finally:
        raise ValueError("in finally")


def goes_on(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    with contextlib.suppress(asyncio.CancelledError):
        said(context)
        time.sleep(3600)
    return {"went": "on"}


def ignores_sigterm(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    said(context)
    while True:
        time.sleep(3600)


def blocks_all_signals(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if context.config["x"] == "returns":
        return {}
    said(context)
    while True:
        time.sleep(3600)


def holds_the_gil(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    said(context)
    ctypes.PyDLL(None).sleep(3600)
    return {}


def dies_by_default(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    said(context)
    time.sleep(3600)
    return {}


def exits(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    os._exit(3)


def segfaults(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def closes_everything(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    os.closerange(3, 100)
    time.sleep(3600)
    return {}


def family(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Hold a FIFO in a child, in one that left the session, and in one whose parent has ended; then as told."""
    path, then = context.config["x"]
    held = os.open(path, os.O_WRONLY)
    os.set_inheritable(held, True)
    subprocess.Popen(["sleep", "600"], pass_fds=[held])
    subprocess.Popen(["sleep", "600"], pass_fds=[held], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(600)
        os._exit(0)
    subprocess.run(
        [sys.executable, "-c", "import os, time\nif os.fork() == 0: os.setsid(); time.sleep(600)"], pass_fds=[held]
    )
    if then == "exits":
        os._exit(0)
    if then == "waits":
        told = False
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                if not told:
                    told = True
                    said(context)
                time.sleep(600)
    os.close(held)
    return {"pid": os.getpid()}


def writes(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    print("to stdout")
    print("to stderr", file=sys.stderr)
    os.write(1, b"by descriptor\n")
    subprocess.run(["echo", "by a child"])
    print("no end", end="")
    return {}


def floods(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    size, block = context.config["x"], b"x" * 999 + b"\n"
    subprocess.run(["head", "-c", str(size // 2), "/dev/zero"])
    os.write(1, b"\n")
    for _ in range(size // 2 // 1000):
        sys.stdout.buffer.write(block)
    return {}


def closes_stdout(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    sys.stdout.close()
    os.close(1)
    os.close(2)
    return {"pid": os.getpid()}


def changes_things(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    os.chdir("/")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.alarm(1000)
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (left open)
    return {"pid": os.getpid()}


def sees_things(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    left = signal.alarm(0)
    print("heard")
    return {"pid": os.getpid(), "cwd": str(Path.cwd()), "alarm": left}


def leaves_a_thread(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return {"pid": os.getpid()}


def leaves_a_chatterbox(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    def chat() -> None:
        while True:
            os.write(1, b"x" * 1000)

    threading.Thread(target=chat, daemon=True).start()
    return {"chats": True}


def beats_from_threads(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    threads = [threading.Thread(target=context.heartbeat, args=("x" * 50_000,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {}


def burns(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    while True:
        pass


def eats(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"x": len([b"x" * 10_000_000 for _ in range(1000)])}


def grows(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    playbill.kept = [b"x" * 200_000_000]  # pyright: ignore[reportAttributeAccessIssue]  # it stays
    return {"pid": os.getpid()}


def opens(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    files = [Path(os.devnull).open() for _ in range(context.config["x"])]  # noqa: SIM115 (all at once)
    return {"opened": len(files)}


def aborts(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    os.abort()


def writes_to_the_host(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Write bytes to the worker's own socket, as nobody should."""
    os.write(3, bytes.fromhex(context.config["x"]))
    time.sleep(3600)
    return {}


def beats(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    context.heartbeat(eval(context.config["x"]))
    return {}


def logs_much(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    context.log.warning("x" * context.config["x"])
    return {}


def fails_at_length(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    raise playbill.NodeExecutionError("x" * context.config["x"])


CHANGES = {
    "environment": "os.environ['HOME'] = '/changed'; os.environ['ADDED'] = '1'; os.environ.pop('PATH')",
    "umask": "os.umask(0o777)",
    "directory": "os.chdir('/')",
    "path": "sys.path.insert(0, '/changed'); sys.path = list(sys.path)",
    "arguments": "sys.argv = ['changed']",
    "finders": "sys.meta_path.clear()",
    "modules": "sys.modules['json'] = sys; sys.modules.pop('re')",
    "builtins": "builtins.open = None; builtins.added = 1",
    "signals": "signal.signal(signal.SIGUSR1, signal.SIG_IGN); signal.signal(signal.SIGINT, lambda *_: None)",
    "mask": "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})",
    "soft limit": "kernel.setrlimit(kernel.RLIMIT_CORE, (0, kernel.getrlimit(kernel.RLIMIT_CORE)[1]))",
    "recursion": "sys.setrecursionlimit(5000)",
    "collector": "gc.disable(); gc.set_threshold(1)",
    "socket": "socket.setdefaulttimeout(0.001)",
    "logging": "logging.disable(logging.CRITICAL); logging.getLogger('playbill.node').disabled = True",
    "hook": "sys.excepthook = print",
    "trace": "sys.settrace(lambda *_: None)",
    "stdin": "os.close(0)",
    "locale": "locale.setlocale(locale.LC_ALL, 'C.UTF-8')",
    "decimal": "decimal.getcontext().prec = 2; decimal.getcontext().rounding = decimal.ROUND_UP",
    "variable": "VARIABLE.set('changed')",
    "timers": "signal.setitimer(signal.ITIMER_PROF, 1000); signal.setitimer(signal.ITIMER_VIRTUAL, 1000)",
    "affinity": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
    "nice": "os.nice(1)",
    "hard limit": "kernel.setrlimit(kernel.RLIMIT_CORE, (0, 0))",
    "identity": "os.setegid(os.getgid() + 1) if os.getuid() == 0 else os.nice(1)",
}
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="")


def changes(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    exec(CHANGES[context.config["x"]], globals())
    return {"pid": os.getpid()}


def surroundings(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Tell all that one may have changed."""
    mask = os.umask(0)
    os.umask(mask)
    signals = [str(signal.getsignal(number)) for number in (signal.SIGUSR1, signal.SIGINT)]
    numbers = decimal.getcontext()
    context.log.info("heard")
    said = [
        dict(os.environ), mask, str(Path.cwd()), sys.path, sys.argv,
        [*map(repr, sys.meta_path)],
        sys.modules["json"].__name__, "re" in sys.modules, builtins.open.__name__, hasattr(builtins, "added"),
        signals,
        [*map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))], kernel.getrlimit(kernel.RLIMIT_CORE),
        sys.getrecursionlimit(), gc.isenabled(), gc.get_threshold(), socket.getdefaulttimeout(),
        logging.root.manager.disable, sys.excepthook.__name__, sys.gettrace(),
        str(Path("/proc/self/fd/0").readlink()),
        locale.setlocale(locale.LC_ALL), numbers.prec, numbers.rounding, VARIABLE.get(),
        signal.getitimer(signal.ITIMER_PROF), sorted(os.sched_getaffinity(0)), os.nice(0), os.getegid(),
    ]  # fmt: skip
    return {"said": said, "pid": os.getpid()}


def draws(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    drawn = random.random()
    random.seed(1)
    return {"drawn": drawn, "pid": os.getpid()}


def wicked(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    """Raise an error that raises when it is asked for what `x` names."""
    evil = {"key": KeyError("x"), "exit": SystemExit(3), "interrupt": KeyboardInterrupt()}[context.config["x"][1]]

    def fails(self: Any, *_: Any) -> Any:
        raise evil

    place = context.config["x"][0]
    value: Any = property(fails) if place in {"__notes__", "retry_after", "__class__"} else fails
    raise type("Evil", (Exception,), {place: value})("evil")


class Unreadable:
    """Cannot be told in any way."""

    def __repr__(self) -> str:
        raise SystemExit(3)

    def __reduce__(self) -> Any:
        raise SystemExit(3)


def beats_unreadable(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    context.heartbeat(Unreadable())
    return {}


def long_words(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    raise OSError("x" * 8_100 + "hunter2" * 30 + "x" * 10_000_000)


def returns_unreadable(node: Any, inputs: Any, context: playbill.NodeContext) -> Any:
    return Unreadable()


def asks_resource(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    return {"resource": context.resources["odd"]}


def changes_config(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    seen = {"config": str(node.config), "inputs": str(inputs), "trigger": str(context.trigger_data)}
    node.config.clear()
    inputs["a"].clear()
    context.trigger_data.clear()  # type: ignore[attr-defined]  # a plain dict, its own
    return seen


def logs_what_does_not_fit(node: Any, inputs: Any, context: playbill.NodeContext) -> dict[str, Any]:
    context.log.warning("so many: %d", "many")
    return {"went": "on"}
