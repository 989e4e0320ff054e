"""The index of the memory journal: rows folded from its events when somebody asks, so that keeping costs nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from playbill.model.attributes import check_count
from playbill.model.errors import DefinitionError, UnknownRun
from playbill.model.events import is_own
from playbill.runtime.journals.index import changed, check_change, row_of
from playbill.runtime.journals.listing import PageEnd, RunPage, end_before, matches, micros
from playbill.runtime.journals.log_quota import LogQuota
from playbill.runtime.journals.refusals import RunIdTaken

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from playbill.model.events import Event
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.journals.listing import LogLine, RunQuery

__all__ = ["MemoryIndex"]


class HasEvents(Protocol):
    """A stream in memory."""

    @property
    def events(self) -> Sequence[Event]:
        """What it keeps."""
        ...


class MemoryIndex:
    """What is known of the runs in memory: the reading side, and what the writing side has said besides events.

    Args:
        streams: the journal's, by name.
    """

    def __init__(self, streams: Mapping[str, HasEvents]) -> None:
        self._streams = streams
        self._begun: dict[str, RunRow] = {}
        self._changes: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        """By run: what others said, and behind which event."""
        self._definitions: dict[str, str] = {}
        self._logs: dict[str, list[LogLine]] = {}
        self._quotas: dict[str, dict[tuple[str, int], LogQuota]] = {}
        """By run: what each attempt may still say."""
        self._numbers: dict[str, int] = {}

    # ---- what is said -----------------------------------------------------------------------------------------

    def begin(self, row: RunRow, definition: str | None) -> Future[None]:
        """Note how a run begins."""
        check_change({"attributes": row.attributes})
        begun: Future[None] = asyncio.get_running_loop().create_future()
        if row.run_id in self._streams or row.run_id in self._begun:
            begun.set_exception(RunIdTaken(row.run_id))
            return begun
        self._begun[row.run_id] = row
        if definition is not None and row.definition is not None:
            self._definitions[row.definition] = definition
        begun.set_result(None)
        return begun

    def change(self, run_id: str, change: Mapping[str, Any]) -> Future[None]:
        """Note what no event says."""
        check_change(change)
        done: Future[None] = asyncio.get_running_loop().create_future()
        row = self._row(run_id)
        if row is None and (run_id not in self._streams or is_own(run_id)):
            done.set_exception(UnknownRun(run_id))
            return done
        said = self._changes.setdefault(run_id, [])
        said.append((0 if row is None else row.last_seq, dict(change)))
        try:
            check_count(len(self._attributes(run_id)))
        except DefinitionError as error:
            said.pop()
            done.set_exception(error)
        else:
            done.set_result(None)
        return done

    def _attributes(self, run_id: str) -> set[str]:
        """Return the names of all attributes that were ever said of a run."""
        begun = self._begun.get(run_id)
        names = set(begun.attributes) if begun is not None else set[str]()
        return names.union(*(change.get("attributes", ()) for _, change in self._changes[run_id]))

    def log(self, run_id: str, line: LogLine) -> None:
        """Keep what an attempt said, as far as its quota goes."""
        quota = self._quotas.setdefault(run_id, {}).setdefault((line.node_id, line.attempt), LogQuota())
        if (taken := quota.take(line.text)) is not None:
            cut = line.cut or taken.cut
            kept = replace(line, number=taken.number, text=taken.text, cut=cut)
            self._logs.setdefault(run_id, []).append(kept)

    def forget(self, run_id: str) -> None:
        """Forget a run."""
        for known in (self._begun, self._changes, self._logs, self._quotas, self._numbers):
            known.pop(run_id, None)

    def ended_before(self, before: datetime, statuses: Sequence[str]) -> list[str]:
        """Return the runs of whole trees that had ended by then, whose top has one of these statuses."""
        trees: dict[str, list[RunRow]] = {}
        for row in self._rows():
            trees.setdefault(row.root or row.run_id, []).append(row)
        found: list[str] = []
        for top, rows in trees.items():
            ended = all(row.ended_at is not None and row.ended_at < before for row in rows)
            if ended and any(row.run_id == top and row.status in statuses for row in rows):
                found += [row.run_id for row in rows]
        return found

    # ---- the reading side -------------------------------------------------------------------------------------

    async def runs(self, query: RunQuery) -> RunPage:
        """Return a page of runs, the newest first."""
        after = end_before(query)
        found = [(self._place(row), row) for row in self._rows() if matches(row, query)]
        found = sorted(
            (one for one in found if after is None or one[0] < after), key=lambda one: one[0], reverse=True
        )
        page = found[: query.limit]
        return RunPage(tuple(row for _, row in page), page[-1][0].cursor if len(found) > query.limit else None)

    async def run(self, run_id: str) -> RunRow | None:
        """Return the row of one run."""
        return self._row(run_id)

    async def definition(self, digest: str) -> str | None:
        """Return the stored form of a definition, as JSON."""
        return self._definitions.get(digest)

    async def events(self, stream: str, from_seq: int = 1, limit: int = 500) -> Sequence[Event]:
        """Return the first events of a stream from a seq on."""
        found = self._streams.get(stream)
        return [] if found is None else [event for event in found.events if event.seq >= from_seq][:limit]

    async def histories(self, run_ids: Sequence[str], limit: int) -> Mapping[str, Sequence[Event]]:
        """Return the first events of several runs."""
        return {run_id: events for run_id in run_ids if (events := await self.events(run_id, limit=limit))}

    async def logs(self, run_id: str, node_id: str | None = None, attempt: int | None = None) -> Sequence[LogLine]:
        """Return what a run's attempts said, by node, attempt and line."""
        lines = [
            line
            for line in self._logs.get(run_id, ())
            if node_id in {None, line.node_id} and attempt in {None, line.attempt}
        ]
        return sorted(lines, key=lambda line: (line.node_id, line.attempt, line.number))

    def _rows(self) -> list[RunRow]:
        return [row for name in self._streams if (row := self._row(name)) is not None]

    def _row(self, run_id: str) -> RunRow | None:
        stream = self._streams.get(run_id)
        if stream is None or not stream.events or is_own(run_id):
            return None
        first = self._begun.get(run_id) or row_of(stream.events[0])
        if first.root is None and first.parent is not None and (parent := self._row(first.parent)) is not None:
            first = replace(first, root=parent.root or parent.run_id)
        return self._folded(first, stream.events)

    def _folded(self, row: RunRow, events: Sequence[Event]) -> RunRow:
        for seq, change in self._changes.get(row.run_id, ()):
            row = changed(row, (event for event in events if row.last_seq < event.seq <= seq))
            row = replace(row, **{**change, "attributes": {**row.attributes, **change.get("attributes", {})}})
        return changed(row, (event for event in events if event.seq > row.last_seq))

    def _place(self, row: RunRow) -> PageEnd:
        number = self._numbers.setdefault(row.run_id, len(self._numbers) + 1)
        return PageEnd(micros(row.created_at), number)
