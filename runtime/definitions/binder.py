"""Binds the nodes of a definition to handlers, once, and tells which handlers are missing or cannot run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError, NodeConfigError, Problem
from playbill.model.plan import BUILT_IN
from playbill.runtime.handlers.python_call import python_async, python_sync, resolve
from playbill.runtime.processes.linux import supported
from playbill.runtime.runners.bindings import Binding, Bindings
from playbill.runtime.runners.workers.importable import check_importable
from playbill.runtime.runners.workers.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Container

    from playbill.model.catalog import Catalog
    from playbill.model.definition import PipelineDefinition, PipelineNode
    from playbill.model.policies import LimitsPolicy
    from playbill.model.templates import Template


def bind(definition: PipelineDefinition, catalog: Catalog, wrong: Container[int] = ()) -> Bindings:
    """Bind each type's handler once, and those nodes whose type alone does not say.

    Args:
        definition: the pipeline.
        catalog: what is known of its types.
        wrong: the indices of nodes about which enough is said already.

    Raises:
        DefinitionError: a handler is missing or cannot run where it shall; carries all problems.
    """
    binder = _Binder(catalog)
    for index, node in enumerate(definition.nodes):
        if node.type not in BUILT_IN and index not in wrong:
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
