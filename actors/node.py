"""The node actor: the node machine's shell; it also holds the attempt that is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.actors.shell import Shell, logger
from playbill.model.errors import InternalError
from playbill.model.facts import NodeStatus, Outcome, Receipt, Stopped
from playbill.model.failures import failure_of
from playbill.model.machines.node import NodeMachine
from playbill.model.messages import Ended, Released
from playbill.model.plain_text import repr_of, text_of

if TYPE_CHECKING:
    from playbill.actors.ports import Attempt, Ports, TellAtOnce
    from playbill.model.facts import Inputs, Permit
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import RunResult


class NodeActor(Shell[NodeMachine]):
    """One node of one run.

    Told by: its supervisor, its breaker, the runner of its attempts, its timers; by mail. Tells: supervisor and
    breaker, which receive it at once.
    """

    attempt: Attempt | None = None
    permit: TellAtOnce
    """The effect: ask a breaker. Bound once an actor, as `tell` is."""

    def __init__(
        self, ports: Ports, facts: RunFacts, plan: NodePlan, supervisor: Shell[Any], breaker: Shell[Any] | None
    ) -> None:
        # Not super().__init__: one is made for every node, and its urn only when somebody asks for it.
        self.ended = False
        self.timers = None
        self.ports = ports
        self.tell = self.permit = ports.call  # pyright: ignore[reportIncompatibleMethodOverride] (bound)
        self.machine = NodeMachine(facts, plan, self, supervisor, breaker)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """Run and node."""
        return f"{self.machine.facts.run_id}/{self.machine.plan.id}"

    def begin(self, attempt: int, inputs: Inputs) -> None:
        """Run the node's handler."""
        if self.ended:
            self.undone(attempt)
            return
        machine = self.machine
        self.attempt = self.ports.runner.begin(machine.facts, machine.plan, attempt, inputs, self)

    def interrupt(self, attempt: int) -> None:
        """Ask the attempt to end."""
        if self.attempt is not None:
            self.attempt.interrupt()

    def kill(self, attempt: int) -> None:
        """End the attempt by force."""
        if self.attempt is not None:
            self.attempt.kill()

    def abandon(self, attempt: int, permit: Permit | None) -> None:
        """Give the attempt up; its breaker hears when the work does end."""
        if self.attempt is not None:
            self.attempt.abandon(self._release, permit)
            self.attempt = None

    def _release(self, permit: Permit) -> None:
        self.machine.breaker.post(Released(permit))

    def finish(self, result: RunResult | None) -> None:
        """End; the supervisor hears of it by the machine's Ended."""
        self.attempt = None
        self.close()

    def on_actor_stop(self) -> None:
        """Fail: somebody stopped this node's actor alone."""
        self.fault(InternalError(f"the actor of node '{self.machine.plan.id}' was stopped from outside"), None)

    def fault(self, error: BaseException, message: Any) -> None:
        """Fail the node: whatever it held is given back, its attempt killed and abandoned."""
        logger.error("%r failed: %s", self, text_of(error), exc_info=error)
        machine = self.machine
        wrapped = InternalError(f"the actor of node '{machine.plan.id}' failed: {repr_of(error)}")
        wrapped.__cause__ = error
        failure = failure_of(wrapped, traceback=True)
        receipt = Receipt(Stopped.ABANDONED) if machine.has_attempt else None
        self.give_up()
        outcome = Outcome(NodeStatus.FAILED, machine.attempts, failure=failure, receipt=receipt)
        self.tell(machine.supervisor, Ended(machine.plan.id, outcome))

    def give_up(self) -> None:
        """End without a word: the attempt is killed and abandoned, permit and ask are given back.

        The share of an attempt that goes on is given back when it does end.
        """
        attempt, self.attempt = self.attempt, None
        permit = self.machine.release(self)
        if attempt is not None:
            attempt.kill()
            attempt.abandon(self._release, permit)
        self.close()
