"""Compiles a definition into what runs of it share: its catalog, its plan, its handlers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from playbill.model.errors import DefinitionError, NodeConfigError, Problem
from playbill.model.plan import BUILT_IN, Plan, build_plan
from playbill.model.validation import validate
from playbill.runtime.definitions.discovery import import_types
from playbill.runtime.handlers.python_call import python_async, python_sync, resolve
from playbill.runtime.runners.runner import Binding, Bindings

if TYPE_CHECKING:
    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition, PipelineNode
    from playbill.model.policies import LimitsPolicy, StopPolicy
    from playbill.model.templates import Template
    from playbill.runtime.runners.workers.limits import Limits

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
    plan = build_plan(definition, threaded=threaded, stop=stop)
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


def bind(definition: PipelineDefinition, catalog: Catalog) -> Bindings:
    """Bind each type's handler once, and those nodes whose type alone does not say.

    Raises:
        DefinitionError: a handler is missing or cannot run where it shall; carries all problems.
    """
    binder = _Binder(catalog)
    for index, node in enumerate(definition.nodes):
        if node.type not in BUILT_IN:
            binder.bind(index, node)
    if binder.problems:
        raise DefinitionError(definition.name, binder.problems)
    return Bindings(binder.by_type, binder.by_node, binder.templates, binder.isolated)


class _Binder:
    """Binds one node after the other."""

    def __init__(self, catalog: Catalog) -> None:
        self.by_type: dict[str, Binding] = {}
        self.by_node: dict[str, Binding] = {}
        self.templates: dict[str, Template] = {}
        self.isolated: dict[str, Limits | None] = {}
        self.problems: list[Problem] = []
        self._catalog = catalog

    def bind(self, index: int, node: PipelineNode) -> None:
        node_type = self._catalog.get(node.type)
        try:
            binding = self.by_type.get(node.type) or self._find_binding(node)
        except (NodeConfigError, LookupError) as error:
            self.problems.append(Problem("no-handler", f"nodes[{index}]", f"node '{node.id}': {error}"))
            return
        if node_type is None:
            return
        if node.config and (template := node_type.template(node.config)) is not None:
            self.templates[node.id] = template
        if node_type.isolation_of(node) == "process":
            try:
                self.isolated[node.id] = isolate(binding, node_type.limits_of(node))
            except NodeConfigError as error:
                self.problems.append(Problem("isolation", f"nodes[{index}].isolation", f"node '{node.id}': {error}"))

    def _find_binding(self, node: PipelineNode) -> Binding:
        binding, whole_type = _binding(node, self._catalog)
        if whole_type:
            self.by_type[node.type] = binding
        else:
            self.by_node[node.id] = binding
        return binding


def isolate(binding: Binding, limits: LimitsPolicy | None) -> Limits | None:
    """Return the limits of attempts in processes, once it is clear that the handler can run in one.

    Raises:
        NodeConfigError: it cannot: there are no such processes on this system, or they could not import it.
    """
    from playbill.runtime.processes.spawner_client import supported  # noqa: PLC0415 (few need it)
    from playbill.runtime.runners.workers.importable import check_importable  # noqa: PLC0415 (the same)
    from playbill.runtime.runners.workers.limits import Limits  # noqa: PLC0415 (the same)

    if not supported():
        raise NodeConfigError("isolation 'process' needs Linux with pidfds and subreapers: leave it out here")
    check_importable(binding.handler)
    return None if limits is None else Limits(**limits.model_dump())


def _binding(node: PipelineNode, catalog: Catalog) -> tuple[Binding, bool]:
    """Return who does the work of `node`, and whether that holds for its whole type.

    Raises:
        NodeConfigError: a python node names no function there is.
        LookupError: nobody brought a handler.
    """
    node_type = catalog.get(node.type)
    if node_type is None:
        raise LookupError(f"unknown type '{node.type}'")
    if node.type == "python" and node_type.handler is None:
        on_loop = Binding.of(node_type, resolve(node.config["call"]), node_type.config).on_loop
        return Binding.of(node_type, python_async if on_loop else python_sync, node_type.config), False
    chosen = node_type.actions[node.config["action"]] if node_type.actions else node_type
    if chosen.handler is None:
        raise LookupError(f"nobody brought a handler for '{chosen.name}': pass it in types=[...]")
    return Binding.of(node_type, chosen.handler, chosen.config), not node_type.actions
