"""Lists of runs and log lines: what may be asked of a journal's index, and the pages of an answer; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypedDict

from msgspec import ValidationError, convert, field

from playbill.model.attributes import Scalar
from playbill.model.diagnostics import did_you_mean
from playbill.model.facts import RunStatus, Value
from playbill.runtime.journals.index import RunRow

__all__ = [
    "LogLine",
    "PageEnd",
    "RunPage",
    "RunQuery",
    "RunQueryOptions",
    "end_before",
    "matches",
    "micros",
    "moment",
]

MAX_PAGE: Final = 1000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
CURSOR: Final = re.compile(r"(\d{1,19})\.(\d{1,19})")


class RunQuery(Value, kw_only=True):
    """Which runs; all that is said must hold. The newest come first."""

    statuses: tuple[RunStatus, ...] = ()
    """Any of these; empty: all."""
    pipeline: str | None = None
    since: datetime | None = None
    """Created then or later."""
    until: datetime | None = None
    """Created before."""
    attributes: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Each of these has exactly this value."""
    text: str = ""
    """Part of the run's id, of its pipeline's name or of an attribute's text; `a` is `A`, in ASCII alone."""
    cursor: str | None = None
    """What the page before gave as `next`; None: the first page."""
    limit: int = 50
    """Runs a page, at most 1,000."""


class RunQueryOptions(TypedDict, total=False):
    """The fields of a RunQuery, for who hands them on."""

    statuses: Sequence[RunStatus | str]
    pipeline: str | None
    since: datetime | None
    until: datetime | None
    attributes: Mapping[str, Scalar]
    text: str
    cursor: str | None
    limit: int


def query_of(asked: Mapping[str, object]) -> RunQuery:
    """Return the query that somebody's arguments say.

    Raises:
        ValueError: one is not what it has to be, or is not known; says which.
    """
    if unknown := sorted(asked.keys() - set(RunQuery.__struct_fields__)):
        known, (name, *_) = RunQuery.__struct_fields__, unknown
        hint = did_you_mean(name, known) or f"; runs are listed by {', '.join(known)}"
        raise ValueError(f"unknown {name}{hint}")
    given = dict(asked)
    if isinstance(statuses := given.get("statuses"), str):
        raise ValueError(f"statuses takes several, such as ['{statuses}'], not {statuses!r:.60}")  # noqa: TRY004
    for name in ("since", "until"):
        at = given.get(name)
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
            raise ValueError(f"{name} takes a datetime with a time zone, not {at!r:.60}")
    try:
        return convert(given, RunQuery)
    except ValidationError as error:
        raise ValueError(f"runs cannot be listed so: {error}") from error


class RunPage(Value):
    """One page of runs."""

    runs: tuple[RunRow, ...]
    next: str | None = None
    """The cursor of the page behind it; None: this is the last one."""


class LogLine(Value, kw_only=True):
    """One line of what an attempt said."""

    node_id: str
    attempt: int
    number: int
    """Counts from 1, by attempt."""
    at: datetime
    level: str
    text: str
    cut: bool = False
    """Whether something is missing from here on: the line's own end, or all further lines of the attempt."""


class PageEnd(NamedTuple):
    """Where a page ends: the run's creation in microseconds, and its number in the journal."""

    created: int
    number: int

    @property
    def cursor(self) -> str:
        """What a reader hands back for the next page."""
        return f"{self.created}.{self.number}"


def end_before(query: RunQuery) -> PageEnd | None:
    """Return the place behind which a query goes on.

    Raises:
        ValueError: its cursor or its limit is none.
    """
    if not 1 <= query.limit <= MAX_PAGE:
        raise ValueError(f"limit is {query.limit}, and a page has 1 to {MAX_PAGE} runs")
    if query.cursor is None:
        return None
    found = CURSOR.fullmatch(query.cursor)
    if found is None:
        raise ValueError(f"{query.cursor!r:.60} is not a cursor: hand back what the page before gave as `next`")
    return PageEnd(int(found[1]), int(found[2]))


def matches(row: RunRow, query: RunQuery) -> bool:
    """Tell whether a run is one of those asked for; its place is not looked at."""
    asked: tuple[tuple[bool, bool], ...] = (
        (bool(query.statuses), row.status in query.statuses),
        (query.pipeline is not None, row.pipeline == query.pipeline),
        (query.since is not None, query.since is None or row.created_at >= query.since),
        (query.until is not None, query.until is None or row.created_at < query.until),
        (bool(query.text), _says(row, query.text)),
    )
    mine = row.attributes
    return all(held for wanted, held in asked if wanted) and all(
        name in mine and _same(mine[name], value) for name, value in query.attributes.items()
    )


def _same(one: Scalar, other: Scalar) -> bool:
    return type(one) is type(other) and one == other


def _says(row: RunRow, text: str) -> bool:
    said = (row.run_id, row.pipeline, *(value for value in row.attributes.values() if isinstance(value, str)))
    return any(text.lower() in part.lower() for part in said)


def micros(at: datetime) -> int:
    """Return a moment as whole microseconds of UTC since 1970."""
    return (at - EPOCH) // MICROSECOND


def moment(number: int) -> datetime:
    """Return the moment of so many microseconds."""
    return EPOCH + timedelta(microseconds=number)
