"""Compiles a definition into what runs of it share: its catalog, its plan, its handlers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from playbill.model.as_written import take_texts
from playbill.model.drafts import placed
from playbill.model.errors import DefinitionError
from playbill.model.frozen import copied, no_config
from playbill.model.plan import BUILT_IN, Plan, build_plan
from playbill.model.same_json import same_written
from playbill.model.validation import validate
from playbill.runtime.definitions.beside import looking_beside
from playbill.runtime.definitions.binder import try_to_bind
from playbill.runtime.definitions.discovery import import_types

if TYPE_CHECKING:
    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition
    from playbill.model.errors import Problem
    from playbill.model.policies import StopPolicy
    from playbill.runtime.runners.bindings import Bindings

COMPILED_KEPT: Final = 128
CHANGEABLE: Final = ("nodes", "edges", "tags", "inputs", "outputs", "breakers", "imports")
"""The fields of a definition that hold what can be changed in place, for all that it is frozen."""


@dataclass(frozen=True, slots=True)
class CompiledPipeline:
    """A definition, ready to run."""

    definition: PipelineDefinition
    plan: Plan
    bindings: Bindings
    breaker_keys: frozenset[str]


def compile_pipeline(
    definition: PipelineDefinition, catalog: Catalog, stop: StopPolicy | None = None
) -> CompiledPipeline:
    """Validate a definition, plan it and bind its handlers.

    Raises:
        DefinitionError: it has problems; carries them all: of its imports, of what it says, of who shall do it.
    """
    checked = check_pipeline(definition, catalog)
    if checked.problems:
        raise DefinitionError(definition.name, checked.problems)
    definition, catalog, bindings = checked.definition, checked.catalog, checked.bindings
    threaded = frozenset(
        node.id
        for node in definition.nodes
        if node.type not in BUILT_IN and (node.id in bindings.isolated or not bindings.of(node).on_loop)
    )
    plan = build_plan(definition, catalog, threaded=threaded, stop=stop)
    keys = frozenset(node.breaker for node in plan.nodes.values() if node.breaker is not None)
    return CompiledPipeline(definition, plan, bindings, keys)


class Checked(NamedTuple):
    """A definition with its texts as they are written, what it needs to run, and all that is wrong with it."""

    definition: PipelineDefinition
    catalog: Catalog
    bindings: Bindings
    problems: list[Problem]


def check_pipeline(definition: PipelineDefinition, catalog: Catalog) -> Checked:
    """Tell all that keeps a definition from being run, in one go: its modules, its nodes and edges, its handlers."""
    folder = definition.written.folder
    with looking_beside(folder):
        catalog, problems = import_types(catalog, definition.imports, folder)
        definition = take_texts(definition, catalog)
        found = validate(definition, catalog)
        problems += [problem for problem in found if not (problems and _may_be_known(problem))]
        bindings, unbound = try_to_bind(definition, catalog)
    told = {problem.where for problem in problems}
    problems += (problem for problem in unbound if problem.where not in told)
    return Checked(definition, catalog, bindings, placed(problems, definition.written))


def _may_be_known(problem: Problem) -> bool:
    """Tell whether a type or an action may be known to a module that could not be imported."""
    return problem.code in {"invalid-type", "unknown-action"} and "did you mean" not in problem.message


def own_copy(definition: PipelineDefinition) -> PipelineDefinition:
    """Return a copy that stays as it is, whatever is done to the dicts and lists of the original."""
    fields = {name: copied(getattr(definition, name)) for name in CHANGEABLE}
    fields["nodes"] = [node.with_config(copied(node.config) or no_config()) for node in definition.nodes]
    return definition.model_copy(update=fields)


class Kept(NamedTuple):
    """What was compiled of a definition, and what that was like."""

    definition: PipelineDefinition
    """The object itself, whose id names nothing else meanwhile."""
    was: list[object]
    compiled: CompiledPipeline


def _likeness(definition: PipelineDefinition) -> list[object]:
    """Return all of a definition that can be changed: with the very nodes and edges, which are equal at a glance."""
    configs = {place: node.config for place, node in enumerate(definition.nodes) if node.config}
    return [*(getattr(definition, name) for name in CHANGEABLE), configs]


class PipelineCompiler:
    """Compiles each definition once: by the object itself, the last used ones, as long as they stay as they were."""

    def __init__(self, catalog: Catalog, stop: StopPolicy) -> None:
        self._catalog = catalog
        self._stop = stop
        self._kept: OrderedDict[int, Kept] = OrderedDict()

    def of(self, definition: PipelineDefinition) -> CompiledPipeline:
        """Return the compiled of this very object, made of a copy: what is changed later is of no run under way.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        kept = self._kept.get(id(definition))
        if kept is None or not same_written(kept.was, _likeness(definition)):
            try:
                compiled = compile_pipeline(own_copy(definition), self._catalog, self._stop)
            except RecursionError:
                text = "the definition is nested too deeply to be read: flatten it"
                raise DefinitionError.single("too-deep", "definition", text) from None
            kept = self._kept[id(definition)] = Kept(definition, copied(_likeness(definition)), compiled)
            if len(self._kept) > COMPILED_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(id(definition))
        return kept.compiled
