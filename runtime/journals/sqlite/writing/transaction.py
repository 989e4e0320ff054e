"""Writes one group within one transaction; what is kept already, since an answer was lost, is read back and left so.

1. Runs begin first, then come events, with what they change of the index, then log lines, then rows of others.
2. An event whose seq is not the next one of its stream is compared with what the file has: equal is kept, anything
   else fences the stream off. So an event is never kept twice, never changed, and there are no gaps.
3. Rows of others that are refused (a constraint, a fault of theirs) are undone alone; the group goes on.
"""

from __future__ import annotations

import sqlite3
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from playbill.runtime.journals.listing import micros
from playbill.runtime.journals.log_quota import LogQuota
from playbill.runtime.journals.refusals import Fenced, RunIdTaken
from playbill.runtime.journals.sqlite.group import KeptGroup
from playbill.runtime.journals.sqlite.rows import storable
from playbill.runtime.journals.sqlite.writing.index_rows import RowChanges, insert_attributes, insert_definition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from playbill.runtime.journals.sqlite.group import Group
    from playbill.runtime.journals.sqlite.writing.encoded import EncodedEvent, EncodedGroup, EncodedStream
    from playbill.runtime.journals.sqlite.writing.positions import Position, Positions

__all__ = ["GroupTransaction"]

AT_ONCE: Final = 32
"""Events a statement: each row by itself costs twice the time, and gives up the interpreter's lock."""
INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_EVENTS = INSERT_EVENT + ", (?, ?, ?, ?, ?, ?, ?, ?, ?)" * (AT_ONCE - 1)
INSERT_OWN = "INSERT INTO own_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_PAYLOAD = "INSERT INTO payloads VALUES (?, ?, ?, ?)"
INSERT_LOG = "INSERT INTO log_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
FIND_EVENT = "SELECT seq, type, version, at, node, attempt, data FROM events WHERE run = ? AND seq = ?"
FIND_OWN = "SELECT seq, type, version, at, node, attempt, data FROM own_events WHERE stream = ? AND seq = ?"


class GroupTransaction:
    """One group on its way into the file.

    Args:
        connection: in a transaction.
        positions: where the streams stand.
        encoded: the group.
        is_kept: whether what is more than events in it was kept before.
    """

    def __init__(
        self, connection: sqlite3.Connection, positions: Positions, encoded: EncodedGroup, *, is_kept: bool
    ) -> None:
        self._connection = connection
        self._positions = positions
        self._encoded = encoded
        self._is_kept = is_kept
        self.outcome = KeptGroup()
        self.last: dict[str, int] = {}
        """Of each stream written: its last seq, for the positions once all is kept."""
        self._rows: list[tuple[Any, ...]] = []
        """The events of runs that are to be written, as columns."""
        self._changes = RowChanges()

    def write(self) -> None:
        """Write all of it.

        Raises:
            sqlite3.Error: the transaction is to be undone.
        """
        encoded, outcome = self._encoded, self.outcome
        if self._is_kept and encoded.told is not None:
            outcome.begun, outcome.failed = encoded.told.begun, encoded.told.failed
        else:
            self._begin_runs(encoded.group)
        taken = {error.run_id for _, error in outcome.failed if isinstance(error, RunIdTaken)}
        for stream in encoded.streams:
            if stream.stream.name in taken:
                outcome.fenced.append((stream.stream, RunIdTaken(stream.stream.name)))
            elif stream.stream.refused is None:
                self._write_stream(stream)
        self._write_collected()
        if not self._is_kept:
            self._write_logs(encoded.group, taken)
            self._write_rows(encoded.group)
            if encoded.has_more:
                self._connection.execute("INSERT OR REPLACE INTO writer VALUES ('group', ?)", (encoded.token,))
        encoded.told = outcome

    # ---- runs that begin --------------------------------------------------------------------------------------

    def _begin_runs(self, group: Group) -> None:
        """Insert the rows of runs that begin, but for those whose ids are taken."""
        for row, definition, kept in group.begins:
            position = self._positions.begin(row)
            if position is None:
                self.outcome.failed.append((kept, RunIdTaken(row.run_id)))
                continue
            insert_attributes(self._connection, position.id, row.attributes)
            if definition is not None and row.definition is not None:
                insert_definition(self._connection, row.definition, definition)
            self.outcome.begun.append((kept, None))

    # ---- events -----------------------------------------------------------------------------------------------

    def _write_stream(self, stream: EncodedStream) -> None:
        position, name = self._position(stream), stream.stream.name
        if position is None:
            return
        fresh, last = self._fresh(stream, position)
        if fresh and stream.is_own:
            self._connection.executemany(INSERT_OWN, [(name, *event.row) for event in fresh])
        elif fresh:
            self._insert_events(position.id, fresh)
        if last:
            self.last[name] = last
            self.outcome.kept.append((stream.stream, last))
        if stream.fenced is not None:
            self.outcome.fenced.append((stream.stream, stream.fenced))

    def _position(self, stream: EncodedStream) -> Position | None:
        name = stream.stream.name
        position = self._positions.of_own(name) if stream.is_own else self._positions.of_run(name)
        if position is None and stream.first is not None:
            position = self._positions.begin(stream.first)
        if position is None and stream.events:
            seq = stream.events[0].row.seq
            self.outcome.fenced.append((stream.stream, Fenced(name, seq, "no run of this id has begun")))
        return position

    def _fresh(self, stream: EncodedStream, position: Position) -> tuple[Sequence[EncodedEvent], int]:
        """Return the events that are not kept yet, and the seq up to which all are kept then; 0: none of these is."""
        events, last = stream.events, position.last
        if events and events[0].row.seq == last + 1 and events[-1].row.seq == last + len(events):
            return events, last + len(events)
        fresh: list[EncodedEvent] = []
        kept = 0
        for event in events:
            seq = event.row.seq
            if seq == last + 1:
                fresh.append(event)
                last = seq
            elif seq > last or not self._is_there(stream, position, event):
                why = f"its last event kept is {last}" if seq > last else "another event has this seq"
                stream.fenced = Fenced(stream.stream.name, seq, why)
                break
            kept = seq
        return fresh, kept

    def _is_there(self, stream: EncodedStream, position: Position, event: EncodedEvent) -> bool:
        query, key = (FIND_OWN, stream.stream.name) if stream.is_own else (FIND_EVENT, position.id)
        found = self._connection.execute(query, (key, event.row.seq)).fetchone()
        return bool(found == tuple(event.row))

    def _insert_events(self, run: int, events: Sequence[EncodedEvent]) -> None:
        change: dict[str, Any] = {}
        for row, beside, changed in events:
            self._rows.append((run, *row, len(beside)))
            for payload in beside:
                self._connection.execute(INSERT_PAYLOAD, (run, row.seq, payload.name, payload.zlib))
            if changed:
                change.update(changed)
        self._changes.add(run, events[-1].row.seq, change)

    def _write_collected(self) -> None:
        """Write the rows of all runs' events, and what they change of the index, in as few statements as may be."""
        rows = self._rows
        whole = len(rows) - len(rows) % AT_ONCE
        for first in range(0, whole, AT_ONCE):
            self._connection.execute(INSERT_EVENTS, [*chain.from_iterable(rows[first : first + AT_ONCE])])
        if whole < len(rows):
            self._connection.executemany(INSERT_EVENT, rows[whole:])
        self._changes.write(self._connection)

    # ---- what else there is -----------------------------------------------------------------------------------

    def _write_logs(self, group: Group, refused: AbstractSet[str]) -> None:
        """Write log lines, but for those of runs whose ids are taken: they are not of the runs that have these."""
        quotas: dict[tuple[int, str, int], LogQuota] = {}
        for run_id, line in group.logs:
            position = self._positions.of_run(run_id)
            if position is None or run_id in refused:
                continue
            key = (position.id, line.node_id, line.attempt)
            quota = quotas.get(key) or quotas.setdefault(key, self._quota(key))
            if (taken := quota.take(line.text)) is not None:
                cut = taken.cut or line.cut
                row = (*key, taken.number, micros(line.at), line.level, storable(taken.text), cut)
                self._connection.execute(INSERT_LOG, row)

    def _quota(self, key: tuple[int, str, int]) -> LogQuota:
        query = "SELECT count(*), coalesce(sum(length(text)), 0) FROM log_lines WHERE run=? AND node=? AND attempt=?"
        return LogQuota(*self._connection.execute(query, key).fetchone())

    def _write_rows(self, group: Group) -> None:
        for write, kept in group.rows:
            self._connection.execute("SAVEPOINT others")
            try:
                self.outcome.begun.append((kept, write(self._connection)))
            except sqlite3.OperationalError:
                raise  # the disk's, and so the whole group's
            except Exception as error:  # noqa: BLE001 (theirs, and told to them)
                self._connection.execute("ROLLBACK TO others")
                self.outcome.failed.append((kept, error))
            self._connection.execute("RELEASE others")
