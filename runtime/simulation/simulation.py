"""A simulation: one virtual world with a manager in it, driven from plain sync code."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from playbill.model.fields import is_seconds, seconds_of
from playbill.runtime.definitions.files import load
from playbill.runtime.faults.loading import Faults, plan_of
from playbill.runtime.faults.tape import RecordedTape, SeededTape
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.simulation.checks.declared import declared_rules
from playbill.runtime.simulation.checks.names import LEFT
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.leftovers import close_coroutines, dissolve, left_of
from playbill.runtime.simulation.virtual.clock import EPOCH
from playbill.runtime.simulation.virtual.escapes import EscapeWatch
from playbill.runtime.simulation.virtual.guard import Guard
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from playbill.runtime.simulation.virtual.stuck import SimulationError
from playbill.runtime.simulation.world import SimWorld

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from playbill.model.definition import PipelineDefinition
    from playbill.model.results import RunResult
    from playbill.runtime.definitions.files import Given
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.options import SimulatedOptions, StartOptions
    from playbill.runtime.run import Run
    from playbill.runtime.simulation.checks.properties import Property
    from playbill.runtime.simulation.trace import Delivery

T = TypeVar("T")


class Simulation:
    """A world in virtual time: the same manager and actors, a loop that jumps, a tape that decides.

    Args:
        seed: of all choices.
        tape: plays these choices instead: a lane's numbers by its name.
        faults: a FaultPlan, the mapping of one, a file's name, "all", or a list of these.
        policy: which mailbox is served next: random, fifo, pct:<changes>.
        allow: calls that may leave the simulation ("time.time", or a kind such as "clock"); None: do not look.
        properties: what must hold besides our own invariants and the properties of the plan.
        traced: keep each delivery for `trace`.
        manager: the one that runs; None: a new one, with `options`.
        guard: ends a seed that stands still in real time; None: one of its own.
        options: those of PipelineRunManager.
    """

    def __init__(  # noqa: PLR0913 (a user names those they want)
        self,
        seed: int = 0,
        *,
        tape: Mapping[str, Sequence[int]] | Tape | None = None,
        faults: Faults = None,
        policy: str = "random",
        allow: Collection[str] | EscapeWatch | None = (),
        properties: Iterable[Property] = (),
        traced: bool = False,
        manager: PipelineRunManager | None = None,
        guard: Guard | None = None,
        **options: Unpack[SimulatedOptions],
    ) -> None:
        self.seed = seed
        self.tape: Tape = _tape(seed, tape)
        plan = plan_of(faults)
        self.watch = allow if allow is None or isinstance(allow, EscapeWatch) else EscapeWatch(allow)
        self.loop = VirtualLoop(self.tape if policy != "fifo" else None, self.watch)
        self.guard = Guard() if guard is None else guard
        self.guard.loop = self.loop
        rules = [rule.fresh() for rule in properties]
        self.world = self.loop.world = SimWorld(self.loop, self.tape, plan, policy, rules, traced=traced)
        self.world.properties += declared_rules(plan.properties, self.world)
        self.manager = PipelineRunManager(**options) if manager is None else manager
        self.crashed = False
        self._runs: list[Run] = []
        self._entered = self._closed = False
        self._remaining: set[asyncio.Task[Any]] | None = None
        """The tasks there were at the end, if it was reached."""

    # ---- driving it -------------------------------------------------------------------------------------------

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the simulated world, to its end.

        Raises:
            Violation: an invariant, ours or yours, does not hold.
            Deadlock: it waits for what will never come. Livelock: time does not go on.
            Escape: a handler asked the real world for something. Blocked: one keeps the thread for seconds.
        """
        with self.guard:
            result: T = self.loop.run_until_complete(work)
        self._look()
        return result

    def _look_away(self) -> None:
        if self.watch is not None:
            self.watch.look_away()

    def _look(self) -> None:
        if self.watch is not None and self.watch.escapes:
            raise self.watch.escapes[0]
        for violation in self.world.violations:
            raise violation

    def _enter(self) -> None:
        if not self._entered:
            self._entered = True
            self.call(self.manager.__aenter__())

    def start(
        self,
        definition: Given,
        trigger_data: Mapping[str, Any] | None = None,
        **options: Unpack[StartOptions],
    ) -> Run:
        """Start a run; it goes on as `advance` lets time pass."""
        self._enter()
        definition = load(definition)
        self.world.plan.check(definition)
        run = self.call(self.manager.start_run(definition, trigger_data, **options))
        self._runs.append(run)
        return run

    def run(
        self,
        definition: Given,
        trigger_data: Mapping[str, Any] | None = None,
        **options: Unpack[StartOptions],
    ) -> RunResult:
        """Run a pipeline to its end, in virtual time.

        Raises:
            Violation, Deadlock, Livelock, Escape: see `call`.
            Crashed: a fault plan has killed the runtime.
        """
        run = self.start(definition, trigger_data, **options)
        return self.result(run)

    def run_whole(self, definition: PipelineDefinition, trigger_data: Mapping[str, Any]) -> RunResult:
        """Run a pipeline that was checked before, and end the world with it, all in one.

        Raises:
            Violation, Deadlock, Livelock, Escape, Crashed: see `run` and `close`.
        """

        async def work() -> RunResult:
            self._look_away()
            run = await self.manager.start_run(definition, trigger_data)
            self._runs.append(run)
            result = await run.result()
            self._look_away()
            await self._end()
            return result

        self._entered = self._closed = True
        try:
            return self.call(work())
        finally:
            self._let_go()

    def result(self, run: Run) -> RunResult:
        """Let time pass until a run has ended."""
        return self.call(run.result())

    def advance(self, seconds: float | timedelta | str) -> None:
        """Let so much virtual time pass: seconds, a timedelta, or text such as `1h30m`.

        Raises:
            ValueError: it is no length of time.
        """
        length = seconds_of(seconds)
        if not is_seconds(length):
            raise ValueError(f"time goes forwards: advance by 0 s or more, not by {seconds!r:.60}")
        self._enter()
        self.call(asyncio.sleep(length))

    def at(self, clock: str) -> None:
        """Let time pass until the next `HH:MM` (or `HH:MM:SS`), UTC."""
        wanted = time.fromisoformat(clock)
        now = self.now
        then = now.replace(hour=wanted.hour, minute=wanted.minute, second=wanted.second, microsecond=0)
        if then <= now:
            then += timedelta(days=1)
        self.advance((then - now).total_seconds())

    @property
    def now(self) -> datetime:
        """The virtual time of day, UTC."""
        return EPOCH + timedelta(seconds=self.loop.time())

    @property
    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self.loop.time()

    @property
    def trace(self) -> list[Delivery]:
        """What was delivered, if `traced`."""
        return self.world.trace or []

    # ---- its end ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the world; look at what is left of it.

        Raises:
            Violation: something is left, or a property did not hold.
        """
        if self._closed:
            return
        self._closed = True
        if self._entered:
            try:
                self.call(self._end())
            finally:
                self._let_go()

    async def _end(self) -> None:
        for run in self.manager.active_runs:
            run.request_cancel("the simulation is over", 0.0)  # whose answer may wait for a journal that fails
        for run in self._runs:
            self.world.over(run.actor, await run.result())
        for rule in self.world.properties:
            rule.end(self.world)
        await self.manager.close()
        await self._settle()
        tasks = asyncio.all_tasks()
        tasks.discard(cast("asyncio.Task[Any]", asyncio.current_task()))
        self._remaining = tasks
        for what, left in left_of(self.world, self.loop, tasks):
            self.world.report(LEFT, f"{what} are left: {left}")

    async def _settle(self) -> None:
        """Let all that is ready have its turn; time does not go on."""
        turn = self.loop.create_future()
        self.loop.call_at(self.loop.time(), turn.set_result, None)
        await turn

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Let everything go, unlooked at: the world has crashed or is wrong."""
        self._closed = True
        self.world.lose()
        self._let_go()

    def _let_go(self) -> None:
        """Close the loop, and the coroutines that are left on it."""
        tasks = asyncio.all_tasks(self.loop) if self._remaining is None else self._remaining
        self.loop.close()
        close_coroutines(tasks)

    def dissolve(self) -> None:
        """Take the world apart: nobody may use it any more."""
        dissolve(self.world, self._runs)
        self.loop.part()

    def __repr__(self) -> str:
        return f"<Simulation seed={self.seed} t={self.loop.time():g} runs={len(self._runs)}>"


def _tape(seed: int, tape: Mapping[str, Sequence[int]] | Tape | None) -> Tape:
    if tape is None:
        return SeededTape(seed)
    return tape if hasattr(tape, "choose") else RecordedTape(tape)  # type: ignore[return-value]


__all__ = ["Crashed", "Simulation", "SimulationError", "Violation"]
