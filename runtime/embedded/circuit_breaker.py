"""A circuit breaker for any code, without pipelines or actors: the breaker machine behind a lock.

The lock is held while the machine takes a message, and never during a call or while a listener hears of an event.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import threading
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeAlias, TypeVar, cast

from playbill.model.errors import CircuitOpen
from playbill.model.facts import Now, Permit, Verdict
from playbill.model.failures import failure_of
from playbill.model.kinds import leaves_of
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit_state import FORCED, CircuitState, Report
from playbill.model.messages import Ask, Force, Granted, Refused, Settle, Withdraw
from playbill.model.policies import BreakerPolicy, retryable
from playbill.runtime.embedded.circuit_outbox import CircuitOutbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playbill.model.events import Event

logger = logging.getLogger("playbill")
P = ParamSpec("P")
R = TypeVar("R")
Classes: TypeAlias = "tuple[type[BaseException], ...]"
Told: TypeAlias = "Ask | Force | Withdraw | Callable[[float], Settle] | None"


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
        if not isinstance(cast("object", policy), BreakerPolicy | None):
            raise TypeError(f"the policy of a circuit breaker is a BreakerPolicy, not {policy!r:.80}")
        self._machine = BreakerMachine(key, policy or BreakerPolicy())
        self._clock = clock
        self._lock = threading.RLock()
        self._is_at_work = False
        """Whoever comes in the midst of it, in the same thread, interrupts a step."""
        self._ids = count(1)
        self._out = CircuitOutbox()
        self._on_event = on_event
        self._record = _classes("record", record)
        self._ignore = _classes("ignore", ignore)

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
        try:
            at, _ = self._receive(Ask(ask_id, box))
        except BaseException:  # such as a Ctrl-C while the listener heard of it: nobody will settle the permit
            self._receive(Withdraw(ask_id))
            raise
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
        kinds = [type(leaf) for leaf in leaves_of(error)]  # not isinstance, which asks the error for its class
        if all(issubclass(kind, self._ignore) for kind in kinds):
            return Verdict.IGNORED
        if any(issubclass(kind, self._record) for kind in kinds):
            return Verdict.FAILURE
        if not all(issubclass(kind, Exception) for kind in kinds):
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
        if not callable(function):
            raise TypeError(f"a circuit breaker guards functions, not {function!r}")
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
            with contextlib.ExitStack() as stack:
                permit = stack.enter_context(self.acquire())
                result = function(*args, **kwargs)
                if inspect.isawaitable(result):  # the work is yet to be done
                    stack.pop_all()
                    return cast("R", _awaited(result, permit))
            return result

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

    def _receive(self, message: Told = None) -> tuple[float, Any]:
        """Let all timers fire that are due, each at its own time, and then have the machine take a message.

        Returns the clock's reading and the machine's answer. A message that says how long a call took is made of it.
        """
        with self._lock:
            if self._is_at_work:
                raise RuntimeError(f"{self._machine!r} is at work: no finalizer or signal handler can use it now")
            self._is_at_work = True
            try:
                at, answer = self._step(message)
            finally:
                self._is_at_work = False
        self._tell_listener()
        return at, answer

    def _step(self, message: Told) -> tuple[float, Any]:
        at = self._clock()
        utc = datetime.now(UTC)
        while (due := self._out.next_due(at)) is not None:
            self._machine.receive(due[1], Now(due[0], utc), self._out)
        taken = message(at) if callable(message) else message
        return at, None if taken is None else self._machine.receive(taken, Now(at, utc), self._out)

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


async def _awaited(work: Awaitable[Any], permit: CircuitPermit) -> Any:
    async with permit:
        return await work


def _classes(name: str, given: object) -> Classes:
    """Return classes of exceptions as a tuple.

    Raises:
        TypeError: it is neither a class of exceptions nor a tuple or list of some.
    """
    classes = tuple(cast("list[object]", given)) if isinstance(given, tuple | list) else (given,)
    for kind in classes:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise TypeError(f"{name} is a class of exceptions or a tuple of some, not {given!r}")
    return cast("Classes", classes)
