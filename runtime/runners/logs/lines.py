"""What one attempt says, on its way to the journal: from any thread, in order, bounded, and waited for by nobody.

1. What is over the attempt's quota is dropped where it is said: nothing grows, however much that is.
2. On the loop a line is kept at once. From another thread the first one calls the loop, which takes all there are.
3. What was said before the attempt ended, or was given up, is kept; what comes later is not.

No lock: a thread may be killed anywhere in here. Then what waits is taken when the attempt ends.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

from playbill.runtime.journals.log_quota import LogQuota

if TYPE_CHECKING:
    from playbill.actors.ports import Dispatcher
    from playbill.runtime.journals.listing import LogLine
    from playbill.runtime.journals.progress import Speaker
    from playbill.runtime.runners.logs.line_keeper import LineKeeper

__all__ = ["AttemptLines"]

logger = logging.getLogger("playbill")


class LineSource(Protocol):
    """An attempt, as what keeps its lines sees it."""

    @property
    def identity(self) -> Speaker:
        """Whose attempt it is."""
        ...

    @property
    def is_silent(self) -> bool:
        """Whether nothing counts that it says from now on."""
        ...


class AttemptLines:
    """The lines of one attempt.

    Args:
        speaker: the attempt.
        keeper: who keeps them.
        dispatcher: brings them to the loop.
    """

    __slots__ = ("_dispatcher", "_is_called", "_keeper", "_quota", "_speaker", "_waiting")

    def __init__(self, speaker: LineSource, keeper: LineKeeper, dispatcher: Dispatcher) -> None:
        self._speaker = speaker
        self._keeper = keeper
        self._dispatcher = dispatcher
        self._quota = LogQuota()
        self._waiting: deque[LogLine] = deque()
        self._is_called = False
        """Whether the loop will look."""

    @property
    def has_room(self) -> bool:
        """Whether another line would be kept."""
        return not self._quota.is_full

    def log(self, level: int, text: str, *, shown: bool) -> None:
        """Take a record of the handler's log, hidden already; whether a logger shows it, too, is its own."""
        self.add(logging.getLevelName(level).lower(), text)

    def add(self, level: str, text: str, *, cut: bool = False) -> None:
        """Take a line, from any thread; of one over the quota nothing.

        Args:
            level: its name, or that of the output.
            text: without what nobody may see.
            cut: whether its end is missing.
        """
        taken = self._quota.take(text)
        if taken is None:
            return
        self._waiting.append(self._keeper.line(self._speaker.identity, level, taken.text, cut=cut or taken.cut))
        if self._dispatcher.inside():
            self.flush()
        elif not self._is_called:
            self._is_called = True
            self._dispatcher.submit(AttemptLines.flush, self)

    def flush(self) -> None:
        """Hand over what waits; on the loop."""
        self._is_called = False  # first: who adds a line from here on calls again
        who, waiting = self._speaker.identity, self._waiting
        while waiting:
            line = waiting.popleft()
            if self._speaker.is_silent:
                logger.debug("a line comes after the end of %s, and is not kept", who)
            else:
                self._keeper.keep(who.run_id, line)

    def __repr__(self) -> str:
        return f"<AttemptLines of {self._speaker.identity}, {self._quota.lines} taken>"
