"""The gate: what begins work or announces an outcome waits until the journal has the records before it.

Stopping never passes here: only the messages in `GATED`; results and answers wait for the gate to open.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class HeldMail(NamedTuple):
    """A message that waits for the records before it."""

    seq: int
    """Of the last of those records."""
    to: str
    """The node it is for."""
    message: Any


class Gate:
    """What one actor has recorded, and the mail of a supervisor that waits for its journal, in order."""

    __slots__ = ("_held", "_wanted", "closed", "recorded")

    def __init__(self) -> None:
        self.recorded = 0
        """The seq of the last event handed to the journal."""
        self.closed = False
        """Whether the journal has yet to keep one of them: its actor says so."""
        self._wanted = 0
        """The seq of the last event of which the journal was told that somebody waits for it."""
        self._held: deque[HeldMail] | None = None
        """None: it has held none yet, as those of most runs never do."""

    def hold(self, to: str, message: Any) -> None:
        """Hold a message until all that is recorded now is kept."""
        if self._held is None:
            self._held = deque()
        self._held.append(HeldMail(self.recorded, to, message))

    def want(self) -> bool:
        """Note that somebody waits for all that is recorded now; tell whether the journal has yet to hear so."""
        if self._wanted >= self.recorded:
            return False
        self._wanted = self.recorded
        return True

    def keep(self, seq: int) -> Iterator[HeldMail]:
        """Note that all events up to `seq` are kept; give what waited for them, in order."""
        if seq >= self.recorded:
            self.closed = False
        while self._held and self._held[0].seq <= seq:
            yield self._held.popleft()

    def __len__(self) -> int:
        return len(self._held or ())

    def __repr__(self) -> str:
        return f"<Gate {'closed' if self.closed else 'open'} recorded={self.recorded} held={len(self)}>"
