"""The subcommands export and import: one run as a file, from one journal to another."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from playbill.runtime.cli.exit_codes import FINE
from playbill.runtime.cli.journals import (
    FOLDER,
    find_run,
    journal_named,
    journals,
    numbered,
    path_named,
    reading,
    the_one,
)
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.runs.keeping import FIRST, made_folder
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.control.offline import control
from playbill.runtime.journal_choice import MEMORY
from playbill.runtime.recovery.recorded.run_file import run_file_lines, write_run_file

if TYPE_CHECKING:
    from playbill.runtime.cli.journals import FoundRun

RunId: TypeAlias = Annotated[str, Parameter(name="ID")]


def export(run_id: RunId, target: Path, /, *, journal: JournalOption = None) -> int:
    """Write a run to a file; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        target: the new file.
        journal: where to look.
    """
    found, lines = asyncio.run(_lines(run_id, journal))
    write_run_file(target, lines)
    sys.stdout.write(f"exported run '{found.row.run_id}' of {found.path} to {target}\n")
    return FINE


async def _lines(run_id: str, journal: str | None) -> tuple[FoundRun, list[str]]:
    found = await find_run(journals(journal), run_id)
    async with reading(found.path) as reader:
        return found, await run_file_lines(found.row, reader)


def _journals_to_write(journal: str | None) -> list[Path]:
    """Return the journals of the folder; where there are none, the one that is made."""
    name = journal_named(journal)
    if name is not None and name != MEMORY:
        return [path_named(name)]
    return (numbered(Path.cwd() / FOLDER) if name is None else journals(journal)) or [made_folder() / FIRST]


def import_(
    file: Path, /, *, new_id: Annotated[str | None, Parameter(name="--id")] = None, journal: JournalOption = None
) -> int:
    """Take a run from a file into a journal; what users read of it stands in runtime/cli/__init__.py.

    Args:
        file: what `playbill export` wrote.
        new_id: another id than the run had.
        journal: which journal.
    """
    path = the_one(_journals_to_write(journal))
    answer = control(path, "import", file=str(file.resolve()), new_id=new_id)
    complain("it is history, and never goes on: `playbill retry` and `playbill fork` begin others with it")
    sys.stdout.write(f"{answer.run}\n")
    return FINE
