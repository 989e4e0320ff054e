"""What every implementation of timers keeps; the loop's time is moved by hand."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any, cast

import pytest

from playbill.runtime.clocks.wheel import BUCKET_SECONDS, COARSE_FROM_SECONDS, LoopTimers


class HandLoop:
    """As much of a loop as timers use."""

    def __init__(self) -> None:
        self.now = 0.0
        self.heap: list[tuple[float, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asyncio tells its loop."""

    def call_at(self, when: float, call: Callable[..., Any], *arguments: Any) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, call, arguments, cast("asyncio.AbstractEventLoop", self))
        heapq.heappush(self.heap, (when, len(self.heap), handle))
        return handle

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.heap and self.heap[0][0] <= end:
            self.now, _, handle = heapq.heappop(self.heap)
            if not handle.cancelled():
                handle._run()
        self.now = end


class Timed:
    """Timers and what they posted when."""

    def __init__(self) -> None:
        self.loop = HandLoop()
        self.posted: list[tuple[float, Any]] = []
        self.timers = LoopTimers(
            cast("asyncio.AbstractEventLoop", self.loop),
            lambda to, message: self.posted.append((self.loop.now, message)),
        )

    def set(self, delay: float, message: object, *, coarse: bool = False) -> Any:
        return self.timers.set(self.loop.now, delay, cast("Any", None), message, coarse=coarse)


@pytest.fixture
def timed() -> Timed:
    return Timed()


def test_exact_timers_post_in_order_at_their_times(timed: Timed) -> None:
    for delay in (3.0, 1.0, 2.0):
        timed.set(delay, delay)
    timed.loop.advance(10.0)
    assert timed.posted == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


@pytest.mark.parametrize("delay", [COARSE_FROM_SECONDS, 2.6, 3.0, 30.01, 3600.0])
@pytest.mark.parametrize("began", [0.0, 0.1, 0.24, 7.3])
def test_a_coarse_timer_is_never_early_and_at_most_a_bucket_late(timed: Timed, began: float, delay: float) -> None:
    timed.loop.advance(began)
    timed.set(delay, "x", coarse=True)
    timed.loop.advance(delay + 1.0)
    ((at, _),) = timed.posted
    assert began + delay <= at <= began + delay + BUCKET_SECONDS


def test_a_short_timer_is_exact_although_it_may_be_coarse(timed: Timed) -> None:
    timed.set(1.01, "x", coarse=True)
    timed.loop.advance(5.0)
    assert timed.posted == [(1.01, "x")]


@pytest.mark.parametrize("delay", [1.0, 30.0])
def test_a_dropped_timer_posts_nothing_and_dropping_twice_is_harmless(timed: Timed, delay: float) -> None:
    timer = timed.set(delay, "x", coarse=True)
    timed.timers.drop(timer)
    timed.timers.drop(timer)
    timed.loop.advance(60.0)
    assert timed.posted == []


def test_a_dropped_timer_is_forgotten_at_once(timed: Timed) -> None:
    for _ in range(1000):
        timed.timers.drop(timed.set(3600.0, "x", coarse=True))
    assert repr(timed.timers) == "<LoopTimers coarse=0 buckets=1>"


def test_a_timer_that_is_set_while_one_fires_has_its_turn(timed: Timed) -> None:
    timed.set(30.0, "late", coarse=True)
    timed.set(10.0, "early", coarse=True)
    timed.loop.advance(15.0)
    timed.set(5.0, "between", coarse=True)
    timed.loop.advance(60.0)
    assert [message for _, message in timed.posted] == ["early", "between", "late"]


def test_closed_timers_post_no_more(timed: Timed) -> None:
    timed.set(30.0, "x", coarse=True)
    timed.timers.close()
    timed.loop.advance(60.0)
    assert timed.posted == []
