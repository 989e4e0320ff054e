"""What every journal keeps; the memory journal is the one there is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from playbill.model.events import LOOP, NO_DATA, Event, EventType, is_own
from playbill.runtime.journals.memory import OWN_EVENTS, TAIL_EVENTS, MemoryJournal, MemoryStream

pytestmark = pytest.mark.anyio
STARTED, COMPLETED = EventType.PIPELINE_RUN_STARTED, EventType.PIPELINE_RUN_COMPLETED


def event(seq: int, kind: EventType = STARTED, stream: str = "r") -> Event:
    return Event(kind, stream, seq, datetime.now(UTC), None, None, NO_DATA)


def opened(journal: MemoryJournal, stream: str = "r") -> MemoryStream:
    return journal.open(stream, cast("Any", None))


async def seqs(source: AsyncIterator[Event]) -> list[int]:
    return [each.seq async for each in source]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_appended_is_kept_and_read_from_any_seq() -> None:
    stream = opened(MemoryJournal())
    assert all(stream.append(event(seq)) for seq in (1, 2))
    assert stream.append(event(3, COMPLETED))
    assert await seqs(stream.read()) == [1, 2, 3]
    assert await seqs(stream.read(3)) == [3]
    assert await seqs(stream.read(-5)) == [1, 2, 3]
    assert await seqs(stream.read(9)) == []


async def test_readers_wait_for_what_comes_until_the_stream_has_ended() -> None:
    stream = opened(MemoryJournal())
    readers = [asyncio.create_task(seqs(stream.read(start))) for start in (1, 2)]
    for seq in (1, 2):
        await settle()
        stream.append(event(seq))
    await settle()
    stream.append(event(3, COMPLETED))
    assert [await reader for reader in readers] == [[1, 2, 3], [2, 3]]


async def test_a_slow_reader_misses_nothing_and_slows_nobody() -> None:
    stream = opened(MemoryJournal())
    slow = stream.read()
    stream.append(event(1))
    first = await anext(slow)
    for seq in range(2, 5000):
        stream.append(event(seq))
    stream.append(event(5000, COMPLETED))
    assert [first.seq, *await seqs(slow)] == list(range(1, 5001))


async def test_a_reader_that_goes_away_is_forgotten() -> None:
    stream = opened(MemoryJournal())
    reader = asyncio.create_task(seqs(stream.read()))
    await settle()
    reader.cancel()
    await asyncio.wait([reader])
    stream.append(event(1, COMPLETED))
    assert await seqs(stream.read()) == [1]


async def test_a_tail_hears_all_streams_from_now_on() -> None:
    journal = MemoryJournal()
    one, two = opened(journal, "one"), opened(journal, "two")
    one.append(event(1, stream="one"))
    tail = journal.tail()
    first = asyncio.ensure_future(anext(tail))
    await settle()
    two.append(event(1, stream="two"))
    one.append(event(2, stream="one"))
    assert [((await first).stream), (await anext(tail)).stream] == ["two", "one"]
    await tail.aclose()
    assert journal.tails == []


async def test_a_tail_that_lags_misses_the_oldest_and_knows() -> None:
    journal = MemoryJournal()
    stream, tail = opened(journal), journal.tail()
    first = asyncio.ensure_future(anext(tail))
    await settle()
    for seq in range(1, TAIL_EVENTS + 4):
        stream.append(event(seq))
    assert ((await first).seq, (await anext(tail)).seq) == (4, 5)
    assert tail.missed == 3


async def test_dropped_and_closed_streams_let_their_readers_end() -> None:
    journal = MemoryJournal()
    streams = [opened(journal, name) for name in ("dropped", "closed")]
    readers = [asyncio.create_task(seqs(stream.read())) for stream in streams]
    await settle()
    journal.drop("dropped")
    journal.drop("unknown")
    journal.close()
    assert [await reader for reader in readers] == [[], []]
    assert list(journal.streams) == ["closed"]


@pytest.mark.parametrize("name", ["breaker:shop", LOOP])
async def test_a_stream_of_playbills_own_keeps_its_last_events(name: str) -> None:
    assert is_own(name)
    stream = opened(MemoryJournal(), name)
    for seq in range(1, OWN_EVENTS + 6):
        stream.append(event(seq, stream=name))
    stream.close()
    assert await seqs(stream.read()) == list(range(6, OWN_EVENTS + 6))
    assert await seqs(stream.read(OWN_EVENTS)) == list(range(OWN_EVENTS, OWN_EVENTS + 6))
    assert await seqs(stream.read(OWN_EVENTS + 6)) == []


async def test_a_run_keeps_all_its_events() -> None:
    stream = opened(MemoryJournal(), "breakers")
    for seq in range(1, OWN_EVENTS + 6):
        stream.append(event(seq))
    stream.close()
    assert len(await seqs(stream.read())) == OWN_EVENTS + 5


async def test_a_wait_that_is_cut_short_loses_nothing() -> None:
    journal = MemoryJournal()
    stream = opened(journal)
    for source in (stream.read(), journal.tail()):
        waiting = asyncio.ensure_future(anext(source))
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        stream.append(event(1))
        assert (await anext(source)).seq == 1
    assert not stream._waiters


async def test_a_reader_that_was_closed_gives_no_more() -> None:
    stream = opened(MemoryJournal())
    reader = stream.read()
    stream.append(event(1))
    await reader.aclose()
    assert await seqs(reader) == []


async def test_a_tail_that_nobody_holds_is_forgotten() -> None:
    journal = MemoryJournal()
    stream, held = opened(journal), journal.tail()
    journal.tail()
    stream.append(event(1, COMPLETED))
    assert [reference() for reference in journal.tails] == [held]
    journal.close()
    assert await seqs(held) == [1]
