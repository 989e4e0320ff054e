"""A group: what is kept in one commit, of all runs, and what is told of it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import sqlite3
    from asyncio import Future
    from collections.abc import Callable

    from playbill.model.errors import JournalError
    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine

__all__ = ["Begin", "Group", "KeptGroup", "Rows", "Stream", "WriteRows"]

WriteRows: TypeAlias = "Callable[[sqlite3.Connection], Any]"
"""Writes rows of others within the group's transaction, on the writer thread; it begins and ends none of its own."""


class Stream(Protocol):
    """Whose events are kept."""

    name: str
    refused: JournalError | None
    """Why none of it is kept any more: set by the writer thread, before it looks at the next group."""

    def keep(self, seq: int) -> None:
        """Hear that all events up to `seq` are kept."""

    def fail(self, error: str) -> None:
        """Hear that nothing is kept now."""

    def fence(self, error: JournalError) -> None:
        """Hear that none of it is kept ever again."""


class Begin(NamedTuple):
    """A run that is to begin."""

    row: RunRow
    definition: str | None
    kept: Future[None]


class Rows(NamedTuple):
    """Rows of others, and what is told of them: what `write` returned, or raised."""

    write: WriteRows
    kept: Future[Any]


class Group:
    """What is collected; false: nothing is."""

    __slots__ = ("begins", "events", "logs", "rows")

    def __init__(self) -> None:
        self.begins: list[Begin] = []
        self.events: list[tuple[Stream, Event]] = []
        self.logs: list[tuple[str, LogLine]] = []
        self.rows: list[Rows] = []

    def __bool__(self) -> bool:
        return bool(self.events or self.begins or self.rows or self.logs)

    @property
    def streams(self) -> list[Stream]:
        """Whose events are in it, each once."""
        return list({stream.name: stream for stream, _ in self.events}.values())


class KeptGroup:
    """How a group ended, once it is kept."""

    __slots__ = ("begun", "failed", "fenced", "kept")

    def __init__(self) -> None:
        self.kept: list[tuple[Stream, int]] = []
        """Each stream once, and its last seq."""
        self.begun: list[tuple[Future[Any], Any]] = []
        """Who waits for something that is kept now, and what they get."""
        self.failed: list[tuple[Future[Any], Exception]] = []
        """Who waits for something that was refused."""
        self.fenced: list[tuple[Stream, JournalError]] = []
