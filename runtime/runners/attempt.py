"""What attempts on the loop and in threads share: a number, a way to answer, an orphan's end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from playbill.model.failures import failure_of
from playbill.model.messages import Returned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from playbill.actors.ports import Receiver
    from playbill.model.facts import Failure, Output, Permit
    from playbill.runtime.runners.thread_pool import ThreadPool
    from playbill.runtime.runners.workers.pool import ProcessPool

HIDDEN: Final = "***"


class Identity(NamedTuple):
    """Which attempt of which node of which run; None where nobody can tell."""

    run_id: str | None
    node_id: str | None
    attempt: int | None


class Orphans:
    """The attempts of one manager that could not be stopped and have not ended yet."""

    def __init__(self) -> None:
        self._attempts: set[HandlerAttempt] = set()

    def add(self, attempt: HandlerAttempt) -> None:
        """Keep an attempt that was given up."""
        self._attempts.add(attempt)

    def discard(self, attempt: HandlerAttempt) -> None:
        """Let one go that has ended after all."""
        self._attempts.discard(attempt)

    def __len__(self) -> int:
        return len(self._attempts)

    def __iter__(self) -> Iterator[HandlerAttempt]:
        return iter(self._attempts)


@dataclass(frozen=True, slots=True)
class AttemptServices:
    """What the attempts of one manager share."""

    loop: asyncio.AbstractEventLoop
    post: Callable[[Any, Any], None]
    """Brings a message to an actor, on the actors' thread."""
    pool: ThreadPool
    orphans: Orphans
    resources: Mapping[str, Any]
    secrets: Mapping[str, str]
    draw: Callable[[], float]
    """Draws the jitter of a back-off from [0, 1)."""
    processes: ProcessPool | None = None
    """Where the handlers run that have a process of their own; None: in a simulation nobody has."""


class HandlerAttempt:
    """One execution of a handler, the `number`-th of a node; it reports to `reply_to`."""

    # No slots: most of these keep their defaults, and an attempt is made for every node.
    asked = False
    """Whether it was asked to end."""
    ended = False
    secrets: tuple[str, ...] = ()
    """Values that its failure must not show."""
    _orphaned = False
    _release: Callable[[], None] | None = None

    def __init__(self, number: int, reply_to: Receiver, services: AttemptServices) -> None:
        self.number = number
        self.reply_to = reply_to
        self.services = services

    @property
    def identity(self) -> Identity:
        """Whose attempt this is."""
        machine = getattr(self.reply_to, "machine", None)
        if machine is None:
            return Identity(None, None, self.number)
        return Identity(machine.run.run_id, machine.plan.id, self.number)

    def send(self, message: Any) -> None:
        """Tell the node's actor something, from wherever the handler runs."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait as the handler's kind does."""
        raise NotImplementedError

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan; when it does end, or if it just has, call `release(permit)`."""
        if release is not None and permit is not None:
            self._release = lambda: release(permit)
        if not self.ended:
            self._orphaned = True
            self.services.orphans.add(self)
        elif self._release is not None:
            self._release()

    def refuse(self, error: Exception, at: float) -> None:
        """Answer with an error although nothing was begun."""
        self._end(at, None, self._failure(error))

    def _end(self, at: float, output: Output | None, failure: Failure | None) -> None:
        """Answer, once; on the actors' thread."""
        if self.ended:
            return
        self.ended = True
        if failure is None:
            self.services.post(self.reply_to, Returned(self.number, at, output))
        else:
            self.services.post(self.reply_to, Returned(self.number, at, None, failure, self.services.draw()))
        if self._orphaned:
            self.services.orphans.discard(self)
            if self._release is not None:
                self._release()

    def _failure(self, error: BaseException) -> Failure | None:
        """Return what went wrong; None for the interruption that was asked for."""
        if self.asked and isinstance(error, asyncio.CancelledError):
            return None
        return self._without_secrets(failure_of(error, traceback=True))

    def _without_secrets(self, failure: Failure) -> Failure:
        if not self.secrets:
            return failure
        message, traceback = self._hidden(failure.message), self._hidden(failure.traceback)
        return replace(failure, message=message, traceback=traceback)

    def _hidden(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text
