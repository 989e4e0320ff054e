"""Where crash images are read: in memory, where there is such a folder, for syncs of them protect nothing."""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="power-", dir=MEMORY if MEMORY.is_dir() else tmp_path))
    yield folder
    rmtree(folder)
