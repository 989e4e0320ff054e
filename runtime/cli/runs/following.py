"""Follows a run of this process to its end, or until it is plain that its journal does not keep that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from playbill.model.errors import JournalError
from playbill.runtime.cli.exit_codes import NOT_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.events import Event
    from playbill.model.progress import NodeProgress
    from playbill.runtime.run import Run

__all__ = ["EndNotKept", "follow"]

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
