"""The simulated disk: what a journal in virtual time has kept, for the process after the one that wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from playbill.runtime.journals.codec import event_from_json, event_to_json
from playbill.runtime.journals.memory_index import MemoryIndex
from playbill.runtime.journals.sqlite.group import KeptGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.errors import JournalError
    from playbill.model.events import Event
    from playbill.runtime.journals.sqlite.group import Begin, Group, Stream

__all__ = ["Disk", "KeptStream"]


class KeptStream:
    """What is kept of one stream: each event as it was written; it is read only when somebody asks."""

    __slots__ = ("_read", "written")

    def __init__(self) -> None:
        self.written: list[str] = []
        self._read: list[Event] = []

    @property
    def events(self) -> list[Event]:
        """What it keeps."""
        while len(self._read) < len(self.written):
            self._read.append(event_from_json(self.written[len(self._read)]))
        return self._read

    def has(self, event: Event) -> bool:
        """Tell whether it keeps this event, as it is."""
        written = self.written[event.seq - 1] if event.seq <= len(self.written) else None
        return written == event_to_json(event)


class Disk:
    """What all simulated processes have kept; it takes groups as a writer of SQLite does.

    Args:
        look: looks at each event as it is kept.
    """

    def __init__(self, look: Callable[[Event], None] = lambda _: None) -> None:
        self.streams: dict[str, KeptStream] = {}
        self.index = MemoryIndex(self.streams)
        """The rows of the runs, folded from their events; and what others said of them."""
        self.writer: dict[str, str] = {}
        """What writers leave for the next one, as the table of that name has it."""
        self.tries = 0
        """How many writes were begun, by all processes."""
        self._look = look

    def last_seq(self, stream: str) -> int:
        """Return the seq of the last event that is kept of a stream."""
        kept = self.streams.get(stream)
        return 0 if kept is None else len(kept.written)

    def keep(self, group: Group) -> KeptGroup:
        """Keep a group, all of it at once; return what is to be told of it."""
        outcome = KeptGroup()
        refused = dict(self._begin(begin, outcome) for begin in group.begins)
        last: dict[Stream, int] = {}
        for stream, event in group.events:
            if (error := refused.get(stream.name)) is not None:
                stream.refused = error
            if stream.refused is None:
                self.streams.setdefault(stream.name, KeptStream()).written.append(event_to_json(event))
                self._look(event)
                last[stream] = event.seq
        outcome.kept = [*last.items()]
        streams = {stream.name: stream for stream, _ in group.events if stream.name in refused}
        outcome.fenced = [(stream, error) for name, stream in streams.items() if (error := refused[name]) is not None]
        for run_id, line in group.logs:
            self.index.log(run_id, line)
        for rows in group.rows:
            try:
                outcome.begun.append((rows.kept, rows.write(cast("Any", self))))
            except Exception as error:  # noqa: BLE001 (told to who waits)
                outcome.failed.append((rows.kept, error))
        return outcome

    def _begin(self, begin: Begin, outcome: KeptGroup) -> tuple[str, JournalError | None]:
        """Keep a run's row; return its id, and why it is refused."""
        error: Any = self.index.begin(begin.row, begin.definition).exception()
        if error is None:
            outcome.begun.append((begin.kept, None))
        else:
            outcome.failed.append((begin.kept, error))
        return begin.row.run_id, error

    def change(self, run_id: str, change: Mapping[str, Any]) -> None:
        """Change of a run's row what no event does.

        Raises:
            UnknownRun: there is none of this id.
        """
        self.index.change(run_id, change).result()

    def change_writer(self, rows: Mapping[str, str | None]) -> None:
        """Set rows that the next writer finds; those that are None go."""
        self.writer |= {name: value for name, value in rows.items() if value is not None}
        for name, value in rows.items():
            if value is None:
                self.writer.pop(name, None)

    def forget(self, run_id: str) -> None:
        """Forget a run."""
        self.streams.pop(run_id, None)
        self.index.forget(run_id)

    def __repr__(self) -> str:
        return f"<Disk writes={self.tries} events={sum(len(kept.written) for kept in self.streams.values())}>"
