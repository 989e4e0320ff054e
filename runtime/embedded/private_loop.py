"""An event loop of our own, for sync programs: it closes within a bound although orphans refuse to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from playbill.runtime.closing import let_go_left

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import FrameType

T = TypeVar("T")
logger = logging.getLogger("playbill")

CLOSING_SECONDS: Final = 0.2
"""What the tasks that are left, and async generators, have to end."""
PATIENT_PRESSES: Final = 2
"""So often Ctrl-C is a request."""
LEFT_BEHIND: Final[list[asyncio.Task[Any]]] = []
"""Tasks that outlived their loop: kept, because collecting one would throw into its coroutine."""


class PrivateLoop:
    """A loop that one thread runs pieces of work on; `asyncio.run` would wait for every task to end."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._used = False

    def run(self, work: Coroutine[Any, Any, T], stop: Callable[[float | None], None] | None = None) -> T:
        """Run `work` to its end.

        Args:
            work: what to run.
            stop: asks it to end, on the loop: at a first Ctrl-C with its own grace (None), at a second with 0.0;
                a third is raised at once. None: so is the first.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed, and `work` has ended.
            RuntimeError: a loop runs in this thread already.
        """
        if loop_runs():
            work.close()
            raise RuntimeError("an event loop runs here already: `await` a PipelineRunManager's run instead")
        self._used = True
        with _ctrl_c(self.loop, stop) as pressed:
            result = self.loop.run_until_complete(work)
        if pressed:
            raise KeyboardInterrupt from None
        return result

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
        let_go_left()  # a manager that had no time to close


def loop_runs() -> bool:
    """Tell whether an event loop runs in this thread; apart, so that nothing is raised while its error is handled."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextlib.contextmanager
def _ctrl_c(loop: asyncio.AbstractEventLoop, stop: Callable[[float | None], None] | None) -> Generator[list[int]]:
    """Hand Ctrl-C to `stop` within a block, unless it is another's; give the list of those that came.

    Not by the loop's add_signal_handler: a loop that a handler blocks would never hear of the third.
    """
    pressed: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    if stop is None or not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed
        return

    def take(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (as signal handlers are)
        pressed.append(number)
        if len(pressed) > PATIENT_PRESSES:
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(stop, None if len(pressed) == 1 else 0.0)

    signal.signal(signal.SIGINT, take)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


async def _settle(tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
    ending = asyncio.ensure_future(asyncio.get_running_loop().shutdown_asyncgens())
    await asyncio.wait({ending}, timeout=CLOSING_SECONDS)
