"""Reads a crash image back by the standard library, as the next owner does, and looks for what was promised."""

from collections.abc import Iterable
from pathlib import Path

from playbill.model.events import Event, is_own
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.runtime.journals.sqlite.history import check_history
from tests.runtime.journals.sqlite.power.plan import OWN, definition, digest, kind_of, made
from tests.runtime.journals.sqlite.power.promises import Promises
from tests.runtime.journals.sqlite.power.recording import Image

FILE = "journal.db"
MANY = 1_000_000


class Lost(AssertionError):
    """Something that was acknowledged is not there."""


def written(image: Image, folder: Path) -> Path:
    """Write an image into a folder; return its database."""
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    return folder / FILE


async def read_back(path: Path, promises: Promises, *, is_durable: bool) -> dict[str, int]:
    """Open an image, look at all streams, close it, and check its history; return where its streams stand.

    Args:
        path: of the image's database.
        promises: what was told before.
        is_durable: whether nothing acknowledged may be missing; else it may be, at the ends.

    Raises:
        Lost: something acknowledged is missing.
        AssertionError: something else is wrong.
        JournalError: it cannot be opened or read.
    """
    journal = SqliteJournal(f"sqlite:///{path}")
    try:
        stands = {stream: await _own(journal, stream, promises, is_durable=is_durable) for stream in OWN}
        for run in sorted(_runs(promises)):
            if last := await _run(journal, run, promises, is_durable=is_durable):
                stands[run] = last
    finally:
        journal.close()
    check_history(path)
    return stands


def _runs(promises: Promises) -> set[str]:
    """All that were heard of."""
    return {name for name in (*promises.kept, *promises.pruning) if not is_own(name)}


async def _run(journal: SqliteJournal, run: str, promises: Promises, *, is_durable: bool) -> int:
    events = list(await journal.reading.events(run, limit=MANY))
    row = await journal.reading.run(run)
    assert events == [made(run, seq) for seq in range(1, len(events) + 1)], f"events of '{run}' differ"
    assert (row is not None) == bool(events), f"the row of '{run}' and its events are not there together"
    if is_durable and run in promises.pruned and events:
        raise Lost(f"the pruning of '{run}'")
    if is_durable and len(events) < promises.kept.get(run, 0) and (events or run not in promises.pruning):
        raise Lost(f"events {len(events) + 1} to {promises.kept[run]} of '{run}'")
    if row is not None:
        assert (row.last_seq, row.definition) == (len(events), digest(run)), f"the row of '{run}' differs"
        assert await journal.reading.definition(digest(run)) == definition(run), f"the definition of '{run}' differs"
        assert row.attributes["run"] == run, f"the attributes of '{run}' differ"
        if is_durable and int(row.attributes["noted"]) < promises.noted.get(run, 0):
            raise Lost(f"a note of '{run}'")
    elif is_durable and run in promises.begun - promises.pruning.keys():
        raise Lost(f"the begin of '{run}'")
    return len(events)


async def _own(journal: SqliteJournal, stream: str, promises: Promises, *, is_durable: bool) -> int:
    events = list(await journal.reading.events(stream, limit=MANY))
    last = events[-1].seq if events else 0
    assert events == [made(stream, event.seq) for event in events], f"events of '{stream}' differ"
    if is_durable and last < promises.kept.get(stream, 0):
        raise Lost(f"events {last + 1} to {promises.kept[stream]} of '{stream}'")
    missing = {*range(1, last + 1)} - {event.seq for event in events}
    wrong = missing - prunable(made(stream, seq) for seq in range(1, promises.pruning.get(stream, 0) + 1))
    assert wrong == set(), f"events {sorted(wrong)} of '{stream}' are missing, and pruning leaves them"
    return last


def prunable(events: Iterable[Event]) -> set[int]:
    """The seqs that pruning may take away: all but the last of each kind."""
    found = list(events)
    last = {kind_of(event): event.seq for event in found}
    return {event.seq for event in found}.difference(last.values())
