"""The writer thread: takes groups one after the other, tries each until it is kept, and reports to the loop."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from playbill.runtime.journals.refusals import JournalLost
from playbill.runtime.journals.sqlite.files.errors import explained
from playbill.runtime.journals.sqlite.group import Group

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from playbill.model.errors import JournalError
    from playbill.runtime.journals.sqlite.group import KeptGroup
    from playbill.runtime.journals.sqlite.writing.store import Store

__all__ = ["WriterThread"]

IDLE_SECONDS: Final = 0.5
"""Of nothing to do, until the WAL is copied."""
FIRST_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 1.0
"""Between two tries to keep a group."""


class Reports(Protocol):
    """Who hears of groups; called on the writer thread."""

    def kept(self, outcome: KeptGroup) -> None:
        """Hear that a group is kept."""

    def failed(self, error: str) -> None:
        """Hear that a group is not kept yet."""

    def lost(self, error: JournalLost) -> None:
        """Hear that nothing is kept any more: the thread has ended."""


class Work(NamedTuple):
    """Something else to do with the connection."""

    call: Callable[[sqlite3.Connection], Any]
    done: Future[Any]


class WriterThread:
    """A daemon thread with the one connection that writes and checkpoints a journal's file.

    Args:
        path: the database, for errors.
        open_store: opens it; called on the thread.
        reports: who hears of groups.

    Raises:
        JournalError: it cannot be opened.
    """

    def __init__(self, path: Path, open_store: Callable[[], Store], reports: Reports) -> None:
        self._path = path
        self._reports = reports
        self._queue: SimpleQueue[Group | Work | None] = SimpleQueue()
        self._given_up = threading.Event()
        opened: Future[Store] = Future()
        self._thread = threading.Thread(
            target=self._live, args=(open_store, opened), name=f"playbill-journal-{path.name}", daemon=True
        )
        self._thread.start()
        store = opened.result()
        self.own = store.own
        """The last seqs of the streams of playbill's own that are kept."""
        self.breaker_events = store.breaker_events
        """Of breakers the events that tell how they stood, by stream."""
        self.crashes = store.note.crashes
        """When owners before were found to have crashed."""

    def send(self, group: Group) -> None:
        """Keep a group; the reports tell of it."""
        self._queue.put(group)

    def call(self, work: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        """Have something done with the connection between two groups."""
        done: Future[Any] = Future()
        self._queue.put(Work(work, done))
        return done

    def end(self) -> None:
        """Take nothing more, once all that was sent is done."""
        self._queue.put(None)

    def join(self, seconds: float) -> bool:
        """Wait for the end; tell whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """End also if the group at hand cannot be kept."""
        self._given_up.set()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    # ---- on the thread ----------------------------------------------------------------------------------------

    def _live(self, open_store: Callable[[], Store], opened: Future[Store]) -> None:
        try:
            store = open_store()
        except Exception as error:  # noqa: BLE001 (told to who waits)
            opened.set_exception(explained(error, self._path, "opened"))
            return
        opened.set_result(store)
        try:
            while (work := self._next(store)) is not None:
                if isinstance(work, Group):
                    self._keep(store, work)
                else:
                    self._do(store, work)
                work = None  # its streams belong to nobody while the thread waits
        except JournalLost as error:
            self._reports.lost(error)
        finally:
            store.close()
            self.refuse_the_rest()

    def _next(self, store: Store) -> Group | Work | None:
        if store.is_due:
            with suppress(Empty):
                return self._queue.get(timeout=IDLE_SECONDS)
            store.idle()
        return self._queue.get()

    def _keep(self, store: Store, group: Group) -> None:
        encoded = store.encoded(group)
        seconds = FIRST_SECONDS
        while True:
            try:
                outcome = store.keep(encoded)
                break
            except JournalLost:
                raise
            except Exception as error:  # noqa: BLE001 (whatever it is: what is not kept is tried again)
                self._reports.failed(str(explained(error, self._path)))
            if self._given_up.wait(seconds):
                return
            seconds = min(2 * seconds, LONGEST_SECONDS)
        self._reports.kept(outcome)
        store.between_groups()

    def _do(self, store: Store, work: Work) -> None:
        if not work.done.set_running_or_notify_cancel():
            return  # who wanted it does not any more; from here on it cannot be cancelled
        try:
            result = store.run(work.call)
        except Exception as error:
            work.done.set_exception(explained(error, self._path, "worked on"))
            if isinstance(error, JournalLost):
                raise
        else:
            work.done.set_result(result)

    def refuse_the_rest(self, error: JournalError | None = None) -> None:
        """Refuse other work that nobody will do, since the thread has ended; from any thread.

        Args:
            error: told to who waits for it; None: that is cancelled.
        """
        with suppress(Empty):
            while True:
                if not isinstance(work := self._queue.get_nowait(), Work):
                    continue
                if error is None:
                    work.done.cancel()
                elif work.done.set_running_or_notify_cancel():
                    work.done.set_exception(error)
