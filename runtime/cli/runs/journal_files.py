"""The subcommands of the journals' files: prune, journal sql, journal copy."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from playbill.model.errors import DefinitionError, JournalError
from playbill.model.fields import is_seconds
from playbill.runtime.cli.exit_codes import FINE, WRONG
from playbill.runtime.cli.journals import journals, reading, the_one
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.options.seconds import Seconds
from playbill.runtime.cli.runs.columns import write_json
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.control.offline import control
from playbill.runtime.journals.index import ENDED
from playbill.runtime.journals.listing import micros
from playbill.runtime.journals.sqlite.files.headers import check_header
from playbill.runtime.journals.sqlite.schema.migrations import schema_text
from playbill.runtime.journals.sqlite.writing.compacting import compact_file
from playbill.runtime.journals.sqlite.writing.copying import copy_file

if TYPE_CHECKING:
    from collections.abc import Sequence


class EndedStatus(StrEnum):
    """The statuses of runs that have ended, which alone are forgotten."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


def prune(
    *,
    older_than: Seconds,
    status: Annotated[list[EndedStatus] | None, Parameter(negative=())] = None,
    vacuum: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    journal: JournalOption = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
) -> int:
    """Forget runs that ended long ago; what users read of it stands in runtime/cli/__init__.py.

    Args:
        older_than: how long ago they ended at least: 30d, 12h, or seconds.
        status: only runs that ended so; may be given several times.
        vacuum: rewrite the whole file afterwards, so that it is as small as it can be; takes as much space again.
        dry_run: only say how many these are.
        journal: where to look.
        as_json: print the numbers as JSON.
    """
    if not is_seconds(older_than):
        text = f"--older-than is {older_than:g}, and takes a number of seconds, or text such as 30d"
        raise DefinitionError.single("older-than", "--older-than", text)
    before = datetime.now(UTC) - timedelta(seconds=older_than)
    statuses = [str(one) for one in status or ENDED]
    counts: dict[str, int] = {}
    failed = False
    for path in journals(journal):
        try:
            if dry_run:
                counts[str(path)] = asyncio.run(_count(path, before, statuses))
                continue
            counts[str(path)] = control(path, "prune", before=before, statuses=statuses).pruned
            if vacuum:
                compact_file(path)
        except JournalError as error:
            complain(f"{'it is not rewritten: ' if str(path) in counts else ''}{error}")
            failed = True
    if as_json:
        write_json({"pruned": counts, "dry_run": dry_run})
    else:
        for name, count in counts.items():
            runs = "1 run" if count == 1 else f"{count:,} runs"
            sys.stdout.write(f"{'would forget' if dry_run else 'forgot'} {runs} of {name}\n")
    return WRONG if failed else FINE


async def _count(path: Path, before: datetime, statuses: Sequence[str]) -> int:
    async with reading(path) as reader:
        return await reader.prunable(micros(before), statuses)


def sql() -> int:
    """Print the SQL that makes a journal; what users read of it stands in runtime/cli/__init__.py."""
    sys.stdout.write(schema_text())
    return FINE


def copy(target: Path, /, *, journal: JournalOption = None) -> int:
    """Copy a journal into a new file; what users read of it stands in runtime/cli/__init__.py.

    Args:
        target: the new file.
        journal: which journal.
    """
    path = the_one(journals(journal))
    check_header(path)
    copy_file(path, target)
    sys.stdout.write(f"copied {path} to {target}\n")
    return FINE
