"""The programs of one manager: at most so many run at once, further ones wait, first come, first served."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from playbill.runtime.processes.spawner_client import SpawnerClient

__all__ = ["MAX_COMMANDS", "PendingProgram", "ProgramPool"]

MAX_COMMANDS: Final = 64
"""Each takes up to four descriptors of the host's: at a limit of 1,024, as is usual, many are left."""


class PendingProgram(Protocol):
    """An attempt, as the pool sees it."""

    def begin(self) -> bool:
        """Start the program; False: it could not be started, and the attempt has its answer."""
        ...


class ProgramPool:
    """Places for programs; all its methods are called on the loop's thread."""

    def __init__(self, spawner: SpawnerClient | None, max_commands: int = MAX_COMMANDS) -> None:
        self.spawner = spawner
        """Who starts them; None: they are children of our own."""
        self._max_commands = max_commands
        self._running: set[PendingProgram] = set()
        self._waiting: deque[PendingProgram] = deque()

    def __repr__(self) -> str:
        return f"<ProgramPool running={len(self._running)} waiting={len(self._waiting)}>"

    def queue(self, attempt: PendingProgram) -> None:
        """Begin an attempt, at once or when it is its turn."""
        self._waiting.append(attempt)
        self._begin()

    def withdraw(self, attempt: PendingProgram) -> None:
        """Let an attempt wait no more."""
        self._waiting.remove(attempt)

    def leave(self, attempt: PendingProgram) -> None:
        """Give the place of an attempt to another: it has ended, or was given up."""
        self._running.discard(attempt)
        self._begin()

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._max_commands:
            attempt = self._waiting.popleft()
            if attempt.begin():
                self._running.add(attempt)
