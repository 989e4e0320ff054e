"""A simulation: one virtual world with a manager in it, driven from plain sync code."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from playbill.model.fields import is_seconds, seconds_of
from playbill.runtime.definitions.files import load
from playbill.runtime.faults.loading import Faults, plan_of
from playbill.runtime.faults.tape import RecordedTape, SeededTape
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.simulation.checks.declared import declared_rules
from playbill.runtime.simulation.checks.names import LEFT
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.durable.lives import Lives, world_on
from playbill.runtime.simulation.leftovers import dissolve, left_of
from playbill.runtime.simulation.virtual.clock import EPOCH
from playbill.runtime.simulation.virtual.escapes import EscapeWatch
from playbill.runtime.simulation.virtual.guard import Guard
from playbill.runtime.simulation.virtual.loop import VirtualLoop
from playbill.runtime.simulation.virtual.stuck import SimulationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
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


class Simulation(Lives):
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
        crashes: None: the journal is forgotten with the simulation. Else it is on a simulated disk, and the process
            dies at these points, such as `(3, "kept")`, or where a plan's fault `crash` or `crash()` says so; the
            next one goes on with what the disk has.
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
        crashes: Iterable[tuple[int, str]] | None = None,
        **options: Unpack[SimulatedOptions],
    ) -> None:
        self.seed = seed
        self.tape: Tape = _tape(seed, tape)
        plan, own = plan_of(faults), [rule.fresh() for rule in properties]
        watch = allow if allow is None or isinstance(allow, EscapeWatch) else EscapeWatch(allow)
        loop = VirtualLoop(self.tape if policy != "fifo" else None, watch)
        world = world_on(loop, self.tape, plan, policy, own, crashes, traced=traced)
        world.properties += declared_rules(plan.properties, world)
        made = PipelineRunManager(**options) if manager is None else manager
        super().__init__(loop, world, Guard() if guard is None else guard, watch, made, options)
        self._started: dict[str, tuple[PipelineDefinition, Mapping[str, Any] | None, StartOptions]] = {}
        """By id, the runs that were started, and how they are found again."""
        self._runs: dict[str, Run] = {}
        self._entered = self._closed = False
        self._remaining: set[asyncio.Task[Any]] | None = None
        """The tasks there were at the end, if it was reached."""

    # ---- driving it -------------------------------------------------------------------------------------------

    def _look_away(self) -> None:
        if self.watch is not None:
            self.watch.look_away()

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
        return self.surviving(self._starting(definition, trigger_data, options))

    def _starting(
        self, definition: PipelineDefinition, data: Mapping[str, Any] | None, options: StartOptions
    ) -> Callable[[], Coroutine[Any, Any, Run]]:
        """Return what starts a run; in a later process it gives the one that is on the disk."""
        if self.durable is not None and options.get("run_id") is None:
            options["run_id"] = self.durable.new_id()
        return partial(self._start, definition, data, options)

    async def _start(
        self, definition: PipelineDefinition, data: Mapping[str, Any] | None, options: StartOptions
    ) -> Run:
        run = await self.manager.start_run(definition, data, **options)
        if self.durable is not None:
            self.durable.promises.began(run.id)
        self._started[run.id], self._runs[run.id] = (definition, data, options), run
        return run

    async def _result_of(self, run: Run) -> RunResult:
        """Wait for the end of a run, in whatever process it comes to it."""
        if self.durable is None:
            return await run.result()
        wanted = self._started.get(run.id)
        found = await (self.manager.open_run(run.id) if wanted is None else self._start(*wanted))
        self._runs[run.id] = found
        result = await found.result()
        self.durable.promises.ended(result)
        return result

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
        start = self._starting(definition, trigger_data, {})

        async def work() -> RunResult:
            self._look_away()
            result = await self._result_of(await start())
            self._look_away()
            await self._end()
            return result

        self._entered = self._closed = True
        try:
            return self.surviving(work)
        finally:
            self._let_go()

    def result(self, run: Run) -> RunResult:
        """Let time pass until a run has ended."""
        return self.surviving(partial(self._result_of, run))

    def advance(self, seconds: float | timedelta | str) -> None:
        """Let so much virtual time pass: seconds, a timedelta, or text such as `1h30m`.

        Raises:
            ValueError: it is no length of time.
        """
        length = seconds_of(seconds)
        if not is_seconds(length):
            raise ValueError(f"time goes forwards: advance by 0 s or more, not by {seconds!r:.60}")
        self._enter()
        until = self.loop.time() + length
        self.surviving(lambda: asyncio.sleep(max(0.0, until - self.loop.time())))

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
                self.surviving(self._end)
            finally:
                self._let_go()

    async def _end(self) -> None:
        _ = [await self.manager.open_run(run_id) for run_id in self.manager.passive_runs]  # they are active then
        for run in self.manager.active_runs:
            run.request_cancel("the simulation is over", 0.0)  # whose answer may wait for a journal that fails
        for run in list(self._runs.values()):
            result = await self._result_of(run)
            if self.lives == 1:
                self.world.over(run.actor, result)
        for rule in self.world.properties:
            rule.end(self.world)
        if self.durable is not None:
            self.durable.rest()
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
        self.let_go(self._remaining)

    def dissolve(self) -> None:
        """Take the world apart: nobody may use it any more."""
        dissolve(self.world, [*self._runs.values()])
        self.loop.part()

    def __repr__(self) -> str:
        return f"<Simulation seed={self.seed} t={self.loop.time():g} runs={len(self._runs)}>"


def _tape(seed: int, tape: Mapping[str, Sequence[int]] | Tape | None) -> Tape:
    if tape is None:
        return SeededTape(seed)
    return tape if hasattr(tape, "choose") else RecordedTape(tape)  # type: ignore[return-value]


__all__ = ["Crashed", "Simulation", "SimulationError", "Violation"]
