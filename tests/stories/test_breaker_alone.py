"""A circuit breaker without pipelines: as a decorator, by call, with `with`, and what its listener may do."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import playbill

OPENS = playbill.BreakerPolicy(failures=1, open_seconds=10)


def made(**more: Any) -> tuple[playbill.CircuitBreaker, list[float]]:
    """A breaker that one failure opens, and its clock."""
    time = [0.0]
    return playbill.CircuitBreaker(OPENS, clock=lambda: time[0], key="shop", **more), time


def refuse() -> None:
    raise ConnectionError("refused")


async def refuse_later() -> None:
    await asyncio.sleep(0)
    raise ConnectionError("refused")


def by_decorator(breaker: playbill.CircuitBreaker, function: Callable[[], Any]) -> Any:
    return breaker(function)()


def by_call(breaker: playbill.CircuitBreaker, function: Callable[[], Any]) -> Any:
    return breaker.call(function)


def by_with(breaker: playbill.CircuitBreaker, function: Callable[[], Any]) -> Any:
    with breaker:
        return function()


async def async_by_decorator(breaker: playbill.CircuitBreaker, function: Callable[[], Any]) -> Any:
    return await breaker(function)()


async def async_by_call(breaker: playbill.CircuitBreaker, function: Callable[[], Any]) -> Any:
    return await breaker.call(function)


async def async_by_with(breaker: playbill.CircuitBreaker, function: Callable[[], Any]) -> Any:
    async with breaker:
        return await function()


async def async_by_permit(breaker: playbill.CircuitBreaker, function: Callable[[], Any]) -> Any:
    async with breaker.acquire():
        return await function()


@pytest.mark.parametrize("use", [by_decorator, by_call, by_with])
def test_each_way_of_calling_counts_what_is_raised(use: Callable[..., Any]) -> None:
    breaker, time = made()
    with pytest.raises(ConnectionError):
        use(breaker, refuse)
    with pytest.raises(playbill.CircuitOpen, match="the last failure was ConnectionError: refused"):
        use(breaker, refuse)
    time[0] = 10.0
    assert use(breaker, lambda: "there") == "there"
    assert breaker.state == "closed"


@pytest.mark.parametrize("use", [async_by_decorator, async_by_call, async_by_with, async_by_permit])
def test_each_way_of_awaiting_counts_what_is_raised(use: Callable[..., Any]) -> None:
    breaker, time = made()
    with pytest.raises(ConnectionError):
        asyncio.run(use(breaker, refuse_later))
    with pytest.raises(playbill.CircuitOpen):
        asyncio.run(use(breaker, refuse_later))
    time[0] = 10.0

    async def there() -> str:
        return "there"

    assert asyncio.run(use(breaker, there)) == "there"
    assert breaker.state == "closed"


def test_a_guarded_function_keeps_its_name_and_takes_its_arguments() -> None:
    breaker, _ = made()

    @breaker
    def add(a: int, *, b: int) -> int:
        """Add."""
        return a + b

    assert (add(1, b=2), add.__name__, add.__doc__) == (3, "add", "Add.")
    assert breaker.call(add, 2, b=3) == 5


def test_a_generator_function_is_refused() -> None:
    breaker, _ = made()

    def numbers() -> Any:
        yield 1

    with pytest.raises(TypeError, match="is a generator function"):
        breaker(numbers)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ConnectionError(), "open"),
        (ValueError(), "closed"),
        (KeyError(), "closed"),
        (playbill.NodeConfigError("mine"), "closed"),
        (playbill.NodeExecutionError("theirs"), "open"),
        (asyncio.CancelledError(), "closed"),
        (KeyboardInterrupt(), "closed"),
    ],
)
def test_what_counts_is_what_counts_for_nodes(error: BaseException, state: str) -> None:
    breaker, _ = made()
    with pytest.raises(type(error)), breaker:
        raise error
    assert breaker.state == state


def test_classes_may_be_recorded_or_ignored() -> None:
    breaker, _ = made(record=KeyError, ignore=(ConnectionError, TimeoutError))
    for error in (ConnectionError(), TimeoutError()):
        with pytest.raises(type(error)), breaker:
            raise error
    assert breaker.state == "closed"
    with pytest.raises(KeyError), breaker:
        raise KeyError
    assert breaker.state == "open"


def test_one_breaker_is_entered_twice_and_by_several_tasks_at_once() -> None:
    breaker = playbill.CircuitBreaker(playbill.BreakerPolicy(max_concurrent=3, failures=9))

    async def nested(began: asyncio.Event, end: asyncio.Event) -> None:
        async with breaker, breaker:
            began.set()
            await end.wait()

    async def story() -> None:
        began, end = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(nested(began, end))
        await began.wait()
        with breaker, pytest.raises(playbill.CircuitOpen):
            breaker.acquire()
        end.set()
        await task

    asyncio.run(story())
    with breaker, breaker, breaker:
        pass


def test_a_listener_may_read_the_state_and_use_the_breaker() -> None:
    seen: list[str] = []

    def listen(event: playbill.Event) -> None:
        seen.append(f"{event.type} {breaker.state}")
        if event.type == "breaker.opened":
            breaker.force("closed")

    breaker, _ = made(on_event=listen)
    with pytest.raises(ConnectionError):
        breaker.call(refuse)
    assert seen == ["breaker.opened open", "breaker.forced closed"]


def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def listen(event: playbill.Event) -> None:
        raise ZeroDivisionError("a bug")

    breaker, time = made(on_event=listen)
    with pytest.raises(ConnectionError):
        breaker.call(refuse)
    assert "its listener failed over breaker.opened: a bug" in caplog.text
    time[0] = 10.0
    assert breaker.state == "half_open"


def test_what_it_cannot_be_forced_to_is_said() -> None:
    breaker, _ = made()
    with pytest.raises(ValueError, match="circuit 'shop' cannot be forced to 'open', only to closed, forced_open"):
        breaker.force("open")
    with pytest.raises(ValueError, match="'won' is not a valid Verdict"):
        breaker.acquire().settle("won")


def test_threads_that_race_get_no_more_than_there_is() -> None:
    breaker = playbill.CircuitBreaker(playbill.BreakerPolicy(max_concurrent=2))
    inside, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        for _ in range(200):
            try:
                with breaker:
                    with lock:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    with lock:
                        inside[0] -= 1
            except playbill.CircuitOpen:
                continue

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 2
    with breaker, breaker:
        pass


def test_what_cannot_be_recorded_or_ignored_is_refused_where_it_is_given() -> None:
    assert made(ignore=[KeyError, ConnectionError])[0].call(lambda: 1) == 1
    for wrong in ("KeyError", [5], KeyError()):
        with pytest.raises(TypeError, match="ignore is a class of exceptions or a tuple of some, not"):
            made(ignore=wrong)
    with pytest.raises(TypeError, match="the policy of a circuit breaker is a BreakerPolicy, not 'often'"):
        playbill.CircuitBreaker("often")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="guards functions, not 5"):
        playbill.CircuitBreaker()(5)  # type: ignore[arg-type]


def test_an_error_that_lies_about_its_class_gives_its_permit_back() -> None:
    class Lies(Exception):
        @property
        def __class__(self) -> Any:
            raise ZeroDivisionError

        @__class__.setter
        def __class__(self, kind: Any) -> None: ...

    breaker = playbill.CircuitBreaker(playbill.BreakerPolicy(max_concurrent=1), ignore=KeyError)
    for _ in range(2):
        with pytest.raises(Lies), breaker.acquire():
            raise Lies


class Later:
    """Called, it gives work to be awaited."""

    async def __call__(self) -> None:
        raise ConnectionError("refused")


@pytest.mark.parametrize("function", [Later(), lambda: refuse_later()])  # noqa: PLW0108 (no coroutine function)
def test_what_a_function_gives_to_be_awaited_is_under_it_too(function: Callable[[], Any]) -> None:
    breaker, _ = made()
    with pytest.raises(ConnectionError):
        asyncio.run(async_by_call(breaker, function))
    assert breaker.state == "open"


def test_an_interruption_as_the_listener_hears_gives_the_permit_back() -> None:
    def listen(event: playbill.Event) -> None:
        if event.type == "breaker.half_opened":
            raise KeyboardInterrupt

    breaker, time = made(on_event=listen)
    with pytest.raises(ConnectionError):
        breaker.call(refuse)
    time[0] = 10.0
    with pytest.raises(KeyboardInterrupt):
        breaker.acquire()
    assert breaker.call(lambda: "there") == "there"


def test_who_interrupts_a_step_in_the_same_thread_is_refused_and_nobody_waits_for_ever() -> None:
    def clock() -> float:
        if inside:
            with pytest.raises(RuntimeError, match="is at work"):
                breaker.acquire()
        return 0.0

    inside: list[bool] = []
    breaker = playbill.CircuitBreaker(clock=clock)
    inside.append(True)
    with breaker:
        pass
