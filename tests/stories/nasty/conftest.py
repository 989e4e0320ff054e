"""What nasty handlers are played with."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.processes.support import Lifeline


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    """A FIFO whose end tells that all who held it are gone."""
    found = Lifeline(tmp_path / "lifeline")
    yield found
    os.close(found.descriptor)


@pytest.fixture(autouse=True)
def no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look that no file was made where programs make theirs."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield
    assert list(folder.iterdir()) == []
