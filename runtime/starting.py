"""How a run begins: at once, or, of a large pipeline that is not known, once that is planned in slices beside others.

Rules of what is planned in slices:

1. Before the first pause all that was given is copied, and the run's id is reserved: who wants it meanwhile waits,
   and then finds the run there is, or begins one if none came of it.
2. One pipeline is planned at a time: who wants the same one finds it known.
3. Nothing is left of what ends early: cancelled with its caller, refused since it has problems, or since its manager
   is closed by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from playbill.actors.supervisor import SupervisorActor
from playbill.model.frozen import freeze
from playbill.model.messages import Start
from playbill.model.plan import RunFacts
from playbill.model.run_inputs import check_trigger_data
from playbill.runtime.definitions.compile_once import Taken
from playbill.runtime.definitions.content import size_of
from playbill.runtime.definitions.slices import in_slices
from playbill.runtime.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.attributes import Scalar
    from playbill.model.definition import PipelineDefinition
    from playbill.model.frozen import FrozenDict
    from playbill.model.results import RunResult
    from playbill.runtime.actor_system import ActorSystem
    from playbill.runtime.definitions.compile_once import PipelineCompiler
    from playbill.runtime.definitions.compiler import CompiledPipeline
    from playbill.runtime.runs import Runs


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants a run to be, besides its pipeline."""

    data: object
    run_id: str | None
    """None: one is made."""
    timeout_seconds: float | None
    """None: the definition's."""
    attributes: Mapping[str, Scalar]
    """By which people find it."""
    trace: Mapping[str, str] | None = None
    """The W3C trace context that it is a part of; None: it is of none."""

    def copied(self, definition: PipelineDefinition) -> Wanted:
        """Return what stays as it is, whatever is done to the data; the schema is asked later.

        Raises:
            DefinitionError: the data is not a mapping that JSON can say.
        """
        return replace(self, data=check_trigger_data(definition.model_copy(update={"inputs": None}), self.data))


async def planned(
    compiler: PipelineCompiler, taken: Taken | CompiledPipeline, runs: Runs, check: Callable[[], object]
) -> CompiledPipeline:
    """Plan a large pipeline in slices; `check` raises once it shall be planned no more.

    Raises:
        DefinitionError: it has problems; carries them all.
    """
    if not isinstance(taken, Taken):
        return taken
    async with runs.to_plan():
        check()
        definition = taken.definition
        steps, folder = compiler.compiling(taken), definition.written.folder
        return await in_slices(steps, folder, check, size=size_of(definition))


def find_or_begin(
    system: ActorSystem,
    runs: Runs,
    compiled: CompiledPipeline,
    wanted: Wanted,
    conclude: Callable[[RunResult], None],
) -> Run:
    """Return the run there is of this id, or begin one.

    Raises:
        DefinitionError: the data is wrong, or the run there is is another one.
    """
    definition = compiled.definition
    data: FrozenDict = freeze(check_trigger_data(definition, wanted.data))
    if wanted.run_id is not None and (known := runs.find(wanted.run_id)) is not None:
        known.check_same(definition, data)
        return known
    return begin(system, runs, compiled, replace(wanted, data=data), conclude)


def begin(
    system: ActorSystem,
    runs: Runs,
    compiled: CompiledPipeline,
    wanted: Wanted,
    conclude: Callable[[RunResult], None],
    told: Mapping[str, Any] | None = None,
) -> Run:
    """Begin a run, whose data were checked and are read-only; `told` is what else its first event says.

    Raises:
        DefinitionError: it wants another policy for a breaker than the pipeline that used it first.
    """
    definition = compiled.definition
    data: FrozenDict = cast("FrozenDict", wanted.data)
    run_id = wanted.run_id or system.parts.new_id()
    breakers = system.breakers_of(definition, compiled.breaker_keys)
    facts = RunFacts(run_id, compiled.plan, data, next(system.run_numbers), trace=wanted.trace)
    timeout = wanted.timeout_seconds or definition.timeout
    actor = SupervisorActor(system.ports_of_run(compiled.bindings), facts, timeout, breakers, conclude)
    run = runs.active[run_id] = Run(definition, data, actor, system.parts.journal.streams[run_id], system)
    if wanted.attributes and told is None:  # else they stand in its row
        system.parts.journal.change_run(run_id, {"attributes": wanted.attributes})
    said = told if wanted.trace is None else {**(told or {}), "trace": wanted.trace}
    actor.post(Start(data) if said is None else Start(data, said))
    return run
