"""A pipe closes each of its ends once."""

import os
from pathlib import Path

import pytest

from playbill.runtime.processes.pipe import Pipe


def test_each_end_is_closed_once_whoever_closes_it() -> None:
    with Pipe() as pipe:
        os.write(pipe.write, b"said")
        pipe.close_write()
        other = os.open(os.devnull, os.O_RDONLY)  # it may be given the number that is free now
        pipe.close_write()
        assert (os.read(pipe.read, 10), os.read(pipe.read, 10)) == (b"said", b"")
        os.fstat(other)
    pipe.close()
    assert repr(pipe) == "<Pipe read=-1 write=-1>"
    os.close(other)


def test_both_ends_are_closed_by_an_error() -> None:
    before = len([*Path("/dev/fd").iterdir()])
    with pytest.raises(ZeroDivisionError), Pipe():
        raise ZeroDivisionError
    assert len([*Path("/dev/fd").iterdir()]) == before
