"""The gate: what begins work or announces an outcome waits until the journal has the records before it.

Stopping never passes here: only the messages in `GATED`, and the result of a run.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Gate:
    """Effects of one supervisor that wait for its journal, in order."""

    __slots__ = ("_held", "closed", "recorded")

    def __init__(self) -> None:
        self.recorded = 0
        """The seq of the last event handed to the journal."""
        self.closed = False
        """Whether the journal has yet to keep one of them."""
        self._held: deque[tuple[int, Any, Any]] = deque()

    def hold(self, to: Any, message: Any) -> None:
        """Hold a message until all that is recorded now is kept."""
        self._held.append((self.recorded, to, message))

    def keep(self, seq: int) -> Iterator[tuple[Any, Any]]:
        """Note that all events up to `seq` are kept; give what waited for them, in order."""
        if seq >= self.recorded:
            self.closed = False
        while self._held and self._held[0][0] <= seq:
            _, to, message = self._held.popleft()
            yield to, message

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<Gate {'closed' if self.closed else 'open'} recorded={self.recorded} held={len(self._held)}>"
