"""Who waits for something to happen: each is forgotten as soon as it waits no more, whatever ends its wait."""

from __future__ import annotations

import asyncio

__all__ = ["Waiters"]


class Waiters(dict["asyncio.Future[None]", None]):
    """Those who wait, in the order in which they came; false when there are none."""

    async def wait(self) -> None:
        """Wait until they are woken."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self[waiter] = None
        try:
            await waiter
        finally:
            self.pop(waiter, None)

    def wake(self) -> None:
        """Let all go on who wait now."""
        waiting = list(self)
        self.clear()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
