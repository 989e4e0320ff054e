"""The supervisor actor: the supervisor machine's shell, with its nodes, its journal and the gate between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.actors.gate import Gate
from playbill.actors.node import NodeActor
from playbill.actors.shell import Shell, logger
from playbill.model.errors import InternalError
from playbill.model.failures import failure_of
from playbill.model.machines.conclusion import conclude
from playbill.model.machines.salvage import SalvageMachine, last_events
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.messages import GATED, Cancel, JournalBack, JournalFailed
from playbill.model.plain_text import repr_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from playbill.actors.ports import Ports
    from playbill.model.events import Event
    from playbill.model.facts import Failure
    from playbill.model.plan import RunFacts
    from playbill.model.results import RunResult
    from playbill.model.runstate import RunState


class SupervisorActor(Shell[SupervisorMachine | SalvageMachine]):
    """One run.

    Told by: the manager, its nodes, its journal, its timers. Tells: its nodes.
    """

    def __init__(
        self,
        ports: Ports,
        facts: RunFacts,
        timeout: float,
        breakers: Mapping[str, Shell[Any]],
        on_end: Callable[[RunResult], None],
        run: RunState | None = None,
        kept: Sequence[Event] = (),
    ) -> None:
        """Make the actor of a run that is to start; or to go on: with the fold of its events, and these."""
        super().__init__(ports, facts.run_id)
        self.tell = self._tell
        self._post = ports.post
        self.facts = facts
        self.machine = SupervisorMachine(facts, timeout, run)
        self.breakers = breakers
        self.nodes: dict[str, NodeActor] = {}
        self.gate = Gate()
        self.on_end = on_end
        self.journal_failed = False
        self.result: RunResult | None = None
        """What its machine has finished with: final, and announced as soon as the journal has it."""
        self.writer = ports.journal.open(facts.run_id, self, kept)
        self.register()

    # ---- effects ----------------------------------------------------------------------------------------------

    def _tell(self, to: str, message: Any, /) -> None:
        """Send `message` to a node, through the gate if it begins work."""
        if self.gate.closed and type(message) in GATED:
            self.gate.hold(to, message)
            return
        node = self.nodes.get(to)
        if node is None:
            self.dead_letter(message)
        else:
            self._post(node, message)

    def record(self, event: Event) -> None:
        """Hand an event to the journal."""
        gate = self.gate
        gate.recorded = event.seq
        if not self.writer.append(event):
            gate.closed = True

    def spawn(self, node: str) -> None:
        """Make the actor of a node."""
        if self.ended:
            self.undone(node)
            return
        plan = self.facts.plan.nodes[node]
        breaker = None if plan.breaker is None else self.breakers[plan.breaker]
        self.nodes[node] = NodeActor(self.ports, self.facts, plan, self, breaker)

    def forget(self, node: str) -> None:
        """Let go of the actor of a node."""
        self.nodes.pop(node, None)

    def finish(self, result: RunResult | None) -> None:
        """Give the result, once the journal has it, and end; nodes that are left are given up at once."""
        for node in self.nodes.values():
            node.give_up()
        self.nodes.clear()
        self.result = result
        if not self.gate.closed:
            self._announce()

    def close(self) -> None:
        """End, as all shells do; its own `tell` is a circle, too."""
        super().close()
        self.tell = self._post

    def _announce(self) -> None:
        try:
            self.close()
        finally:  # whoever waits must hear of it, whatever goes wrong in letting go
            if self.result is not None:
                self.on_end(self.result)

    # ---- the journal ------------------------------------------------------------------------------------------

    def kept(self, seq: int) -> None:
        """Release what waited for the records up to `seq`."""
        for _, to, message in self.gate.keep(seq):
            if to in self.nodes:
                self._post(self.nodes[to], message)
            else:
                self.dead_letter(message)
        if self.result is not None and not self.gate.closed and not self.ended:
            self._announce()
        if self.journal_failed and not self.gate.closed:
            self.journal_failed = False
            self.post(JournalBack())

    def failed(self, error: str) -> None:
        """Hold the run while the journal keeps nothing."""
        if not self.journal_failed:
            self.journal_failed = True
            self.post(JournalFailed(error))

    # ---- stops and faults -------------------------------------------------------------------------------------

    def on_actor_stop(self) -> None:
        """Cancel the run, with no grace; pykka's caller is answered when it has ended."""
        self.post(Cancel("stop", grace=0.0))

    def fault(self, error: BaseException, message: Any) -> None:
        """End the run failed, without its machine: live nodes go down the ladder."""
        logger.error("%r failed: %s", self, text_of(error), exc_info=error)
        if self.result is not None:
            return
        wrapped = InternalError(f"the supervisor of run '{self.facts.run_id}' failed: {repr_of(error)}")
        wrapped.__cause__ = error
        failure = failure_of(wrapped, traceback=True)
        if isinstance(self.machine, SalvageMachine):
            self._sink(failure)
            return
        self.machine = SalvageMachine(self.facts, self.machine.run, self.nodes, failure)
        try:
            self.machine.begin(self.now, self, message)
        except BaseException as again:  # noqa: BLE001 (the run must end)
            self.fault(again, None)

    def _sink(self, failure: Failure) -> None:
        """End the run although its salvage failed, too: what can be recorded still is, and nothing waits for it."""
        self.gate = Gate()
        run = self.machine.run
        try:
            for event in last_events(self.facts, run, failure, self.now):
                run.apply(event)
                self.writer.append(event)
        except BaseException as error:  # noqa: BLE001 (the run must end)
            logger.error("%r: its end is not recorded: %s", self, error, exc_info=error)
        self.finish(conclude(self.facts, run, failure).result(self.facts, run))
