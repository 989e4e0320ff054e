"""Which journals a command reads, where `playbill run` keeps its runs, and which run of them an id means."""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.diagnostics import list_names
from playbill.model.errors import DefinitionError, JournalError
from playbill.runtime.cli.options.journal import FOLDER, JournalOption, journal_named
from playbill.runtime.journal_choice import MEMORY
from playbill.runtime.journals.sqlite.files.connections import connect
from playbill.runtime.journals.sqlite.files.headers import check_header
from playbill.runtime.journals.sqlite.files.places import path_of
from playbill.runtime.journals.sqlite.reading.reader import SqliteReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from playbill.runtime.journals.index import RunRow

__all__ = [
    "FOLDER",
    "FoundRun",
    "JournalOption",
    "check_free",
    "find_run",
    "journal_named",
    "journals",
    "numbered",
    "path_named",
    "reading",
    "the_one",
]

NAMES: Final = re.compile(r"runs(?:-([2-9]|[1-9]\d+))?\.db")
OURS: Final = re.compile("[0-9a-f]{32}")
"""An id that nobody has chosen."""
LEAST: Final = 4
"""Characters of an id's beginning that stand for it."""
SHOWN: Final = 5
"""Runs, where they are named."""


class FoundRun(NamedTuple):
    """A run, and where it is."""

    path: Path
    row: RunRow


def path_named(name: str) -> Path:
    """Return the file that a URL or a path names, absolute and with no links in it.

    Raises:
        JournalError: it is a URL of something else.
    """
    return path_of(name) if re.match(r"[a-z]{2,}:", name) else Path(os.path.realpath(name))


def journals(option: str | None = None, *, folder: Path | None = None) -> list[Path]:
    """Return the files of the journals that a command reads, each of which is there.

    Args:
        option: what `--journal` says: a URL or a path; else PLAYBILL_JOURNAL counts, else all of `.playbill/`.
        folder: the working folder; None: the process's.

    Raises:
        DefinitionError: there is none; names where one was looked for.
        JournalError: what is named is not a journal's name.
    """
    name = journal_named(option)
    if name is None:
        return _of_folder(folder or Path.cwd())
    if name == MEMORY:
        text = "journal 'memory' keeps nothing after its process: name a file, such as sqlite:///runs.db"
        raise DefinitionError.single("no-journal", "--journal", text)
    path = path_named(name)
    if not path.exists():
        text = f"there is no journal {path}: `playbill run --journal` makes one; look at its name"
        raise DefinitionError.single("no-journal", "--journal", text)
    return [path]


def the_one(paths: Sequence[Path]) -> Path:
    """Return the only journal there is.

    Raises:
        DefinitionError: there are several; names them.
    """
    path, *others = paths
    if others:
        names = list_names([str(each) for each in paths])
        text = f"there are several journals, say which by --journal: {names}"
        raise DefinitionError.single("journal", "--journal", text)
    return path


def numbered(folder: Path) -> list[Path]:
    """Return the journals' files in a `.playbill/`, runs.db first; without those that have nothing in them yet."""
    found = {int(match[1] or 1): folder / match[0] for match in map(NAMES.fullmatch, _names(folder)) if match}
    return [path.resolve() for _, path in sorted(found.items()) if path.stat().st_size]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 (names are all that is asked)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be read: {error.strerror or error}; name a journal by --journal"
        ) from error


def _of_folder(folder: Path) -> list[Path]:
    found = numbered(folder / FOLDER)
    if not found:
        text = (
            f"no runs are kept in {folder / FOLDER}: `playbill run` keeps them in the folder where it is called;"
            " go there, or name a journal by --journal"
        )
        raise DefinitionError.single("no-journal", "--journal", text)
    return found


@asynccontextmanager
async def reading(path: Path) -> AsyncGenerator[SqliteReader]:
    """Read a journal's file, whoever owns and writes it; not for its owner's process.

    Raises:
        JournalError: it is not a journal, or this program cannot read it.
    """
    check_header(path)
    reader = SqliteReader(path, connect)
    try:
        yield reader
    finally:
        reader.close()


async def find_run(paths: Sequence[Path], run_id: str, *, changes: bool = False) -> FoundRun:
    """Return the run that an id means, or the beginning of one, of at least 4 characters.

    Args:
        paths: the journals.
        run_id: what stands for it.
        changes: whether something is done to it: of an id that somebody has chosen no beginning stands for it then.

    Raises:
        DefinitionError: there is none, or several begin so.
        JournalError: a journal cannot be read.
    """
    exact: list[FoundRun] = []
    begin_so: list[FoundRun] = []
    for path in paths if _is_text(run_id) else ():
        async with reading(path) as reader:
            ids = await reader.ids(run_id, SHOWN + 1) if len(run_id) >= LEAST else [run_id]
            for found in dict.fromkeys([run_id, *ids]):
                row = await reader.run(found)
                if row is not None:
                    (exact if found == run_id else begin_so).append(FoundRun(path, row))
    meant = exact or begin_so
    if changes and not exact:
        meant = [found for found in begin_so if OURS.fullmatch(found.row.run_id)]
        if begin_so and not meant:
            names = list_names([found.row.run_id for found in begin_so], SHOWN)
            text = f"there is no run '{run_id}', but {names}: whoever changes a run writes the whole of a chosen id"
            raise DefinitionError.single("run-id", "ID", text)
    if len(meant) == 1:
        return meant[0]
    raise DefinitionError.single("run-id", "ID", _why_not(paths, run_id, meant))


async def check_free(run_id: str, path: Path) -> None:
    """Refuse an id for a new run that a run in another journal of the same `.playbill/` has.

    Raises:
        DefinitionError: one has it.
    """
    for other in numbered(path.parent) if path.parent.name == FOLDER else ():
        if other != path:
            async with reading(other) as reader:
                if await reader.run(run_id) is not None:
                    text = f"run_id '{run_id}' is taken by a run in {other}: choose a new id"
                    raise DefinitionError.single("run-id-reused", "--id", text)


def _is_text(run_id: str) -> bool:
    """Tell whether UTF-8 can say an id: the command line's bytes may be anything."""
    try:
        run_id.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_not(paths: Sequence[Path], run_id: str, meant: Sequence[FoundRun]) -> str:
    if not meant:
        where = list_names([str(path) for path in paths], SHOWN)
        short = f"; the beginning of an id has at least {LEAST} characters" if len(run_id) < LEAST else ""
        return f"there is no run '{run_id}' in {where}{short}; `playbill runs` lists those there are"
    if meant[0].row.run_id == run_id:
        where = list_names([str(found.path) for found in meant], SHOWN)
        return f"run '{run_id}' is in several journals: {where}; say which by --journal"
    names = list_names([found.row.run_id for found in meant], SHOWN)
    return f"several runs begin with '{run_id}': {names}; write more of the id"
