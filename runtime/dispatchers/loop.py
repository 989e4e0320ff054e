"""The loop dispatcher: takes actors in the order their mail came, on an asyncio loop, and yields now and then."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.actors.ports import Drainable, Settled
    from playbill.runtime.clocks.system import Clock

ACTORS_A_TURN: Final = 256
"""How many actors have their turn before the loop has its own."""


class LoopDispatcher:
    """Drains actors on one asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._ready: deque[Drainable] = deque()
        self._pending = False
        self._thread = threading.get_ident()

    def schedule(self, actor: Drainable) -> None:
        """Drain `actor` soon."""
        self._ready.append(actor)
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)

    def inside(self) -> bool:
        """Tell whether the caller is on the loop's thread."""
        return threading.get_ident() == self._thread

    def submit(self, call: Callable[[Any], None], argument: object) -> bool:
        """From any thread: run `call(argument)` on the loop's; False when the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(call, argument)
        except RuntimeError:
            return False
        return True

    async def wait(self, answer: Settled) -> Any:
        """Await an answer, on whatever asyncio loop the caller runs."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def settle() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(wake)

        answer.when_settled(settle)
        await waiter
        return answer.result()

    def _pump(self) -> None:
        ready, now = self._ready, self._clock.now()
        for _ in range(ACTORS_A_TURN):
            if not ready:
                self._pending = False
                return
            actor = ready.popleft()
            if actor.drain(now):
                ready.append(actor)
        self._loop.call_soon(self._pump)

    def __repr__(self) -> str:
        return f"<LoopDispatcher ready={len(self._ready)}>"
