"""Finds what leaves a simulation: calls whose answer no virtual loop decides, seen by a profile function.

Rules:

1. A call is told by what is called, not by how it was named: `from time import time` is found as well.
2. Its place is the nearest frame outside the standard library, so that the line is one somebody wrote.
3. What the TRUSTED do for themselves is let through, and so is what an import does, and what an allowed call does.
4. What is found is raised where it happens, and kept in `EscapeWatch.escapes`, should a handler swallow it.

Not seen: calls that C code makes by itself (`map(time.time, ...)` is one), and time.localtime() without arguments.
"""

from __future__ import annotations

import random
import sys
from functools import cache
from inspect import CO_COROUTINE
from pathlib import PurePath
from pkgutil import resolve_name
from types import BuiltinFunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from playbill.model.errors import PlaybillError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import CodeType, FrameType

__all__ = ["Escape", "EscapeWatch"]

FORBIDDEN: Final = {
    "clock": (
        "time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns"
        " time.process_time time.process_time_ns datetime.datetime.now datetime.datetime.utcnow"
        " datetime.datetime.today datetime.date.today"
    ),
    "sleep": "time.sleep select.select",
    "randomness": (
        "os.urandom os.getrandom uuid.uuid1 uuid.uuid4 secrets.token_bytes secrets.token_hex secrets.token_urlsafe"
        " secrets.randbelow random.Random random.SystemRandom.random random.SystemRandom.getrandbits"
        " random.betavariate random.choice random.choices random.expovariate random.gammavariate random.gauss"
        " random.getrandbits random.lognormvariate random.normalvariate random.paretovariate random.randbytes"
        " random.randint random.random random.randrange random.sample random.seed random.shuffle random.triangular"
        " random.uniform random.vonmisesvariate random.weibullvariate"
    ),
    "threads": (
        "threading.Thread.start _thread.start_new_thread asyncio.to_thread anyio.to_thread.run_sync"
        " asyncio.BaseEventLoop.run_in_executor"
    ),
    "sockets": "socket.socket socket.socketpair socket.getaddrinfo asyncio.open_connection asyncio.start_server",
    "processes": (
        "subprocess.Popen multiprocessing.process.BaseProcess.start os.fork os.forkpty os.posix_spawn os.posix_spawnp"
        " os.system _posixsubprocess.fork_exec asyncio.create_subprocess_exec asyncio.create_subprocess_shell"
    ),
}
"""What a simulated handler may not call, by kind; names that a platform does not have are passed over."""

WAYS_OUT: Final = {
    "clock": "its answer differs from run to run; use the loop's time, asyncio.get_running_loop().time()",
    "sleep": "it holds up the real thread, and no virtual time passes; use await asyncio.sleep(...)",
    "randomness": "its answer differs from run to run; use random.Random(seed), or a behaviour for this node",
    "threads": "no virtual loop orders its threads; await the work on the loop, or use a behaviour for this node",
    "sockets": "what the other side answers differs from run to run; use a behaviour for this node",
    "processes": "what a process does differs from run to run; use a behaviour for this node",
}
"""Why a kind of call is forbidden, and what to do instead."""

IMPORTING: Final = frozenset({"importlib", "_frozen_importlib", "_frozen_importlib_external"})
TRUSTED: Final = IMPORTING | {
    *("logging", "asyncio", "playbill", "pykka", "warnings", "linecache", "traceback"),
    *("pytest", "_pytest", "hypothesis", "coverage"),
}
"""Packages that may call anything for themselves."""
WAITS: Final = frozenset({"time.monotonic"})
"""What `threading` may call for itself: it measures its timeouts."""


class Escape(PlaybillError):
    """A handler left the simulation: it called what answers differently from run to run."""

    def __init__(self, call: str, kind: str, place: str) -> None:
        """Take the call's name, its kind (see FORBIDDEN) and its place as `file:line in function`."""
        super().__init__(call, kind, place)
        self.call = call
        self.kind = kind
        self.place = place

    def __str__(self) -> str:
        why = WAYS_OUT[self.kind]
        return f'{self.call}() at {self.place} leaves the simulation: {why}, or allow it with allow=["{self.call}"]'


class Target(NamedTuple):
    """One forbidden call."""

    name: str
    kind: str
    code: CodeType | None
    """What it runs; None: it is a builtin."""
    builtin: object = None
    owner: object = None
    """Whose method it is, when only this one's is forbidden."""
    unseeded: bool = False
    """Whether it is forbidden without a seed only."""

    def is_called_by(self, frame: FrameType) -> bool:
        """Tell whether the call that runs in `frame` is this one."""
        if self.owner is not None:
            return frame.f_locals.get("self") is self.owner
        return not self.unseeded or frame.f_locals.get("a") is None


class EscapeWatch:
    """Watches the thread between `enter` and `leave`; may be nested.

    Args:
        allow: what is let through: names of calls such as "time.time", or of kinds such as "clock".

    Raises:
        ValueError: `allow` has a name that is neither.
    """

    def __init__(self, allow: Collection[str] = ()) -> None:
        targets = _targets()
        _check(allow, targets)
        self.escapes: list[Escape] = []
        """All that were found, also those that a handler swallowed."""
        allowed = [target for target in targets if target.name in allow or target.kind in allow]
        watched = [target for target in targets if target not in allowed]
        self._allowed = frozenset(id(target.code) for target in allowed if target.code is not None)
        self._builtins = {target.builtin: target for target in watched if target.code is None}
        self._codes: dict[int, list[Target]] = {}
        for target in watched:
            if target.code is not None:
                self._codes.setdefault(id(target.code), []).append(target)
        self._before: list[Any] = []
        self._hook = self._make_hook()

    def enter(self) -> None:
        """Begin to watch."""
        self._before.append(sys.getprofile())
        sys.setprofile(self._hook)

    def look_away(self) -> None:
        """Watch no more until the next `enter`: what comes until then is our own, and need not be slowed down."""
        if self._before:
            sys.setprofile(None)

    def leave(self) -> None:
        """Give back the profile function there was before `enter`, also if an escape has unset ours."""
        sys.setprofile(None)  # first: the hook is told of all that is called before
        before = self._before.pop()
        if before is None:
            return
        if callable(before):
            sys.setprofile(before)
        else:  # a profiler in C, such as cProfile's
            before.enable()

    def _make_hook(self) -> Callable[[FrameType, str, Any], None]:
        """Return the profile function; it runs for each call, so a closure spares the lookups of `self`."""
        builtins, codes, found = self._builtins, self._codes, self._found

        def hook(frame: FrameType, event: str, called: Any) -> None:
            if event == "c_call":
                if called in builtins:
                    found(builtins[called], frame)
            elif event == "call" and id(frame.f_code) in codes:
                for target in codes[id(frame.f_code)]:
                    if target.is_called_by(frame):
                        found(target, frame.f_back or frame)

        return hook

    def _found(self, target: Target, caller: FrameType) -> None:
        """Raise a call as an escape, unless it is let through."""
        frame = _culprit(target, caller, self._allowed)
        if frame is None:
            return
        place = f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}"
        escape = Escape(target.name, target.kind, place)
        self.escapes.append(escape)
        raise escape

    def __repr__(self) -> str:
        return f"<EscapeWatch depth={len(self._before)} escapes={len(self.escapes)}>"


def _culprit(target: Target, caller: FrameType, allowed: frozenset[int]) -> FrameType | None:
    """Return the frame that is to blame for a call; None: the call is let through."""
    culprit: FrameType | None = None
    frame: FrameType | None = caller
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if id(frame.f_code) in allowed or package in IMPORTING or (module == "threading" and target.name in WAITS):
            return None
        if package in TRUSTED:
            if culprit is None and not (package == "asyncio" and _is_coroutine(target)):
                return None
            break  # what calls handlers begins here; a coroutine that it runs itself is the root of a task
        if culprit is None and package not in sys.stdlib_module_names:
            culprit = frame
        frame = frame.f_back
    return culprit or caller


def _is_coroutine(target: Target) -> bool:
    return target.code is not None and bool(target.code.co_flags & CO_COROUTINE)


@cache
def _targets() -> tuple[Target, ...]:
    """Return all forbidden calls that this platform has."""
    named = [(name, kind) for kind, names in FORBIDDEN.items() for name in names.split()]
    return tuple(target for name, kind in named if (target := _target(name, kind)) is not None)


def _target(name: str, kind: str) -> Target | None:
    """Return the call of this name; None: this platform does not have it."""
    try:
        called = resolve_name(name)
    except (AttributeError, ImportError):
        return None
    if isinstance(called, BuiltinFunctionType):
        return Target(name, kind, None, builtin=called)
    if called is random.Random:  # its constructor leaves the seed to this method
        return Target(name, kind, random.Random.seed.__code__, unseeded=True)
    if isinstance(called, MethodType):
        return Target(name, kind, called.__func__.__code__, owner=called.__self__)
    function = vars(called)["__init__"] if isinstance(called, type) else called
    return Target(name, kind, function.__code__)


def _check(allow: Collection[str], targets: tuple[Target, ...]) -> None:
    known = {*FORBIDDEN, *(target.name for target in targets)}
    if unknown := sorted(set(allow) - known):
        names, there_are = (", ".join(map(repr, group)) for group in (unknown, sorted(known)))
        raise ValueError(
            f"allow has {names}: neither a call nor a kind of calls that is watched; there are: {there_are}"
        )
