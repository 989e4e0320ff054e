"""Runs tasks in forked processes, so many side by side, and bounds how long each may be silent."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from time import monotonic
from traceback import format_exc
from typing import IO, TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIMITS: Final = ((resource.RLIMIT_AS, 4 * 2**30), (resource.RLIMIT_CPU, 600))
"""Bytes of a task's address space: a mutant may collect things in an endless loop. Seconds of the processor: whoever
ends the parent must not leave such a loop behind."""
OUTPUT_CHARACTERS: Final = 2_000
DONE: Final = "done "
"""How the line begins by which a task says that it survived or was killed, and by what."""


@dataclass(slots=True)
class Fate:
    """What became of a task."""

    by: str = ""
    """What found it; empty: nothing did."""
    steps: int = 0
    """Seeds or tests until then."""
    seconds: float = 0.0
    output: str = ""
    """The end of what it printed."""

    @property
    def killed(self) -> bool:
        """Something found it."""
        return bool(self.by)


Say: TypeAlias = "Callable[[str], None]"
"""Tells that a task is still alive: each line gives it its time anew."""
Task: TypeAlias = "Callable[[Say], tuple[str, int]]"
"""Gives what found the mutant (or "") and after how many steps."""


@dataclass
class Child:
    """A forked process."""

    name: str
    pid: int
    pipe: IO[bytes]
    printed: IO[bytes]
    began: float = field(default_factory=monotonic)
    heard: float = field(default_factory=monotonic)
    said: str = ""

    @property
    def last(self) -> str:
        """The last whole line it said."""
        return self.said[: self.said.rfind("\n") + 1].strip().rpartition("\n")[2]


class Forks:
    """So many processes side by side."""

    def __init__(self, jobs: int, silence_seconds: float) -> None:
        self.jobs = jobs
        self.silence_seconds = silence_seconds
        self.selector = selectors.DefaultSelector()

    def run(self, tasks: Iterable[tuple[str, Task]]) -> Iterator[tuple[str, Fate]]:
        """Run every task; give each one's name and fate as it ends."""
        waiting, more = iter(tasks), True
        while more or self.selector.get_map():
            while more and len(self.selector.get_map()) < self.jobs:
                following = next(waiting, None)
                if following is None:
                    more = False
                else:
                    child = start(*following)
                    self.selector.register(child.pipe, selectors.EVENT_READ, child)
            yield from self._wait()

    def _wait(self) -> Iterator[tuple[str, Fate]]:
        """Hear what the children say; end who has ended, and who was silent for too long."""
        for key, _ in self.selector.select(1.0):
            child: Child = key.data
            said = os.read(child.pipe.fileno(), 65_536)
            child.heard = monotonic()
            child.said = (child.said + said.decode(errors="replace"))[-2 * OUTPUT_CHARACTERS :]
            if not said or child.last.startswith(DONE):
                yield self._end(child)
        for child in [key.data for key in self.selector.get_map().values()]:
            if monotonic() - child.heard > self.silence_seconds:
                yield self._end(child, "timeout")

    def _end(self, child: Child, by: str = "") -> tuple[str, Fate]:
        self.selector.unregister(child.pipe)
        kill_group(child.pid)
        _, status = os.waitpid(child.pid, 0)
        child.printed.seek(0)
        output = child.printed.read().decode(errors="replace")[-OUTPUT_CHARACTERS:]
        fate = Fate(by, 0, monotonic() - child.began, output)
        if not by and child.last.startswith(DONE):
            steps, _, fate.by = child.last.removeprefix(DONE).partition(" ")
            fate.steps = int(steps)
        elif not by:
            fate.by = f"died with {os.waitstatus_to_exitcode(status)}"
        child.pipe.close()
        child.printed.close()
        return child.name, fate


def start(name: str, task: Task) -> Child:
    """Fork a process for a task."""
    reading, writing = os.pipe()
    printed = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the child ends)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        os.setpgid(pid, pid)
        return Child(name, pid, os.fdopen(reading, "rb", buffering=0), printed)
    try:
        os.setpgid(0, 0)
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        perform(task, writing)
    finally:
        os._exit(0)


def perform(task: Task, writing: int) -> None:
    """Do the task in the child: what escapes from it has found it."""
    for kind, limit in LIMITS:
        resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))

    def say(text: str) -> None:
        os.write(writing, " ".join(text.split()).encode(errors="replace") + b"\n")

    by, steps = "", 0
    try:
        by, steps = task(say)
    except BaseException as error:  # noqa: BLE001 (whatever it is, it escaped from the mutant)
        by = f"{type(error).__name__}: {error}"
        sys.stderr.write(format_exc())
    sys.stdout.flush()
    sys.stderr.flush()
    say(f"{DONE}{steps} {by[:OUTPUT_CHARACTERS]}")


def kill_group(pid: int) -> None:
    """End a child and whatever it has started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
