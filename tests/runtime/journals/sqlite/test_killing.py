"""A process is killed with -9 while it appends: every event that it was told is kept is there, gapless and equal."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from playbill.runtime.journals.sqlite.journal import SqliteJournal
from tests.architecture.tree import ROOT
from tests.contracts.journal_support import Heard
from tests.runtime.journals.sqlite.appender import STREAMS, made
from tests.runtime.journals.sqlite.history import check_history

pytestmark = pytest.mark.anyio
KILLS = 4


def appended_until_killed(path: Path, seed: int) -> dict[str, int]:
    """Let a process append, and kill it after some acknowledgements; return the last seq of each stream."""
    acknowledged: dict[str, int] = {}
    left = random.Random(seed).randint(1, 150)
    command = [sys.executable, "-m", "tests.runtime.journals.sqlite.appender", str(path), str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            stream, _, seq = line.rstrip("\n").partition(" ")
            acknowledged[stream] = int(seq)
            left -= 1
            if not left:
                process.kill()
                break
        for line in process.stdout:  # what it had said before it died
            stream, _, seq = line.rstrip("\n").partition(" ")
            acknowledged[stream] = int(seq)
    assert process.returncode == -9
    return acknowledged


@pytest.mark.parametrize("seed", range(KILLS))
async def test_whatever_was_acknowledged_is_there_after_a_kill(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    acknowledged = appended_until_killed(path, seed)
    assert acknowledged
    journal = SqliteJournal(f"sqlite:///{path}")
    for name in STREAMS:
        events = list(await journal.reading.events(name, limit=100_000))
        assert len(events) >= acknowledged.get(name, 0)
        assert events == [made(name, seq) for seq in range(1, len(events) + 1)]
        found = await journal.reading.run(name)
        assert (found.last_seq if found else 0) == (0 if name.startswith("breaker:") else len(events))
    own = journal.open("breaker:shop", Heard())
    assert own.last_seq == len(await journal.reading.events("breaker:shop", limit=100_000))
    journal.close()
    check_history(path)
