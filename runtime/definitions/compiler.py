"""Compiles a definition into what runs of it share: its catalog, its plan, its handlers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from playbill.model.as_written import take_texts
from playbill.model.drafts import placed
from playbill.model.errors import DefinitionError
from playbill.model.planning import planning
from playbill.model.steps import finished
from playbill.model.stored_form import pinning
from playbill.model.validation import validating
from playbill.runtime.definitions.beside import looking_beside
from playbill.runtime.definitions.binder import binding
from playbill.runtime.definitions.discovery import import_types
from playbill.runtime.definitions.versions import handler_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition
    from playbill.model.errors import Problem
    from playbill.model.handler_versions import HandlerVersion
    from playbill.model.plan import Plan
    from playbill.model.policies import StopPolicy
    from playbill.model.steps import Steps
    from playbill.model.stored_form import Pin
    from playbill.runtime.definitions.binder import Bound
    from playbill.runtime.runners.bindings import Bindings


@dataclass(frozen=True)
class CompiledPipeline:
    """A definition, ready to run.

    What pins a run is made when somebody first asks for it, and then once: without a durable journal nobody does.
    """

    definition: PipelineDefinition
    plan: Plan
    bindings: Bindings
    breaker_keys: frozenset[str]
    calls: Mapping[str, Callable[..., object]]
    """The functions of python nodes, by the `call` that names them."""
    catalog: Catalog
    """The types of its nodes, those of its imports, too."""

    @cached_property
    def pin(self) -> Pin:
        """The definition's stored form as text, and its hash.

        Raises:
            DefinitionError: something in it is not JSON; names the place.
        """
        return finished(pinning(self.definition, self.catalog))

    @cached_property
    def versions(self) -> Mapping[str, HandlerVersion]:
        """The versions of its handlers, by type; see `handler_versions`."""
        return handler_versions(self.definition, self.catalog, self.calls)

    def pinned(self) -> Steps[Pin]:
        """Give what `pin` is, made in steps if it is not there yet: for who shares a loop with others."""
        if "pin" not in vars(self):
            vars(self)["pin"] = yield from pinning(self.definition, self.catalog)
        return self.pin


def compiling(definition: PipelineDefinition, catalog: Catalog, stop: StopPolicy) -> Steps[CompiledPipeline]:
    """Validate a definition, plan it and bind its handlers, in steps.

    Raises:
        DefinitionError: it has problems; carries them all: of its imports, of what it says, of who shall do it.
    """
    checked = yield from checking(definition, catalog)
    if checked.problems:
        raise DefinitionError(definition.name, checked.problems)
    definition, bound = checked.definition, checked.bound
    plan = yield from planning(definition, checked.catalog, threaded=bound.threaded, stop=stop, order=checked.order)
    keys = frozenset([node.breaker for node in plan.nodes.values() if node.breaker is not None])
    return CompiledPipeline(definition, plan, bound.bindings, keys, bound.calls, checked.catalog)


class Checked(NamedTuple):
    """A definition with its texts as they are written, what it needs to run, and all that is wrong with it."""

    definition: PipelineDefinition
    catalog: Catalog
    bound: Bound
    order: list[str]
    """The topological order of its nodes, if there are no problems."""
    problems: list[Problem]


def check_pipeline(definition: PipelineDefinition, catalog: Catalog) -> Checked:
    """Tell all that keeps a definition from being run, in one go: its modules, its nodes and edges, its handlers."""
    with looking_beside(definition.written.folder):
        return finished(checking(definition, catalog))


def checking(definition: PipelineDefinition, catalog: Catalog) -> Steps[Checked]:
    """Do what `check_pipeline` does, in steps; each of them is to be `looking_beside` the definition's file."""
    catalog, problems = import_types(catalog, definition.imports, definition.written.folder)
    definition = take_texts(definition, catalog)
    found, order = yield from validating(definition, catalog)
    problems += [problem for problem in found if not (problems and _may_be_known(problem))]
    bound = yield from binding(definition, catalog)
    told = {problem.where for problem in problems}
    problems += (problem for problem in bound.problems if problem.where not in told)
    return Checked(definition, catalog, bound, order, placed(problems, definition.written))


def _may_be_known(problem: Problem) -> bool:
    """Tell whether a type or an action may be known to a module that could not be imported."""
    return problem.code in {"invalid-type", "unknown-action"} and "did you mean" not in problem.message
