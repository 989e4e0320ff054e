"""Stands in for a handler: an attempt that takes its time and ends as it was declared to, on any loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from playbill.model.errors import HandlerKilled, NodeConfigError
from playbill.model.facts import Failure
from playbill.model.failures import failure_of
from playbill.model.messages import Began
from playbill.runtime.faults.behaviour import Ending
from playbill.runtime.runners.attempt import HandlerAttempt
from playbill.runtime.runners.outputs import checked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playbill.actors.ports import Attempt
    from playbill.model.definition import PipelineNode
    from playbill.runtime.faults.behaviour import Behaviour
    from playbill.runtime.faults.tape import Tape


class StandIn(HandlerAttempt):
    """An attempt without a handler."""

    _timer: asyncio.TimerHandle | None = None
    _stubborn = _undying = False

    def start(self, behaviour: Behaviour, node: PipelineNode, tape: Tape, *, threaded: bool) -> None:
        """Begin."""
        self._node = node
        self._stubborn, self._undying = behaviour.ignores_cancel, behaviour.ignores_kill
        self._cleanup = behaviour.cleanup.draw(tape)
        self._polite = Ending(output=behaviour.output or {}) if behaviour.cooperative else None
        if threaded:
            self.send(Began(self.number))
        ending, seconds = behaviour.ending(tape), behaviour.duration.draw(tape)
        if not ending.hangs:
            self._timer = self.services.loop.call_later(seconds, self._finish, ending)

    def _finish(self, ending: Ending) -> None:
        at = self.services.loop.time()
        if ending.error is not None:
            kinds = (ending.error, "Exception")
            self._end(at, None, Failure(ending.error, ending.message, ending.retryable, kinds))
            return
        try:
            output = checked(ending.output, self._node)
        except NodeConfigError as error:
            self._end(at, None, failure_of(error))
        else:
            self._end(at, dict(output), None)

    def lose(self, reason: str) -> None:
        """Die, as a worker does."""
        self._drop()
        self._end(self.services.loop.time(), None, failure_of(HandlerKilled(reason)))

    def interrupt(self) -> None:
        """End after the cleanup, unless it ignores this."""
        if self.asked or self.ended:
            return
        self.asked = True
        if not self._stubborn:
            self._drop()
            polite = self._polite
            end = self._stop if polite is None else lambda: self._finish(polite)
            self._timer = self.services.loop.call_later(self._cleanup, end)

    def kill(self) -> None:
        """End at once, unless it ignores even this."""
        self.asked = True
        if not self.ended and not self._undying:
            self._drop()
            self._stop()

    def _stop(self) -> None:
        self._end(self.services.loop.time(), None, None)

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def send(self, message: Any) -> None:
        """Tell the node's actor something."""
        if not self.ended:
            self.services.post(self.reply_to, message)

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait on the loop."""
        return asyncio.sleep(seconds)


class Stubborn:
    """An attempt that is hard to stop: interruptions, and kills, reach it `seconds` late or never (None)."""

    def __init__(self, attempt: Attempt, loop: asyncio.AbstractEventLoop, late: float | None, *, kill: bool) -> None:
        self._attempt = attempt
        self._loop = loop
        self._late = late
        self._kill = kill

    def interrupt(self) -> None:
        """Ask it to end, late or never."""
        if self._late is not None:
            self._loop.call_later(self._late, self._attempt.interrupt)

    def kill(self) -> None:
        """End it by force, or not."""
        if not self._kill:
            self._attempt.kill()

    def abandon(self, release: Any, permit: Any) -> None:
        """Keep it as an orphan."""
        self._attempt.abandon(release, permit)


class Delayed(HandlerAttempt):
    """An attempt that begins late: holds the place of one that is not there yet."""

    _inner: Attempt | None = None

    def start(self, begin: Callable[[], Attempt], seconds: float) -> None:
        """Begin in so many seconds."""
        self._begin = begin
        self._timer = self.services.loop.call_later(seconds, self._go)

    def _go(self) -> None:
        self._inner = self._begin()

    def interrupt(self) -> None:
        """Ask it to end; one that has not begun never will."""
        self.asked = True
        if self._inner is not None:
            self._inner.interrupt()
        else:
            self._timer.cancel()
            self._end(self.services.loop.time(), None, None)

    def kill(self) -> None:
        """End it by force."""
        if self._inner is not None:
            self._inner.kill()
        else:
            self.interrupt()

    def abandon(self, release: Any, permit: Any) -> None:
        """Keep it as an orphan."""
        if self._inner is not None:
            self._inner.abandon(release, permit)
        else:
            super().abandon(release, permit)
