"""The seeded dispatcher: a tape chooses whose mail comes next; what one sender sends one receiver keeps its order.

Every order it chooses could happen: control overtakes data at each receiver, and within a lane the channels, one for
each sender, are first in, first out. What comes from outside (timers, runners, users) is one sender.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from playbill.model.messages import CONTROL
from playbill.runtime.dispatchers.loop import awaited

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.actors.ports import Receiver, Settled
    from playbill.model.facts import Now
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.tape import Tape

TURNS: Final = (512, 1, 4, 16)
"""How many messages are handled before the loop has its turn: one of these."""
OUTSIDE: Final = None
MAIL: Final = "mail"


class Observer(Protocol):
    """Who sees each delivery."""

    def deliver(self, sender: Receiver | None, to: Receiver, message: Any, now: Now) -> None:
        """Have `to` receive `message`, and look at what that does."""

    def delay(self, to: Receiver, message: Any) -> float:
        """Return how many seconds a message is on its way."""
        ...


class Mailbox:
    """One receiver's mail: per lane a channel for each sender."""

    __slots__ = ("control", "data", "priority", "to")

    def __init__(self, to: Receiver) -> None:
        self.to = to
        self.control: dict[Receiver | None, deque[Any]] = {}
        self.data: dict[Receiver | None, deque[Any]] = {}
        self.priority = -1.0


class SeededDispatcher:
    """Carries the mail of one simulated manager's actors.

    Args:
        loop: whose turns it takes.
        clock: what `now` is read from.
        tape: chooses.
        pick: chooses the mailbox; see simulation/policies.py.
        observer: delivers.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        tape: Tape,
        pick: Callable[[list[Mailbox]], int],
        observer: Observer,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._tape = tape
        self._pick = pick
        self._observer = observer
        self._boxes: dict[Receiver, Mailbox] = {}
        self._ready: list[Mailbox] = []
        self._current: Receiver | None = OUTSIDE
        self._pending = False
        self._late: dict[tuple[Receiver, Receiver | None, bool], deque[Any]] = {}

    def post(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, in its class's lane."""
        self._post(to, message, type(message) in CONTROL)

    def post_control(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, in the control lane."""
        self._post(to, message, True)  # noqa: FBT003 (the lane)

    def _post(self, to: Receiver, message: Any, control: bool) -> None:  # noqa: FBT001 (the lane)
        delay = self._observer.delay(to, message)
        if delay or self._late:
            channel = (to, self._current, control)
            late = self._late.get(channel)
            if late is not None:
                late.append(message)
                return
            if delay:
                self._late[channel] = deque((message,))
                self._loop.call_later(delay, self._arrive, channel)
                return
        self._put(to, self._current, message, control)

    def _arrive(self, channel: tuple[Receiver, Receiver | None, bool]) -> None:
        """Bring what was on its way, in order."""
        to, sender, control = channel
        for message in self._late.pop(channel):
            self._put(to, sender, message, control)

    def _put(self, to: Receiver, sender: Receiver | None, message: Any, control: bool) -> None:  # noqa: FBT001
        box = self._boxes.get(to)
        if box is None:
            box = self._boxes[to] = Mailbox(to)
            self._ready.append(box)
        lane = box.control if control else box.data
        channel = lane.get(sender)
        if channel is None:
            lane[sender] = deque((message,))
        else:
            channel.append(message)
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        ready, now = self._ready, self._clock.now()
        self._pending = False
        turns = TURNS[self._tape.choose("turn", 4)]
        try:
            while ready and turns:
                turns -= 1
                self._step(now)
        finally:
            self._current = OUTSIDE
            if ready and not self._pending:
                self._pending = True
                self._loop.call_soon(self._pump)

    def _step(self, now: Now) -> None:
        """Deliver one message."""
        ready = self._ready
        place = 0 if len(ready) == 1 else self._pick(ready)
        box = ready[place]
        lane = box.control or box.data
        if len(lane) == 1:
            sender = next(iter(lane))
        else:
            sender = list(lane)[self._tape.choose(MAIL, len(lane))]
        channel = lane[sender]
        message = channel.popleft()
        if not channel:
            del lane[sender]
            if not box.control and not box.data:
                del self._boxes[box.to]
                ready[place] = ready[-1]
                ready.pop()
        self._current = box.to
        self._observer.deliver(sender, box.to, message, now)

    @property
    def is_idle(self) -> bool:
        """Whether no mail is under way."""
        return not self._ready and not self._late

    def inside(self) -> bool:
        """Tell whether there is a loop: there is one thread only."""
        return not self._loop.is_closed()

    def submit(self, call: Callable[[Any], None], argument: object) -> bool:
        """Run `call(argument)` soon; False when the loop is closed."""
        if self._loop.is_closed():
            return False
        self._loop.call_soon(call, argument)
        return True

    async def wait(self, answer: Settled) -> Any:
        """Await an answer."""
        return await awaited(answer)

    def __repr__(self) -> str:
        return f"<SeededDispatcher mailboxes={len(self._boxes)} late={len(self._late)}>"
