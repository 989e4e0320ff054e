"""Where `playbill run` keeps its run: in the journal that is named, or in the first of `.playbill/` that nobody owns.

1. A journal that is named (`--journal`, PLAYBILL_JOURNAL) is used, or the command ends.
2. Else the run is kept in the first of runs.db, runs-2.db, ... of `.playbill/` whose lock is free.
3. If that cannot be, it says so and runs in memory; but for a run with an id of its own, which may be there already.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.facts import RunStatus
from playbill.runtime.cli.journals import FOLDER, journal_named, numbered, path_named, reading
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.journal_choice import MEMORY
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.listing import RunQuery
from playbill.runtime.journals.refusals import JournalInUse
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.journals.sqlite.files.places import SCHEME
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.options import ManagerOptions

__all__ = ["FIRST", "KeepingManager", "made_folder", "open_manager"]

FIRST: Final = "runs.db"
LOOKED_AT: Final = 1000
"""Unfinished runs that are counted."""


class KeepingManager(NamedTuple):
    """A manager, and the file in which it keeps its runs; None: it keeps them in memory."""

    manager: PipelineRunManager
    path: Path | None


async def open_manager(options: ManagerOptions, journal: str | None, run_id: str | None) -> KeepingManager:
    """Return a manager whose journal is open, and tell of unfinished runs in it, which it does not take up.

    Args:
        options: those of the manager, but for its journal.
        journal: what `--journal` says; not "memory".
        run_id: the id that the run is to have; None: a new one.

    Raises:
        DefinitionError: the journal that is named cannot be opened, or the one that has the run.
    """
    name = journal_named(journal)
    try:
        if name is not None:
            path = path_named(name)
            manager = await _opened(options, f"{SCHEME}{path}")
        else:
            path, manager = await _of_folder(options, run_id)
    except JournalError as error:
        if name is not None or run_id is not None:
            raise DefinitionError.single("journal", "--journal", str(error)) from error
        complain(f"this run is kept in memory alone: {error}")
        return KeepingManager(await _opened(options, MEMORY), None)
    try:
        await _check_not_paused(manager, run_id)
        await _tell_unfinished(manager, path, run_id)
    except BaseException:
        await manager.close()
        raise
    return KeepingManager(manager, path)


async def _opened(options: ManagerOptions, url: str) -> PipelineRunManager:
    made: ManagerOptions = {**options, "journal": url, "recover": False}
    if url != MEMORY:
        made["on_exit"] = "park"  # its own run has ended then; those that others have begun in it have not
    manager = PipelineRunManager(**made)
    await manager.recovered()  # nothing is, but the journal is opened
    return manager


async def _of_folder(options: ManagerOptions, run_id: str | None) -> tuple[Path, PipelineRunManager]:
    """Open the journal that has the run, or else the first of the folder that nobody owns.

    Raises:
        JournalError: it cannot be opened.
    """
    folder = made_folder()
    has_it = None if run_id is None else await _journal_of(numbered(folder), run_id)
    if has_it is not None:
        return has_it, await _opened(options, f"{SCHEME}{has_it}")
    for number in count(1):
        path = (folder / (FIRST if number == 1 else f"runs-{number}.db")).resolve()
        try:
            return path, await _opened(options, f"{SCHEME}{path}")
        except JournalInUse:
            continue
    raise AssertionError("unreachable")


def made_folder() -> Path:
    """Make `.playbill/` of the working folder, which git does not see, for this user alone; return it.

    Raises:
        JournalError: it cannot be made.
    """
    folder = Path.cwd() / FOLDER
    ignored = folder / ".gitignore"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not ignored.exists():
            ignored.touch(0o600)
            ignored.write_text("*\n", encoding="utf-8")
    except OSError as error:
        text = f"{folder} cannot be made: {error.strerror or error}; name another place by --journal"
        raise JournalError(text) from error
    return folder


async def _journal_of(paths: Iterable[Path], run_id: str) -> Path | None:
    """Return the journal that has a run of this id."""
    for path in paths:
        async with reading(path) as reader:
            if await reader.run(run_id) is not None:
                return path
    return None


async def _check_not_paused(manager: PipelineRunManager, run_id: str | None) -> None:
    """Refuse to wait for a run that somebody has paused.

    Raises:
        DefinitionError: it is.
    """
    if run_id is None:
        return
    paused = await manager.list_runs(statuses=(RunStatus.PAUSED,), text=run_id, limit=LOOKED_AT)
    if run_id in {row.run_id for row in paused.runs}:
        text = f"run '{run_id}' is paused: `playbill resume {run_id}` lets it go on"
        raise DefinitionError.single("run-id", "--id", text)


async def _tell_unfinished(manager: PipelineRunManager, path: Path, run_id: str | None) -> None:
    """Say in one line that runs have not ended which nobody goes on with, if there are any."""
    left = [*(await manager.list_runs(statuses=ALIVE, limit=LOOKED_AT)).runs]
    for other in numbered(path.parent) if path.parent.name == FOLDER else ():
        if other != path:
            left += await _left_in(other)
    names = [row.run_id for row in left if row.run_id != run_id]
    if len(names) == 1:
        complain(f"1 unfinished run: see `playbill recover {printable(names[0])}`")
    elif names:
        complain(f"{len(names)} unfinished runs: see `playbill recover --all`")


async def _left_in(path: Path) -> tuple[RunRow, ...]:
    """Return the unfinished runs of another journal, if nobody owns it."""
    try:
        if owner_of(path) is None:
            async with reading(path) as reader:
                return (await reader.runs(RunQuery(statuses=ALIVE, limit=LOOKED_AT))).runs
    except JournalError as error:
        complain(str(error))
    return ()
