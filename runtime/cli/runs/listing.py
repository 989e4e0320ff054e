"""The subcommand runs: which runs there are, of all journals of a folder, the newest first."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from cyclopts import Parameter
from msgspec.structs import replace
from rich.text import Text

from playbill.model.errors import DefinitionError
from playbill.model.facts import RunStatus
from playbill.runtime.cli.exit_codes import FINE
from playbill.runtime.cli.journals import journals, reading
from playbill.runtime.cli.options.journal import JournalOption
from playbill.runtime.cli.options.moments import Moment
from playbill.runtime.cli.runs.columns import (
    columns,
    console,
    describe_duration,
    describe_moment,
    look_of,
    plain,
    short_id,
    way_out,
    write_json,
)
from playbill.runtime.cli.runs.stored import Standing, standing_of_row
from playbill.runtime.cli.terminal.streams import complain
from playbill.runtime.journals.listing import MAX_PAGE, RunQuery
from playbill.runtime.journals.sqlite.files.ownership import owner_of
from playbill.runtime.reports.printable import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from playbill.runtime.journals.index import RunRow, Scalar

WIDE: Final = 100
"""Columns from which on ids and times are shown whole."""
LEAST_ID: Final = 12
"""Characters that are always shown of an id."""


class ListedStatus(StrEnum):
    """The statuses of runs as they are shown."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    """It has not ended, and its process has gone."""
    LATER = "later"
    """It was recorded for later, and nobody has taken it up yet."""


NOT_KEPT: Final = frozenset({ListedStatus.INTERRUPTED, ListedStatus.LATER})
"""What no journal knows of a run."""


class ListedRun(NamedTuple):
    """A run in a list."""

    path: Path
    row: RunRow
    standing: Standing
    """Whether anybody is at it."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as a mapping that JSON can say."""
        left, later = self.standing is not Standing.HELD, self.standing is Standing.LATER
        return {**plain(self.row), "left": left, "later": later, "journal": str(self.path)}


def runs(  # noqa: PLR0913 (a user names those they want)
    *,
    status: Annotated[list[ListedStatus] | None, Parameter(negative=())] = None,
    pipeline: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    attribute: Annotated[list[str] | None, Parameter(negative=())] = None,
    text: str = "",
    limit: int = 20,
    journal: JournalOption = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
) -> int:
    """List runs; what users read of it stands in runtime/cli/__init__.py.

    Args:
        status: only runs of this status; may be given several times.
        pipeline: only runs of this pipeline.
        since: only runs that began since then: 24h ago, or 2026-11-28, or 2026-11-28T06:30.
        until: only runs that began before.
        attribute: only runs with this attribute, as NAME=VALUE; may be given several times, and all must hold.
        text: only runs with this in their id, in their pipeline's name or in an attribute.
        limit: how many at most.
        journal: where to look.
        as_json: print JSON, with all that is known of each.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise DefinitionError.single("limit", "--limit", f"--limit is {limit}, and takes 1 to {MAX_PAGE}")
    query = RunQuery(
        statuses=_statuses(status or []),
        pipeline=pipeline,
        since=since,
        until=until,
        attributes=attributes_of(attribute or []),
        text=text,
        limit=limit,
    )
    found, has_more = asyncio.run(_find(journals(journal), query, set(status or [])))
    if as_json:
        write_json({"runs": [run.as_dict() for run in found], "more": has_more})
        return FINE
    if found:
        _show(found)
    else:
        complain("no such run is kept here" if query != RunQuery(limit=limit) else "no run is kept here yet")
    if has_more:
        complain(f"there are more: the newest {len(found)} are shown; --limit shows more, --until older ones")
    return FINE


def attributes_of(options: Sequence[str], name_of: str = "--attribute ") -> dict[str, Scalar]:
    """Return attributes by name; a value that is not JSON is text. `name_of` is what the command line calls them.

    Raises:
        DefinitionError: one has no value.
    """
    found: dict[str, Scalar] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise DefinitionError.single("attribute", name_of, f"{name_of}takes NAME=VALUE, not '{option}'")
        found[name] = value
        with suppress(ValueError):
            said = json.loads(value)
            found[name] = said if isinstance(said, str | int | float | bool) else value
    return found


def _statuses(asked: Sequence[ListedStatus]) -> tuple[RunStatus, ...]:
    """Return the statuses that journals know: whether anybody is at a run they do not."""
    known = {RunStatus(one) for one in asked if one not in NOT_KEPT}
    return tuple(known if NOT_KEPT.isdisjoint(asked) else known | {RunStatus.PENDING, RunStatus.RUNNING})


def _is_asked(run: ListedRun, asked: Collection[str]) -> bool:
    """Tell whether a run is of one of these statuses, as it is shown; none: all are."""
    status, *_ = look_of(str(run.row.status), run.standing)
    return not asked or status in asked or run.row.status in asked


async def _find(paths: Sequence[Path], query: RunQuery, asked: Collection[str]) -> tuple[list[ListedRun], bool]:
    """Return the newest runs of all journals, and whether there are more."""
    found: list[ListedRun] = []
    has_more = False
    for path in paths:
        owner = owner_of(path)
        async with reading(path) as reader:
            page = await reader.runs(query if NOT_KEPT.isdisjoint(asked) else replace(query, limit=MAX_PAGE))
            here = [ListedRun(path, row, await standing_of_row(reader, row, owner)) for row in page.runs]
            found += [run for run in here if _is_asked(run, asked)]
        has_more = has_more or page.next is not None
    found.sort(key=lambda run: run.row.created_at, reverse=True)
    return found[: query.limit], has_more or len(found) > query.limit


def _show(found: Sequence[ListedRun]) -> None:
    screen = console()
    is_wide = screen.width >= WIDE
    table = [_cells(run, is_wide=is_wide) for run in found]
    for run, line in zip(found, columns(table, screen.width, {2: 8, 1: LEAST_ID}), strict=True):
        screen.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        for note in _notes(run, is_wide=is_wide):
            screen.print(Text(f"  {note}", "yellow"), no_wrap=not is_wide, overflow="ellipsis", crop=True)


def _cells(run: ListedRun, *, is_wide: bool) -> list[Text]:
    row = run.row
    status, symbol, colour = look_of(str(row.status), run.standing)
    encoding = _encoding()
    return [
        Text(f"{symbol} {status}", colour),
        Text(printable(row.run_id, encoding) if is_wide else short_id(row.run_id)),
        Text(printable(row.pipeline, encoding), "bold"),
        Text(describe_moment(row.started_at or row.created_at, short=not is_wide), "bright_black"),
        Text(describe_duration(row, run.standing), "bright_black"),
    ]


def _notes(run: ListedRun, *, is_wide: bool) -> Iterator[str]:
    row = run.row
    if row.suspended_reason is not None:
        yield printable(f"set aside: {row.suspended_reason}", _encoding())
    elif run.standing is not Standing.HELD and row.status is not RunStatus.PAUSED:
        yield way_out(row.run_id, run.standing)
    if row.wake_at is not None:
        yield f"waits until {describe_moment(row.wake_at, short=not is_wide)}"


def _encoding() -> str:
    return sys.stdout.encoding or "utf-8"
