"""Who listens and goes away leaves nothing behind, and a wait that was cut short loses nothing."""

import asyncio
import contextlib
import gc
from typing import Any

import pytest

import playbill
from playbill.actors.futures import Answer
from playbill.runtime.journals.memory import OWN_EVENTS
from tests.stories.support import finished, node, pipeline

pytestmark = pytest.mark.anyio
Manager = playbill.PipelineRunManager
LONG = pipeline(node("a", "delay", seconds=60))


def journal_of(manager: Manager) -> Any:
    assert manager._system is not None
    return manager._system.parts.journal


async def test_polls_for_a_result_that_time_out_leave_no_waiters(manager: Manager) -> None:
    run = await manager.start_run(LONG)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run.result(), 0.001)
    assert len(run._waiters) == 0
    await run.cancel()
    assert (await run.result()).status is playbill.RunStatus.CANCELLED


async def test_polls_for_an_event_that_time_out_leave_no_waiters_and_lose_no_event(manager: Manager) -> None:
    run = await manager.start_run(LONG)
    events, seqs = run.events(), list[int]()
    for _ in range(20):
        with contextlib.suppress(TimeoutError):
            seqs.append((await asyncio.wait_for(anext(events), 0.001)).seq)
    assert len(journal_of(manager).streams[run.id]._waiters) == 0
    await run.cancel()
    seqs += [event.seq async for event in events]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) > 3


async def test_polls_of_all_events_that_time_out_lose_no_event(manager: Manager) -> None:
    events = manager.events()
    for _ in range(20):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.001)
    (tail,) = [reference() for reference in journal_of(manager).tails]
    assert tail is not None
    await finished(manager, pipeline(node("a", "parallel")))
    assert (await anext(events)).type == "pipeline_run.started"


async def test_listeners_that_nobody_holds_are_forgotten(manager: Manager) -> None:
    for _ in range(100):
        manager.events()
    gc.collect()
    assert journal_of(manager).tails == []
    events = manager.events()
    await finished(manager, pipeline(node("a", "parallel")))
    assert len(journal_of(manager).tails) == 1
    first = await anext(events)
    while first.type == "loop.blocked":  # collecting so much takes its time
        first = await anext(events)
    assert first.type == "pipeline_run.started"
    del events
    gc.collect()
    assert journal_of(manager).tails == []


async def test_a_listener_that_was_closed_is_over(manager: Manager) -> None:
    run = await manager.start_run(LONG)
    for events in (run.events(), manager.events()):
        async with contextlib.aclosing(events) as source:  # type: ignore[type-var]  # it has aclose
            del source
        assert [event async for event in events] == []
    assert journal_of(manager).tails == []


async def test_polls_of_one_answer_that_time_out_leave_no_callbacks(manager: Manager) -> None:
    run = await manager.start_run(LONG)
    answer = Answer()
    answer.bind(run.actor.dispatcher)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(awaited(answer), 0.001)
    assert answer._calls == []


async def awaited(answer: Answer) -> Any:
    return await answer


async def test_the_events_of_a_breaker_are_bounded_and_stay_gapless(manager: Manager) -> None:
    await finished(manager, pipeline(node("a", "say")))
    for _ in range(OWN_EVENTS // 2 + 5):
        await manager.force_circuit("say", "forced_open")
        await manager.force_circuit("say", "closed")
    stream = journal_of(manager).streams["breaker:say"]
    seqs = [event.seq for event in stream.events]
    assert len(seqs) == OWN_EVENTS
    assert seqs == list(range(seqs[0], seqs[0] + OWN_EVENTS))
    assert seqs[-1] == OWN_EVENTS + 10
    reader = stream.read(1)
    assert (await anext(reader)).seq == seqs[0]
    assert (await anext(stream.read(seqs[7]))).seq == seqs[7]


@pytest.mark.parametrize("seq", ["1", 1.5, None, True])
async def test_a_wrong_seq_is_refused_where_it_is_given(manager: Manager, seq: Any) -> None:
    run = await manager.start_run(LONG)
    with pytest.raises(ValueError, match="from_seq is a whole number, 1 for the first event, not"):
        run.events(seq)
