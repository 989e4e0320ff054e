"""Ports with faults: a journal that is slow or sick, timers that are late, a clock that jumps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from playbill.model.events import TERMINAL
from playbill.model.facts import Now
from playbill.runtime.journals.memory import MemoryJournal, MemoryStream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from playbill.actors.ports import Keeper, Receiver
    from playbill.model.events import Event
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.injector import Injector
    from playbill.runtime.world import OwnTimers

LANE: Final = "journal"
"""The tape's lane for how much is kept at once; zero: all."""
PART_SECONDS: Final = 0.05
"""How much later the rest is kept."""


class Skew:
    """How far UTC is off."""

    __slots__ = ("by",)

    def __init__(self) -> None:
        self.by = timedelta()


class SkewedClock:
    """A clock whose UTC may be off by a skew that others move; monotonic time is not."""

    def __init__(self, clock: Clock, skew: Skew) -> None:
        self._clock = clock
        self._skew = skew

    def now(self) -> Now:
        """Return monotonic seconds and the skewed UTC."""
        now = self._clock.now()
        return Now(now.monotonic, now.utc + self._skew.by) if self._skew.by else now


class LateTimers:
    """Timers of which some fire late."""

    def __init__(self, timers: OwnTimers, injector: Injector) -> None:
        self._timers = timers
        self._injector = injector
        self._occasions = injector.timers

    def set(self, now: float, delay: float, to: Receiver, message: object, *, coarse: bool) -> Any:
        """Post `message` to `to` in `delay` seconds, or later."""
        occasions = self._occasions
        if occasions.calm:
            occasions.calm -= 1
        elif (fault := occasions.happens(type(message).__name__)) is not None:
            delay += fault.seconds
            self._injector.lateness += fault.seconds
        return self._timers.set(now, delay, to, message, coarse=coarse)

    def drop(self, timer: Any) -> None:
        """Forget a timer."""
        self._timers.drop(timer)

    def close(self) -> None:
        """Forget all."""
        self._timers.close()


class FaultyStream(MemoryStream):
    """A stream that may keep its events late; in order, always."""

    __slots__ = ("_behind", "_keeper", "_kept_until", "_world")

    def __init__(self, journal: FaultyJournal, name: str, keeper: Keeper) -> None:
        super().__init__(journal, name)
        self._world = journal
        self._keeper = keeper
        self._behind: list[Event] = []
        self._kept_until = 0.0

    def append(self, event: Event) -> bool:
        """Take `event`; False: the keeper will hear when it is kept."""
        world, occasions = self._world, self._world.occasions
        world.taken(event)
        if occasions.calm:
            occasions.calm -= 1
            late = 0.0
        else:
            late = world.lateness(self._keeper, event)
        if not late and not self._behind:
            return MemoryStream.append(self, event)  # not super(), which makes an object for each event
        self._behind.append(event)
        if len(self._behind) == 1:
            world.loop.call_later(late, self._flush)
        return False

    def _flush(self) -> None:
        """Keep what is behind, or a part of it first, as the tape says."""
        count = len(self._behind)
        if count > 1:
            count -= self._world.tape.choose(LANE, count)
        behind, self._behind = self._behind[:count], self._behind[count:]
        for event in behind:
            if event.type in TERMINAL or not self.closed:
                super().append(event)
        if self._behind:
            self._world.loop.call_later(PART_SECONDS, self._flush)
        self._world.kept(self._keeper, behind[-1].seq)


class FaultyJournal(MemoryJournal):
    """A journal in memory that may be slow or sick, or die with everything else."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        injector: Injector,
        taken: Callable[[Event], None],
        kept: Callable[[Keeper, int], None],
    ) -> None:
        super().__init__()
        self.loop = loop
        self.taken = taken
        """Sees each event as it is recorded."""
        self.kept = kept
        """Tells a keeper what is kept."""
        self.occasions = injector.events
        self.tape = injector.tape

    def open(self, stream: str, keeper: Keeper, kept: Iterable[Event] = ()) -> MemoryStream:
        """Open a stream."""
        opened = self.streams[stream] = FaultyStream(self, stream, keeper)
        opened.events.extend(kept)
        return opened

    def lateness(self, keeper: Keeper, event: Event) -> float:
        """Return how many seconds the event at hand is kept late."""
        fault = self.occasions.happens(event.type)
        if fault is None:
            return 0.0
        if fault.error is not None:
            keeper.failed(fault.error)
        return fault.seconds
