"""One stream of a SQLite journal: its events are shown to listeners, and told to its keeper, once they are kept."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from playbill.model.events import is_own
from playbill.runtime.journals.memory import MemoryStream
from playbill.runtime.journals.refusals import JournalLost, RunIdTaken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playbill.actors.ports import Keeper
    from playbill.model.errors import JournalError
    from playbill.model.events import Event
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.journals.sqlite.batches import Batches

__all__ = ["SqliteStream"]

logger = logging.getLogger("playbill")


class SqliteStream(MemoryStream):
    """A stream of which more is appended than is kept.

    Args:
        journal: whose stream it is.
        name: what it is called; the events of playbill's own go on from the last seq that is kept, whatever number
            their actor gives them, since that begins again with each start.
        keeper: who hears what is kept.
        batches: collect what is to be kept.
        last_seq: of the last event that is kept already; of playbill's own streams.
        kept: events that are kept already, for listeners: those that a recovery has read.
    """

    __slots__ = ("_batches", "_before", "_failing", "_is_own", "_last", "_pending", "keeper", "name", "refused")

    def __init__(
        self,
        journal: MemoryJournal,
        name: str,
        keeper: Keeper,
        batches: Batches,
        last_seq: int = 0,
        kept: Iterable[Event] = (),
    ) -> None:
        super().__init__(journal, name)
        self.name = name
        self.keeper = keeper
        self.refused: JournalError | None = None
        """Why none of it is kept any more."""
        self._batches = batches
        self._failing = False
        self._is_own = is_own(name)
        self._last = self._before = last_seq
        self._pending: deque[Event] = deque()
        self.events.extend(kept)

    def append(self, event: Event) -> bool:
        """Take an event; False: the keeper will hear when it is kept."""
        if self._is_own:
            self._last += 1
            event = replace(event, seq=self._last)
        if self.refused is None:
            self._pending.append(event)
            self._batches.add(self, event)
        return False

    def push(self) -> None:
        """Have all that was appended kept as soon as it can be."""
        self._batches.push()

    @property
    def last_seq(self) -> int:
        """Of the last event of a stream of playbill's own, kept or not."""
        return self._last

    @property
    def waits(self) -> bool:
        """Whether not all of it is kept."""
        return bool(self._pending)

    def keep(self, seq: int) -> None:
        """Show what is kept now, and tell the keeper; on the loop."""
        pending = self._pending
        while pending and pending[0].seq <= seq:
            MemoryStream.append(self, pending.popleft())
        self._failing = False
        self.keeper.kept(seq - self._before)  # its numbers begin again with each start

    def fail(self, error: str) -> None:
        """Tell the keeper that nothing is kept now; once, until something is."""
        if not self._failing:
            self._failing = True
            self.keeper.failed(error)

    def fence(self, error: JournalError) -> None:
        """Take no more: what was appended is kept nowhere, and its keeper lets go of it."""
        self.refused = error
        self._pending.clear()
        if not isinstance(error, RunIdTaken | JournalLost):  # who began the run is told; what is lost is told once
            logger.error("%s", error)
        self.keeper.fenced(error)

    def __repr__(self) -> str:
        state = "refused" if self.refused else f"waiting={len(self._pending)}"
        return f"<SqliteStream {self.name} kept={self.events[-1].seq if self.events else 0} {state}>"
