"""Stands in for handlers: for which, and by attempts that take their time and end as declared, on any loop."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from playbill.model.error_data import kept_data
from playbill.model.errors import HandlerKilled, NodeConfigError
from playbill.model.facts import Failure
from playbill.model.failures import failure_of
from playbill.model.kinds import kinds_of_name
from playbill.model.messages import Began
from playbill.model.plan import BUILT_IN
from playbill.runtime.faults.behaviour import Behaviour, Duration, Ending
from playbill.runtime.handlers.agent import simulated_answer
from playbill.runtime.handlers.call_api import call_api
from playbill.runtime.handlers.command import command
from playbill.runtime.handlers.send_notification import send_notification
from playbill.runtime.runners.attempt import HandlerAttempt
from playbill.runtime.runners.outputs import check_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playbill.actors.ports import Attempt, Receiver, Runner
    from playbill.model.definition import PipelineNode
    from playbill.model.facts import Inputs
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.runtime.faults.plan import Behaviours
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.runners.attempt import AttemptServices
    from playbill.runtime.runners.bindings import Bindings

SILENT: Final = Behaviour(duration=Duration(uniform=(0.0, 2.0)))
"""What is assumed of handlers that cannot run simulated and about which nothing was declared."""
AGENT: Final = "agent"
OUTSIDE: Final[tuple[Callable[..., Any], ...]] = (call_api, command, send_notification)
"""Our own coroutines that start processes or open sockets."""


def needs_stand_in(node: PipelineNode, bindings: Bindings, resources: Mapping[str, Any]) -> bool:
    """Tell whether a handler cannot run simulated.

    It runs in a thread or a process, is a coroutine of ours that goes outside, or asks an agent where none are
    registered. A user's coroutine runs, whatever its node is called: an action as well.
    """
    if node.type in BUILT_IN:
        return False
    if node.type == AGENT and resources.get("agents") is None:
        return True
    binding = bindings.of(node)
    return not binding.on_loop or node.id in bindings.isolated or binding.handler in OUTSIDE


def stand_in_of(
    plan: NodePlan, behaviours: Behaviours, bindings: Bindings, resources: Mapping[str, Any]
) -> Behaviour | None:
    """Return what stands in for a node's handler in a simulated world; None: it runs there itself."""
    behaviour = behaviours.of(plan.id, plan.type)
    if behaviour is None and needs_stand_in(plan.node, bindings, resources):
        return behaviours.default or (_agent_of(plan.node) if plan.type == AGENT else SILENT)
    return behaviour


def _agent_of(node: PipelineNode) -> Behaviour:
    """Return what is assumed of an agent: it answers as the handler does where nobody can be asked."""
    return _answering(str(node.config["agent_id"]), str(node.config["task"]))


@lru_cache(maxsize=256)
def _kinds_of_bare(name: str) -> tuple[str, ...]:
    """Return the kinds of a builtin exception or an error of playbill's, which never change."""
    return kinds_of_name(name)


@lru_cache(maxsize=1024)
def _answering(agent_id: str, task: str) -> Behaviour:
    return Behaviour(duration=SILENT.duration, output=simulated_answer(agent_id, task))


class StandInRunner:
    """Begins stand-ins for the handlers that have one; hands the other attempts on.

    Args:
        inner: begins the others.
        behaviour_of: how a node's stand-in behaves; None: it has none.
        services: what attempts share.
        tape: draws how long stand-ins take and how they end.
    """

    __slots__ = ("_behaviour_of", "_inner", "_services", "_tape")

    def __init__(
        self,
        inner: Runner,
        behaviour_of: Callable[[NodePlan], Behaviour | None],
        services: AttemptServices,
        tape: Tape,
    ) -> None:
        self._inner = inner
        self._behaviour_of = behaviour_of
        self._services = services
        self._tape = tape

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        behaviour = self._behaviour_of(plan)
        if behaviour is None:
            return self._inner.begin(run, plan, attempt, inputs, reply_to)
        stand_in = StandIn(run.run_id, plan.id, attempt, reply_to, self._services)
        stand_in.start(behaviour, plan, self._tape)
        return stand_in


class StandIn(HandlerAttempt):
    """An attempt without a handler."""

    _timer: asyncio.TimerHandle | None = None
    _stubborn = _undying = False

    def start(self, behaviour: Behaviour, plan: NodePlan, tape: Tape) -> None:
        """Begin to behave in the place of a node's handler."""
        self._node = plan.node
        self._stubborn, self._undying = behaviour.ignores_cancel, behaviour.ignores_kill
        self._cleanup = behaviour.cleanup.draw(tape)
        self._polite = behaviour.only if behaviour.cooperative else None
        if plan.threaded:
            self.send(Began(self.number))
        ending, seconds = behaviour.ending(tape), behaviour.duration.draw(tape)
        if not ending.hangs:
            self._timer = self.services.loop.call_later(seconds, self._finish, ending)

    def _finish(self, ending: Ending) -> None:
        at = self.services.loop.time()
        if ending.error is not None:
            name, error = ending.error.rpartition(".")[2], ending.error
            kinds = _kinds_of_bare(name) if name == error else kinds_of_name(error)
            failure = Failure(name, ending.message, ending.retryable, kinds, data=kept_data(ending.data))
            self._end(at, None, failure)
            return
        try:
            output = check_output(ending.output, self._node)
        except NodeConfigError as error:
            self._end(at, None, failure_of(error))
        else:
            self._end(at, output, None)

    def lose(self, reason: str) -> None:
        """Die, as a worker does."""
        self._drop()
        self._end(self.services.loop.time(), None, failure_of(HandlerKilled(reason)))

    def interrupt(self) -> None:
        """End after the cleanup, unless it ignores this."""
        if self.asked or self.ended:
            return
        self.ask()
        if not self._stubborn:
            self._drop()
            polite = self._polite
            end = self._stop if polite is None else lambda: self._finish(polite)
            self._timer = self.services.loop.call_later(self._cleanup, end)

    def kill(self) -> None:
        """End at once, unless it ignores even this."""
        self.ask()
        if not self.ended and not self._undying:
            self._drop()
            self._stop()

    def _stop(self) -> None:
        self._end(self.services.loop.time(), None, None)

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
