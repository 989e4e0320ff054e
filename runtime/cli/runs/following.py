"""Follows a run of this process to its end, or until it is plain that its journal does not keep that."""

from __future__ import annotations

import asyncio
import signal
from itertools import count
from typing import TYPE_CHECKING, Final

from playbill.model.errors import JournalError
from playbill.runtime.cli.exit_codes import NOT_KEPT
from playbill.runtime.embedded.private_loop import PATIENT_PRESSES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from playbill.model.events import Event
    from playbill.model.progress import NodeProgress
    from playbill.runtime.reports.board import Board
    from playbill.runtime.run import Run

__all__ = ["EndNotKept", "follow", "stop_on_signals"]

PATIENCE_SECONDS: Final = 1.0
"""How long the end of a run that has stopped may take to be kept, until its manager is closed; that waits for 5 s."""


class EndNotKept(JournalError):
    """Runs have stopped, and their journal has failed to keep that."""

    exit_code = NOT_KEPT


async def follow(run: Run, take: Callable[[Event | NodeProgress], None]) -> bool:
    """Hand on what happens to a run until it has ended; False: it has stopped, and its journal does not keep that."""
    if run.done:
        await _hand_on(run, take)
        return True
    showing, stopping = asyncio.ensure_future(_hand_on(run, take)), asyncio.ensure_future(run.stopped())
    try:
        await asyncio.wait({showing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({showing}, timeout=PATIENCE_SECONDS)
        if showing.done():
            showing.result()
            await run.result()
        return showing.done()
    finally:
        showing.cancel()
        stopping.cancel()


async def _hand_on(run: Run, take: Callable[[Event | NodeProgress], None]) -> None:
    async for item in run.events(progress=True):
        take(item)


def stop_on_signals(board: Board) -> Callable[[Run], None]:
    """Cancel with grace at the first Ctrl-C or SIGTERM, without once it is stopping; return what is told the run.

    One that comes while the run begins cancels it as soon as it has. A loop that a handler blocks hears of neither:
    the third Ctrl-C is raised where the program is.
    """
    begun: Run | None = None
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if begun is not None:
            begun.request_cancel("interrupted", 0.0 if asked > 1 or board.stop is not None else None)

    def watch(run: Run) -> None:
        nonlocal begun
        begun = run
        if asked:
            run.request_cancel("interrupted", 0.0 if asked > 1 else None)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    presses = count(1)

    def press(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (as signal handlers are)
        if next(presses) > PATIENT_PRESSES:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, press)  # the loop is woken all the same
    return watch
