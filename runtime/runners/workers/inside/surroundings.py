"""In a worker: what belongs to the whole process and a handler may have changed; each attempt finds it the same.

1. It is noted when a handler was imported, because what an import changes is there in a fresh worker, too.
2. What differs after an attempt is put back. What cannot be (a lowered priority, a hard limit, an identity) ends the
   worker with the attempt.
3. Not looked at: what libraries keep for themselves, and what a handler does to objects that others share with it.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import locale
import logging
import os
import resource
import signal
import socket
import sys
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.runtime.runners.logs.node_log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProcessSurroundings"]

_BARE: Final[Any] = importlib.import_module("_signal")
"""What is below `signal`, which makes enums of its results."""
_SIGNALS: Final = sorted(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM}))
"""SIGTERM is the interruptions' own."""
_LIMITS: Final = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})
_LISTS: Final = ("path", "argv", "meta_path", "path_hooks")
_MODULES: Final = sys.modules
_HOOKS: Final = ("excepthook", "unraisablehook", "displayhook", "breakpointhook")


class Trait(NamedTuple):
    """Something of a process that is the same before and after an attempt."""

    read: Callable[[], Any]
    write: Callable[[Any], object]
    """May raise: then it cannot be put back."""
    keep: Callable[[Any], Any] = lambda read: read
    """Makes of what was read what is compared with later reads."""


class ProcessSurroundings:
    """The surroundings of a worker's attempts."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self.note()

    def note(self) -> None:
        """Keep what there is now as what each attempt shall find."""
        self._kept = [trait.keep(trait.read()) for trait in _TRAITS]

    def restore(self) -> bool:
        """Put back what differs; False: something cannot be."""
        if self._are_kept():
            return True
        whole = True
        for trait, kept in zip(_TRAITS, self._kept, strict=True):
            if not _is(trait, kept):
                try:
                    trait.write(kept)
                except Exception:  # noqa: BLE001 (whatever the system or an object of a user's says: it cannot)
                    whole = False
                whole = whole and _is(trait, kept)
        return whole

    def _are_kept(self) -> bool:
        """Tell at C's speed whether nothing differs, as nearly always; what cannot be read is looked at alone."""
        try:
            return [trait.read() for trait in _TRAITS] == self._kept
        except Exception:  # noqa: BLE001 (a handler may have put anything there)
            return False


def _is(trait: Trait, kept: object) -> bool:
    """Tell whether a trait is what it was; what cannot even be read is not."""
    try:
        return bool(trait.read() == kept)
    except Exception:  # noqa: BLE001 (a handler may have put anything there)
        return False


def _environment() -> dict[bytes, bytes]:
    data: dict[bytes, bytes] = getattr(os.environ, "_data")  # noqa: B009 (it is private, and decoding all of it costs)
    return dict(data)


def _set_environment(kept: dict[bytes, bytes]) -> None:
    now = _environment()
    for name in now.keys() - kept.keys():
        del os.environb[name]
    for name, value in kept.items():
        if now.get(name) != value:
            os.environb[name] = value
    time.tzset()


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 (one system call, after every attempt)
    except OSError:  # it is gone
        return ""


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _lists() -> list[tuple[Any, list[Any]]]:
    return [(getattr(sys, name), [*getattr(sys, name)]) for name in _LISTS]


def _set_lists(kept: list[tuple[Any, list[Any]]]) -> None:
    for name, (same, entries) in zip(_LISTS, kept, strict=True):
        same[:] = entries
        setattr(sys, name, same)


def _limits() -> list[tuple[int, int]]:
    return [*map(resource.getrlimit, _LIMITS)]


def _set_limits(kept: list[tuple[int, int]]) -> None:
    for which, limits in zip(_LIMITS, kept, strict=True):
        resource.setrlimit(which, limits)


def _handlers() -> list[Any]:
    return [*map(_BARE.getsignal, _SIGNALS)]


def _set_handlers(kept: list[Any]) -> None:
    for number, now, handler in zip(_SIGNALS, _handlers(), kept, strict=True):
        if now != handler:
            _BARE.signal(number, handler)


def _interpreter() -> tuple[Any, ...]:
    return (
        sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold(), sys.gettrace(),
        sys.getprofile(), socket.getdefaulttimeout(), logging.root.manager.disable,
        *(getattr(sys, name) for name in _HOOKS),
    )  # fmt: skip


def _set_interpreter(kept: tuple[Any, ...]) -> None:
    depth, interval, collects, threshold, trace, profile, timeout, disabled, *hooks = kept
    sys.setrecursionlimit(depth)
    sys.setswitchinterval(interval)
    (gc.enable if collects else gc.disable)()
    gc.set_threshold(*threshold)
    sys.settrace(trace)
    sys.setprofile(profile)
    socket.setdefaulttimeout(timeout)
    logging.root.manager.disable = disabled
    for name, hook in zip(_HOOKS, hooks, strict=True):
        setattr(sys, name, hook)


def _own_logger() -> tuple[Any, ...]:
    return logger.disabled, logger.propagate, [*logger.handlers], [*logger.filters]


def _set_own_logger(kept: tuple[Any, ...]) -> None:
    logger.disabled, logger.propagate, logger.handlers[:], logger.filters[:] = kept


class _KeptModules:
    """The modules of a time; those that a handler imports besides do no harm."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._modules = {**modules}
        self._names = (*modules,)

    def __eq__(self, other: object) -> bool:
        now, count = cast("dict[str, Any]", other), len(self._names)
        if (*islice(now, count),) == self._names:  # as nearly always: new ones come behind
            return (*islice(now.values(), count),) == (*self._modules.values(),)
        return self._modules.items() <= now.items()

    __hash__ = None  # type: ignore[assignment]

    def put_back(self) -> None:
        """Put back what differs, where imports look for it."""
        _MODULES.update(self._modules)


def _modules() -> dict[str, Any]:
    return sys.modules


def _builtins() -> dict[str, Any]:
    return dict(vars(builtins))


def _set_builtins(kept: dict[str, Any]) -> None:
    for name in vars(builtins).keys() - kept.keys():
        delattr(builtins, name)
    for name, value in kept.items():
        setattr(builtins, name, value)


def _stdin() -> tuple[int, int]:
    found = os.fstat(0)
    return found.st_dev, found.st_ino


def _set_stdin(_: object) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    if null != 0:
        os.dup2(null, 0)
        os.close(null)


def _identity() -> tuple[Any, ...]:
    root = os.stat("/")  # noqa: PTH116 (one system call, after every attempt)
    return os.getresuid(), os.getresgid(), os.getgroups(), root.st_dev, root.st_ino


def _cannot(_: object) -> None:
    raise OSError("nobody can put this back")


_TRAITS: Final = (
    Trait(_environment, _set_environment),
    Trait(_directory, os.chdir),
    Trait(_umask, os.umask),
    Trait(_lists, _set_lists),
    Trait(_modules, _KeptModules.put_back, _KeptModules),
    Trait(_builtins, _set_builtins),
    Trait(_handlers, _set_handlers),
    Trait(_limits, _set_limits),
    Trait(_interpreter, _set_interpreter),
    Trait(_own_logger, _set_own_logger),
    Trait(_stdin, _set_stdin),
    Trait(partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL)),
    Trait(partial(os.sched_getaffinity, 0), partial(os.sched_setaffinity, 0)),
    Trait(partial(os.getpriority, os.PRIO_PROCESS, 0), partial(os.setpriority, os.PRIO_PROCESS, 0)),
    Trait(_identity, _cannot),
)
