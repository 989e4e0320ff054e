"""The loop dispatcher: carries mail in the order it came, control first, on an asyncio loop, and yields now and then.

It has one queue a lane for all actors rather than a box for each: the order is the same, an idle actor holds none.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from playbill.model.messages import CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.actors.ports import Receiver, Settled
    from playbill.runtime.clocks.system import Clock

MESSAGES_A_TURN: Final = 128
"""How many messages are handled before the loop has its turn."""


class LoopDispatcher:
    """Carries the mail of one manager's actors."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._control: deque[tuple[Receiver, Any]] = deque()
        self._data: deque[tuple[Receiver, Any]] = deque()
        self._pending = False
        self._now = clock.now()
        """When the mail at hand was taken up."""
        self._thread = threading.get_ident()
        self._process = os.getpid()

    def post(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, in its class's lane."""
        if type(message) in CONTROL:
            self._control.append((to, message))
        else:
            self._data.append((to, message))
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)

    def post_control(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, in the control lane."""
        self._control.append((to, message))
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)

    def call(self, to: Receiver, message: Any) -> Any:
        """Have `to` receive `message` now."""
        return to.receive(message, self._now)

    def inside(self) -> bool:
        """Tell whether the caller is on the loop's thread, while there is a loop."""
        return threading.get_ident() == self._thread and not self._loop.is_closed()

    def submit(self, call: Callable[[Any], None], argument: object) -> bool:
        """From any thread: run `call(argument)` on the loop's; False when that is closed, or a fork's parent's."""
        if os.getpid() != self._process:
            return False
        try:
            self._loop.call_soon_threadsafe(call, argument)
        except RuntimeError:
            return False
        return True

    async def wait(self, answer: Settled) -> Any:
        """Await an answer, on whatever asyncio loop the caller runs."""
        return await awaited(answer)

    def _pump(self) -> None:
        control, data, now = self._control, self._data, self._clock.now()
        self._now = now
        try:
            for _ in range(MESSAGES_A_TURN):
                if control:
                    to, message = control.popleft()
                elif data:
                    to, message = data.popleft()
                else:
                    self._pending = False
                    return
                to.receive(message, now)
        except BaseException:  # a receiver that raises harms no other's mail
            self._loop.call_soon(self._pump)
            raise
        self._loop.call_soon(self._pump)

    def __repr__(self) -> str:
        return f"<LoopDispatcher control={len(self._control)} data={len(self._data)}>"


async def awaited(answer: Settled) -> Any:
    """Await an answer that any thread may bring, on whatever asyncio loop the caller runs."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def settle() -> None:
        with suppress(RuntimeError):  # the asker's loop is closed
            loop.call_soon_threadsafe(wake)

    answer.when_settled(settle)
    try:
        await waiter
    finally:  # of a wait that was cut short the answer, which may never come, would keep what was left
        answer.forget(settle)
    return answer.result()
