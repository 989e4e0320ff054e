"""Messages with descriptors: what is to be sent later, when hardly a descriptor is free."""

import errno
import os
from pathlib import Path

import pytest

from playbill.runtime.processes.packets import duplicates


def test_duplicates_outlast_what_they_were_made_of(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"here")
    opened = os.open(path, os.O_RDONLY)
    made = duplicates([opened, opened])
    os.close(opened)
    assert [os.pread(descriptor, 9, 0) for descriptor in made] == [b"here", b"here"]
    for descriptor in made:
        os.close(descriptor)


def test_if_not_all_can_be_made_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def twice_at_most(descriptor: int) -> int:
        if len(made) == 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.append(dup(descriptor))
        return made[-1]

    dup = os.dup
    monkeypatch.setattr(os, "dup", twice_at_most)
    with pytest.raises(OSError, match="Too many open files"):
        duplicates([0, 1, 2])
    assert len(made) == 2
    for descriptor in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
