"""What every dispatcher keeps."""

import asyncio
import threading
from typing import Any

import pytest

from playbill.actors.futures import Answer
from playbill.model.facts import Now, Permit
from playbill.model.messages import Ask, Cancel, Granted, Pause, Skip
from playbill.runtime.clocks.system import SystemClock
from playbill.runtime.dispatchers.loop import MESSAGES_A_TURN, LoopDispatcher

pytestmark = pytest.mark.anyio


class Reader:
    """Keeps its mail."""

    def __init__(self) -> None:
        self.mail: list[Any] = []
        self.times: list[Now] = []

    def receive(self, message: Any, now: Now) -> None:
        self.mail.append(message)
        self.times.append(now)


@pytest.fixture(params=[LoopDispatcher])
def dispatcher(request: pytest.FixtureRequest, anyio_backend: str) -> Any:
    async def make() -> LoopDispatcher:
        loop = asyncio.get_running_loop()
        made: LoopDispatcher = request.param(loop, SystemClock(loop))
        return made

    return make


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_control_overtakes_data_and_each_lane_keeps_its_order(dispatcher: Any) -> None:
    made, reader = await dispatcher(), Reader()
    data = [Skip("a"), Ask("b", None), Skip("c")]
    control = [Cancel("x"), Granted(Permit("k", 0, "i")), Pause()]
    for one, other in zip(data, control, strict=True):
        made.post(reader, one)
        made.post(reader, other)
    made.post_control(reader, "whatever")
    await settle()
    assert reader.mail == [*control, "whatever", *data]


async def test_nothing_is_brought_while_its_sender_runs(dispatcher: Any) -> None:
    made, reader = await dispatcher(), Reader()
    made.post(reader, Skip("a"))
    assert reader.mail == []
    await settle()
    assert len(reader.mail) == 1


async def test_the_loop_has_its_turn_between_many_messages(dispatcher: Any) -> None:
    made, reader = await dispatcher(), Reader()
    seen: list[int] = []
    for _ in range(3 * MESSAGES_A_TURN):
        made.post(reader, Skip("a"))
    asyncio.get_running_loop().call_soon(lambda: seen.append(len(reader.mail)))
    await settle()
    assert seen == [MESSAGES_A_TURN]
    assert len(reader.mail) == 3 * MESSAGES_A_TURN


async def test_calls_come_from_any_thread_and_run_on_the_actors_own(dispatcher: Any) -> None:
    made = await dispatcher()
    here, done = threading.get_ident(), asyncio.Event()
    seen: list[tuple[int, object, bool]] = []

    def call(argument: object) -> None:
        seen.append((threading.get_ident(), argument, made.inside()))
        done.set()

    thread = threading.Thread(target=lambda: seen.append((0, made.submit(call, "x"), made.inside())))
    thread.start()
    await done.wait()
    thread.join()
    assert sorted(seen, key=lambda row: row[0]) == [(0, True, False), (here, "x", True)]


def test_a_loop_that_has_ended_takes_no_calls() -> None:
    async def make() -> LoopDispatcher:
        loop = asyncio.get_running_loop()
        return LoopDispatcher(loop, SystemClock(loop))

    assert asyncio.run(make()).submit(print, "x") is False


async def test_an_answer_is_awaited_on_the_own_loop_and_on_another(dispatcher: Any) -> None:
    made = await dispatcher()
    answer, error = Answer(), Answer()
    for each in (answer, error):
        each.bind(made)
    loop = asyncio.get_running_loop()
    loop.call_soon(answer.set, 7)
    assert await answer == 7
    assert await answer == 7

    async def elsewhere() -> Any:
        return await error

    waiting = asyncio.ensure_future(asyncio.to_thread(asyncio.run, elsewhere()))
    await settle()
    error.set_exception((ValueError, ValueError("no"), None))
    with pytest.raises(ValueError, match="no"):
        await waiting
    assert repr(made) == "<LoopDispatcher control=0 data=0>"
