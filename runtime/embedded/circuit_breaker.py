"""A circuit breaker for any code, without pipelines or actors: the breaker machine behind a lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from playbill.model.effects import NullOutbox
from playbill.model.errors import CircuitOpen
from playbill.model.facts import Now, Permit, Verdict
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.breaker_state import CircuitState, Report
from playbill.model.messages import Ask, Force, Granted, Refused, Settle, Withdraw
from playbill.model.policies import BreakerPolicy

if TYPE_CHECKING:
    from playbill.model.effects import Timer
    from playbill.model.events import Event


class CircuitPermit:
    """Leave for one call; settle it exactly once. As a context manager it settles itself by what is raised."""

    def __init__(self, breaker: CircuitBreaker, permit: Permit, began: float) -> None:
        self._breaker = breaker
        self._permit = permit
        self._began = began

    def settle(self, outcome: Verdict | str) -> Report:
        """Report how the call went.

        Args:
            outcome: "success", "failure", "ignored" (says nothing about the dependency), "cancelled" or "lost".

        Returns:
            Whether it was counted, stale (from before a change of state) or a duplicate.
        """
        return self._breaker.settle(self._permit, Verdict(outcome), self._began)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.settle(Verdict.SUCCESS)
        else:
            self.settle(Verdict.FAILURE if isinstance(error, Exception) else Verdict.CANCELLED)


class CircuitBreaker:
    """One breaker, usable from any thread; the lock is never held during a call.

    Args:
        policy: when it opens and how it tries again.
        clock: monotonic seconds.
        key: its name in errors.
        on_event: hears each change of state.
    """

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        key: str = "circuit",
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self._machine = BreakerMachine(key, policy or BreakerPolicy())
        self._clock = clock
        self._lock = threading.Lock()
        self._ids = count(1)
        self._out = _Outbox(on_event)

    @property
    def state(self) -> CircuitState:
        """Where it stands now."""
        with self._lock:
            self._now()
            return CircuitState(self._machine.state)

    def acquire(self) -> CircuitPermit:
        """Ask for leave for one call.

        Raises:
            CircuitOpen: it is open, or its concurrency or rate is exhausted; `retry_after` in seconds if known.
        """
        with self._lock:
            now = self._now()
            ask_id = str(next(self._ids))
            self._machine.receive(Ask(ask_id, self._out), now, self._out)
            answer = self._out.answer
            if isinstance(answer, Granted):
                return CircuitPermit(self, answer.permit, now.monotonic)
            if isinstance(answer, Refused):
                raise CircuitOpen(answer.key, answer.retry_after)
            self._machine.receive(Withdraw(ask_id), now, self._out)
            raise CircuitOpen(self._machine.key, None)

    def force(self, state: CircuitState | str) -> None:
        """Set it by hand: forced_open, disabled, metrics_only, or closed to let it run again."""
        with self._lock:
            self._machine.receive(Force(str(state)), self._now(), self._out)

    def settle(self, permit: Permit, verdict: Verdict, began: float) -> Report:
        """Report a call; `CircuitPermit.settle` is the way to it."""
        with self._lock:
            now = self._now()
            message = Settle(permit, verdict, now.monotonic - began)
            report: Report = self._machine.receive(message, now, self._out)
            return report

    def _now(self) -> Now:
        """Read the clock, and let all timers fire that are due, each at its own time."""
        at = self._clock()
        while (due := self._out.next_due(at)) is not None:
            when, message = due
            self._machine.receive(message, Now(when, datetime.now(UTC)), self._out)
        return Now(at, datetime.now(UTC))

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self._machine!r}>"


class _Outbox(NullOutbox):
    """What the breaker machine asks for, without actors: the last answer, and timers that are looked at."""

    def __init__(self, on_event: Callable[[Event], None] | None) -> None:
        self.answer: Any = None
        self._on_event = on_event
        self._timers: dict[Timer, tuple[float, Any]] = {}
        self.at = 0.0

    def next_due(self, at: float) -> tuple[float, Any] | None:
        """Remove and return the earliest timer that is due at `at`."""
        self.at = at
        due = [(when, name) for name, (when, _) in self._timers.items() if when <= at]
        if not due:
            return None
        when, name = min(due)
        self.at = when
        return self._timers.pop(name)

    def tell(self, to: Any, message: Any) -> None:
        """Keep the answer to the one who asks."""
        self.answer = message

    def record(self, event: Event) -> None:
        """Tell of a change of state."""
        if self._on_event is not None:
            self._on_event(event)

    def set_timer(self, name: Timer, delay: float, message: Any) -> None:
        """Remember when `message` is due."""
        self._timers[name] = (self.at + delay, message)

    def drop_timer(self, name: Timer) -> None:
        """Forget it."""
        self._timers.pop(name, None)

    def dead_letter(self, message: Any) -> None:
        """Need no count: who settles is told by the report."""
