"""The two sides of a journal: who keeps events writes, everybody else reads; no reader needs an actor.

The writing side lives on the actors' loop and has one owner. A file's owner holds its lock for the journal's life; a
journal on a server is owned by lease and epoch, and who lost it is told Fenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from playbill.actors.ports import Journal

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine, RunPage, RunQuery

__all__ = ["ReadingSide", "WritingSide"]


class ReadingSide(Protocol):
    """What is kept, for readers; nothing here waits for an actor, and nothing reads on the loop."""

    async def runs(self, query: RunQuery) -> RunPage:
        """Return a page of the runs asked for, the newest first.

        Raises:
            ValueError: the query's cursor or limit is none.
            JournalError: the journal cannot be read.
        """
        ...

    async def run(self, run_id: str) -> RunRow | None:
        """Return the row of one run; None: none of this id is kept."""
        ...

    async def definition(self, digest: str) -> str | None:
        """Return the stored form, as JSON, of the definition of this hash; None: it is not kept."""
        ...

    async def events(self, stream: str, from_seq: int = 1, limit: int = 500) -> Sequence[Event]:
        """Return the first `limit` kept events of a stream from `from_seq` on; none: there are no more yet."""
        ...

    async def histories(self, run_ids: Sequence[str], limit: int) -> Mapping[str, Sequence[Event]]:
        """Return the first `limit` kept events of several runs, read at one go.

        A run that is not in the answer has none, or one that cannot be read so: `events` gives them, or says why not.
        """
        ...

    async def logs(self, run_id: str, node_id: str | None = None, attempt: int | None = None) -> Sequence[LogLine]:
        """Return what a run's attempts said, by node, attempt and line."""
        ...


class WritingSide(Journal, Protocol):
    """What a manager tells a journal besides its runs' events; on its loop."""

    def begin_run(self, row: RunRow, definition: str | None = None) -> Future[None]:
        """Let a run begin: its row and its definition are kept in one commit with its first event.

        Args:
            row: how the run begins; its `definition` is the hash of `definition`.
            definition: its stored form, as JSON; None: it is kept already, or shall not be.

        Returns:
            Done once all is kept; RunIdTaken: a run of this id was there before, and nothing of this one is kept.
        """
        ...

    def change_run(self, run_id: str, change: Mapping[str, Any]) -> Future[None]:
        """Change of a run's row what no event does; done once that is kept.

        Raises:
            ValueError: a field is none of those.
        """
        ...

    def log(self, run_id: str, line: LogLine) -> None:
        """Keep what an attempt said, as far as its quota goes; its number is counted here. Nobody waits for it."""

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that ended before, with the whole tree of each; return how many."""
        ...
