"""The manager: starts runs on one asyncio loop, knows them, and ends them all when it is left."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from playbill.actors.supervisor import SupervisorActor
from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.errors import DefinitionError, UnknownRun
from playbill.model.fields import MAX_SECONDS, is_seconds
from playbill.model.frozen import freeze
from playbill.model.messages import Cancel, Start
from playbill.model.plan import RunFacts
from playbill.model.policies import StopPolicy
from playbill.model.run_inputs import check_trigger_data
from playbill.runtime.actor_system import ActorSystem, SystemSettings
from playbill.runtime.definitions.compiler import PipelineCompiler
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.options import check_pools
from playbill.runtime.run import Run
from playbill.runtime.runners.program_pool import MAX_COMMANDS
from playbill.runtime.runners.secrets import check_secrets
from playbill.runtime.watchdog import STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from types import TracebackType

    from playbill.model.events import Event
    from playbill.model.frozen import FrozenDict
    from playbill.model.machines.circuit_state import CircuitState
    from playbill.model.policies import BreakerPolicy
    from playbill.model.results import RunResult
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.options import OnExit
    from playbill.runtime.runners.secrets import Secret


class PipelineRunManager:
    """Runs pipelines on the asyncio loop that first uses it.

    Args:
        journal: "memory" is the one there is yet: events live as long as the manager remembers their run.
        resources: what handlers find in `context.resources`.
        types: modules or functions that define node types and actions; None: all that are decorated by now.
        breakers: breaker key -> policy; wins over what definitions say.
        secrets: what `${secrets.name}` stands for in configs, texts or numbers; never shown in failures.
        grace: seconds that stopped handlers have to clean up, unless somebody says otherwise.
        kill_bound: seconds after a kill until a handler is abandoned.
        on_exit: leaving `async with` cancels live runs, or waits for them.
        keep_runs: how many ended runs, and their events, it remembers.
        faults: what shall go wrong, for tests.
        max_orphans: abandoned handlers in threads until no new one may begin in a thread.
        watchdog_seconds: for how long the loop may be blocked until it is logged and becomes an event,
            `loop.blocked`; None: nobody looks.
        watchdog_interrupts: whether a handler that blocks the loop is interrupted.
        max_processes: handlers in processes at once, further ones wait; None: twice the processors.
        max_commands: commands at once, further ones wait; their timeouts count from their own beginning.
    """

    def __init__(  # noqa: PLR0913 (a user names those they want)
        self,
        *,
        journal: Literal["memory"] = "memory",
        resources: Mapping[str, Any] | None = None,
        types: Iterable[Source] | None = None,
        breakers: Mapping[str, BreakerPolicy] | None = None,
        secrets: Mapping[str, Secret] | None = None,
        grace: float = 5.0,
        kill_bound: float = 1.0,
        on_exit: OnExit = "cancel",
        keep_runs: int = 1000,
        faults: FaultPlan | None = None,
        max_orphans: int = 64,
        watchdog_seconds: float | None = 1.0,
        watchdog_interrupts: bool = False,
        max_processes: int | None = None,
        max_commands: int = MAX_COMMANDS,
    ) -> None:
        if journal != "memory":
            raise DefinitionError.single("unknown-journal", "journal", f"unknown journal {journal!r}: use 'memory'")
        if on_exit not in {"cancel", "wait"}:
            raise DefinitionError.single("on-exit", "on_exit", f"on_exit is 'cancel' or 'wait', not {on_exit!r}")
        check_pools(max_processes, max_commands, max_orphans)
        self.stop_policy = StopPolicy(grace=grace, kill_bound=kill_bound)
        shared: Mapping[str, Any] = {} if resources is None else resources
        hidden = check_secrets({} if secrets is None else secrets)
        bounds = (max_orphans, watchdog_seconds, watchdog_interrupts, max_processes, max_commands)
        self._settings = SystemSettings(shared, hidden, breakers or {}, faults, *bounds)
        self._system: ActorSystem | None = None
        """What the actors live in; None: no loop has been used yet."""
        self._on_exit = on_exit
        self._keep_runs = keep_runs
        self._active: dict[str, Run] = {}
        self._ended: OrderedDict[str, Run] = OrderedDict()
        self.compiler = PipelineCompiler(catalog_of(types), self.stop_policy)
        self._closed = False

    # ---- runs -------------------------------------------------------------------------------------------------

    async def start_run(
        self,
        definition: PipelineDefinition | Mapping[str, Any],
        trigger_data: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Run:
        """Start a run and return it at once.

        Args:
            definition: the pipeline, or the mapping it is written as.
            trigger_data: what it is started with; checked against the definition's `inputs`.
            run_id: names the run; the same id, definition and data again give the run there is.
            timeout_seconds: for the whole run; None: the definition's.

        Raises:
            DefinitionError: the pipeline, the data or the run_id is wrong; carries all problems.
            RuntimeError: not on the manager's loop, or the manager is closed.
        """
        system = self._use_loop()
        if not isinstance(definition, PipelineDefinition):
            definition = definition_from(definition)
        if run_id is not None:
            _check_run_id(run_id)
        compiled = self.compiler.of(definition)  # first, so that its schema is one
        given = {} if trigger_data is None else trigger_data
        data: FrozenDict = freeze(check_trigger_data(definition, given))
        if run_id is not None and (known := self._known(run_id)) is not None:
            known.check_same(definition, data)
            return known
        return self._begin(system, compiled, data, run_id or system.parts.new_id(), timeout_seconds)

    def prepare(self, definition: PipelineDefinition) -> None:
        """Validate and plan a definition now rather than with its first run.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        self.compiler.of(definition)

    def _begin(
        self,
        system: ActorSystem,
        compiled: CompiledPipeline,
        data: FrozenDict,
        run_id: str,
        timeout_seconds: float | None,
    ) -> Run:
        definition = compiled.definition
        timeout = definition.timeout if timeout_seconds is None else timeout_seconds
        if not is_seconds(timeout) or not timeout:
            text = f"timeout_seconds is over 0 and finite, not over {MAX_SECONDS:.0e}: not {timeout!r:.60}"
            raise DefinitionError.single("timeout", "timeout_seconds", text)
        breakers = system.breakers_of(definition, compiled.breaker_keys)
        facts = RunFacts(run_id, compiled.plan, data, next(system.run_numbers))
        actor = SupervisorActor(system.ports_of_run(compiled.bindings), facts, timeout, breakers, self._conclude)
        run = self._active[run_id] = Run(definition, data, actor, system.parts.journal.streams[run_id])
        actor.post(Start(data))
        return run

    def _conclude(self, result: RunResult) -> None:
        """Move a run that has ended among the remembered ones; called by its supervisor."""
        run = self._active.pop(result.run_id)
        self._ended[run.id] = run
        if len(self._ended) > self._keep_runs:
            oldest, _ = self._ended.popitem(last=False)
            if self._system is not None:
                self._system.parts.journal.drop(oldest)
        run.conclude(result)

    async def cancel_run(self, run_id: str, reason: str = "", grace: float | None = None) -> bool:
        """Stop a run within `grace` seconds and the kill bound; True if this cancel decided it.

        Raises:
            UnknownRun: there is none of this id.
        """
        return await self.get_run(run_id).cancel(reason, grace)

    async def cancel_all(self, reason: str = "", grace: float | None = None) -> int:
        """Stop all active runs; return how many of them these cancels decided."""
        decided = [await run.cancel(reason, grace) for run in self.active_runs]
        return sum(decided)

    async def pause_run(self, run_id: str) -> bool:
        """Let a run begin nothing more; True if this paused it."""
        return await self.get_run(run_id).pause()

    async def resume_run(self, run_id: str) -> bool:
        """Let a paused run go on; True if this resumed it."""
        return await self.get_run(run_id).resume()

    @property
    def active_runs(self) -> list[Run]:
        """The runs that have not ended, in the order of their starts."""
        return list(self._active.values())

    def is_running(self, run_id: str) -> bool:
        """Tell whether a run of this id is active."""
        return run_id in self._active

    def get_run(self, run_id: str) -> Run:
        """Return an active or a remembered run.

        Raises:
            UnknownRun: there is none of this id.
        """
        run = self._known(run_id)
        if run is None:
            raise UnknownRun(run_id)
        return run

    # ---- what all runs share ----------------------------------------------------------------------------------

    def events(self) -> AsyncIterator[Event]:
        """Iterate over the events of all runs and breakers from now on; one 10,000 behind misses the oldest."""
        return self._use_loop().parts.journal.tail()

    @property
    def circuits(self) -> dict[str, CircuitState]:
        """Where each circuit stands, by key: a node type, `type/target`, or a name; idle targets are forgotten."""
        return {} if self._system is None else self._system.breakers.states()

    async def force_circuit(self, key: str, state: CircuitState | str) -> None:
        """Set a circuit by hand: forced_open, disabled, metrics_only, or closed to let it run again.

        Args:
            key: a node type or a name: all its circuits, later ones too; `type/target`: that one.
            state: what to set it to.

        Raises:
            DefinitionError: no pipeline has used this key, or there is no such state to force.
        """
        await self._use_loop().force(key, str(state))

    @property
    def dead_letters(self) -> int:
        """How many messages came too late for anybody."""
        return 0 if self._system is None else self._system.dead_letters.count

    @property
    def orphans(self) -> int:
        """How many attempts could not be stopped and have not ended yet."""
        return 0 if self._system is None else len(self._system.orphans)

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or its loop was."""
        return self._closed or (self._system is not None and self._system.is_over)

    # ---- its own life -----------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._use_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._on_exit == "wait" and error is None:
                await self._all_ended()
        finally:
            await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Cancel live runs, wait for their ends (a bounded time), and let everything go."""
        self._closed = True
        if self._system is None or self._system.is_over:
            return
        self._system.check_loop()
        for run in self.active_runs:
            run.actor.post(Cancel("shutdown", "the manager is closed", grace))
        await self._all_ended()
        await self._system.close()

    async def _all_ended(self) -> None:
        while self._active:  # a run may be started while one waits
            await next(iter(self._active.values())).result()

    def _use_loop(self) -> ActorSystem:
        """Return the system of the manager's loop, made with its first use.

        Raises:
            RuntimeError: the manager is closed, or not on its loop.
        """
        if self._closed:
            raise RuntimeError("this manager is closed: make a new one")
        if self._system is None:
            self._system = ActorSystem(self._settings, partial(_supervisors, self._active))
        else:
            self._system.check_loop()
        return self._system

    def _known(self, run_id: str) -> Run | None:
        return self._active.get(run_id) or self._ended.get(run_id)

    def __repr__(self) -> str:
        return f"<PipelineRunManager active={len(self._active)} ended={len(self._ended)}>"


def _check_run_id(run_id: str) -> None:
    """Refuse what cannot name a run.

    Raises:
        DefinitionError: it is not text, empty, or the name of a stream that is not a run's.
    """
    text: object = run_id
    if not isinstance(text, str) or not text:
        said = f"run_id is text that is not empty, not {text!r:.80}: leave it out and one is made"
    elif text == STREAM or text.startswith("breaker:"):
        said = f"run_id '{text}' is the name of a stream of playbill's own: choose another"
    else:
        return
    raise DefinitionError.single("run-id", "run_id", said)


def _supervisors(active: Mapping[str, Run]) -> list[SupervisorActor]:
    """Return the supervisors of the active runs, oldest first; from any thread, so of a copy."""
    return [run.actor for run in list(active.values())]
