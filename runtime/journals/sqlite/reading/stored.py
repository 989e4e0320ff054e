"""The events of a stream that is no longer in memory, page by page from the file."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from playbill.model.events import Event
    from playbill.runtime.journals.sides import ReadingSide

__all__ = ["StoredEvents"]

PAGE: Final = 500


class StoredEvents:
    """Iterates over what is kept of a stream, and ends there; it is one of the EventReaders.

    Args:
        side: reads them.
        stream: the stream's name.
        from_seq: the first event.
    """

    def __init__(self, side: ReadingSide, stream: str, from_seq: int = 1) -> None:
        self._side = side
        self._stream = stream
        self._next = from_seq
        self._page: deque[Event] = deque()
        self._is_all = False

    @property
    def is_over(self) -> bool:
        """Whether no event will come any more."""
        return self._is_all and not self._page

    def take(self) -> Event | None:
        """Return the next event if it was read already."""
        return self._page.popleft() if self._page else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if not self._page and not self._is_all:
            page = await self._side.events(self._stream, self._next, PAGE)
            self._page.extend(page)
            self._is_all = len(page) < PAGE
            if page:
                self._next = page[-1].seq + 1
        if not self._page:
            raise StopAsyncIteration
        return self._page.popleft()

    async def aclose(self) -> None:
        """Give no more events."""
        self._page.clear()
        self._is_all = True
