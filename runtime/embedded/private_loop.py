"""An event loop of our own, for sync programs: it closes within a bound although orphans refuse to end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
logger = logging.getLogger("playbill")

CLOSING_SECONDS: Final = 0.2
"""What the tasks that are left, and async generators, have to end."""
LEFT_BEHIND: Final[list[asyncio.Task[Any]]] = []
"""Tasks that outlived their loop: kept, because collecting one would throw into its coroutine."""


class PrivateLoop:
    """A loop that one thread runs pieces of work on; `asyncio.run` would wait for every task to end."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._used = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end.

        Raises:
            RuntimeError: a loop runs in this thread already.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._used = True
            return self.loop.run_until_complete(work)
        work.close()
        raise RuntimeError("an event loop runs here already: `await` a PipelineRunManager's run instead")

    def close(self) -> None:
        """Cancel what is left, wait a moment for it, and close."""
        loop = self.loop
        if not self._used:
            loop.close()
            return
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(_settle(tasks))
        for task in tasks:
            if not task.done():
                logger.warning("task %r ignored every cancel and is left behind", task.get_name())
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 (said above)
                LEFT_BEHIND.append(task)
        loop.close()


async def _settle(tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
    ending = asyncio.ensure_future(asyncio.get_running_loop().shutdown_asyncgens())
    await asyncio.wait({ending}, timeout=CLOSING_SECONDS)
