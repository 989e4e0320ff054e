"""Binds the nodes of a definition to handlers, once, and tells which handlers are missing or cannot run there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from playbill.model.errors import NodeConfigError, Problem
from playbill.model.expressions import ExpressionError
from playbill.model.plan import BUILT_IN
from playbill.model.steps import STEP, finished
from playbill.runtime.handlers.python_call import arguments, python_async, python_sync, resolve
from playbill.runtime.processes.linux import supported
from playbill.runtime.runners.bindings import Binding, Bindings
from playbill.runtime.runners.workers.importable import check_importable
from playbill.runtime.runners.workers.limits import Limits

if TYPE_CHECKING:
    from playbill.model.catalog import Catalog, NodeType
    from playbill.model.definition import PipelineDefinition, PipelineNode
    from playbill.model.policies import LimitsPolicy
    from playbill.model.steps import Steps
    from playbill.model.templates import Template


def try_to_bind(definition: PipelineDefinition, catalog: Catalog) -> tuple[Bindings, list[Problem]]:
    """Return the bindings of a definition, and what is wrong with them: see `Bound`."""
    bound = finished(binding(definition, catalog))
    return bound.bindings, bound.problems


class Bound(NamedTuple):
    """What came of binding."""

    bindings: Bindings
    threaded: frozenset[str]
    """The ids of the nodes whose handlers may wait for a thread."""
    calls: Mapping[str, Callable[..., object]]
    """The functions of python nodes, by the `call` that names them."""
    problems: list[Problem]
    """A handler is missing or cannot run where it shall, a call cannot be imported or takes other arguments.

    Of unknown types and of configs that are wrong in themselves it says nothing.
    """


def binding(definition: PipelineDefinition, catalog: Catalog) -> Steps[Bound]:
    """Bind each type's handler once, and those nodes whose type alone does not say; in steps."""
    binder = _Binder(catalog)
    for index, node in enumerate(definition.nodes):
        settled = node.type in BUILT_IN or (
            node.type in binder.settled and node.isolation is None and not node.config
        )
        if not settled:
            binder.bind(index, node)
        if not index % STEP:
            yield
    bindings = Bindings(binder.by_type, binder.by_node, binder.templates, binder.isolated)
    return Bound(bindings, frozenset(binder.threaded), binder.calls, binder.problems)


class _Binder:
    """Binds one node after the other."""

    def __init__(self, catalog: Catalog) -> None:
        self.by_type: dict[str, Binding] = {}
        self.by_node: dict[str, Binding] = {}
        self.templates: dict[str, Template] = {}
        self.isolated: dict[str, Limits | None] = {}
        self.threaded: set[str] = set()
        self.settled: set[str] = set()
        """The types that are bound once for all nodes that have neither config nor isolation."""
        self.calls: dict[str, Callable[..., object]] = {}
        self.problems: list[Problem] = []
        self._catalog = catalog

    def bind(self, index: int, node: PipelineNode) -> None:
        node_type = self._catalog.get(node.type)
        if node_type is None:
            return
        binding = self.by_type.get(node.type) or self._find_binding(node, node_type, f"nodes[{index}]")
        if binding is None:
            return
        if not binding.on_loop:
            self.threaded.add(node.id)
        elif node_type.isolation == "inline" and node.type in self.by_type:
            self.settled.add(node.type)
        with contextlib.suppress(ExpressionError):  # told by who checks configs
            if node.config and (template := node_type.template(node.config)) is not None:
                self.templates[node.id] = template
        if node_type.isolation_of(node) == "process":
            self.threaded.add(node.id)
            try:
                self.isolated[node.id] = isolate(binding, node_type.limits_of(node))
            except NodeConfigError as error:
                self._refuse(node, "isolation", f"nodes[{index}].isolation", error)

    def _find_binding(self, node: PipelineNode, node_type: NodeType, where: str) -> Binding | None:
        if node.type == "python" and node_type.handler is None:
            return self._bind_call(node, node_type, where)
        chosen = node_type.worker(node)
        if node_type.actions and chosen is node_type:
            return None  # no action, or an unknown one
        if chosen.handler is None:
            text = f"nobody brought a handler for '{chosen.name}': pass it in types=[...]"
            self._refuse(node, "no-handler", f"{where}.config.action" if node_type.actions else f"{where}.type", text)
            return None
        of_type = self.by_node if node_type.actions else self.by_type
        key = node.id if node_type.actions else node.type
        of_type[key] = binding = Binding.of(node_type, chosen.handler, chosen.config)
        return binding

    def _bind_call(self, node: PipelineNode, node_type: NodeType, where: str) -> Binding | None:
        """Bind a python node, once its function is found and takes the arguments that are there by name."""
        call, args = node.config.get("call"), node.config.get("args", {})
        if any(problem.where == "config.call" for problem in node_type.check(node.config)):
            return None
        try:
            function = self.calls[str(call)] = resolve(str(call))
        except NodeConfigError as error:
            self._refuse(node, "no-handler", f"{where}.config.call", error)
            return None
        if isinstance(args, Mapping):  # and not one template for all of them
            try:
                arguments(function, cast("Mapping[str, Any]", args), node, {}, None)
            except NodeConfigError as error:
                self._refuse(node, "wrong-arguments", f"{where}.config.args", error)
        on_loop = Binding.of(node_type, function, node_type.config).on_loop
        binding = Binding.of(node_type, python_async if on_loop else python_sync, node_type.config)
        self.by_node[node.id] = binding
        return binding

    def _refuse(self, node: PipelineNode, code: str, where: str, why: object) -> None:
        self.problems.append(Problem(code, where, f"node '{node.id}': {why}"))


def isolate(binding: Binding, limits: LimitsPolicy | None) -> Limits | None:
    """Return the limits of attempts in processes, once it is clear that the handler can run in one.

    Raises:
        NodeConfigError: it cannot: there are no such processes on this system, or they could not import it.
    """
    if not supported():
        raise NodeConfigError("isolation 'process' needs Linux with pidfds and subreapers: leave it out here")
    check_importable(binding.handler)
    return None if limits is None else Limits(**limits.model_dump())
