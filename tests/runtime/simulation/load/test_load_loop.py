"""The loop of a load does what any virtual loop does, only cheaper."""

import asyncio
import gc
import weakref
from contextvars import ContextVar

from playbill.runtime.simulation.load.loop import LoadLoop


def test_a_timer_that_has_fired_lets_go_of_who_set_it() -> None:
    class Attempt:
        def done(self) -> None: ...

    loop, attempt = LoadLoop(), Attempt()
    gone = weakref.ref(attempt)
    timer = loop.call_later(1.0, attempt.done)
    del attempt
    gc.disable()
    try:
        loop.run_until_complete(asyncio.sleep(2.0))
        assert gone() is None
    finally:
        gc.enable()
        loop.close()
    assert not timer.cancelled()


def test_a_callback_that_raises_is_told_to_the_loop_and_harms_no_other() -> None:
    loop, after = LoadLoop(), list[str]()
    loop.call_soon(lambda: 1 // 0)
    loop.call_soon(after.append, "still here")
    loop.run_until_complete(asyncio.sleep(0))
    assert after == ["still here"]
    (context,) = loop.unhandled
    assert isinstance(context["exception"], ZeroDivisionError)
    loop.close()


def test_tasks_keep_contexts_of_their_own() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[str] = []

    async def one(mine: str) -> None:
        name.set(mine)
        await asyncio.sleep(1.0)
        seen.append(name.get())

    async def main() -> None:
        await asyncio.gather(one("a"), one("b"))

    loop = LoadLoop()
    loop.run_until_complete(main())
    loop.close()
    assert seen == ["a", "b"]
    assert name.get() == "nobody"
