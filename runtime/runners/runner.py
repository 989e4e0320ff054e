"""Runs the handlers of one run: renders the config, makes the context, begins the attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playbill.model.errors import InternalError, NodeConfigError
from playbill.model.frozen import copied
from playbill.model.known_keys import paths_read
from playbill.model.plan import template_variables
from playbill.runtime.redaction import NO_SECRETS, REDACTION, Redaction
from playbill.runtime.runners.context import NodeContext
from playbill.runtime.runners.coroutine import LoopAttempt
from playbill.runtime.runners.program import ProgramAttempt, ProgramHandler
from playbill.runtime.runners.thread import ThreadAttempt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Context

    from playbill.actors.ports import Attempt, Receiver
    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.templates import Template
    from playbill.runtime.runners.attempt import AttemptServices, HandlerAttempt
    from playbill.runtime.runners.bindings import Binding, Bindings
    from playbill.runtime.runners.thread_pool import ThreadPool
    from playbill.runtime.runners.workers.attempt import ProcessAttempt
    from playbill.runtime.runners.workers.pool import ProcessPool
    from playbill.runtime.secrets import Secret


@dataclass(frozen=True, slots=True)
class RunnerServices:
    """What the runners of one manager share."""

    attempts: AttemptServices
    threads: ThreadPool
    resources: Mapping[str, Any]
    secrets: Mapping[str, Secret] = field(repr=False)
    processes: ProcessPool | None = None
    """Where the handlers run that have a process of their own; None: in a simulation nobody has."""
    redaction: Redaction = NO_SECRETS
    """Keeps the secrets out of what a failure shows or a handler logs, whoever has passed them on."""


class RunRunner:
    """Begins the attempts of one run; implements the port Runner."""

    __slots__ = (
        "_bindings",
        "_context",
        "_hides",
        "_processes",
        "_redaction",
        "_resources",
        "_secrets",
        "_services",
        "_threads",
    )

    def __init__(self, services: RunnerServices, bindings: Bindings, context: Context) -> None:
        self._services = services.attempts
        self._threads = services.threads
        self._processes = services.processes
        self._resources = services.resources
        self._secrets = services.secrets
        self._redaction = services.redaction
        self._bindings = bindings
        self._context = context
        self._hides = bool(self._redaction)
        if self._hides:
            self._context = context.copy()
            self._context.run(REDACTION.set, self._redaction)

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        services, bindings, node = self._services, self._bindings, plan.node
        run_id, node_id = run.run_id, plan.id
        binding = bindings.by_type.get(plan.type) or bindings.by_node[node_id]
        begun: LoopAttempt | ThreadAttempt | ProgramAttempt | ProcessAttempt
        if bindings.isolated and node_id in bindings.isolated:
            begun = self._begin_isolated(run_id, node, attempt, reply_to)
        else:
            if node.config:  # an empty one is read-only: a copy of a node costs 5 % of all that is done for it
                node = node.with_config(copied(node.config))
            if binding.on_loop:
                begun = LoopAttempt(run_id, node_id, attempt, reply_to, services)
            elif isinstance(binding.handler, ProgramHandler):
                begun = self._begin_program(run_id, node_id, attempt, reply_to)
            else:
                begun = ThreadAttempt(run_id, node_id, attempt, reply_to, services, self._threads)
        if self._hides:
            begun.redaction = self._redaction
        config: Any = node.config
        if binding.parses or (bindings.templates and node_id in bindings.templates):
            try:
                node, config = self._configure(binding, node, run, inputs, begun)
            except BaseException as error:  # noqa: BLE001 (a config's model is a user's, and its checks may raise anything)
                begun.refuse(error, services.loop.time())
                return begun
        context = NodeContext(
            begun, attempt, run_id, node_id, run.trigger_data, config, self._resources, run.first_run, run.trace
        )
        # The outputs are read-only, and this mapping of them is the attempt's own.
        begun.start(binding.handler, node, {**inputs}, context, self._context.copy())
        return begun

    def _begin_program(self, run_id: str, node_id: str, attempt: int, reply_to: Receiver) -> ProgramAttempt:
        pool = self._services.programs
        if pool is None:
            raise InternalError(f"node '{node_id}' wants a program, and there is no place for one")
        return ProgramAttempt(run_id, node_id, attempt, reply_to, self._services, pool)

    def _begin_isolated(self, run_id: str, node: PipelineNode, attempt: int, reply_to: Receiver) -> ProcessAttempt:
        from playbill.runtime.runners.workers.attempt import ProcessAttempt  # noqa: PLC0415 (few nodes are isolated)

        pool = self._processes
        if pool is None:
            text = "wants a process, and here are none: leave isolation out, or run its pipeline"
            raise NodeConfigError(f"node '{node.id}' {text}")
        limits = self._bindings.isolated[node.id]
        return ProcessAttempt(run_id, node, attempt, reply_to, self._services, pool, limits)

    def _missing_secret(self, template: Template) -> str:
        """Tell which secret nobody has given; empty: none is missing."""
        paths = (path for each in template.expressions for path in paths_read(each.text))
        names = (path[1] for path in paths if path[0] == "secrets" and path[1:])
        missing = next((name for name in names if name not in self._secrets), None)
        if missing is None:
            return ""
        return f"; give the manager secrets={{'{missing}': ...}} (playbill run --secret {missing})"

    def _configure(
        self,
        binding: Binding,
        node: PipelineNode,
        run: RunFacts,
        inputs: Inputs,
        begun: HandlerAttempt,
    ) -> tuple[PipelineNode, Any]:
        """Render and parse the node's config."""
        template = self._bindings.templates.get(node.id)
        if template is not None:
            names = template_variables(run, inputs, begun.number)
            names["secrets"] = self._secrets
            try:
                node = node.with_config(template.render(names))
            except NodeConfigError as error:
                hint = self._missing_secret(template)
                raise NodeConfigError(f"node '{node.id}': {error}{hint}") from error
        if not binding.parses:
            return node, node.config
        return node, binding.node_type.parse(node.config, subject=f"node '{node.id}'")
