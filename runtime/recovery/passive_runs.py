"""Runs out of memory: those that wait for long, and that nobody holds, are let go, and taken up again in time.

1. A run may rest when no attempt, ask, slot or record of it is under way, and nothing is due within a minute.
2. Of one that rests its id is kept here, and when it wants to go on; the index of the journal has that, too, so that
   the next process need not read what rests.
3. Whoever holds a run, or listens to its events, keeps it in memory.
4. It goes on by the fold of its events, as after a restart; within one process that is no event.
5. Waits are compared with the clock on the wall every 30 s, since a machine that sleeps stops the other one.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from datetime import UTC, datetime
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from playbill.model.errors import PlaybillError
from playbill.model.messages import Cancel, Rested
from playbill.runtime.clocks.steps import STEP_SECONDS
from playbill.runtime.clocks.weak import weakly
from playbill.runtime.journals.waiters import Waiters, take_note
from playbill.runtime.run import Run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from playbill.model.facts import Now
    from playbill.runtime.actor_system import ActorSystem
    from playbill.runtime.journals.index import RunRow
    from playbill.runtime.recovery.taken_up import TakenUp
    from playbill.runtime.runs import Runs

__all__ = ["REST_SECONDS", "PassiveRuns"]

logger = logging.getLogger("playbill")

REST_SECONDS: Final = 60.0
"""A run in which something is due sooner stays in memory."""
A_SWEEP: Final = 1_000
"""So many are let go at once: 50 ms; others at the next sweep."""
SWEEP_SECONDS: Final = 5.0
"""A run has to be at rest for so long before it is let go; whom somebody holds is looked at less and less often."""
LOOK_SECONDS: Final = 30.0
"""How often the time is looked at, at least."""
TRUSTED_SECONDS: Final = 86_400.0
"""What another process has written is looked at after a day: its clock may have been wrong."""
AT_ONCE: Final = 8
"""So many runs are woken at the same time; others wait their turn."""
CANCELLED_AT_ONCE: Final = 100


class Rest(NamedTuple):
    """What is kept of a run that rests."""

    wakes_at: float
    """When it wants to go on, in seconds since 1970; infinity: when somebody wants it."""
    left: float | None
    """How many seconds of its timeout were left as it went to rest; None: it was not at work in this process."""
    since: Now
    """When it went to rest."""


class PassiveRuns:
    """The runs of a manager that are out of memory.

    Args:
        system: where they live.
        runs: those in memory.
        wake: takes up a run, whose id is its argument.
        tell: tells a run something that is not in memory.
    """

    def __init__(
        self,
        system: ActorSystem,
        runs: Runs,
        wake: Callable[[str], Awaitable[object]],
        tell: Callable[[str, Cancel], Awaitable[object]],
    ) -> None:
        self._system = system
        self._tell = tell
        self._runs = runs
        self._wake = wake
        self._rests: dict[str, Rest] = {}
        self._queue: list[tuple[float, str]] = []
        """When runs want to go on, the first of them first; those that do not rest any more are passed over."""
        self._quiet: dict[str, int] = {}
        """The runs that were at rest at the last sweep, and their last seq."""
        self._sweeping: asyncio.TimerHandle | None = None
        self._patience = SWEEP_SECONDS
        """For how long the next sweep is waited for."""
        self._looking: asyncio.TimerHandle | None = None
        self._waking: set[asyncio.Task[None]] = set()
        self._changes = Waiters()
        self.lag_seconds = 0.0
        """How late the last run was that went on."""

    # ---- what rests -------------------------------------------------------------------------------------------

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._rests

    @property
    def ids(self) -> list[str]:
        """The ids of all."""
        return [*self._rests]

    @property
    def waiting(self) -> bool:
        """Whether one of them goes on by itself."""
        return any(rest.wakes_at < inf for rest in self._rests.values())

    async def changed(self) -> None:
        """Wait until one goes on, or another one rests."""
        await self._changes.wait()

    def _put(self, run_id: str, rest: Rest) -> None:
        """Let a run rest that is not in memory."""
        self._rests[run_id], wakes_at = rest, rest.wakes_at
        if wakes_at < inf:
            heappush(self._queue, (wakes_at, run_id))
            if len(self._queue) > 2 * len(self._rests) + AT_ONCE:
                self._queue = sorted(
                    (rest.wakes_at, name) for name, rest in self._rests.items() if rest.wakes_at < inf
                )
            self._look_in_time()
        self._changes.wake()

    def take(self, run_id: str) -> Rest | None:
        """Let a run rest no more, since somebody takes it up or ends it; None: it does not."""
        rest = self._rests.pop(run_id, None)
        if rest is not None:
            self._changes.wake()
        return rest

    def goes_on(self, run_id: str) -> Rested | None:
        """Let a run rest no more, since it is taken up; None: it was not at work here before."""
        rest = self.take(run_id)
        self.touch()
        if rest is None or rest.left is None:
            return None
        if rest.wakes_at < inf:
            self._system.parts.journal.change_run(run_id, {"wake_at": None}).add_done_callback(take_note)
        now, since = self._system.parts.clock.now(), rest.since
        passed = now.monotonic - since.monotonic
        step = (now.utc - since.utc).total_seconds() - passed
        left = rest.left if rest.wakes_at == inf else max(0.0, rest.left - passed)  # else it is paused
        return Rested(left, step if abs(step) >= STEP_SECONDS else 0.0)

    def let_rest(self, rows: Iterable[RunRow], taken: TakenUp) -> list[RunRow]:
        """Leave out of memory what rested in the last process, and note it as taken up; return the rows of others.

        Should the clock say a time before what has happened, it was set back: all are looked at.
        """
        since = self._system.parts.clock.now()
        now = since.utc
        rows = [row for row in rows if row.run_id not in self and not self._runs.is_here(row.run_id)]
        is_back = any(at is not None and at > now for row in rows for at in (row.created_at, row.started_at))
        others: list[RunRow] = []
        for row in rows:
            if is_back or row.wake_at is None or (row.wake_at - now).total_seconds() < REST_SECONDS:
                others.append(row)
            else:
                wakes_at = min(row.wake_at.timestamp(), now.timestamp() + TRUSTED_SECONDS)
                self._put(row.run_id, Rest(wakes_at, None, since))
                taken.runs.append(row.run_id)
        return others

    # ---- letting go -------------------------------------------------------------------------------------------

    def touch(self) -> None:
        """Hear that something of a run is kept: it may be at rest soon."""
        if self._sweeping is None or self._patience > SWEEP_SECONDS:
            self._sweep_in(SWEEP_SECONDS)

    def _sweep_in(self, seconds: float) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._patience = seconds
        self._sweeping = self._system.loop.call_later(seconds, weakly(self._sweep))

    def _sweep(self) -> None:
        """Let go what was at rest now and at the last sweep, with nothing recorded in between."""
        self._sweeping = None
        self._system.look_at_clock()
        before, self._quiet = self._quiet, {}
        now, let_go = self._system.parts.clock.now(), 0
        for run_id in list(self._runs.active):  # of the ids alone: who holds a run keeps it
            actor = self._runs.active[run_id].actor
            until = actor.rests_until(now)
            if until is None or until < now.monotonic + REST_SECONDS:
                continue
            seq = actor.machine.run.seq
            wakes_at = inf if until == inf else now.utc.timestamp() + until - now.monotonic
            if before.get(run_id) == seq and let_go < A_SWEEP and self._let_go(run_id, wakes_at, now):
                let_go += 1
            else:
                self._quiet[run_id] = seq
        if let_go == A_SWEEP or self._quiet.items() - before.items():
            self.touch()
        elif self._quiet and self._patience < TRUSTED_SECONDS:  # they are held; a day later nobody looks any more
            self._sweep_in(2 * self._patience)

    def _let_go(self, run_id: str, wakes_at: float, now: Now) -> bool:
        """Let a run go, unless somebody holds it, or listens to it: then it stays as it is, and False is returned."""
        journal, active = self._system.parts.journal, self._runs.active
        actor = active[run_id].actor
        run, stream = weakref.ref(active[run_id]), weakref.ref(journal.streams[run_id])
        # Whatever is still there once all of ours is gone is somebody else's; the places in the dicts are kept.
        active[run_id] = journal.streams[run_id] = actor.writer = cast("Any", None)
        if (held := stream()) is not None:
            journal.streams[run_id] = actor.writer = held
            facts = actor.facts
            active[run_id] = run() or Run(facts.plan.definition, facts.trigger_data, actor, held, self._system)
            return False
        left = actor.rest(now)
        del active[run_id]
        journal.drop(run_id)
        self._put(run_id, Rest(wakes_at, left, now))
        if wakes_at < inf:
            wakes = {"wake_at": datetime.fromtimestamp(wakes_at, UTC)}
            journal.change_run(run_id, wakes).add_done_callback(take_note)
        return True

    # ---- waking -----------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._system.parts.clock.now().utc.timestamp()

    def _look_in_time(self) -> None:
        """Look when the next one is due, and by the clock on the wall every 30 s."""
        if self._looking is None and self._queue and len(self._waking) < AT_ONCE:
            seconds = min(LOOK_SECONDS, max(0.0, self._queue[0][0] - self._now()))
            self._looking = self._system.loop.call_later(seconds, weakly(self._look))

    def _look(self) -> None:
        """Wake what is due, a few at a time."""
        self._looking = None
        self._system.look_at_clock()
        now, queue = self._now(), self._queue
        while queue and queue[0][0] <= now and len(self._waking) < AT_ONCE:
            wakes_at, run_id = heappop(queue)
            rest = self._rests.get(run_id)
            if rest is not None and rest.wakes_at == wakes_at:
                self.lag_seconds = now - wakes_at
                task = asyncio.Task(self._wake_one(run_id, rest), name=f"playbill-wakes-{run_id}")
                self._waking.add(task)
                task.add_done_callback(self._woken)
        self._look_in_time()

    async def _wake_one(self, run_id: str, rest: Rest) -> None:
        try:
            await self._wake(run_id)
        except PlaybillError as error:
            logger.warning("run '%s' could not go on yet: %s", run_id, error)
            if self._rests.get(run_id) is rest:
                self._put(run_id, rest._replace(wakes_at=self._now() + LOOK_SECONDS))

    def clock_stepped(self, seconds: float) -> None:
        """Wake all, should the clock have been set back: what is left of a wait is no more than it was in all."""
        if seconds < 0:
            for run_id, rest in list(self._rests.items()):
                if rest.wakes_at < inf:
                    self._put(run_id, rest._replace(wakes_at=self._now()))

    def _woken(self, task: asyncio.Task[None]) -> None:
        self._waking.discard(task)
        take_note(task)
        self._look_in_time()

    # ---- the end ----------------------------------------------------------------------------------------------

    async def end_all(self) -> None:
        """Cancel all, as their manager is closed; if the journal fails, the rest go on with its next owner."""
        ids = self.ids
        try:
            for place in range(0, len(ids), CANCELLED_AT_ONCE):
                await asyncio.gather(*map(self._cancel, ids[place : place + CANCELLED_AT_ONCE]))
        except PlaybillError as error:
            logger.warning("runs that rest are not cancelled: %s", error)

    async def _cancel(self, run_id: str) -> None:
        async with self._runs.reserve(run_id):
            if self.take(run_id) is not None:
                await self._tell(run_id, Cancel("shutdown", "the manager is closed"))

    def close(self) -> None:
        """Wake nothing more."""
        for timer in (self._sweeping, self._looking):
            if timer is not None:
                timer.cancel()
        for task in self._waking:
            task.cancel()
        self._rests.clear()
        self._changes.wake()
