"""The server of `tests.warm`: one thread that has imported the command line, and becomes each program it is told.

1. An order is one packet: what to run, where and in which environment, and the descriptors of its three streams and
   of the pipe on which its id and, in the end, its status are told.
2. A child forgets the server, takes all that an interpreter takes as it starts, and leaves `main` as its program: so
   it ends as interpreters do.
3. Without orders to come the server ends, and its programs go on.
"""

import atexit
import builtins
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TextIO

__all__ = ["END", "main"]

END: Final = struct.Struct("i")
"""A program's id, and its status as `waitpid` tells it."""
LATE: Final = (
    "anyio.to_thread",
    "cel",
    "jsonschema_rs",
    "playbill.model.cel_cost",
    "playbill.model.cel_rewriting",
    "playbill.model.strict_yaml",
    "playbill.runtime.control.server",
    "playbill.runtime.embedded",
    "playbill.runtime.recovery.durable_runs",
    "playbill.runtime.simulation.explore",
    "yaml",
)
"""What the commands import only when a pipeline needs it, as most of the tests' do."""
Program = Callable[[], object]


def main(control: socket.socket) -> Program | None:
    """Serve; return in each child with its program, in the server at its end."""
    import_all()
    gc.collect()
    gc.freeze()
    base = sys.path[1:]
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    tell_end(selector, key)
                    continue
                packet, streams, *_ = socket.recv_fds(control, 1 << 20, 4)
                if not packet:
                    return None
                if program := begin(selector, control, packet, streams):
                    return lambda: program(base)


def import_all() -> None:
    """Import what programs of playbill import."""
    cli = importlib.import_module("playbill.runtime.cli")
    places = [f"{cli.__name__}.{place.partition(':')[0]}" for place in (*cli.COMMANDS, *cli.JOURNAL_COMMANDS)]
    for name in (*places, *LATE):
        importlib.import_module(name)
    for name in importlib.import_module("playbill").__all__:
        getattr(sys.modules["playbill"], name)


def tell_end(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """Bury a program, and tell its status to whoever started it."""
    pid, told = key.data
    _, status = os.waitpid(pid, 0)
    selector.unregister(key.fileobj)
    os.close(key.fd)
    with suppress(BrokenPipeError):  # nobody waits for it
        os.write(told, END.pack(status))
    os.close(told)


def begin(
    selector: selectors.BaseSelector, control: socket.socket, packet: bytes, streams: list[int]
) -> Callable[[list[str]], object] | None:
    """Fork; return None in the server, and in the child what is left to do."""
    *standard, told = streams
    pid = os.fork()
    if pid:
        os.write(told, END.pack(pid))
        for end in standard:
            os.close(end)
        selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
        return None
    for key in list(selector.get_map().values()):
        if key.data:
            os.close(key.fd)
            os.close(key.data[1])
    selector.close()
    control.close()
    os.close(told)
    for place, end in enumerate(standard):
        os.dup2(end, place)
    for end in standard:
        if end > 2:
            os.close(end)
    order = json.loads(packet)
    return lambda base: become(order, base)


def become(order: dict[str, Any], base: list[str]) -> None:
    """Be the program, as if an interpreter had been started for it."""
    how, *given = order["arguments"]
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    atexit.register(leave_the_old_alone)
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    for place, name in enumerate(("stdin", "stdout", "stderr")):
        setattr(sys, name, stream(place))
        setattr(sys, f"__{name}__", getattr(sys, name))
    sys.orig_argv[:] = [sys.executable, *order["arguments"]]
    named = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = {"-m": str(Path.cwd()), "-c": ""}.get(how, str(Path(how).resolve().parent))
    sys.path[:] = [own, *map(os.path.abspath, named), *base]
    made = sys.modules["__main__"] = ModuleType("__main__")
    vars(made).update(__builtins__=builtins, __annotations__={})
    sys.argv[:] = [how, *given] if not how.startswith("-") else [how, *given[1:]]
    if how == "-m":
        runpy._run_module_as_main(given[0])  # type: ignore[attr-defined]
    elif how == "-c":
        exec(compile(given[0], "<string>", "exec"), vars(made))
    else:
        made.__file__ = str(Path.cwd() / how)
        exec(compile(Path(how).read_bytes(), how, "exec"), vars(made))


def leave_the_old_alone() -> None:
    """Have the collections of an interpreter's end look at what is young alone: the rest is the server's."""
    gc.collect(1)
    gc.freeze()


def stream(place: int) -> TextIO | None:
    """Open a standard stream as Python does when it starts."""
    old = (sys.__stdin__, sys.__stdout__, sys.__stderr__)[place]
    assert old is not None
    raw: Any = io.FileIO(place, "rw"[place > 0], closefd=False)
    raw.name = old.name
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    buffer: Any = io.BufferedReader(raw) if not place else raw if unbuffered else io.BufferedWriter(raw)
    opened = io.TextIOWrapper(
        buffer,
        encoding=old.encoding,
        errors=old.errors,
        newline=None if place == 0 else "\n",
        line_buffering=not unbuffered and (place == 2 or raw.isatty()),
        write_through=unbuffered,
    )
    opened.mode = "rw"[place > 0]  # type: ignore[misc]
    return opened


if __name__ == "__main__":
    program = main(socket.socket(fileno=int(sys.argv[1])))
    if program is not None:
        program()
