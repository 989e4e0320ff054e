"""A clock on the wall that is set, or a machine that slept, is noticed within 30 s."""

import asyncio
from datetime import timedelta

import pytest

from playbill.model.facts import Now
from playbill.runtime.clocks.steps import StepWatch
from playbill.runtime.simulation.virtual.clock import VirtualClock
from playbill.runtime.simulation.virtual.loop import VirtualLoop


class SetClock:
    """A clock that somebody sets."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.inner = VirtualClock(loop)
        self.by = timedelta()

    def now(self) -> Now:
        now = self.inner.now()
        return Now(now.monotonic, now.utc + self.by)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((), []),
        ((0.4,), []),
        ((0.4, 0.4, 0.4), [1.2]),
        ((86_400.0,), [86_400.0]),
        ((-3600.0, 3600.0), [-3600.0, 3600.0]),
    ],
)
def test_what_has_parted_by_a_second_is_told_once(steps: tuple[float, ...], told: list[float]) -> None:
    loop = VirtualLoop()
    heard: list[float] = []
    clock = SetClock(loop)

    async def lives() -> None:
        watch = StepWatch(loop, clock, heard.append)
        for step in steps:
            clock.by += timedelta(seconds=step)
            await asyncio.sleep(31.0)
        await asyncio.sleep(120.0)
        watch.close()
        clock.by += timedelta(seconds=100)
        await asyncio.sleep(120.0)

    loop.run_until_complete(lives())
    loop.close()
    assert heard == pytest.approx(told)
