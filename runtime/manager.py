"""The manager: starts runs on one asyncio loop, knows them, and ends them all when it is left."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

from playbill.model.attributes import check_attributes
from playbill.model.policies import StopPolicy
from playbill.model.trace_context import trace_context_of
from playbill.runtime.actor_system import ActorSystem
from playbill.runtime.arguments import check_grace
from playbill.runtime.closing import Closing, place_of_caller
from playbill.runtime.definitions.compile_once import PipelineCompiler, Taken
from playbill.runtime.definitions.compiler import CompiledPipeline
from playbill.runtime.definitions.content import is_large
from playbill.runtime.definitions.discovery import catalog_of
from playbill.runtime.journal_choice import MEMORY
from playbill.runtime.options import check_options, faults_of, policies_of, run_id_to_start
from playbill.runtime.runners.program_pool import MAX_COMMANDS
from playbill.runtime.runs import Runs, supervisors_of
from playbill.runtime.runs_from_runs import RunsFromRuns
from playbill.runtime.secrets import check_secrets
from playbill.runtime.settings import SystemSettings
from playbill.runtime.starting import Wanted, find_or_begin, planned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from playbill.model.attributes import Scalar
    from playbill.model.definition import PipelineDefinition
    from playbill.model.machines.circuit_state import CircuitState
    from playbill.model.policies import BreakerPolicy
    from playbill.model.results import RunResult
    from playbill.runtime.closing import Place
    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.definitions.files import Given
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.journals.readers import EventReader
    from playbill.runtime.options import OnExit, RunId
    from playbill.runtime.recovery.durable_runs import DurableRuns
    from playbill.runtime.recovery.reruns import Reruns
    from playbill.runtime.recovery.taking_up import TakingUp
    from playbill.runtime.run import Run
    from playbill.runtime.secrets import Secret


class PipelineRunManager(RunsFromRuns):
    """Runs pipelines on the asyncio loop that first uses it.

    Args:
        journal: where events are kept: "memory", as long as the manager remembers their run; or in a file that
            outlives the process, such as "sqlite:///runs.db" or "sqlite:////var/lib/runs.db".
        resources: what handlers find in `context.resources`.
        types: modules or functions that define node types and actions; None: all that are decorated by now.
        breakers: breaker key -> policy, or the mapping it is written as; wins over what definitions say.
        secrets: what `${secrets.name}` stands for in configs, texts or numbers; never shown in failures.
        grace: seconds that stopped handlers have to clean up, unless somebody says otherwise.
        kill_bound: seconds after a kill until a handler is abandoned.
        on_exit: leaving `async with` cancels live runs; or waits for them ("wait"), and then cancels what is paused,
            or all if an exception leaves it; or leaves them to the next manager of its journal ("park").
        keep_runs: how many ended runs, and their events, it remembers.
        faults: what shall go wrong, for tests; a plan, or the mapping it is written as.
        max_orphans: abandoned handlers in threads until no new one may begin in a thread.
        watchdog_seconds: how long the loop may be blocked until that is logged and an event; None: nobody looks.
        watchdog_interrupts: whether a handler that blocks the loop is interrupted.
        max_processes: handlers in processes at once, further ones wait; None: twice the processors.
        max_commands: commands at once, further ones wait; their timeouts count from their own beginning.
        simulate_agents: whether agents answer something invented where no `resources["agents"]` are; else nodes fail.
        recover: whether the runs in its journal that have not ended go on as soon as the manager is used, and its
            breakers are as they were.
        start_paused: whether nothing begins or goes on before `resume_all()`; it owns and shows its journal even so.

    Raises:
        DefinitionError: an option is wrong; carries all problems.
    """

    def __init__(  # noqa: PLR0913 (a user names those they want)
        self,
        *,
        journal: str = MEMORY,
        resources: Mapping[str, Any] | None = None,
        types: Iterable[Source] | None = None,
        breakers: Mapping[str, BreakerPolicy | Mapping[str, Any]] | None = None,
        secrets: Mapping[str, Secret] | None = None,
        grace: float = 5.0,
        kill_bound: float = 1.0,
        on_exit: OnExit = "cancel",
        keep_runs: int = 1000,
        faults: FaultPlan | Mapping[str, Any] | None = None,
        max_orphans: int = 64,
        watchdog_seconds: float | None = 1.0,
        watchdog_interrupts: bool = False,
        max_processes: int | None = None,
        max_commands: int = MAX_COMMANDS,
        simulate_agents: bool = False,
        recover: bool = True,
        start_paused: bool = False,
    ) -> None:
        check_options(locals())  # the arguments, all of them: there is nothing else yet
        self.stop_policy = StopPolicy(grace=grace, kill_bound=kill_bound)
        hidden, policies, plan = check_secrets(secrets or {}), policies_of(breakers), faults_of(faults)
        bounds = (max_orphans, watchdog_seconds, watchdog_interrupts, max_processes, max_commands, simulate_agents)
        given: Mapping[str, Any] = {} if resources is None else resources
        self._settings = SystemSettings(given, hidden, policies, plan, journal, recover, *bounds)
        self._system: ActorSystem | None = None
        """What the actors live in; None: no loop has been used yet."""
        self._closing: Closing | None = None
        self._closed, self._recovers, self._is_paused = False, recover, start_paused
        self._durable: DurableRuns | None = None
        self._on_exit, self._runs = on_exit, Runs(keep_runs)
        self.place: Place | None = place_of_caller()
        """Where it was made, for who finds that it was never closed; None: nobody has to close it."""
        self.compiler = PipelineCompiler(catalog_of(types), self.stop_policy)

    async def start_run(
        self,
        definition: Given,
        trigger_data: Mapping[str, Any] | None = None,
        *,
        run_id: RunId | None = None,
        timeout_seconds: float | None = None,
        attributes: Mapping[str, Scalar] | None = None,
        trace_context: Mapping[str, str] | None = None,
    ) -> Run:
        """Start a run and return it: at once, or, of a large pipeline, once that is planned beside what else goes on.

        Args:
            definition: the pipeline, the mapping it is written as, or the path of its file; these two are read at
                once, and others on the loop wait as long: some 5 us a node and an edge for a mapping.
            trigger_data: what it is started with; checked against the definition's `inputs`.
            run_id: names the run, a text or a UUID; the same id, definition and data again give the run there is.
            timeout_seconds: for the whole run; None: the definition's.
            attributes: by which `list_runs` finds it, as `set_attributes` takes them; a run there is keeps its own.
            trace_context: W3C's, `traceparent` and perhaps `tracestate`; likewise. See `Run.trace_context`.

        Raises:
            DefinitionError: the pipeline, the data or an option is wrong; carries all problems.
            JournalError: the journal could not keep the run's start; says what becomes of it.
            RuntimeError: not on the manager's loop, or the manager is closed or paused.
        """
        system = self._use_loop_to_begin()
        check_options({"timeout_seconds": timeout_seconds})
        check_attributes({} if attributes is None else attributes)
        pipeline = self.compiler.take(definition)
        name = None if run_id is None else run_id_to_start(run_id)
        data: object = {} if trigger_data is None else trigger_data
        wanted = Wanted(data, name, timeout_seconds, dict(attributes or {}), trace_context_of(trace_context))
        if isinstance(pipeline, Taken) and (system.simulated or not is_large(pipeline.definition)):
            pipeline = self.compiler.finish(pipeline)
        durable = self._durable
        if durable is None and isinstance(pipeline, CompiledPipeline) and not self._runs.is_reserved(name):
            return find_or_begin(system, self._runs, pipeline, wanted, self._conclude)
        wanted = wanted.copied(pipeline.definition)
        async with self._runs.reserve(name):
            compiled = await planned(self.compiler, pipeline, self._runs, self._use_loop)
            if durable is not None:
                return await durable.find_or_begin(compiled, wanted)
            return find_or_begin(self._use_loop(), self._runs, compiled, wanted, self._conclude)

    def prepare(self, definition: Given) -> PipelineDefinition:
        """Validate and plan a definition now rather than with its first run; return it, for `start_run`.

        However large it is, it is done when this returns: on a loop others wait as long.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        return self.compiler.prepare(definition)

    def _conclude(self, result: RunResult) -> None:
        """Move a run that has ended among the remembered ones; called by its supervisor."""
        forgotten = self._runs.conclude(result)
        if forgotten is not None and self._system is not None:
            self._system.parts.journal.drop(forgotten)

    # ---- what all runs share ----------------------------------------------------------------------------------

    def events(self) -> EventReader:
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
            JournalError: it is in force, and the journal has failed to keep that for 5 s.
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
        """Whether it was closed, or its loop was, or it is another process's: this one is a fork."""
        return self._closed or (self._system is not None and self._system.is_over)

    # ---- its own life -----------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._use_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = self._closing
        try:
            if closing is not None and self._on_exit == "wait" and error is None:
                if not self._is_paused:
                    await self.recovered()
                await closing.rest()
        finally:
            self._refuse_further_runs()
            if closing is not None:
                await closing.leave()

    async def close(self, grace: float | None = None) -> None:
        """Cancel live runs, wait for their ends (a bounded time), and let everything go.

        All who close wait for the same; a cancel ends one's own wait and nothing else. A handler that closes its
        manager is stopped like any other. `grace` is the seconds it has for that; a later close may shorten it.

        Raises:
            ValueError: the grace is no number of seconds.
            RuntimeError: not on the manager's loop, or in a forked process; nothing is closed.
        """
        check_grace(grace)
        self._refuse_further_runs()
        if self._closing is not None:
            await self._closing.close(grace)

    def _refuse_further_runs(self) -> None:
        if self._closing is not None:
            self._closing.check()
        self._closed = True

    def _use_loop(self) -> ActorSystem:
        """Return the system of the manager's loop, made with its first use.

        Raises:
            RuntimeError: the manager is closed, or not on its loop.
        """
        if self._closed or (self._closing is not None and self._closing.has_begun):
            raise RuntimeError("this manager is closed: make a new one")
        if self._system is None:
            self._system = ActorSystem(self._settings, partial(supervisors_of, self._runs.active))
            self._closing = Closing(self._system, self._runs, self, self.place, parks=self._on_exit == "park")
            if self._system.parts.journal.is_durable:
                self._durable = self._made_durable(self._system)
        else:
            self._system.check_loop()
        return self._system

    def _made_durable(self, system: ActorSystem) -> DurableRuns:
        from playbill.runtime.control.server import serve  # noqa: PLC0415 (few need it)
        from playbill.runtime.journals.sqlite.journal import SqliteJournal  # noqa: PLC0415
        from playbill.runtime.recovery.durable_runs import DurableRuns  # noqa: PLC0415

        journal = system.parts.journal
        if isinstance(journal, SqliteJournal) and (server := serve(journal.path, ref(self), system.loop)) is not None:
            system.shut = server.close
        durable = DurableRuns(self._taking_up(system), recovers=self._recovers)
        if not self._is_paused:
            durable.begin_recovery()
        return durable

    def _taking_up(self, system: ActorSystem) -> TakingUp:
        from playbill.runtime.recovery.taking_up import TakingUp  # noqa: PLC0415 (few need it)

        return TakingUp(system, self._runs, self.compiler, self._conclude, self._use_loop)

    def _reruns(self) -> Reruns:
        from playbill.runtime.recovery.reruns import Reruns  # noqa: PLC0415 (few need it)

        system = self._use_loop_to_begin()
        return Reruns(self._taking_up(system) if self._durable is None else self._durable.taking_up)

    def __repr__(self) -> str:
        return f"<PipelineRunManager {self._runs!r}>"
