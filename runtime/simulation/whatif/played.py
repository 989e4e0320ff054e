"""Plays a take: an attempt without a handler that ends as its take says, and is stopped as it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from playbill.model.facts import Stopped
from playbill.model.messages import Began, Heartbeat
from playbill.runtime.runners.attempt import HandlerAttempt

if TYPE_CHECKING:
    from playbill.model.facts import Failure
    from playbill.model.plan import NodePlan
    from playbill.runtime.simulation.whatif.takes import Take


class Played(HandlerAttempt):
    """An attempt that does as its take says."""

    _timer: asyncio.TimerHandle | None = None
    _heart: asyncio.TimerHandle | None = None

    def play(self, take: Take, plan: NodePlan) -> None:
        """Begin to do what the take says: to end after its seconds, and to be heard in between."""
        self._take = take
        if plan.threaded:
            self.send(Began(self.number))
        if take.seconds is not None:
            self._timer = self.services.loop.call_later(take.seconds, self._over)
        if plan.idle_timeout is not None:
            self._beat(plan.idle_timeout / 2, 0.0)

    def interrupt(self) -> None:
        """End after its cleanup, if it did so when it was stopped."""
        if self.asked or self.ended:
            return
        self.ask()
        self._drop()
        if self._take.stopped not in {Stopped.KILLED, Stopped.ABANDONED}:
            self._timer = self.services.loop.call_later(self._take.cleanup, self._stopped)

    def kill(self) -> None:
        """End at once, if it did so when it was killed."""
        self.ask()
        if not self.ended and self._take.stopped is not Stopped.ABANDONED:
            self._drop()
            self._stopped()

    def send(self, message: Any) -> None:
        """Tell the node's actor something."""
        if not self.ended:
            self.services.post(self.reply_to, message)

    def _over(self) -> None:
        take = self._take
        self._finish(None if take.output is None else dict(take.output), take.failure)

    def _stopped(self) -> None:
        """End as it was stopped: with an answer of its own, or without."""
        self._finish({} if self._take.stopped is Stopped.COOPERATIVE else None, None)

    def _finish(self, output: dict[str, Any] | None, failure: Failure | None) -> None:
        self._drop()
        self._end(self.services.loop.time(), output, failure)

    def _drop(self) -> None:
        for timer in (self._timer, self._heart):
            if timer is not None:
                timer.cancel()

    def _beat(self, every: float, at: float) -> None:
        """Be heard, until it falls silent."""
        silent = self._take.silent_after
        if self.ended or (silent is not None and at > silent):
            return
        self.send(Heartbeat(self.number))
        until = at + every if silent is None or at >= silent else min(at + every, silent)
        self._heart = self.services.loop.call_later(until - at, self._beat, every, until)
