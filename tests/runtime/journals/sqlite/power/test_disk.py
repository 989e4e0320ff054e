"""The disk of the crash images: what is synced is there, and of the rest whatever the way of a loss lets through."""

from pathlib import Path
from random import Random

import apsw
import pytest

from tests.runtime.journals.sqlite.power.disk import Disk
from tests.runtime.journals.sqlite.power.lives import lived
from tests.runtime.journals.sqlite.power.recording import (
    Change,
    Created,
    Cut,
    Deleted,
    Recording,
    Step,
    Synced,
    Wrote,
)
from tests.runtime.journals.sqlite.power.survivors import WAYS, image, sectors
from tests.runtime.journals.sqlite.power.vfs import RecordingFile

A, B = "a.db", "b.db"
SEEDS = 300


def images(way: str, *steps: Step, start: dict[str, bytes] | None = None) -> set[tuple[bytes | None, ...]]:
    """What may be left of the two files, by many seeds."""
    disk = Disk({A: b"", B: b""} if start is None else start)
    for step in steps:
        disk.take(step)
    left = [image(disk, way, Random(seed)) for seed in range(SEEDS)]
    return {(each.get(A), each.get(B)) for each in left}


@pytest.mark.parametrize("way", WAYS)
def test_what_was_synced_is_there(way: str) -> None:
    synced = (Wrote(A, 0, b"old"), Wrote(A, 1, b"NEW"), Cut(A, 3), Synced(A, folder=False))
    assert images(way, *synced) == {(b"oNE", b"")}


def test_a_sync_of_one_file_is_none_of_another() -> None:
    assert images("nothing", Wrote(A, 0, b"a"), Wrote(B, 0, b"b"), Synced(A, folder=True)) == {(b"a", b"")}


def test_all_of_one_file_may_be_there_and_nothing_of_the_other() -> None:
    left = images("one_file", Wrote(A, 0, b"a"), Wrote(B, 0, b"b"))
    assert {(b"a", b""), (b"", b"b")} <= left


def test_a_write_may_be_torn_at_sectors_and_nowhere_else() -> None:
    data = b"1" * 412 + b"2" * 512 + b"3" * 100
    assert [len(part.data) for part in sectors(Wrote(A, 100, data))] == [412, 512, 100]
    left = {found for found, _ in images("any_parts", Wrote(A, 100, data), start={A: b"-" * 1124})}
    parts = [[b"-" * len(part), part] for part in (b"1" * 412, b"2" * 512, b"3" * 100)]
    assert left == {b"-" * 100 + one + two + three for one in parts[0] for two in parts[1] for three in parts[2]}


def test_what_is_missing_before_a_write_is_zeros() -> None:
    assert (bytes(4) + b"b", b"") in images("any_parts", Wrote(A, 0, b"aaaa"), Wrote(A, 4, b"b"))


def test_an_older_write_may_come_last() -> None:
    twice = (Wrote(A, 0, b"old"), Wrote(A, 0, b"new"))
    assert images("any_order", *twice) == {(b"", b""), (b"old", b""), (b"new", b"")}
    assert images("everything", *twice) == {(b"new", b"")}


def test_a_cut_may_not_have_happened_though_what_came_later_has() -> None:
    changes: tuple[Change, ...] = (Cut(A, 1), Wrote(A, 0, b"N"))
    assert images("without_cuts", *changes, start={A: b"old"}) == {(b"Nld", None)}
    assert images("everything", *changes, start={A: b"old"}) == {(b"N", None)}


def test_a_new_file_is_there_for_certain_once_the_folder_is_synced() -> None:
    new = (Created(A), Wrote(A, 0, b"a"))
    assert images("everything", *new, Synced(A, folder=False), start={}) == {(None, None), (b"a", None)}
    assert images("nothing", *new, Synced(A, folder=True), start={}) == {(b"a", None)}


def test_a_deleted_file_may_be_back_and_a_new_one_of_its_name_comes_after_that() -> None:
    again = (Deleted(A, folder=False), Created(A), Wrote(A, 0, b"new"))
    assert images("everything", *again, start={A: b"old"}) == {(b"old", None), (None, None), (b"new", None)}
    assert images("nothing", Deleted(A, folder=True), start={A: b"old"}) == {(None, None)}


@pytest.mark.anyio
async def test_what_is_recorded_is_what_the_files_have(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = await lived(scratch, 1)
    kinds = {type(step) for step in recording.steps}
    assert {Created, Wrote, Cut, Synced, Deleted} <= kinds
    assert {step.file for step in recording.steps if isinstance(step, Wrote)} == {
        "journal.db",
        "journal.db-wal",
        "journal.db-journal",
    }
    monkeypatch.setattr(RecordingFile, "xTruncate", apsw.VFSFile.xTruncate)  # so that cuts are not recorded
    with pytest.raises(AssertionError):
        await lived(scratch, 1)


def test_a_recording_says_what_is_in_it() -> None:
    recording = Recording({})
    recording.add(Created(A))
    recording.add(Wrote(A, 0, b"a"))
    recording.add(Wrote(A, 1, b"a"))
    assert repr(recording) == "<Recording created=1 wrote=2>"
