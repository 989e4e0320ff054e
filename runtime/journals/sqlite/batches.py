"""The loop's side of the writer thread: collects what is to be kept, hands it over, and tells what became of it.

1. One group is with the thread at a time; what comes meanwhile is the next group, however large it is.
2. `push` hands over what was collected at the end of this turn of the loop, or when the thread reports back.
3. What nobody waits for goes with the next group, or after 10 ms.
4. The next group is handed over before anybody hears of the one before: the disk never waits for the loop.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from playbill.runtime.journals.index import check_row
from playbill.runtime.journals.refusals import RunIdTaken
from playbill.runtime.journals.sqlite.group import Begin, Group
from playbill.runtime.journals.waiters import Waiters

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from playbill.model.errors import JournalError
    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.sqlite.group import KeptGroup, Rows, Stream

__all__ = ["Batches"]

logger = logging.getLogger("playbill")

LINGER_SECONDS: Final = 0.01
"""How long an event waits for company that nobody waits for."""


class Sink(Protocol):
    """Where groups go."""

    def send(self, group: Group) -> None:
        """Keep a group, and report."""


class Batches:
    """What is collected, and what is with the thread.

    Args:
        loop: the actors' loop.
        sink: the writer thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: Sink) -> None:
        self._loop = loop
        self._sink = sink
        self._group = Group()
        self._sent: Group | None = None
        """With the thread; None: that has nothing to do."""
        self._begins: dict[str, Begin] = {}
        """Runs that have no event yet."""
        self._wanted = False
        """Whether somebody waits for what is collected."""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.reported = Waiters()
        """Who waits for the thread's next report."""
        self.error: str | None = None
        """Why nothing is kept at the moment."""

    def add(self, stream: Stream, event: Event) -> None:
        """Collect an event."""
        if self._begins and (begin := self._begins.pop(stream.name, None)) is not None:
            self._group.begins.append(begin)
            self.push()
        self._group.events.append((stream, event))
        if self._timer is None:
            self._linger()

    def add_log(self, run_id: str, line: LogLine) -> None:
        """Collect a log line."""
        if self._closed:
            return
        self._group.logs.append((run_id, line))
        if self._timer is None:
            self._linger()

    def begin(self, row: RunRow, definition: str | None, *, is_open: bool) -> asyncio.Future[None]:
        """Collect a run that begins: it goes with its first event, and somebody waits for that.

        Args:
            row: how it begins.
            definition: its stored form; None: it is kept already.
            is_open: whether a stream of this id is open already.

        Returns:
            Done once it is kept; RunIdTaken: there is a run of this id.

        Raises:
            ValueError: no journal takes its row.
        """
        check_row(row)
        kept: asyncio.Future[None] = self._loop.create_future()
        if is_open or row.run_id in self._begins:
            kept.set_exception(RunIdTaken(row.run_id))
        else:
            self._begins[row.run_id] = Begin(row, definition, kept)
        return kept

    def drop_begin(self, run_id: str) -> None:
        """Let a run not begin of which there will be no event."""
        begin = self._begins.pop(run_id, None)
        if begin is not None:
            begin.kept.cancel()

    def add_rows(self, rows: Rows) -> None:
        """Collect rows of others; somebody waits for them."""
        self._group.rows.append(rows)
        self.push()

    def push(self) -> None:
        """Hand over what is collected, as soon as the thread can take it."""
        if not self._wanted:
            self._wanted = True
            if self._sent is None:
                self._loop.call_soon(self._send)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be kept."""
        return self._sent is None and not self._group

    def flush(self) -> None:
        """Hand over all that is collected, though nobody waits for it: the journal is closed."""
        self._wanted = True
        if self._sent is None:
            self._send()

    def _linger(self) -> None:
        if self._closed:
            return
        self._timer = self._loop.call_later(LINGER_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.error is not None:
            _tell_failed(self._group.streams, self.error)
        if self._group:
            self.flush()

    def _send(self) -> None:
        if self._sent is None and self._wanted and not self._closed:
            self._wanted = False
            if self._group:
                self._sent, self._group = self._group, Group()
                self._sink.send(self._sent)

    # ---- what the thread reports ------------------------------------------------------------------------------

    def failed(self, error: str) -> None:
        """Hear that the group with the thread is not kept yet; who waits hears it, too."""
        self.error = error
        _tell_failed([*(self._sent.streams if self._sent else ()), *self._group.streams], error)

    def kept(self, outcome: KeptGroup) -> None:
        """Hear that the group with the thread is kept."""
        self._sent = self.error = None
        self._send()
        self.reported.wake()
        for stream, error in outcome.fenced:
            _tell(stream, stream.fence, error)
        for stream, seq in outcome.kept:
            _tell(stream, stream.keep, seq)
        for future, value in outcome.begun:
            if not future.done():
                future.set_result(value)
        for future, failure in outcome.failed:
            if not future.done():
                future.set_exception(failure)
        self._send()  # what keepers have pushed as they heard it

    def lose(self, error: JournalError, streams: Iterable[Stream]) -> None:
        """Hear that nothing is kept any more; these streams and whoever waits hear it, too."""
        logger.error("%s", error)
        self.close()
        waiting = self.futures()
        self._sent, self._group, self._begins = None, Group(), {}
        self.reported.wake()
        for future in waiting:
            future.set_exception(error)
            future.exception()  # who waits is told, and nobody has to
        for stream in streams:
            if stream.refused is None:
                _tell(stream, stream.fence, error)

    def close(self) -> None:
        """Hand over nothing more: the thread has ended."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def futures(self) -> list[asyncio.Future[Any]]:
        """Return what is waited for in vain, once the thread has ended."""
        groups = [self._group, *([self._sent] if self._sent else [])]
        begins = [begin for group in groups for begin in group.begins]
        rows = [rows for group in groups for rows in group.rows]
        waiting: list[asyncio.Future[Any]] = [begin.kept for begin in (*self._begins.values(), *begins)]
        waiting += [one.kept for one in rows]
        return [future for future in waiting if not future.done()]


def _tell_failed(streams: Iterable[Stream], error: str) -> None:
    for stream in streams:
        _tell(stream, stream.fail, error)


def _tell(stream: Stream, hear: Callable[[Any], None], said: object) -> None:
    """Tell a stream something; a fault of one keeper keeps no other from hearing."""
    try:
        hear(said)
    except Exception:
        logger.exception("the keeper of '%s' failed", stream.name)
