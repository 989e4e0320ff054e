"""The virtual loop: asyncio and anyio work on it, time jumps, and what leaves it or stands still is named."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from playbill.runtime.faults.tape import RecordedTape, SeededTape
from playbill.runtime.simulation.virtual.guard import Guard
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from playbill.runtime.simulation.virtual.stuck import Blocked, Deadlock, Livelock, Unsupported


def run(work: Coroutine[Any, Any, Any], **options: Any) -> Any:
    loop = VirtualLoop(**options)
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_time_jumps_to_the_next_timer_and_ties_keep_their_order() -> None:
    told: list[tuple[float, str]] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        for name, delay in (("late", 86_400.0), ("b", 5.0), ("c", 5.0), ("a", 1.0)):
            loop.call_later(delay, lambda name: told.append((loop.time(), name)), name)
        await asyncio.sleep(86_401)
        return loop.time()

    assert run(main()) == 86_401.0
    assert told == [(1.0, "a"), (5.0, "b"), (5.0, "c"), (86_400.0, "late")]


def test_asyncios_timeout_events_queues_and_groups_work() -> None:
    async def main() -> list[Any]:
        queue: asyncio.Queue[int] = asyncio.Queue()
        told: list[Any] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        told.append(asyncio.get_running_loop().time())
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.put(7))
            told.append(await queue.get())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 1)
        return [*told, asyncio.get_running_loop().time()]

    assert run(main()) == [3600.0, 7, 3601.0]


def test_anyio_works() -> None:
    async def main() -> list[Any]:
        told: list[Any] = []
        sender, receiver = anyio.create_memory_object_stream[int](1)
        async with sender, receiver, anyio.create_task_group() as group:
            group.start_soon(sender.send, 1)
            told.append(await receiver.receive())
        with anyio.move_on_after(60) as scope:
            await anyio.sleep_forever()
        return [*told, scope.cancelled_caught, anyio.current_time()]

    assert run(main()) == [1, True, 60.0]


def test_a_deadlock_says_who_waits_for_what() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        waiting = asyncio.create_task(never(), name="patient")
        await waiting

    with pytest.raises(Deadlock, match=r"deadlock at 0 s: .*\n.*\n?.*task 'patient' at .*locks.py:\d+ in wait"):
        run(main())


def test_a_livelock_is_found_by_the_bound_on_steps() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110 (a livelock is what is wanted)
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="livelock at 0 s: 1,001 callbacks ran and time did not go on"):
        run(main(), steps_bound=1000)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda loop: loop.run_in_executor(None, print), "run_in_executor"),
        (lambda _: asyncio.open_connection("127.0.0.1", 9), "create_connection"),
        (lambda _: asyncio.create_subprocess_exec("true"), "subprocess_exec"),
        (lambda loop: loop.add_reader(0, print), "add_reader"),
        (lambda loop: loop.sock_recv(None, 1), "sock_recv"),
    ],
)
def test_what_needs_the_real_world_is_refused_even_if_the_error_is_swallowed(
    call: Callable[[asyncio.AbstractEventLoop], Any], name: str
) -> None:
    async def main() -> None:
        with contextlib.suppress(Exception):
            await call(asyncio.get_running_loop())

    with pytest.raises(Unsupported, match=rf"loop.{name}\(\) leaves the simulation"):
        run(main())


def order(tape: Any) -> list[str]:
    """The order in which six tasks take their first step."""
    told: list[str] = []

    async def step(name: str) -> None:
        told.append(name)

    async def main() -> None:
        await asyncio.gather(*(step(name) for name in "abcdef"))

    run(main(), tape=tape)
    return told


def test_the_tape_chooses_among_tasks_and_a_dull_one_keeps_their_order() -> None:
    assert order(None) == order(RecordedTape({})) == list("abcdef")
    orders = {tuple(order(SeededTape(seed))) for seed in range(30)}
    assert len(orders) > 10
    assert order(SeededTape(3)) == order(SeededTape(3))


def test_steps_after_the_first_are_a_choice_too() -> None:
    def order_of(seed: int) -> tuple[str, ...]:
        told: list[str] = []

        async def step(name: str) -> None:
            await asyncio.sleep(1)
            told.append(name)

        async def main() -> None:
            first = asyncio.gather(*(step(name) for name in "abcdef"))
            await first

        tape = RecordedTape({"ready": [0] * 6}) if seed == 0 else SeededTape(seed)
        run(main(), tape=tape)
        return tuple(told)

    assert order_of(0) == tuple("abcdef")
    assert len({order_of(seed) for seed in range(20)}) > 10


def test_plain_callbacks_are_never_reordered() -> None:
    async def main() -> list[int]:
        told: list[int] = []
        for number in range(8):
            asyncio.get_running_loop().call_soon(told.append, number)
        await asyncio.sleep(1)
        return told

    assert all(run(main(), tape=SeededTape(seed)) == list(range(8)) for seed in range(20))


def test_a_handler_that_computes_for_ever_is_named_with_its_line() -> None:
    async def main() -> None:
        while True:
            pass

    loop = VirtualLoop()
    said = r"stood still for 0.02 s of real time at test_loop.py:\d+: a handler"
    with pytest.raises(Blocked, match=said), Guard(loop, 0.02):
        loop.run_until_complete(main())
    loop.close()


def test_a_guard_off_the_main_thread_does_nothing() -> None:
    async def main() -> str:
        with Guard(VirtualLoop(), 0.001):
            await asyncio.sleep(5)
        return "ended"

    told: list[str] = []
    thread = threading.Thread(target=lambda: told.append(run(main())))
    thread.start()
    thread.join()
    assert told == ["ended"]


def test_an_error_that_nobody_awaited_is_kept() -> None:
    async def main() -> VirtualLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)
        return loop

    assert [type(context["exception"]) for context in run(main()).unhandled] == [ZeroDivisionError]


def test_a_closed_loop_takes_nothing() -> None:
    loop = VirtualLoop()
    loop.close()
    for call in (loop.call_soon, lambda work: loop.call_at(1.0, work)):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call(print)
    assert repr(loop) == "<VirtualLoop t=0 ready=0 timers=0>"
