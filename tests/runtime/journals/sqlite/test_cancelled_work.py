"""Who no longer waits for what the writer thread shall do harms nobody: it goes on with what is behind it."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from playbill.runtime.journals.sqlite.journal import SqliteJournal

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fails", [False, True])
async def test_what_stands_behind_work_whose_asker_was_cancelled_is_done(tmp_path: Path, fails: bool) -> None:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    begun, goes_on = threading.Event(), threading.Event()

    def work(connection: Any) -> None:
        begun.set()
        goes_on.wait()
        if fails:
            raise ValueError("it fails")

    asking = asyncio.ensure_future(journal._work(work))
    await asyncio.to_thread(begun.wait)
    behind = asyncio.ensure_future(journal._work(lambda connection: "done"))
    asking.cancel()
    await asyncio.wait([asking])
    goes_on.set()
    await asyncio.wait([behind])
    journal.close()
    assert not behind.cancelled(), "the thread has ended"
    assert behind.result() == "done"
