"""Runs the handlers of one run: renders the config, makes the context, begins the attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.model.errors import InternalError, NodeConfigError
from playbill.model.plan import variables
from playbill.runtime.runners.context import NodeContext
from playbill.runtime.runners.coroutine import LoopAttempt
from playbill.runtime.runners.thread import ThreadAttempt
from playbill.runtime.runners.workers.attempt import ProcessAttempt

if TYPE_CHECKING:
    from contextvars import Context

    from playbill.actors.ports import Attempt, Receiver
    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.runners.attempt import AttemptServices
    from playbill.runtime.runners.bindings import Binding, Bindings


class RunRunner:
    """Begins the attempts of one run; implements the port Runner."""

    __slots__ = ("_bindings", "_context", "_services")

    def __init__(self, services: AttemptServices, bindings: Bindings, context: Context) -> None:
        self._services = services
        self._bindings = bindings
        self._context = context

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        services, bindings, node = self._services, self._bindings, plan.node
        binding = bindings.by_type.get(plan.type) or bindings.by_node[plan.id]
        held: LoopAttempt | ThreadAttempt | ProcessAttempt
        if bindings.isolated and plan.id in bindings.isolated:
            held = self._isolated(plan.id, attempt, reply_to)
        else:
            held = (LoopAttempt if binding.on_loop else ThreadAttempt)(attempt, reply_to, services)
        config: Any = None
        if binding.parses or (bindings.templates and plan.id in bindings.templates):
            try:
                node, config = self._configured(binding, plan, run, inputs, held)
            except NodeConfigError as error:
                held.refuse(error, services.loop.time())
                return held
        context = NodeContext(run, plan, held, config, services.resources)
        held.start(binding.handler, node, inputs, context, self._context.copy())
        return held

    def _isolated(self, node: str, attempt: int, reply_to: Receiver) -> ProcessAttempt:
        pool = self._services.processes
        if pool is None:
            raise InternalError(f"node '{node}' wants a process, and there is no pool of them")
        return ProcessAttempt(attempt, reply_to, self._services, pool, self._bindings.isolated[node])

    def _configured(
        self,
        binding: Binding,
        plan: NodePlan,
        run: RunFacts,
        inputs: Inputs,
        held: LoopAttempt | ThreadAttempt | ProcessAttempt,
    ) -> tuple[PipelineNode, Any]:
        """Render and parse the node's config."""
        node = plan.node
        template = self._bindings.templates.get(node.id)
        if template is not None:
            names = variables(inputs, run.plan.nodes, run.trigger_data)
            names["run"] = {"id": run.run_id, "pipeline": run.plan.definition.name, "attempt": held.number}
            names["secrets"] = self._services.secrets
            if any("secrets" in expression.names for expression in template.expressions):
                held.secrets = tuple(value for value in self._services.secrets.values() if value)
            try:
                node = node.model_copy(update={"config": template.render(names)})
            except NodeConfigError as error:
                raise NodeConfigError(f"node '{node.id}': {error}") from error
        if not binding.parses:
            return node, node.config
        return node, binding.node_type.parse(node.config, subject=f"node '{node.id}'")
