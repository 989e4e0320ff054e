"""What every durable journal tells its owner of those before: which have crashed, and when that was found."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from playbill.runtime.journals.memory import MemoryJournal
from playbill.runtime.journals.sqlite.journal import SqliteJournal
from playbill.runtime.simulation.durable.disk import Disk
from playbill.runtime.simulation.durable.journal import DiskJournal
from tests.contracts.journal_support import event, memory, put

pytestmark = pytest.mark.anyio
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class SqliteOwners:
    """One owner of a file after the other; who opens the copy of an open journal finds what a crash leaves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.journal = self.opened()

    def opened(self) -> SqliteJournal:
        self.journal = SqliteJournal(f"sqlite:///{self._folder}/{self._number}.db")
        return self.journal

    async def crash(self) -> SqliteJournal:
        self._number += 1
        await self.journal.copy(self._folder / f"{self._number}.db")
        await self.journal.aclose()
        return self.opened()


class DiskOwners:
    """One simulated process after the other, a minute apart."""

    def __init__(self, _folder: Path) -> None:
        self._disk = Disk()
        self._now = EPOCH
        self.journal = self.opened()

    def opened(self) -> DiskJournal:
        self._now += timedelta(minutes=1)
        self.journal = DiskJournal(self._disk, asyncio.get_running_loop(), now=self._now)
        return self.journal

    async def crash(self) -> DiskJournal:
        self.journal.die()
        dead = self.journal
        opened = self.opened()
        dead.close()  # what is left of it closes nothing
        return opened


Owners = SqliteOwners | DiskOwners


@pytest.fixture(params=[SqliteOwners, DiskOwners])
async def owners(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Owners]:
    made = request.param(tmp_path)
    yield made
    made.journal.close()


async def crashes_after(owners: Owners, *ends: Callable[[], Awaitable[object]]) -> int:
    for number, end in enumerate(ends):
        await put(owners.journal, event(1, stream=f"r{number}"))
        await end()
    return len(owners.journal.crashes)


async def closed(owners: Owners) -> None:
    await owners.journal.aclose()
    owners.opened()


async def test_nobody_has_crashed_at_first_and_none_that_closed_in_order(owners: Owners) -> None:
    assert owners.journal.crashes == ()
    assert await crashes_after(owners, lambda: closed(owners), lambda: closed(owners)) == 0


async def test_each_crash_counts_also_with_owners_between_that_closed_in_order(owners: Owners) -> None:
    assert await crashes_after(owners, owners.crash, lambda: closed(owners), owners.crash) == 2
    assert [*owners.journal.crashes] == sorted(set(owners.journal.crashes))


async def test_no_more_than_the_last_three_are_told(owners: Owners) -> None:
    before = await crashes_after(owners, owners.crash, owners.crash, owners.crash)
    first, *rest = owners.journal.crashes
    await put(owners.journal, event(1, stream="last"))
    await owners.crash()
    assert (before, [*owners.journal.crashes[:2]]) == (3, rest)
    assert first not in owners.journal.crashes


async def test_an_owner_that_kept_nothing_is_not_missed(owners: Owners) -> None:
    await owners.crash()
    assert owners.journal.crashes == ()


async def test_memory_has_no_owner_before(tmp_path: Path) -> None:
    journal: MemoryJournal = memory(tmp_path)
    assert journal.crashes == ()
