"""What every journal shows to listeners: each event once it is kept, in order, whatever they do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from playbill.model.events import LOOP, EventType, is_own
from playbill.runtime.journals.memory import OWN_EVENTS, MemoryJournal
from playbill.runtime.journals.readers import TAIL_EVENTS
from tests.contracts.journal_support import COMPLETED, JOURNALS, Heard, event, put, seqs, settle

pytestmark = pytest.mark.anyio
BLOCKED = EventType.LOOP_BLOCKED
BLOCKED_DATA = {"run_id": None, "seconds": 1.0, "stack": ""}


@pytest.fixture(params=JOURNALS)
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryJournal]:
    made = JOURNALS[request.param](tmp_path)
    yield made
    made.close()


async def test_what_is_appended_is_kept_and_read_from_any_seq(journal: MemoryJournal) -> None:
    stream = await put(journal, event(1), event(2), event(3, COMPLETED))
    assert await seqs(stream.read()) == [1, 2, 3]
    assert await seqs(stream.read(3)) == [3]
    assert await seqs(stream.read(-5)) == [1, 2, 3]
    assert await seqs(stream.read(9)) == []


async def test_readers_wait_for_what_comes_until_the_stream_has_ended(journal: MemoryJournal) -> None:
    stream = journal.open("r", Heard())
    readers = [asyncio.create_task(seqs(stream.read(start))) for start in (1, 2)]
    for seq in (1, 2):
        await settle()
        await put(journal, event(seq))
    await settle()
    await put(journal, event(3, COMPLETED))
    assert [await reader for reader in readers] == [[1, 2, 3], [2, 3]]


async def test_a_slow_reader_misses_nothing_and_slows_nobody(journal: MemoryJournal) -> None:
    stream = await put(journal, event(1))
    slow = stream.read()
    first = await anext(slow)
    await put(journal, *map(event, range(2, 5000)), event(5000, COMPLETED))
    assert [first.seq, *await seqs(slow)] == list(range(1, 5001))


async def test_a_reader_that_goes_away_is_forgotten(journal: MemoryJournal) -> None:
    stream = journal.open("r", Heard())
    reader = asyncio.create_task(seqs(stream.read()))
    await settle()
    reader.cancel()
    await asyncio.wait([reader])
    await put(journal, event(1), event(2, COMPLETED))
    assert await seqs(stream.read()) == [1, 2]


async def test_a_tail_hears_all_streams_from_now_on(journal: MemoryJournal) -> None:
    await put(journal, event(1, stream="one"))
    tail = journal.tail()
    first = asyncio.ensure_future(anext(tail))
    await settle()
    await put(journal, event(1, stream="two"))
    await put(journal, event(2, stream="one"))
    assert [((await first).stream), (await anext(tail)).stream] == ["two", "one"]
    await tail.aclose()
    assert journal.tails == []


async def test_a_tail_that_lags_misses_the_oldest_and_knows(journal: MemoryJournal) -> None:
    tail = journal.tail()
    first = asyncio.ensure_future(anext(tail))
    await settle()
    await put(journal, *map(event, range(1, TAIL_EVENTS + 4)))
    assert ((await first).seq, (await anext(tail)).seq) == (4, 5)
    assert tail.missed == 3


async def test_dropped_and_closed_streams_let_their_readers_end(journal: MemoryJournal) -> None:
    streams = [journal.open(name, Heard()) for name in ("dropped", "closed")]
    readers = [asyncio.create_task(seqs(stream.read())) for stream in streams]
    await settle()
    journal.drop("dropped")
    journal.drop("unknown")
    journal.close()
    assert [await reader for reader in readers] == [[], []]
    assert list(journal.streams) == ["closed"]


@pytest.mark.parametrize("name", ["breaker:shop", LOOP])
async def test_a_stream_of_playbills_own_keeps_its_last_events(name: str, journal: MemoryJournal) -> None:
    assert is_own(name)
    events = [event(seq, BLOCKED, name, data=BLOCKED_DATA) for seq in range(1, OWN_EVENTS + 6)]
    stream = await put(journal, *events)
    stream.close()
    assert await seqs(stream.read()) == list(range(6, OWN_EVENTS + 6))
    assert await seqs(stream.read(OWN_EVENTS)) == list(range(OWN_EVENTS, OWN_EVENTS + 6))
    assert await seqs(stream.read(OWN_EVENTS + 6)) == []


async def test_a_run_keeps_all_its_events(journal: MemoryJournal) -> None:
    stream = await put(journal, *(event(seq, stream="breakers") for seq in range(1, OWN_EVENTS + 6)))
    stream.close()
    assert len(await seqs(stream.read())) == OWN_EVENTS + 5


async def test_a_wait_that_is_cut_short_loses_nothing(journal: MemoryJournal) -> None:
    stream = journal.open("r", Heard())
    for seq, source in ((1, stream.read()), (2, journal.tail())):
        waiting = asyncio.ensure_future(anext(source))
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        await put(journal, event(seq))
        assert (await anext(source)).seq == seq
    assert not stream._waiters


async def test_a_reader_that_was_closed_gives_no_more(journal: MemoryJournal) -> None:
    stream = await put(journal, event(1))
    reader = stream.read()
    await reader.aclose()
    assert await seqs(reader) == []


async def test_a_tail_that_nobody_holds_is_forgotten(journal: MemoryJournal) -> None:
    held = journal.tail()
    journal.tail()
    await put(journal, event(1), event(2, COMPLETED))
    assert [reference() for reference in journal.tails] == [held]
    journal.close()
    assert await seqs(held) == [1, 2]
