"""The runs of a manager that begin with what another has: retries, forks, and those that come from files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError, UnknownRun
from playbill.model.trace_context import trace_context_of
from playbill.runtime.journals.waiters import take_note, until_kept
from playbill.runtime.managed_runs import ManagedRuns
from playbill.runtime.options import check_options, run_id_of, run_id_to_start
from playbill.runtime.recovery.changes import RerunChanges

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from playbill.runtime.definitions.files import Given
    from playbill.runtime.options import RunId
    from playbill.runtime.recovery.reruns import Reruns
    from playbill.runtime.run import Run

__all__ = ["RunsFromRuns"]


class RunsFromRuns(ManagedRuns):
    """What may be asked of a manager about new runs that begin with what an old one has."""

    def _reruns(self) -> Reruns:
        """Return what begins retries and forks; the manager knows it."""
        raise NotImplementedError

    async def retry_run(
        self,
        run_id: RunId,
        *,
        new_id: RunId | None = None,
        timeout_seconds: float | None = None,
        trace_context: Mapping[str, str] | None = None,
    ) -> Run:
        """Begin a retry of a run that failed, timed out or was cancelled, and return it.

        It keeps what has completed and has nothing before it that runs again; all else runs, with the idempotency
        keys of the first run. The old run never changes.

        Args:
            run_id: the old run, be it known or in the journal.
            new_id: names the new one; the same id again gives the retry there is.
            timeout_seconds: for the new run; None: as the old one's.
            trace_context: as start_run's; None: the old one's.

        Raises:
            UnknownRun: there is none of this id.
            DefinitionError: it has completed or not ended; its types are not known here; or the new id is taken.
            JournalError: it cannot be read, or the journal could not keep the new run's start.
        """
        check_options({"timeout_seconds": timeout_seconds})
        name = None if new_id is None else run_id_to_start(new_id)
        trace = trace_context_of(trace_context)
        return await self._reruns().retry(run_id_of(run_id), RerunChanges(name, timeout_seconds, trace=trace))

    async def fork_run(
        self,
        run_id: RunId,
        node: str,
        *,
        trigger_data: Mapping[str, Any] | None = None,
        definition: Given | None = None,
        new_id: RunId | None = None,
        timeout_seconds: float | None = None,
        trace_context: Mapping[str, str] | None = None,
    ) -> Run:
        """Begin a run that has all that an old one had before a node, and runs that node and all after it again.

        Its idempotency keys are its own. The edges of what it keeps are judged anew. The old run never changes.

        Args:
            run_id: the old run, be it known or in the journal, under way or ended.
            node: the first node that runs again.
            trigger_data: other trigger data; None: the old run's.
            definition: another definition, in which all before the node does the same; None: the old run's.
            new_id: names the new one; the same id again gives the fork there is.
            timeout_seconds: for the new run; None: the definition's if that is another one, else as the old one's.
            trace_context: as start_run's; None: it is of none.

        Raises:
            UnknownRun: there is none of this id.
            DefinitionError: something before the node would have to run again: names it; or what is given is wrong.
            JournalError: it cannot be read, or the journal could not keep the new run's start.
        """
        check_options({"timeout_seconds": timeout_seconds})
        name = None if new_id is None else run_id_to_start(new_id)
        changes = RerunChanges(name, timeout_seconds, trigger_data, definition, trace_context_of(trace_context))
        return await self._reruns().fork(run_id_of(run_id), node, changes)

    async def export_run(self, run_id: RunId, path: str | os.PathLike[str]) -> None:
        """Write a run of the journal to a new file: its definition, events, outputs and log lines.

        Raises:
            UnknownRun: the journal has none of this id.
            DefinitionError: events are kept in memory alone.
            JournalError: it cannot be read, or the file cannot be written.
        """
        from playbill.runtime.recovery.recorded.run_file import run_file_lines, write_run_file  # noqa: PLC0415 (few need it)

        journal, name = self._use_loop().parts.journal, run_id_of(run_id)
        if not journal.is_durable:
            raise _in_memory("exported from")
        if (row := await journal.reading.run(name)) is None:
            raise UnknownRun(name)
        lines = await run_file_lines(row, journal.reading)
        await asyncio.to_thread(write_run_file, Path(path), lines)

    async def import_run(self, path: str | os.PathLike[str], *, new_id: RunId | None = None) -> str:
        """Keep a run that `export_run` wrote, and return its id: it never goes on, and may be retried and forked.

        One that had not ended is cancelled here; where it came from it goes on.

        Args:
            path: the file.
            new_id: another id than it had.

        Raises:
            DefinitionError: the file is none of a run, the id is taken, or events are kept in memory alone.
            JournalError: it cannot be kept.
        """
        from playbill.runtime.recovery.recorded.importing import import_run, taken  # noqa: PLC0415 (few need it)
        from playbill.runtime.recovery.recorded.run_file import read_run_file  # noqa: PLC0415

        parts = self._use_loop().parts
        name = None if new_id is None else run_id_to_start(new_id)
        if not parts.journal.is_durable:
            raise _in_memory("imported into")
        file = await asyncio.to_thread(read_run_file, Path(path))
        run_id = name or run_id_to_start(file.row.run_id)

        async def importing() -> str:
            async with self._runs.reserve(run_id):
                if self._runs.find(run_id) is not None:
                    raise DefinitionError.single("run-id-reused", "run_id", taken(run_id))
                return await import_run(parts.journal, file, parts.clock.now().utc, name)

        kept = asyncio.ensure_future(importing())
        kept.add_done_callback(take_note)
        return await until_kept(kept, parts.journal, f"run '{run_id}' is imported as soon as it is kept")


def _in_memory(how: str) -> DefinitionError:
    text = f"a run is {how} a journal that outlives the process, such as sqlite:///runs.db, not memory"
    return DefinitionError.single("journal", "journal", text)
