"""Answers that announce: each waits until the journal has the records before it.

1. They are given in the order in which they were asked for.
2. While the journal fails each waits for 5 s and is an error then: what was asked for is in force, and not kept yet.
3. A journal that is slow and does not fail is waited for.
4. When their actor ends nobody is left waiting.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from playbill.model.errors import JournalError
from playbill.model.messages import JournalFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykka import Future

    from playbill.actors.ports import Ports
    from playbill.model.facts import Now

__all__ = ["PATIENCE_SECONDS", "Answers", "NotKept", "NotKeptYet"]

PATIENCE_SECONDS: Final = 5.0
"""How long an answer waits for a journal that fails."""


class NotKeptYet(JournalError):
    """What was asked for is in force, and the journal, which fails, has not kept it yet."""

    answer: Any = None
    """What is answered once it is kept, as far as one knows."""

    def __init__(self, what: str, reason: str) -> None:
        """Take what is in force, and what the journal says."""
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what}; the journal has not kept that yet, and goes on trying: {self.reason}"


class NotKept(JournalError):
    """What was asked for came to pass, and nobody waits any more until the journal has kept it."""

    def __init__(self, what: str, reason: str) -> None:
        """Take what came to pass, and why it is not kept."""
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        way_out = "whoever opens the journal, once it can be written, goes on from what it has"
        return f"{self.what}; the journal has not kept that: {self.reason}; {way_out}"


class HeldAnswer:
    """An answer that waits for the records before it."""

    __slots__ = ("response", "seq", "timer", "to")

    def __init__(self, seq: int, to: Future[Any], response: Any) -> None:
        self.seq = seq
        """Of the last of those records."""
        self.to = to
        self.response = response
        self.timer: Any = None
        """What ends the wait for a journal that fails; None: it does not."""

    def fail(self, error: JournalError) -> None:
        """Answer with an error."""
        self.to.set_exception((type(error), error, None))

    def __repr__(self) -> str:
        return f"<HeldAnswer seq={self.seq} {self.response!r}{' failing' if self.timer else ''}>"


class Answers:
    """The answers of one actor that wait for its journal, in order.

    Told by: the actor's shell, its timers. Tells: who has asked.

    Args:
        ports: those of the actor.
        not_kept_yet: makes the error of who has waited long enough.
    """

    __slots__ = ("_held", "_is_failing", "_not_kept_yet", "_ports")

    def __init__(self, ports: Ports, not_kept_yet: Callable[[], NotKeptYet], *, is_failing: bool) -> None:
        self._ports = ports
        self._not_kept_yet = not_kept_yet
        self._is_failing = is_failing
        self._held: deque[HeldAnswer] = deque()

    def hold(self, held: HeldAnswer, now: Now) -> None:
        """Hold an answer until its records are kept."""
        self._held.append(held)
        if self._is_failing:
            self._arm(held, now)

    def failed(self, error: str) -> None:
        """Wait no longer than for a while from now on: the journal fails."""
        self._is_failing = True
        self._ports.post(self, JournalFailed(error))  # a journal does not say when

    def keep(self, seq: int) -> None:
        """Give what waited for the records up to `seq`, which are kept; the others may wait: the journal works."""
        self._is_failing = False
        for held in self._held:
            self._disarm(held)
        while self._held and self._held[0].seq <= seq:
            held = self._held.popleft()
            held.to.set(held.response)

    def receive(self, message: Any, now: Now) -> None:
        """Hear when the journal began to fail, or that an answer has waited long enough."""
        if isinstance(message, HeldAnswer):
            if message in self._held and message.timer is not None:
                self._held.remove(message)
                error = self._not_kept_yet()
                error.answer = message.response
                message.fail(error)
        elif self._is_failing:
            for held in self._held:
                if held.timer is None:
                    self._arm(held, now)

    def give_up(self, error: JournalError) -> None:
        """Answer all with an error: their actor has ended."""
        while self._held:
            held = self._held.popleft()
            self._disarm(held)
            held.fail(error)

    def _arm(self, held: HeldAnswer, now: Now) -> None:
        held.timer = self._ports.timers.set(now.monotonic, PATIENCE_SECONDS, self, held, coarse=False)

    def _disarm(self, held: HeldAnswer) -> None:
        if held.timer is not None:
            self._ports.timers.drop(held.timer)
            held.timer = None

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<Answers held={len(self)}{' failing' if self._is_failing else ''}>"
