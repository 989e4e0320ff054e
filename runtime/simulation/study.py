"""A study: what is simulated, seed after seed; and how one seed went."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from playbill.model.definition import PipelineDefinition, definition_from
from playbill.model.errors import DefinitionError
from playbill.runtime.definitions.compile_once import PipelineCompiler
from playbill.runtime.definitions.files import load
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.faults.plan import FaultPlan, fault_plan
from playbill.runtime.faults.stand_in import needs_stand_in
from playbill.runtime.faults.tape import DullTape, RecordedTape, SeededTape
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.options import SimulatedOptions
from playbill.runtime.simulation.checks.properties import held_of, judged_of
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.coverage import pairs_of
from playbill.runtime.simulation.outcomes.causes import stalled_of
from playbill.runtime.simulation.outcomes.reached import marks_of, sights_of
from playbill.runtime.simulation.simulation import Simulation
from playbill.runtime.simulation.virtual.escapes import Escape, EscapeWatch
from playbill.runtime.simulation.virtual.guard import Guard
from playbill.runtime.simulation.virtual.schedules import picker
from playbill.runtime.simulation.virtual.stuck import SimulationError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from playbill.model.facts import Cause
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.faults.injector import Happening
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.simulation.checks.properties import Property
    from playbill.runtime.simulation.coverage import Pair, Sight
    from playbill.runtime.simulation.outcomes.causes import Stalled
    from playbill.runtime.simulation.outcomes.reached import Mark
    from playbill.runtime.simulation.outcomes.reached import Sight as NodeSight
    from playbill.runtime.simulation.trace import Delivery

CRASHED: Final = "crashed"


@dataclass(frozen=True, slots=True)
class Finding:
    """A seed that went wrong."""

    seed: int | None
    invariant: str
    """What does not hold: an invariant's or a property's name, or an error's class."""
    text: str
    lanes: dict[str, list[int]]
    """The tape."""
    fired: bool = False
    """Whether a fault had fired."""

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


@dataclass(slots=True)
class SeedResult:
    """How one seed went."""

    status: str
    """The run's; `crashed` if a fault plan killed it; `wrong` with a finding."""
    seconds: float
    """Simulated, not real ones."""
    fired: Counter[str]
    happened: list[Happening]
    """The faults that fired, in order; of very many the last."""
    seen: set[Sight]
    held: set[str]
    """The names of the `sometimes` properties that held."""
    judged: set[str]
    """The names of the `always` and `leads_to` properties that an event came for."""
    sights: set[NodeSight]
    """What of the pipeline was."""
    cause: Cause | None = None
    """What decided the run; None: it completed, or has no result."""
    stalled: tuple[Stalled, ...] = ()
    """In which nodes it was as it timed out."""
    finding: Finding | None = None
    trace: list[Delivery] = field(default_factory=list["Delivery"])
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def reached(self) -> set[Mark]:
        """What of the pipeline was."""
        return marks_of(self.sights)

    @property
    def coverage(self) -> set[Pair]:
        """Which machine received what in which state."""
        return pairs_of(self.seen)


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
        status, outputs = CRASHED, dict[str, Any]()
        try:
            result = sim.run_whole(self.definition, self.trigger_data)
            status, outputs, cause = str(result.status), dict(result.outputs), result.cause
            stalled = stalled_of(result)
        except Crashed:
            sim.abandon()
        except (SimulationError, Escape) as error:
            sim.abandon()
            name = error.invariant if isinstance(error, Violation) else type(error).__name__
            text = error.text if isinstance(error, Violation) else str(error)
            lanes = {lane: list(values) for lane, values in tape.lanes.items()}
            finding, status = Finding(seed, name, text, lanes, bool(sim.world.injector.fired)), "wrong"
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
        )
        sim.dissolve()
        return seed_result

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
        )
