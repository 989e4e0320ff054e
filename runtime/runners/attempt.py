"""What attempts of all kinds share: whose they are, a way to answer, an orphan's end."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec.structs import replace

from playbill.model.error_data import kept_data, shown_json
from playbill.model.failures import failure_of
from playbill.model.messages import Heartbeat, Returned
from playbill.model.plain_text import bounded
from playbill.runtime.redaction import NO_SECRETS
from playbill.runtime.runners.logs.lines import AttemptLines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from playbill.actors.ports import Dispatcher, Post, Receiver
    from playbill.model.facts import Failure, Output, Permit
    from playbill.runtime.runners.logs.line_keeper import LineKeeper
    from playbill.runtime.runners.program_pool import ProgramPool

OnLoop: TypeAlias = "dict[asyncio.Task[None], HandlerAttempt]"
"""The attempts whose tasks have not ended, by task."""
ON_LOOP: ContextVar[OnLoop | None] = ContextVar("ON_LOOP", default=None)
"""Where attempts that a handler begins by itself are to be found, too."""


class Identity(NamedTuple):
    """Which attempt of which node of which run."""

    run_id: str
    node_id: str
    attempt: int

    def __str__(self) -> str:
        return f"attempt {self.attempt} of node '{self.node_id}' in run '{self.run_id}'"


class Orphans:
    """The attempts of one manager that could not be stopped and have not ended yet."""

    def __init__(self) -> None:
        self._attempts: set[HandlerAttempt] = set()
        self.on_last: Callable[[], None] | None = None
        """Is called when the last of them has ended."""

    def add(self, attempt: HandlerAttempt) -> None:
        """Keep an attempt that was given up."""
        self._attempts.add(attempt)

    def discard(self, attempt: HandlerAttempt) -> None:
        """Let one go that has ended after all."""
        self._attempts.discard(attempt)
        if self.on_last is not None and not self._attempts:
            self.on_last()

    def __len__(self) -> int:
        return len(self._attempts)

    def __iter__(self) -> Iterator[HandlerAttempt]:
        return iter(self._attempts)


@dataclass(frozen=True, slots=True)
class AttemptServices:
    """What the attempts of one manager share."""

    loop: asyncio.AbstractEventLoop
    dispatcher: Dispatcher
    """Brings messages to actors."""
    orphans: Orphans
    draw: Callable[[], float]
    """Draws the jitter of a back-off from [0, 1)."""
    on_loop: OnLoop | None = None
    """Where attempts on the loop say which task is theirs, for who names those that block it; None: nobody looks."""
    programs: ProgramPool | None = None
    """Where programs wait for their turn; None: nobody can start one."""
    tell_progress: Callable[[Identity, Any], None] | None = None
    """Tells what a handler says of its progress to those who listen to its run; None: nobody can."""
    lines: LineKeeper | None = None
    """Keeps what handlers log, and what their programs and processes write; None: nobody does."""
    loop_ends: Callable[[], None] | None = None
    """Hears that all tasks of the loop are cancelled, as `asyncio.run` does; None: no run outlives that."""
    post: Post = field(init=False)
    """The dispatcher's method, bound once for all attempts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "post", self.dispatcher.post)


class HandlerAttempt:
    """One execution of a handler, the `number`-th of a node of a run; it reports to `reply_to`."""

    # No slots: most of these keep their defaults, and an attempt is made for every node.
    asked_at: float | None = None
    """When it was asked to end, in the loop's time; None: it was not."""
    ended = False
    redaction = NO_SECRETS
    """Keeps out of its failure and its log what they must not show."""
    _lines: AttemptLines | None = None
    """None: it has said nothing yet."""
    _orphaned = False
    _release: Callable[[], None] | None = None

    def __init__(self, run_id: str, node_id: str, number: int, reply_to: Receiver, services: AttemptServices) -> None:
        self.run_id = run_id
        self.node_id = node_id
        self.number = number
        self.reply_to = reply_to
        self.services = services

    @property
    def asked(self) -> bool:
        """Whether it was asked to end."""
        return self.asked_at is not None

    def ask(self) -> None:
        """Note that it is asked to end."""
        if self.asked_at is None:
            self.asked_at = self.services.loop.time()

    @property
    def programs(self) -> ProgramPool | None:
        """Where programs wait that its handler starts by itself; None: on another loop than ours they are its own."""
        return self.services.programs if self.services.dispatcher.inside() else None

    @property
    def lines(self) -> AttemptLines | None:
        """What takes the lines it says, from any thread; None: nobody keeps them."""
        if self._lines is None and (keeper := self.services.lines) is not None:
            made = AttemptLines(self, keeper, self.services.dispatcher)
            vars(self).setdefault("_lines", made)  # of two threads that are first, both have one's
        return self._lines

    @property
    def is_silent(self) -> bool:
        """Whether nothing counts that it says from now on: it has ended, or was given up."""
        return self.ended or self._orphaned

    @property
    def identity(self) -> Identity:
        """Whose attempt this is."""
        return Identity(self.run_id, self.node_id, self.number)

    def send(self, message: Any) -> None:
        """Tell the node's actor something, on its thread; nothing once the attempt has ended."""
        if not self.ended:
            self._post(message)

    def _post(self, message: Any) -> None:
        """Tell the node's actor; of progress those who listen are told at once, since no machine goes by it."""
        self.services.post(self.reply_to, message)
        tell = self.services.tell_progress
        if tell is None or type(message) is not Heartbeat or message.progress is None:
            return
        if not self.is_silent:
            tell(self.identity, shown_json(message.progress, self.hide) if self.redaction else message.progress)

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many seconds on the loop; nobody does where the work is elsewhere."""
        return asyncio.sleep(seconds)

    def abandon(self, release: Callable[[Permit], None] | None, permit: Permit | None) -> None:
        """Keep it as an orphan; when it does end, or if it just has, call `release(permit)`."""
        if self._lines is not None:
            self._lines.flush()
        if release is not None and permit is not None:
            self._release = lambda: release(permit)
        if not self.ended:
            self._orphaned = True
            self.services.orphans.add(self)
        elif self._release is not None:
            self._release()

    def refuse(self, error: BaseException, at: float) -> None:
        """Answer with an error although nothing was begun."""
        self._end(at, None, self._failure(error))

    def _end(self, at: float, output: Output | None, failure: Failure | None, *, begun: bool = True) -> None:
        """Answer, once; on the actors' thread."""
        if self.ended:
            return
        if self._lines is not None:
            self._lines.flush()
        self.ended = True
        # In virtual time an answer to being asked takes no time, and comes after it all the same.
        if at == self.asked_at:
            at = nextafter(at, inf)
        if not begun:
            self.services.post(self.reply_to, Returned(self.number, at, output, failure, begun=False))
        elif failure is None:
            self.services.post(self.reply_to, Returned(self.number, at, output))
        else:
            self.services.post(self.reply_to, Returned(self.number, at, None, failure, self.services.draw()))
        if self._orphaned:
            self.services.orphans.discard(self)
            if self._release is not None:
                self._release()

    def _failure(self, error: BaseException) -> Failure | None:
        """Return what went wrong; None for the interruption that was asked for. Raises nothing."""
        if self.asked_at is not None and issubclass(type(error), asyncio.CancelledError):
            return None
        return failure_of(error, traceback=True, hide=self.redaction.hide if self.redaction else None)

    def _checked(self, failure: Failure) -> Failure:
        """Return a failure that another process told: hidden and bounded here, whatever it did there."""
        message, traceback = bounded(self.hide(failure.message)), bounded(self.hide(failure.traceback))
        data = kept_data(failure.data, self.hide)
        return replace(failure, message=message, traceback=traceback, data=data)

    def hide(self, text: str) -> str:
        """Return a text without what it must not show."""
        return self.redaction.hide(text)
