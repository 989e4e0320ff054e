"""The same commands without an owner: under the journal's lock, as far as no run's handlers are needed."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from playbill.model.errors import DefinitionError, UnknownRun
from playbill.model.messages import Cancel, Pause, Resume
from playbill.runtime.arguments import check_moment
from playbill.runtime.control.client import reach_owner
from playbill.runtime.control.commands import ControlTarget, request_of
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.journals.index import check_ended
from playbill.runtime.journals.refusals import JournalInUse
from playbill.runtime.journals.sqlite.files.places import SCHEME
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.recovery.changes import RerunChanges
from playbill.runtime.recovery.recorded.forks import ForkedHere, record_fork
from playbill.runtime.recovery.recorded.importing import import_run
from playbill.runtime.recovery.recorded.retries import record_retry
from playbill.runtime.recovery.recorded.run_file import read_run_file
from playbill.runtime.recovery.unowned_runs import UnownedRuns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playbill.model.attributes import Scalar
    from playbill.runtime.journals.index import RunRow

__all__ = ["OfflineRuns", "control"]

PATIENCE_SECONDS: Final = 2.0
"""How long an owner may be about to make its socket, or another command may hold the lock."""
LOOK_SECONDS: Final = 0.05


def control(journal: Path, command: str, **asked: Any) -> Any:
    """Ask the owner of a journal for something, or do it if there is none; return the model of the answer.

    Args:
        journal: the database, absolute and with no links in it, which is there.
        command: one of COMMANDS.
        asked: what its model takes.

    Raises:
        UnknownRun: there is no such run.
        DefinitionError: the request is wrong, or needs an owner.
        JournalError: it cannot be done; says why.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        owner = reach_owner(journal)
        if owner is not None:
            with owner:
                return owner.call(command, **asked)
        try:
            return asyncio.run(_alone(journal, command, asked))
        except JournalInUse:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK_SECONDS)


async def _alone(journal: Path, command: str, asked: Mapping[str, Any]) -> Any:
    row, request = request_of(command, asked)
    owned = SqliteJournal(f"{SCHEME}{journal}")
    try:
        return await row.handle(ControlTarget(OfflineRuns(owned), journal), request)
    finally:
        await owned.aclose()


class OfflineRuns:
    """The runs of a journal that nobody has at work, for who holds its lock.

    Args:
        journal: just opened.
    """

    active_runs: Sequence[object] = ()

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._unowned = UnownedRuns(journal, self._now)

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)

    async def cancel_run(self, run_id: str, reason: str = "", grace: float | None = None) -> bool:
        """End a run; True if it had not ended."""
        return await self._tell(run_id, Cancel("user", reason, grace))

    async def pause_run(self, run_id: str) -> bool:
        """Have a run begin nothing when it is taken up; True if it was not paused."""
        return await self._tell(run_id, Pause())

    async def resume_run(self, run_id: str) -> bool:
        """Have a paused run go on when it is taken up; True if it was paused."""
        return await self._tell(run_id, Resume())

    async def _tell(self, run_id: str, message: Cancel | Pause | Resume) -> bool:
        row = await self._journal.reading.run(run_id)
        if row is None:
            raise UnknownRun(run_id)
        return await self._unowned.tell(row, message)

    async def set_attributes(self, run_id: str, attributes: Mapping[str, Scalar]) -> None:
        """Set attributes of a run."""
        await self._journal.set_attributes(run_id, attributes)

    async def prune(self, before: datetime, statuses: Sequence[str] = ()) -> int:
        """Forget runs that had ended by then; return how many."""
        return await self._journal.prune(check_moment("before", before), check_ended(statuses))

    async def force_circuit(self, key: str, state: str) -> NoReturn:
        """Refuse: only who uses a breaker has its circuits.

        Raises:
            DefinitionError: always.
        """
        text = (
            f"circuit '{key}' cannot be set to {state}: nobody owns this journal, and its breakers are not at work;"
            " start the program that owns it, which finds its circuits as they were, and ask again"
        )
        raise DefinitionError.single("no-owner", "force_circuit", text)

    async def retry_run(
        self, run_id: str, *, new_id: str | None = None, timeout_seconds: float | None = None
    ) -> RunRow:
        """Record a retry of a run, with which the next manager of the journal goes on; handlers are not needed."""
        return await record_retry(self._journal, run_id, RerunChanges(new_id, timeout_seconds), self._now())

    async def fork_run(
        self,
        run_id: str,
        node: str,
        *,
        trigger_data: Mapping[str, Any] | None = None,
        definition: str | None = None,
        new_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> RunRow:
        """Record a fork of a run, likewise; the types of its pipeline are those that this process knows."""
        changes = RerunChanges(new_id, timeout_seconds, trigger_data, definition)
        return await record_fork(self._journal, run_id, node, changes, ForkedHere(catalog_of(), self._now()))

    async def import_run(self, path: str, *, new_id: str | None = None) -> str:
        """Keep a run that a file has; return its id."""
        return await import_run(self._journal, read_run_file(Path(path)), self._now(), new_id)

    async def recover(self, run_id: str | None = None) -> NoReturn:
        """Refuse: runs go on where their handlers are.

        Raises:
            DefinitionError: always.
        """
        what = "runs cannot go on" if run_id is None else f"run '{run_id}' cannot go on"
        text = f"{what} without handlers: start a manager with this journal, or call `playbill recover`"
        raise DefinitionError.single("no-owner", "recover", text)
