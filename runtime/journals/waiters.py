"""Who waits: for something to happen, forgotten as soon as it waits no more; or for a journal, with patience."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from playbill.actors.answers import PATIENCE_SECONDS, NotKeptYet

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["Waiters", "take_note", "until_kept"]

T = TypeVar("T")


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


class Failing(Protocol):
    """A journal, as who waits for it sees it."""

    @property
    def error(self) -> str | None:
        """Why nothing is kept at the moment; None: it is."""
        ...


def take_note(ended: Future[Any]) -> None:
    """Take note of how something ended: whoever asks for it is told, and nobody has to."""
    if not ended.cancelled():
        ended.exception()


async def until_kept(kept: Future[T], journal: Failing, what: str) -> T:
    """Wait until something is kept.

    Args:
        kept: done once it is; it may be later on, though nobody waits any more.
        journal: keeps it.
        what: what is to be kept, for who waits in vain.

    Raises:
        NotKeptYet: the journal has failed for 5 s.
        Exception: what `kept` says.
    """
    while not kept.done():
        await asyncio.wait([kept], timeout=PATIENCE_SECONDS)
        if not kept.done() and (error := journal.error) is not None:
            kept.add_done_callback(take_note)
            raise NotKeptYet(what, error)
    return kept.result()
