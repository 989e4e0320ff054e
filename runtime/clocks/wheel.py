"""Timers on an asyncio loop: exact ones by `call_later`, coarse ones on a wheel of buckets.

A timeout is set with every attempt and hardly ever fires; on the wheel it costs two dict operations, and the loop
has one timer for all of them.

Source: G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels" (1987).
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from playbill.actors.ports import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable


Bucket: TypeAlias = "dict[CoarseTimer, None]"
"""In the order they were set."""
BUCKET_SECONDS: Final = 0.25
COARSE_FROM_SECONDS: Final = 10 * BUCKET_SECONDS
"""Shorter timers are exact, whoever sets them: a bucket's lateness would show."""


class CoarseTimer(Struct, eq=False):
    """A timer on the wheel, and where."""

    to: Receiver
    message: object
    bucket: Bucket


class LoopTimers:
    """The timers of one manager's actors.

    Args:
        loop: whose time counts.
        post: what brings a message to an actor.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, post: Callable[[Any, Any], None]) -> None:
        self._loop = loop
        self._post = post
        self._buckets: dict[int, Bucket] = {}
        self._ahead: list[int] = []
        """The numbers of the buckets, as a heap: an hour has 14,400 of them."""
        self._newest: Bucket = {}
        """The one that was made last: most timers are set in it, and dropped soon."""
        self._turn: asyncio.TimerHandle | None = None

    def set(
        self, now: float, delay: float, to: Receiver, message: object, *, coarse: bool
    ) -> asyncio.TimerHandle | CoarseTimer:
        """Post `message` to `to`, `delay` seconds after `now`; a coarse long timer up to a bucket later."""
        at = now + delay
        if not coarse or delay < COARSE_FROM_SECONDS:
            return self._loop.call_at(at, self._post, to, message)
        number = int(at / BUCKET_SECONDS) + 1
        bucket = self._buckets.get(number)
        if bucket is None:
            if not self._newest:
                self._newest.clear()
            bucket = self._newest = self._buckets[number] = {}
            heappush(self._ahead, number)
            self._arm(number)
        timer = CoarseTimer(to, message, bucket)
        bucket[timer] = None
        return timer

    def drop(self, timer: asyncio.TimerHandle | CoarseTimer) -> None:
        """Forget a timer."""
        if isinstance(timer, CoarseTimer):
            bucket = timer.bucket
            bucket.pop(timer, None)
            if not bucket and bucket is not self._newest:
                bucket.clear()  # its table: there are 14,400 buckets in an hour
        else:  # a loop's own kind of handle: uvloop's is none of asyncio's
            timer.cancel()

    def close(self) -> None:
        """Forget all coarse timers."""
        self._buckets.clear()
        self._ahead.clear()
        if self._turn is not None:
            self._turn.cancel()

    def _arm(self, number: int) -> None:
        """Turn the wheel when bucket `number` is due, if nothing is due before."""
        at = number * BUCKET_SECONDS
        if self._turn is None or self._turn.when() > at:
            if self._turn is not None:
                self._turn.cancel()
            self._turn = self._loop.call_at(at, self._advance)

    def _advance(self) -> None:
        self._turn = None
        now, ahead = self._loop.time(), self._ahead
        while ahead and ahead[0] * BUCKET_SECONDS <= now:
            bucket = self._buckets.pop(heappop(ahead))
            while bucket:
                timer = next(iter(bucket))
                del bucket[timer]
                self._post(timer.to, timer.message)
        if ahead:
            self._arm(ahead[0])

    def __repr__(self) -> str:
        waiting = sum(map(len, self._buckets.values()))
        return f"<LoopTimers coarse={waiting} buckets={len(self._buckets)}>"
