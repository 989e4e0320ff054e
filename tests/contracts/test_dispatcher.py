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
from playbill.runtime.faults.tape import DullTape, SeededTape
from playbill.runtime.simulation.virtual.dispatcher import WINDOW, SeededDispatcher
from playbill.runtime.simulation.virtual.schedules import picker

pytestmark = pytest.mark.anyio


class Reader:
    """Keeps its mail."""

    def __init__(self) -> None:
        self.mail: list[Any] = []
        self.times: list[Now] = []

    def receive(self, message: Any, now: Now) -> Any:
        self.mail.append(message)
        self.times.append(now)


class Clerk(Reader):
    """Answers."""

    def receive(self, message: Any, now: Now) -> Any:
        super().receive(message, now)
        return "yes"


class Boss(Reader):
    """Asks another while it is at work itself."""

    def __init__(self, dispatcher: Any, other: Reader) -> None:
        super().__init__()
        self.dispatcher = dispatcher
        self.other = other
        self.answers: list[Any] = []

    def receive(self, message: Any, now: Now) -> Any:
        super().receive(message, now)
        self.answers.append(self.dispatcher.call(self.other, Ask("b", None, at_once=True)))


class Watcher:
    """Delivers at once."""

    def deliver(self, sender: Any, to: Any, message: Any, now: Now) -> Any:
        return to.receive(message, now)

    def delay(self, to: Any, message: Any) -> float:
        return 0.0


def in_order(loop: asyncio.AbstractEventLoop, clock: SystemClock) -> LoopDispatcher:
    return LoopDispatcher(loop, clock)


def seeded(loop: asyncio.AbstractEventLoop, clock: SystemClock) -> SeededDispatcher:
    return SeededDispatcher(loop, clock, DullTape(), picker("fifo", DullTape()), Watcher(), by_call=True)


def by_chance(loop: asyncio.AbstractEventLoop, clock: SystemClock) -> SeededDispatcher:
    tape = SeededTape(7)
    return SeededDispatcher(loop, clock, tape, picker("random", tape), Watcher(), by_call=True)


@pytest.fixture(params=[in_order, seeded, by_chance])
def dispatcher(request: pytest.FixtureRequest, anyio_backend: str) -> Any:
    async def make() -> Any:
        loop = asyncio.get_running_loop()
        return request.param(loop, SystemClock(loop))

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


async def test_a_report_is_received_at_once_and_answered(dispatcher: Any) -> None:
    made, clerk = await dispatcher(), Clerk()
    boss = Boss(made, clerk)
    made.post(boss, Skip("a"))
    await settle()
    assert clerk.mail == [Ask("b", None, at_once=True)]
    assert boss.answers == ["yes"]
    assert clerk.times == boss.times


async def test_by_queue_a_report_is_mail_and_an_ask_is_answered_by_mail() -> None:
    loop = asyncio.get_running_loop()
    made = SeededDispatcher(loop, SystemClock(loop), DullTape(), None, Watcher())
    clerk = Clerk()
    boss = Boss(made, clerk)
    made.post(boss, Skip("a"))
    await settle()
    assert boss.answers == [None]
    assert clerk.mail == [Ask("b", None, at_once=False)]


@pytest.mark.parametrize("dispatcher", [in_order, seeded], indirect=True)
async def test_the_loop_has_its_turn_between_many_messages(dispatcher: Any) -> None:
    made, reader = await dispatcher(), Reader()
    seen: list[int] = []
    for _ in range(3 * MESSAGES_A_TURN):
        made.post(reader, Skip("a"))
    asyncio.get_running_loop().call_soon(lambda: seen.append(len(reader.mail)))
    await settle()
    assert seen == [MESSAGES_A_TURN]
    assert len(reader.mail) == 3 * MESSAGES_A_TURN


@pytest.mark.parametrize("dispatcher", [in_order], indirect=True)
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


@pytest.mark.parametrize("dispatcher", [in_order], indirect=True)
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


class Talker:
    """Tells another three things when it is told one."""

    def __init__(self, dispatcher: Any, other: Reader) -> None:
        self.dispatcher = dispatcher
        self.other = other

    def receive(self, message: Any, now: Now) -> None:
        for number in range(3):
            self.dispatcher.post(self.other, Skip(f"{message.source}{number}"))


async def test_one_sender_is_heard_in_order_whatever_chance_does_to_several(dispatcher: Any) -> None:
    made, reader = await dispatcher(), Reader()
    for name in "abcdef":
        made.post(Talker(made, reader), Skip(name))
    await settle()
    heard = [message.source for message in reader.mail]
    assert sorted(heard) == [f"{name}{number}" for name in "abcdef" for number in range(3)]
    for name in "abcdef":
        assert [said for said in heard if said[0] == name] == [f"{name}0", f"{name}1", f"{name}2"]


class Numbered:
    """Notes that it was told something."""

    def __init__(self, number: int, order: list[int]) -> None:
        self.number = number
        self.order = order

    def receive(self, message: Any, now: Now) -> None:
        self.order.append(self.number)


async def test_chance_overtakes_within_its_window_only() -> None:
    loop = asyncio.get_running_loop()
    seen: set[int] = set()
    for seed in range(40):
        tape = SeededTape(seed)
        made = SeededDispatcher(loop, SystemClock(loop), tape, picker("random", tape), Watcher())
        order: list[int] = []
        for number in range(100):
            made.post(Numbered(number, order), Skip("x"))
        for _ in range(200):
            await asyncio.sleep(0)
        assert sorted(order) == list(range(100))
        seen.add(order[0])
    assert len(seen) > 5
    assert max(seen) < WINDOW
