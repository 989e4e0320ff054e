"""What must hold of the file, and of what handlers did, after each kill and at the end."""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from playbill.model.events import Event, EventType, is_own
from playbill.runtime.journals.index import RunRow
from playbill.runtime.journals.sqlite.files.connections import open_reader
from playbill.runtime.journals.sqlite.reading.facts import read_events_of
from playbill.runtime.journals.sqlite.reading.queries import find_run
from tests.runtime.journals.sqlite.history import problems_of
from tests.soak.kills.effects import problems_of_effects, read_effects
from tests.soak.kills.ledger import Ledger, Wrong
from tests.soak.kills.plans import RunPlan, end

Problems = Iterator[str]
MANY: Final = 1_000_000
LATE_SECONDS: Final = 0.001
"""By so much a moment may be before another, as it is rounded."""
STOPPED: Final = frozenset({EventType.PIPELINE_NODE_CANCELLED, EventType.PIPELINE_NODE_FAILED})
LOGGED: Final = """
SELECT e.attempt, count(l.number) FROM runs AS r JOIN events AS e ON e.run = r.id
LEFT JOIN log_lines AS l ON l.run = e.run AND l.node = e.node AND l.attempt = e.attempt
WHERE r.run_id = ? AND e.node = 'log' AND e.type = ? GROUP BY e.attempt
"""


class Kept(NamedTuple):
    """What a file has."""

    rows: Mapping[str, RunRow]
    events: Mapping[str, Sequence[Event]]
    """By run."""
    kinds: Mapping[str, Mapping[int, str]]
    """The types of events, by stream and seq, playbill's own streams among them."""


def check_kill(folder: Path, wanted: Iterable[RunPlan], ledger: Ledger) -> None:
    """Look at what a life has left, in a copy: what recovers the file is the next life, and not we.

    Raises:
        Wrong: something is not as it must be.
    """
    with TemporaryDirectory(prefix="playbill-kills-") as place:
        copy = Path(place) / "runs.db"
        for name in ("runs.db", "runs.db-wal"):
            if (folder / name).exists():
                shutil.copyfile(folder / name, Path(place) / name)
        with closing(sqlite3.connect(copy)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        problems = problems_of(copy) if version else []  # 0: it died before it had made a journal of it
        raise_for(problems)
        kept = kept_in(copy) if version else Kept({}, {}, {})
    problems += [*of_ledger(ledger, kept), *problems_of_effects(read_effects(folder), wanted, kept.events)]
    raise_for([*problems, *of_waits(kept)])


def check_end(folder: Path, wanted: Sequence[RunPlan], ledger: Ledger) -> None:
    """Look whether all runs came to the end that they must come to.

    Raises:
        Wrong: one did not.
    """
    path = folder / "runs.db"
    kept = kept_in(path)
    crashed = [plan.run_id for plan in wanted if plan.crashed and ledger.ends.get(plan.run_id) == plan.ends[1]]
    problems = [*of_ends(wanted, ledger)]
    problems += [
        f"'{run_id}' ended as in a crash, and saw none"
        for run_id in crashed
        if EventType.PIPELINE_RUN_RECOVERED not in {event.type for event in kept.events[run_id]}
    ]
    with closing(open_reader(path)) as connection:
        problems += of_logs(connection, wanted)
    ledger.counts["ended as in a crash"] += len(crashed)
    raise_for(problems)


def raise_for(problems: Sequence[str]) -> None:
    """Raise the first problems, if there are any."""
    if problems:
        raise Wrong(f"{len(problems)} problems: " + "; ".join(problems[:5]))


def kept_in(path: Path) -> Kept:
    """Return what a journal's file has."""
    kinds: dict[str, dict[int, str]] = {}
    with closing(open_reader(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT run_id FROM runs").fetchall()]
        rows = {name: row for name in names if (row := find_run(connection, name)) is not None}
        events = {name: read_events_of(connection, name, 0, MANY) for name in names}
        for stream, seq, kind in connection.execute("SELECT stream, seq, type FROM own_events"):
            kinds.setdefault(stream, {})[seq] = kind
    of_runs = {name: {event.seq: str(event.type) for event in found} for name, found in events.items()}
    return Kept(rows, events, kinds | of_runs)


def of_ledger(ledger: Ledger, kept: Kept) -> Problems:
    """Yield what was acknowledged and is not kept."""
    if lost := ledger.missing(kept.rows):
        yield f"runs were started, and are not kept: {sorted(lost)}"
    for stream, shown in ledger.shown.items():
        there = kept.kinds.get(stream, {})
        pruned = max(there, default=0) if is_own(stream) else 0  # of breakers old events go
        unkept = [seq for seq, kind in shown.items() if there.get(seq) != kind and seq > pruned]
        if unkept and stream not in ledger.prunable:
            yield f"events {unkept} of '{stream}' were shown, and are not kept"
    for run_id, row in kept.rows.items():
        if run_id not in ledger.prunable:
            yield from _of_run(run_id, row, kept, ledger)


def _of_run(run_id: str, row: RunRow, kept: Kept, ledger: Ledger) -> Problems:
    ended, kinds = ledger.ends.get(run_id), kept.kinds[run_id].values()
    if ended is not None and ended.status != row.status:
        yield f"'{run_id}' had ended {ended.status}, and is kept as {row.status}"
    if run_id in ledger.cancelled and EventType.PIPELINE_RUN_CANCEL_REQUESTED not in kinds:
        yield f"'{run_id}' was cancelled, and that is not kept"
    if run_id in ledger.paused and row.status != "paused":
        yield f"'{run_id}' was paused, and is kept as {row.status}"
    values, value = ledger.attributes.get(run_id, {""}), row.attributes.get("changed", "")
    if value not in values:
        yield f"'{run_id}' has the attribute {value!r}, and must have one of {values}"


def of_waits(kept: Kept) -> Problems:
    """Yield attempts and ends of delays that came before they were due."""
    for run_id, events in kept.events.items():
        due: dict[str, Event] = {}
        for event in events:
            if (node := event.node_id) is None:
                continue
            before = due.pop(node, None)
            early = 0.0 if before is None else (before.data["due_at"] - event.at).total_seconds()
            if early > LATE_SECONDS and event.type not in STOPPED:
                yield f"event {event.seq} of '{run_id}' is {early:g} s before it was due"
            if event.data.get("due_at") is not None:
                due[node] = event


def of_ends(wanted: Iterable[RunPlan], ledger: Ledger) -> Problems:
    """Yield runs that have not ended, or as they cannot end."""
    for plan in wanted:
        found = ledger.ends.get(plan.run_id)
        if found is None and plan.run_id not in ledger.prunable:
            yield f"'{plan.run_id}' has not ended"
        elif found is not None and found not in plan.ends:
            yield f"'{plan.run_id}' ended {found}, and must end as one of {plan.ends}: {plan.outputs!r:.200}"
        if plan.again is not None:
            again, due = ledger.ends.get(f"{plan.run_id}-again"), end("completed", plan.again)
            if again != due:
                yield f"'{plan.run_id}-again' ended {again}, and must end as {due}"


def of_logs(connection: sqlite3.Connection, wanted: Iterable[RunPlan]) -> Problems:
    """Yield attempts that have completed, and not all of whose lines are kept."""
    for plan in wanted:
        if plan.logs is not None:
            asked = (plan.run_id, str(EventType.PIPELINE_NODE_COMPLETED))
            for attempt, lines in connection.execute(LOGGED, asked):
                if lines != plan.logs:
                    yield f"attempt {attempt} of '{plan.run_id}' has {lines} lines of {plan.logs}"
