"""The tests of lost power can fail: each thing that must not be done is done, and images show it."""

from pathlib import Path

import pytest

from playbill.model.errors import JournalError
from tests.runtime.journals.sqlite.power.apsw_connection import ApswConnection, ApswCursor, Parameters
from tests.runtime.journals.sqlite.power.lives import lived
from tests.runtime.journals.sqlite.power.losses import losses, points, read
from tests.runtime.journals.sqlite.power.reading_back import Lost
from tests.runtime.journals.sqlite.power.recording import Recording, Synced

pytestmark = pytest.mark.anyio
IMAGES = 40


class NeverSynced(ApswConnection):
    """A connection that has `synchronous` off, whatever is asked for."""

    def execute(self, sql: str, parameters: Parameters = ()) -> ApswCursor:
        return super().execute("PRAGMA synchronous = OFF" if "synchronous" in sql else sql, parameters)


class CommitsLate(ApswConnection):
    """A connection that says a commit is done, and does it before its next statement."""

    _is_late = False

    def execute(self, sql: str, parameters: Parameters = ()) -> ApswCursor:
        if self._is_late:
            self._is_late = False
            super().execute("COMMIT")
        if sql == "COMMIT":
            self._is_late = True
            return ApswCursor([], -1)
        return super().execute(sql, parameters)


async def wrong(recording: Recording, scratch: Path, *, is_durable: bool = True) -> list[type[Exception]]:
    """What is wrong with images of a recording."""
    tried = losses(recording, points(recording, IMAGES, 1), 1)
    found = [await read(loss, scratch, is_durable=is_durable) for loss in tried]
    return [type(each.error) for each in found if each.error is not None]


def without_syncs(recording: Recording, suffix: str) -> Recording:
    """The same life on a disk that says it has synced files whose names end so, and has not."""
    lied = Recording(recording.start)
    lied.steps = [step for step in recording.steps if not (isinstance(step, Synced) and step.file.endswith(suffix))]
    return lied


async def test_a_writer_that_never_syncs_is_found(scratch: Path) -> None:
    recording = await lived(scratch, 1, writer=NeverSynced)
    assert Lost in await wrong(recording, scratch)


async def test_a_writer_that_acknowledges_before_it_commits_is_found(scratch: Path) -> None:
    recording = await lived(scratch, 1, writer=CommitsLate)
    assert set(await wrong(recording, scratch)) == {Lost}


async def test_acknowledged_events_are_lost_with_synchronous_normal(scratch: Path) -> None:
    recording = await lived(scratch, 1, synchronous="NORMAL")
    assert set(await wrong(recording, scratch)) == {Lost}


async def test_a_disk_that_lies_about_the_wal_is_found(scratch: Path) -> None:
    recording = without_syncs(await lived(scratch, 1), "-wal")
    assert Lost in await wrong(recording, scratch)


async def test_a_wal_that_is_cut_before_the_database_is_synced_is_found_as_damage(scratch: Path) -> None:
    recording = without_syncs(await lived(scratch, 1), ".db")
    found = await wrong(recording, scratch, is_durable=False)
    assert {AssertionError, JournalError} & set(found)
