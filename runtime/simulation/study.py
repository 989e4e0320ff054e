"""A study: what is simulated, seed after seed; and how one seed went."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.errors import DefinitionError, RunSetAside
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.definitions.files import load
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.faults.plan import FaultPlan, fault_plan
from playbill.runtime.faults.stand_in import needs_stand_in
from playbill.runtime.faults.tape import DullTape, RecordedTape, SeededTape
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.options import SimulatedOptions
from playbill.runtime.simulation.checks.names import SAME_END
from playbill.runtime.simulation.checks.properties import held_of, judged_of
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.durable.points import check_points
from playbill.runtime.simulation.outcomes.causes import stalled_of
from playbill.runtime.simulation.outcomes.reached import sights_of
from playbill.runtime.simulation.outcomes.seed import EndOfRun, Finding, SeedResult
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.escapes import Escape, EscapeWatch
from playbill.runtime.simulation.virtual.guard import Guard
from playbill.runtime.simulation.virtual.schedules import picker
from playbill.runtime.simulation.virtual.stuck import SimulationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from playbill.model.facts import Cause
    from playbill.model.results import RunResult
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.simulation.checks.properties import Property
    from playbill.runtime.simulation.outcomes.causes import Stalled

CRASHED: Final = "crashed"
SET_ASIDE: Final = "set aside"
"""A run that was running in too many crashes."""


@dataclass(slots=True)
class Study:
    """What every seed of an exploration runs.

    `options` are those of PipelineRunManager. As a Simulation does, it takes a mapping or the path of a file for the
    definition, and for the faults all that may stand for a plan: a mapping, a file's name, "all", or a list of these.

    Raises:
        DefinitionError: a mapping or a file is not a definition, or not a plan.
    """

    definition: PipelineDefinition
    trigger_data: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: FaultPlan = field(default_factory=FaultPlan)
    policy: str = "random"
    allow: Collection[str] | None = ()
    properties: Sequence[Property] = ()
    options: SimulatedOptions = field(default_factory=SimulatedOptions, repr=False)
    guard: Guard = field(default_factory=Guard)
    """Whoever runs many seeds enters it once."""
    crashes: Sequence[tuple[int, str]] | None = None
    """None: the journal is forgotten with the simulation. Else it is on a simulated disk, and processes die here."""
    expected: EndOfRun | None = None
    """How the run has to end, if no attempt is lost that must not begin again; None: nobody compares."""
    _watch: EscapeWatch | None = None
    _compiler: PipelineCompiler | None = None

    def __post_init__(self) -> None:
        written: tuple[Any, Any] = (self.definition, self.faults)
        self.definition = load(written[0])
        self.faults = plan_of(written[1])

    def variant(self, **changes: Any) -> Study:
        """Return this study with something else in it."""
        return replace(self, **changes, _compiler=None)

    def check(self) -> None:
        """Find what is wrong with it, before the first seed.

        Raises:
            DefinitionError: pipeline or fault plan have problems.
        """
        self.faults.check(self.definition)
        picker(self.policy, DullTape())
        try:
            EscapeWatch(self.allow or ())
        except ValueError as error:
            raise DefinitionError.single("unknown-call", "allow", str(error)) from error
        self.compiled()

    def compiled(self) -> CompiledPipeline:
        """Return the pipeline as every seed runs it."""
        return self.share(PipelineRunManager(**self.options)).of(self.definition)

    def assumed(self) -> Iterator[str]:
        """Tell for which nodes a default behaviour stands in: nothing was declared, and the handler cannot run."""
        bindings, behaviours = self.compiled().bindings, self.faults.behaviours
        resources = self.options.get("resources") or {}
        assumed: dict[str, list[str]] = {}
        for node in self.definition.nodes:
            declared = behaviours.of(node.id, node.type) or behaviours.default
            if declared is None and needs_stand_in(node, bindings, resources):
                assumed.setdefault(node.type, []).append(node.id)
        for kind, nodes in assumed.items():
            why = "no agents are registered" if kind == "agent" else "cannot run simulated"
            yield f"{', '.join(nodes)} ({kind}): {why}, so a default behaviour stood in"

    def share(self, manager: PipelineRunManager) -> PipelineCompiler:
        """Let all managers of the study share what is assembled once."""
        if self._compiler is None:
            self._compiler = manager.compiler
        manager.compiler = self._compiler
        return self._compiler

    def seed(self, seed: int, *, traced: bool = False, watched: bool = True) -> SeedResult:
        """Run one seed; unwatched, calls that leave the simulation are not looked for."""
        return self.play(SeededTape(seed), seed, traced=traced, watched=watched)

    def tape(self, lanes: Mapping[str, Sequence[int]], *, traced: bool = False) -> SeedResult:
        """Run what a tape says."""
        return self.play(RecordedTape(lanes), None, traced=traced)

    def play(self, tape: Tape, seed: int | None, *, traced: bool = False, watched: bool = True) -> SeedResult:
        """Run once and judge it."""
        sim = self._simulation(tape, traced=traced, watched=watched)
        finding: Finding | None = None
        cause: Cause | None = None
        stalled: tuple[Stalled, ...] = ()
        status, outputs, ending = CRASHED, dict[str, Any](), None
        try:
            result = sim.run_whole(self.definition, self.trigger_data)
            status, outputs, cause = str(result.status), dict(result.outputs), result.cause
            stalled, ending = stalled_of(result), self._ending(result, sim)
        except Crashed:
            sim.abandon()
        except RunSetAside:
            sim.abandon()
            status = SET_ASIDE
        except (SimulationError, Escape) as error:
            sim.abandon()
            finding, status = self._found(error, tape, seed, fired=bool(sim.world.injector.fired)), "wrong"
        world = sim.world
        seed_result = SeedResult(
            status=status,
            seconds=sim.time,
            fired=world.injector.fired,
            happened=[*world.injector.happened],
            seen=world.seen,
            held=held_of(world.properties),
            judged=judged_of(world.properties),
            sights=sights_of(world.events),
            cause=cause,
            stalled=stalled,
            finding=finding,
            trace=sim.trace,
            outputs=outputs,
            ending=ending,
            writes=0 if sim.durable is None else sim.durable.disk.tries,
        )
        sim.dissolve()
        return seed_result

    def _found(self, error: Exception, tape: Tape, seed: int | None, *, fired: bool) -> Finding:
        name = error.invariant if isinstance(error, Violation) else type(error).__name__
        text = error.text if isinstance(error, Violation) else str(error)
        lanes = {lane: list(values) for lane, values in tape.lanes.items()}
        return Finding(seed, name, text, lanes, fired, check_points(self.crashes or ()))

    def _ending(self, result: RunResult, sim: Simulation) -> EndOfRun:
        """Return how a run has ended, and compare it with what it had to be.

        Raises:
            Violation: it is another one.
        """
        nodes = {node: str(known.status) for node, known in result.node_results.items()}
        ending, expected = EndOfRun(str(result.status), result.outputs, nodes), self.expected
        if expected is None or ending == expected:
            return ending
        fragile = {node.id for node in self.definition.nodes if node.on_crash == "fail"}
        if sim.durable is None or fragile.isdisjoint(sim.durable.promises.lost(result.run_id)):
            raise Violation(SAME_END, ending.differs(expected), sim.time)
        return ending

    def _simulation(self, tape: Tape, *, traced: bool, watched: bool) -> Simulation:
        manager = self._manager()
        if self.allow is not None and self._watch is None:
            self._watch = EscapeWatch(self.allow)
        if self._watch is not None:
            self._watch.escapes.clear()
        return Simulation(
            tape=tape,
            faults=self.faults,
            policy=self.policy,
            allow=self._watch if watched else None,
            properties=self.properties,
            traced=traced,
            manager=manager,
            guard=self.guard,
            crashes=self.crashes,
            **self.options,
        )

    def _manager(self) -> PipelineRunManager:
        """Return a new manager; types are looked up for the first of the study only, whose compiler knows them."""
        options = self.options
        if self._compiler is not None:
            options = options.copy()
            options["types"] = ()
        manager = PipelineRunManager(**options)
        self.share(manager)
        return manager

    # ---- as data ----------------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """Return what a tape's file keeps of it."""
        return {
            "definition": self.definition.model_dump(mode="json", by_alias=True),
            "trigger_data": self.trigger_data,
            "faults": self.faults.model_dump(mode="json", exclude_defaults=True),
            "policy": self.policy,
            **({} if self.crashes is None else {"crashes": [list(point) for point in self.crashes]}),
        }

    def from_dict(self, data: Mapping[str, Any]) -> Study:
        """Return this study with what a tape's file keeps.

        Raises:
            DefinitionError: the file lacks something.
        """
        missing = {"definition", "trigger_data", "faults", "policy"} - data.keys()
        if missing:
            text = f"a tape says {', '.join(sorted(missing))}; this one does not"
            raise DefinitionError.single("bad-tape", "tape", text)
        return self.variant(
            definition=definition_from(data["definition"]),
            trigger_data=dict(data["trigger_data"]),
            faults=fault_plan(data["faults"]),
            policy=data["policy"],
            crashes=None if data.get("crashes") is None else check_points(map(tuple, data["crashes"])),
        )
