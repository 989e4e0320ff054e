"""The runner with faults: begins attempts that fail, hang, are late or hard to stop, as a plan says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from playbill.model.errors import InternalError
from playbill.runtime.faults.kinds import IgnoreCancel, Late, Lost, Slow
from playbill.runtime.faults.stand_in import StandIn
from playbill.runtime.runners.attempt import HandlerAttempt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from playbill.actors.ports import Attempt, Receiver, Runner
    from playbill.model.facts import Inputs, Permit
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.faults.injector import Occasions
    from playbill.runtime.faults.kinds import AttemptFault
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.runners.attempt import AttemptServices


class FaultyRunner:
    """Begins attempts with the faults that hit them; hands on those that are spared.

    Args:
        inner: begins what no fault hits, and what a fault lets begin.
        occasions: says which fault hits an attempt.
        services: what attempts share.
        tape: draws what stand-ins do.
    """

    __slots__ = ("_inner", "_occasions", "_services", "_tape")

    def __init__(
        self, inner: Runner, occasions: Occasions[AttemptFault], services: AttemptServices, tape: Tape
    ) -> None:
        self._inner = inner
        self._occasions = occasions
        self._services = services
        self._tape = tape

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        occasions = self._occasions
        if occasions.calm:
            occasions.calm -= 1
            return self._inner.begin(run, plan, attempt, inputs, reply_to)
        fault = occasions.happens(plan.id, plan.type, attempt)
        if fault is None:
            return self._inner.begin(run, plan, attempt, inputs, reply_to)
        if fault.instead is not None:
            stand_in = StandIn(run.run_id, plan.id, attempt, reply_to, self._services)
            stand_in.start(fault.instead, plan, self._tape)
            if isinstance(fault, Lost):
                self._services.loop.call_later(fault.seconds, stand_in.lose, "injected: its worker is lost")
            return stand_in
        begin = partial(self._inner.begin, run, plan, attempt, inputs, reply_to)
        match fault:
            case Slow():
                delayed = Delayed(run.run_id, plan.id, attempt, reply_to, self._services)
                delayed.start(begin, fault.seconds)
                return delayed
            case Late():
                return Stubborn(begin(), self._services.loop, fault.seconds, kill=True)
            case IgnoreCancel():
                return Stubborn(begin(), self._services.loop, None, kill=fault.kill)
            case _:
                raise InternalError(f"no attempt begins with a {fault.kind} fault")


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

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
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
        self.ask()
        if self._inner is not None:
            self._inner.interrupt()
        else:
            self._timer.cancel()
            self._end(self.services.loop.time(), None, None, begun=False)

    def kill(self) -> None:
        """End it by force."""
        if self._inner is not None:
            self._inner.kill()
        else:
            self.interrupt()

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan."""
        if self._inner is not None:
            self._inner.abandon(release, permit)
        else:
            super().abandon(release, permit)
