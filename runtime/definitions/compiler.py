"""Compiles a definition into what runs of it share: its catalog, its plan, its handlers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from playbill.model.errors import DefinitionError
from playbill.model.plan import BUILT_IN, Plan, build_plan
from playbill.model.validation import validate
from playbill.runtime.definitions.binder import bind
from playbill.runtime.definitions.discovery import import_types

if TYPE_CHECKING:
    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition
    from playbill.model.policies import StopPolicy
    from playbill.runtime.runners.bindings import Bindings

COMPILED_KEPT: Final = 128


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
        DefinitionError: it has problems; carries them all.
    """
    catalog = import_types(catalog, definition.imports)
    if problems := validate(definition, catalog):
        raise DefinitionError(definition.name, problems)
    bindings = bind(definition, catalog)
    threaded = frozenset(
        node.id
        for node in definition.nodes
        if node.type not in BUILT_IN and (node.id in bindings.isolated or not bindings.of(node).on_loop)
    )
    plan = build_plan(definition, catalog, threaded=threaded, stop=stop)
    keys = frozenset(node.breaker for node in plan.nodes.values() if node.breaker is not None)
    return CompiledPipeline(definition, plan, bindings, keys)


class PipelineCompiler:
    """Compiles each definition once: by the object itself, the last used ones."""

    def __init__(self, catalog: Catalog, stop: StopPolicy) -> None:
        self._catalog = catalog
        self._stop = stop
        self._kept: OrderedDict[int, CompiledPipeline] = OrderedDict()

    def of(self, definition: PipelineDefinition) -> CompiledPipeline:
        """Return the compiled of this very object.

        Raises:
            DefinitionError: it has problems; carries them all.
        """
        compiled = self._kept.get(id(definition))
        if compiled is None:
            compiled = compile_pipeline(definition, self._catalog, self._stop)
            self._kept[id(definition)] = compiled
            if len(self._kept) > COMPILED_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(id(definition))
        return compiled
