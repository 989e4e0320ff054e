"""The supervisor actor: the supervisor machine's shell, with its nodes, its journal and the gate between them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from playbill.actors.gate import Gate
from playbill.actors.node import NodeActor
from playbill.actors.recording import RecordingShell
from playbill.actors.shell import logger
from playbill.model.errors import InternalError
from playbill.model.facts import RunStatus
from playbill.model.failures import failure_of
from playbill.model.machines.conclusion import conclude
from playbill.model.machines.salvage import SalvageMachine, last_events
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.machines.supervisor_state import SupervisorState
from playbill.model.messages import GATED, Cancel, JournalBack, JournalFailed, Park
from playbill.model.plain_text import repr_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from playbill.actors.gate import HeldMail
    from playbill.actors.ports import Ports
    from playbill.actors.shell import Shell
    from playbill.model.errors import JournalError
    from playbill.model.events import Event
    from playbill.model.facts import Failure, Now
    from playbill.model.plan import RunFacts
    from playbill.model.results import RunResult
    from playbill.model.runstate import RunState


class NullWriter:
    """Keeps nothing, and never says that it does."""

    def append(self, event: Event) -> bool:
        """Let an event be forgotten; nothing that waits for it happens."""
        return False

    def push(self) -> None:
        """Do nothing."""


class SupervisorActor(RecordingShell[SupervisorMachine | SalvageMachine]):
    """One run.

    Told by: the manager, its nodes, its journal, its timers. Tells: its nodes.
    """

    on_stopped: Callable[[], None] | None = None
    """Is called when its machine has finished and the journal has yet to keep that."""
    on_kept: Callable[[], None] | None = None
    """Is called when the journal has kept something of it."""
    on_fenced: Callable[[JournalError], None] | None = None
    """Is called when all work of a run has stopped of which the journal keeps nothing any more."""
    left: RunStatus | None = None
    """Where the run stood as it was left to others; None: it was not."""
    fence: JournalError | None = None
    """Why it keeps nothing; None: it does."""

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
            self.want()
            return
        node = self.nodes.get(to)
        if node is None:
            self.dead_letter(message)
        else:
            self._post(node, message)

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
        if self.fence is not None:
            self._let_go(self.fence)
        elif not self.gate.closed:
            self._announce()
            return
        else:
            self.want()
        if self.on_stopped is not None:
            self.on_stopped()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of the run is at work any more, its end kept or not."""
        return self.ended or self.result is not None

    def park(self, now: Now) -> None:
        """Begin nothing more, for another process will go on with the run; what ends until `leave` is recorded."""
        self.receive(Park(), now)
        self.want()

    def leave(self) -> None:
        """Record nothing more: what is stopped from here on goes on elsewhere."""
        if self.left is None:
            self.left = self.machine.run.status
        self.writer = NullWriter()

    @property
    def status(self) -> RunStatus:
        """Where the run stands, as others know it, too."""
        return self.machine.run.status if self.left is None else self.left

    def give_up(self, reason: str) -> JournalError:
        """End now: nobody waits any more until the journal has the run's end, which is not announced.

        Whoever waits for an answer gets an error; what is still at work, if anything is, is killed and abandoned.

        Args:
            reason: why nobody waits.

        Returns:
            The error of whoever waits for the result.
        """
        error = self.not_kept(reason)
        for node in self.nodes.values():
            node.give_up()
        self.nodes.clear()
        self.close()
        return error

    def rests_until(self, now: Now) -> float | None:
        """Return until when nothing happens in it by itself, in monotonic seconds; None: something is under way."""
        is_busy = self.ended or self.gate.closed or self.answers is not None or self.left is not None
        is_busy = is_busy or self.journal_failed or self.machine.run.at > now.utc
        if is_busy or isinstance(self.machine, SalvageMachine):
            return None
        until, paused = self.machine.rests_until, self.machine.state == SupervisorState.PAUSED
        for node in self.nodes.values():
            rests = node.machine.rests_until(now)
            if until is None or rests is None or node.machine.paused is not paused:
                return None
            until = min(until, rests)
        return inf if paused else until

    def rest(self, now: Now) -> float:
        """End without a word, for the fold of its events goes on; return how many seconds of its timeout are left."""
        for node in self.nodes.values():
            node.close()
        self.nodes.clear()
        self.close()
        return 0.0 if isinstance(self.machine, SalvageMachine) else self.machine.seconds_left(now)

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
        """Release what waited for the records up to `seq`: mail, then answers, then the result."""
        if self.ended:
            return
        super().kept(seq)
        if self.result is not None and not self.gate.closed:
            self._announce()
        if self.journal_failed and not self.gate.closed:
            self.journal_failed = False
            self.post(JournalBack())
        if self.on_kept is not None:
            self.on_kept()

    def fenced(self, error: JournalError) -> None:
        """Stop what is at work by the ladder, and announce nothing: somebody else goes on with the run, or nobody."""
        if self.ended or self.fence is not None:
            return
        super().failed(str(error))
        self.fence = error
        self.leave()
        if self.result is not None:
            self._let_go(error)
        else:
            self.post(Cancel("journal", str(error)))

    def _let_go(self, error: JournalError) -> None:
        """End, all work being stopped; who waits for the result hears why there is none."""
        on_fenced = self.on_fenced
        self.give_up("its journal keeps nothing of it any more")
        if on_fenced is not None:
            on_fenced(error)

    def release(self, held: HeldMail) -> None:
        """Send mail that waited in the gate, if its node is still there."""
        if held.to in self.nodes:
            self._post(self.nodes[held.to], held.message)
        else:
            self.dead_letter(held.message)

    def failed(self, error: str) -> None:
        """Hold the run while the journal keeps nothing."""
        if self.ended:
            return
        super().failed(error)
        if not self.journal_failed:
            self.journal_failed = True
            self.post(JournalFailed(error))

    def standing(self) -> str:
        """Tell how the run stands."""
        run, told = self.machine.run, f"run '{self.facts.run_id}'"
        if self.result is not None:
            return f"{told} has ended {self.result.status}"
        if self.machine.state == SupervisorState.STOPPING:
            return f"{told} is being stopped"
        return f"{told} is paused" if run.status is RunStatus.PAUSED else f"{told} goes on"

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
        """End the run although its salvage failed, too: with what can still be recorded, once that is kept."""
        self.gate = Gate()
        run = self.machine.run
        try:
            for event in last_events(self.facts, run, failure, self.now):
                run.apply(event)
                self.record(event)
        except BaseException as error:  # noqa: BLE001 (the run must end)
            logger.error("%r: its end is not recorded: %s", self, error, exc_info=error)
        self.finish(conclude(self.facts, run, failure).result(self.facts, run))
