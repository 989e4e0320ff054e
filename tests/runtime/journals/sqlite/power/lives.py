"""Lives of a journal over a recorded disk: each goes until it is closed, and may begin where power was lost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import pytest

from playbill.runtime.journals.sqlite.files.connections import Synchronous
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.journals.sqlite.writing import checkpoints, pruning, thread
from tests.runtime.journals.sqlite.power.apsw_connection import ApswConnection
from tests.runtime.journals.sqlite.power.disk import Disk
from tests.runtime.journals.sqlite.power.life import Life
from tests.runtime.journals.sqlite.power.promises import Promises
from tests.runtime.journals.sqlite.power.reading_back import FILE, written
from tests.runtime.journals.sqlite.power.recording import Image, Recording
from tests.runtime.journals.sqlite.power.vfs import recorded

NEW: Image = {FILE: b""}
"""The journal makes its file, and has that on the disk, before SQLite sees it."""
WAL_BYTES = 100_000


class Birth(NamedTuple):
    """What a life begins with."""

    number: int = 1
    """Which life of its file it is."""
    start: Image = NEW
    stands: Mapping[str, int] = {}
    """The last seqs of the streams that are there."""


def reborn(birth: Birth, image: Image, stands: Mapping[str, int]) -> Birth:
    """What the next life begins with, after a loss of power that left this."""
    return Birth(birth.number + 1, image, stands)


def renewed(promises: Promises, stands: Mapping[str, int]) -> Promises:
    """What is promised once the next owner has read what is there: that, and that what is gone stays gone."""
    gone = promises.pruning.keys() - stands.keys()
    return Promises(
        kept=dict(stands),
        begun=promises.begun & stands.keys(),
        noted={run: value for run, value in promises.noted.items() if run in stands},
        pruning={name: seq for name, seq in promises.pruning.items() if name in gone or seq},
        pruned=promises.pruned | gone,
    )


@contextmanager
def small_limits() -> Iterator[None]:
    """Have the WAL copied often between groups, never by the clock, and pruning take many commits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints.__init__, "__defaults__", (WAL_BYTES,))
        patch.setattr(checkpoints, "LOOK_SECONDS", 0.0)
        patch.setattr(thread, "IDLE_SECONDS", 3600.0)
        patch.setattr(pruning, "TREES_A_COMMIT", 2)
        patch.setattr(pruning, "ROWS_A_COMMIT", 20)
        patch.setattr(pruning, "PAGES_A_STEP", 20)
        yield


async def lived(
    folder: Path,
    seed: int,
    birth: Birth | None = None,
    *,
    synchronous: Synchronous = "FULL",
    writer: type[ApswConnection] = ApswConnection,
) -> Recording:
    """Record one life of a journal, from when it is opened until it is closed.

    Args:
        folder: where its file may lie meanwhile.
        seed: chooses what is done.
        birth: what it begins with; None: a new file.
        synchronous: whether commits wait for the disk.
        writer: the connection that its writer gets.
    """
    birth = birth or Birth()
    recording = Recording(birth.start)
    place = folder / f"life-{birth.number}"
    path = written(birth.start, place)
    with small_limits(), recorded(recording, writer) as connect:
        journal = SqliteJournal(f"sqlite:///{path}", synchronous=synchronous, connect=connect)
        try:
            await Life(journal, recording, birth.number, seed, birth.stands).live()
        finally:
            journal.close()
    assert seen_at_the_end(recording) == {file.name: file.read_bytes() for file in place.glob("*.db")}
    rmtree(place)
    return recording


def seen_at_the_end(recording: Recording) -> Image:
    """What its files have after all of its steps."""
    disk = Disk(recording.start)
    for step in recording.steps:
        disk.take(step)
    return disk.seen()
