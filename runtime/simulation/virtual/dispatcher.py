"""The seeded dispatcher: a tape chooses whose mail comes next; what one sender sends one receiver keeps its order.

Rules:

1. Every order it chooses could happen: control overtakes data at each receiver, and within a lane what one sender
   sends one receiver is first in, first out. What comes from outside (timers, runners, users) is one sender.
2. A message may be overtaken by those at most WINDOW places behind it, so that none waits for ever and a choice costs
   the same however much mail there is.
3. Now and then, as the tape says, the loop has its turn before all mail is delivered.
4. Reports go up at once, as in production, or by queue like all else, where other orders show: one of the two in all
   of a simulation.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from playbill.actors.reference import Inbox
from playbill.model.messages import CONTROL, Ask
from playbill.runtime.dispatchers.loop import MESSAGES_A_TURN, awaited

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbill.actors.ports import Receiver, Settled
    from playbill.model.facts import Now
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.tape import Tape

Mail: TypeAlias = "tuple[Receiver, Receiver | None, Any]"
"""To, from, and what."""
Pick: TypeAlias = "Callable[[list[Mail], list[Mail]], int]"
"""Of the control lane's mail and the data lane's: whose is next, counted through both within WINDOW."""
TURNS: Final = (MESSAGES_A_TURN, MESSAGES_A_TURN, MESSAGES_A_TURN, 16, 4, 1)
"""How many messages are handled before the loop has its turn: one of these."""
WINDOW: Final = 32
MAIL: Final = "mail"
"""The tape's lane."""
OUTSIDE: Final = None


class Calm(Protocol):
    """Whoever delays messages."""

    calm: int
    """So many more messages are not delayed for certain; who asks may count down by itself."""


class Observer(Protocol):
    """Who sees each delivery."""

    def deliver(self, sender: Receiver | None, to: Receiver, message: Any, now: Now) -> Any:
        """Have `to` receive `message`, and look at what that does; return its answer."""

    def delay(self, to: Receiver, message: Any) -> float:
        """Return how many seconds a message is on its way."""
        ...


class SeededDispatcher:
    """Carries the mail of one simulated manager's actors.

    Args:
        loop: whose turns it takes.
        clock: what `now` is read from.
        tape: chooses.
        pick: chooses the next; see simulation/policies.py. None: any may be, each as likely as the others.
        observer: delivers.
        by_call: whether reports go up at once.
        delays: says how long the observer is not to be asked for delays; None: never.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        tape: Tape,
        pick: Pick | None,
        observer: Observer,
        *,
        by_call: bool = False,
        delays: Calm | None = None,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._choose = tape.choose
        self._pick = pick
        self._observer = observer
        self._delays = delays
        self._by_call = by_call
        self._now = clock.now()
        self._control: list[Mail] = []
        self._data: list[Mail] = []
        self._current: Receiver | None = OUTSIDE
        self._pending = False
        self._late: dict[tuple[Receiver, Receiver | None, bool], deque[Any]] = {}

    def post(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, in its class's lane."""
        control, delays = type(message) in CONTROL, self._delays
        if delays is not None:
            if delays.calm and not self._late:
                delays.calm -= 1
            elif self._is_late(to, message, control):
                return
        (self._control if control else self._data).append((to, self._current, message))
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)

    def post_control(self, to: Receiver, message: Any) -> None:
        """Bring `message` to `to`, in the control lane."""
        late = self._late.get((owner_of(to), self._current, True)) if self._late else None
        if late is not None:
            late.append((to, message))
        else:
            self._put(to, self._current, message, True)  # noqa: FBT003 (the lane)

    def call(self, to: Receiver, message: Any) -> Any:
        """Have `to` receive `message` now, or by queue."""
        if not self._by_call:
            if type(message) is Ask:
                message = Ask(message.ask_id, message.reply_to, message.wait, message.target)  # not at once
            self.post(to, message)
            return None
        before, self._current = self._current, to
        try:
            return self._observer.deliver(before, to, message, self._now)
        finally:
            self._current = before

    def speak(self, sender: Receiver, call: Callable[[int], None], argument: int) -> None:
        """Run `call(argument)`; what it posts is `sender`'s mail, although nobody has told `sender` anything."""
        before, self._current = self._current, sender
        try:
            call(argument)
        finally:
            self._current = before

    def _is_late(self, to: Receiver, message: Any, control: bool) -> bool:  # noqa: FBT001 (the lane)
        """Keep a message that is on its way for a while, and those behind it."""
        delay = self._observer.delay(to, message)
        if not delay and not self._late:
            return False
        channel = (owner_of(to), self._current, control)
        late = self._late.get(channel)
        if late is not None:
            late.append((to, message))
            return True
        if delay:
            self._late[channel] = deque(((to, message),))
            self._loop.call_later(delay, self._arrive, channel)
        return bool(delay)

    def _arrive(self, channel: tuple[Receiver, Receiver | None, bool]) -> None:
        """Bring what was on its way, in order."""
        _, sender, control = channel
        for to, message in self._late.pop(channel):
            self._put(to, sender, message, control)

    def _put(self, to: Receiver, sender: Receiver | None, message: Any, control: bool) -> None:  # noqa: FBT001
        (self._control if control else self._data).append((to, sender, message))
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        control, data, now, deliver = self._control, self._data, self._clock.now(), self._observer.deliver
        self._now = now
        turns = TURNS[self._choose("turn", len(TURNS))] if len(control) + len(data) > 1 else TURNS[0]
        try:
            for _ in range(turns):
                if control:
                    to, sender, message = self._next() if data or len(control) > 1 else control.pop()
                elif data:
                    to, sender, message = self._next() if len(data) > 1 else data.pop()
                else:
                    break
                self._current = to if type(to) is not Inbox else cast("Receiver", to.actor)
                deliver(sender, to, message, now)
        finally:
            self._current = OUTSIDE
            self._pending = bool(control or data)
            if self._pending:
                self._loop.call_soon(self._pump)

    def _next(self) -> Mail:
        """Take out the message that comes next, of several."""
        control, data = self._control, self._data
        lane, windowed, others = control, len(control), len(data)
        if windowed + others > WINDOW:
            windowed, others = min(windowed, WINDOW), min(others, WINDOW)
        place = self._choose(MAIL, windowed + others) if self._pick is None else self._pick(control, data)
        if place >= windowed:
            lane, place = data, place - windowed
            if control and (ahead := _first(control, lane[place][0])) is not None:
                return control.pop(ahead)
        if place:
            to, sender, _ = lane[place]
            owner = to if type(to) is not Inbox else owner_of(to)
            for before in range(place):
                other, by, _ = lane[before]
                if by is sender and (other is owner or (type(other) is Inbox and owner_of(other) is owner)):
                    return lane.pop(before)
        return lane.pop(place)

    @property
    def is_idle(self) -> bool:
        """Whether no mail is under way."""
        return not self._control and not self._data and not self._late

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
        return f"<SeededDispatcher control={len(self._control)} data={len(self._data)} late={len(self._late)}>"


def owner_of(to: Receiver) -> Receiver:
    """Return whose mail it is: what comes by a reference is its actor's."""
    return cast("Receiver", to.actor) if type(to) is Inbox else to


def _first(lane: list[Mail], to: Receiver) -> int | None:
    """Return the place of the first message to a receiver."""
    owner = to if type(to) is not Inbox else owner_of(to)
    for place, (other, _, _) in enumerate(lane):
        if other is owner or (type(other) is Inbox and owner_of(other) is owner):
            return place
    return None
