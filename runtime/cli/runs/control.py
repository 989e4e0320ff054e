"""The subcommands cancel, pause, resume and attributes: what is done to runs, by their owner or under its lock."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

from cyclopts import Parameter

from playbill.model.diagnostics import list_names
from playbill.model.errors import JournalError, UnknownRun
from playbill.runtime.cli.exit_codes import FINE, FOUND, NOT_KEPT
from playbill.runtime.cli.journals import find_run, journals
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.options.seconds import Seconds
from playbill.runtime.cli.runs.columns import write_json
from playbill.runtime.cli.runs.listing import attributes_of
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.control.offline import control
from playbill.runtime.journals.index import ALIVE
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playbill.runtime.cli.journals import FoundRun
    from playbill.runtime.journals.index import RunRow

RunIds: TypeAlias = Annotated[list[str], Parameter(name="ID", negative=())]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]


def cancel(
    run_ids: RunIds,
    /,
    *,
    reason: str = "",
    grace: Seconds | None = None,
    journal: JournalOption = None,
    as_json: AsJson = False,
) -> int:
    """Stop runs; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_ids: their ids, or the beginnings of them, of at least 4 characters.
        reason: for people, kept with the run.
        grace: seconds that handlers have to clean up; without it the run's own.
        journal: where to look.
        as_json: print JSON: what became of each.
    """
    asked = {"reason": reason, "grace": grace}
    words = _Words("is cancelled", "is being stopped already")
    return _tell("cancel", _found(run_ids, journal), asked, words, as_json=as_json)


def pause(run_ids: RunIds, /, *, journal: JournalOption = None, as_json: AsJson = False) -> int:
    """Have runs begin nothing more; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_ids: their ids, or the beginnings of them, of at least 4 characters.
        journal: where to look.
        as_json: print JSON: what became of each.
    """
    words = _Words("is paused", "is paused already, or is being stopped")
    return _tell("pause", _found(run_ids, journal), {}, words, as_json=as_json)


def resume(run_ids: RunIds, /, *, journal: JournalOption = None, as_json: AsJson = False) -> int:
    """Have paused runs go on; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_ids: their ids, or the beginnings of them, of at least 4 characters.
        journal: where to look.
        as_json: print JSON: what became of each.
    """
    found, words = _found(run_ids, journal), _Words("is resumed", "is not paused")
    code = _tell("resume", found, {}, words, as_json=as_json)
    if left := [run.row.run_id for run in found if run.row.status in ALIVE and owner_of(run.path) is None]:
        complain(f"nobody has {list_names(left)} at work: `playbill recover` goes on")
    return code


def attributes(
    run_id: Annotated[str, Parameter(name="ID")],
    pairs: Annotated[list[str] | None, Parameter(name="NAME=VALUE", negative=())] = None,
    /,
    *,
    journal: JournalOption = None,
    as_json: AsJson = False,
) -> int:
    """Set attributes of a run; what users read of it stands in runtime/cli/__init__.py.

    Args:
        run_id: its id, or the beginning of it, of at least 4 characters.
        pairs: what to set; a number, true or false in JSON, or else text.
        journal: where to look.
        as_json: print all attributes of the run as JSON.
    """
    found = asyncio.run(find_run(journals(journal), run_id, changes=bool(pairs)))
    given, code = attributes_of(pairs or [], "the command "), FINE
    if given:
        answer = control(found.path, "set_attributes", run=found.row.run_id, attributes=given)
        if not answer.kept:
            complain(f"run '{found.row.run_id}': its journal has not kept the attributes yet, and goes on trying")
            code = NOT_KEPT
    known = {**found.row.attributes, **given}
    if as_json:
        write_json(known)
    else:
        for name, value in known.items():
            _say(f"{name}={value if isinstance(value, str) else json.dumps(value)}")
    return code


# ---- one command for several runs -----------------------------------------------------------------------------


class _Words(NamedTuple):
    """How a command tells what it has done."""

    done: str
    not_done: str
    """Why it changed nothing of a run that has not ended."""


def _found(run_ids: Sequence[str], journal: str | None) -> list[FoundRun]:
    """Return the runs that are meant, each once; nothing is asked of any if one is not there."""
    return asyncio.run(_find(journals(journal), run_ids))


def _tell(command: str, found: Sequence[FoundRun], asked: dict[str, Any], words: _Words, *, as_json: bool) -> int:
    """Ask for something of each run."""
    codes = [FINE]
    told: list[dict[str, Any]] = []
    for run in found:
        try:
            answer = control(run.path, command, run=run.row.run_id, **asked).model_dump()
        except (JournalError, UnknownRun) as error:  # it may be pruned meanwhile
            complain(f"run '{run.row.run_id}': {error}")
            codes.append(NOT_KEPT)
            continue
        changed = answer.get("decided", answer.get("changed"))
        told.append({"run": run.row.run_id, "journal": str(run.path), **answer})
        codes.append(NOT_KEPT if not answer["kept"] else FINE if changed else FOUND)
        if not as_json:
            _tell_one(run.row, words, changed=changed, kept=answer["kept"])
    if as_json:
        write_json(told)
    return max(codes)


async def _find(paths: Sequence[Any], run_ids: Sequence[str]) -> list[FoundRun]:
    found = [await find_run(paths, run_id, changes=True) for run_id in run_ids]
    return list({(run.path, run.row.run_id): run for run in found}.values())


def _tell_one(row: RunRow, words: _Words, *, changed: bool | None, kept: bool) -> None:
    if not kept:
        complain(f"run '{row.run_id}' {words.done}; its journal has not kept that yet, and goes on trying")
    elif changed:
        _say(f"run '{row.run_id}' {words.done}")
    else:
        why = words.not_done if row.status in ALIVE else f"has ended {row.status}"
        complain(f"run '{row.run_id}' {why}: nothing was changed")


def _say(text: str) -> None:
    sys.stdout.write(f"{printable(text, sys.stdout.encoding or 'utf-8')}\n")
