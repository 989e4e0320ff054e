"""A circuit breaker for any code, without pipelines or actors: the breaker machine behind a lock.

The lock is held while the machine takes a message, and never during a call or while a listener hears of an event.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import time
from collections import deque
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeAlias, TypeVar, cast

from playbill.model.effects import NullOutbox
from playbill.model.errors import CircuitOpen
from playbill.model.facts import Now, Permit, Verdict
from playbill.model.failures import failure_of
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit_state import FORCED, CircuitState, Report
from playbill.model.messages import Ask, Force, Granted, Refused, Settle, Withdraw
from playbill.model.policies import BreakerPolicy, retryable

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.model.effects import TimerName
    from playbill.model.events import Event

logger = logging.getLogger("playbill")
P = ParamSpec("P")
R = TypeVar("R")
Classes: TypeAlias = "tuple[type[BaseException], ...]"


class CircuitPermit:
    """Leave for one call; settle it exactly once. As a context manager it settles itself by what is raised."""

    def __init__(self, breaker: CircuitBreaker, permit: Permit, began: float) -> None:
        self._breaker = breaker
        self._permit = permit
        self._began = began

    def settle(self, outcome: Verdict | str, error: BaseException | None = None) -> Report:
        """Report how the call went.

        Args:
            outcome: "success", "failure", "ignored" (says nothing about the dependency), "cancelled" or "lost".
            error: what failed; who is refused later learns of it.

        Returns:
            Whether it was counted, stale (from before a change of state) or a duplicate.

        Raises:
            ValueError: there is no such outcome.
        """
        return self._breaker.settle(self._permit, Verdict(outcome), self._began, error)

    def settle_by(self, error: BaseException | None) -> Report:
        """Report a call by what it raised, None: nothing; by the rule that nodes have, see `CircuitBreaker`."""
        return self.settle(self._breaker.verdict_on(error), error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.settle_by(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.settle_by(error)


ENTERED: Final[ContextVar[tuple[tuple[CircuitBreaker, CircuitPermit], ...]]] = ContextVar("ENTERED", default=())
"""The breakers that this task or thread has entered by `with breaker`, and with which permits."""


class CircuitBreaker:
    """One breaker, for calls from any thread and any task: `with breaker`, `async with breaker`, `call`, `@breaker`.

    What a call raises counts as it does for a node: a failure is what another attempt might mend (not a ValueError or
    another programming error); a cancellation says nothing, and so does what is ignored.

    Args:
        policy: when it opens and how it tries again.
        clock: monotonic seconds.
        key: its name in errors.
        on_event: hears each change of state, in order; what it raises is logged.
        record: classes of exceptions that are failures besides.
        ignore: classes that are none, whatever else says so.
    """

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        key: str = "circuit",
        on_event: Callable[[Event], None] | None = None,
        record: type[BaseException] | Classes = (),
        ignore: type[BaseException] | Classes = (),
    ) -> None:
        self._machine = BreakerMachine(key, policy or BreakerPolicy())
        self._clock = clock
        self._lock = threading.Lock()
        self._ids = count(1)
        self._out = _Outbox()
        self._on_event = on_event
        self._record = record
        self._ignore = ignore

    @property
    def state(self) -> CircuitState:
        """Where it stands now."""
        self._receive()
        return CircuitState(self._machine.own.state)

    def acquire(self) -> CircuitPermit:
        """Ask for leave for one call.

        Raises:
            CircuitOpen: it is open, or its concurrency or rate is exhausted; `retry_after` in seconds if known.
        """
        ask_id = str(next(self._ids))
        box: list[Any] = []
        at, _ = self._receive(Ask(ask_id, box))
        answer = box[-1]
        if isinstance(answer, Granted):
            return CircuitPermit(self, answer.permit, at)
        if isinstance(answer, Refused):
            raise CircuitOpen(answer.key, answer.retry_after, answer.last_failure)
        self._receive(Withdraw(ask_id))
        raise CircuitOpen(self._machine.key, None)

    def force(self, state: CircuitState | str) -> None:
        """Set it by hand: forced_open, disabled, metrics_only, or closed to let it run again.

        Raises:
            ValueError: it cannot be set to that.
        """
        if state not in FORCED:
            key = self._machine.key
            raise ValueError(f"circuit '{key}' cannot be forced to '{state}', only to {', '.join(FORCED)}")
        self._receive(Force(str(state)))

    def settle(self, permit: Permit, verdict: Verdict, began: float, error: BaseException | None = None) -> Report:
        """Report a call; `CircuitPermit.settle` is the way to it."""
        failure = None if error is None else failure_of(error)
        _, report = self._receive(lambda at: Settle(permit, verdict, at - began, failure=failure))
        return cast("Report", report)

    def verdict_on(self, error: BaseException | None) -> Verdict:
        """Tell what it says about the dependency that a call raised `error`, or nothing."""
        if error is None:
            return Verdict.SUCCESS
        if isinstance(error, self._ignore):
            return Verdict.IGNORED
        if isinstance(error, self._record):
            return Verdict.FAILURE
        if not isinstance(error, Exception):
            return Verdict.CANCELLED
        return Verdict.FAILURE if retryable(error) else Verdict.IGNORED

    # ---- ways to use it -----------------------------------------------------------------------------------------

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function under it; what a coroutine function gives is to be awaited, and is under it, too.

        Raises:
            CircuitOpen: the function is not called.
            TypeError: a generator function: it gives a generator before its work begins.
        """
        return self(function)(*args, **kwargs)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Put a function, or a coroutine function, under it: the decorator."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} is a generator function: use `with breaker` around the loop over it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self.acquire():
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", guarded)

        @functools.wraps(function)
        def guarded_call(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.acquire():
                return function(*args, **kwargs)

        return guarded_call

    def __enter__(self) -> CircuitPermit:
        permit = self.acquire()
        ENTERED.set((*ENTERED.get(), (self, permit)))
        return permit

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        entered = ENTERED.get()
        place = max((index for index, (breaker, _) in enumerate(entered) if breaker is self), default=None)
        if place is None:
            raise RuntimeError(f"{self!r} was not entered in this task or thread: use `with breaker.acquire()`")
        ENTERED.set((*entered[:place], *entered[place + 1 :]))
        entered[place][1].settle_by(error)

    async def __aenter__(self) -> CircuitPermit:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)

    # ---- the machine --------------------------------------------------------------------------------------------

    def _receive(self, message: Any = None) -> tuple[float, Any]:
        """Let all timers fire that are due, each at its own time, and then have the machine take a message.

        Returns the clock's reading and the machine's answer. A message that says how long a call took is made of it.
        """
        with self._lock:
            at = self._clock()
            utc = datetime.now(UTC)
            while (due := self._out.next_due(at)) is not None:
                self._machine.receive(due[1], Now(due[0], utc), self._out)
            if callable(message):
                message = message(at)
            answer = None if message is None else self._machine.receive(message, Now(at, utc), self._out)
        self._tell_listener()
        return at, answer

    def _tell_listener(self) -> None:
        """Tell of the events there are, one at a time and in order, whoever recorded them."""
        out = self._out
        while out.events and out.telling.acquire(blocking=False):
            try:
                while out.events:
                    self._hear(out.events.popleft())
            finally:
                out.telling.release()

    def _hear(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception as error:
            logger.exception("%r: its listener failed over %s: %s", self, event.type, error)  # noqa: TRY401 (in short)

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self._machine!r}>"


class _Outbox(NullOutbox):
    """What the breaker machine asks for, without actors: answers go into boxes, timers are looked at."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        """That the listener has not heard of."""
        self.telling = threading.Lock()
        """Held by who tells the listener; who comes meanwhile leaves its events to them."""
        self._timers: dict[TimerName, tuple[float, Any]] = {}
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

    def tell(self, to: Any, message: Any, /) -> None:
        """Put an answer into the asker's box."""
        to.append(message)

    def record(self, event: Event) -> None:
        """Keep a change of state for the listener."""
        self.events.append(event)

    def set_timer(self, name: TimerName, delay: float, message: Any) -> None:
        """Remember when `message` is due."""
        self._timers[name] = (self.at + delay, message)

    def drop_timer(self, name: TimerName) -> None:
        """Forget it."""
        self._timers.pop(name, None)

    def dead_letter(self, message: Any) -> None:
        """Need no count: who settles is told by the report."""
