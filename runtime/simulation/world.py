"""The simulated world: a tape decides, deliveries are seen and the invariants watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from playbill.actors.breaker import BreakerActor
from playbill.actors.node import NodeActor
from playbill.actors.reference import Inbox
from playbill.actors.shell import Shell
from playbill.actors.supervisor import SupervisorActor
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.messages import Cancel, Stop
from playbill.runtime.faults.world import FaultyWorld
from playbill.runtime.runners.attempt import Orphans
from playbill.runtime.simulation.checks import invariants as rules
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.trace import Delivery, describe, name_of, state_of
from playbill.runtime.simulation.virtual.dispatcher import SeededDispatcher
from playbill.runtime.simulation.virtual.schedules import picker
from playbill.runtime.simulation.virtual.world import VirtualWorld
from playbill.runtime.world import unchanged

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from playbill.actors.ports import Attempt, Dispatcher, Keeper, Receiver, Runner
    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Now
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import RunResult
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.journals.memory import MemoryJournal
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.simulation.checks.properties import Property
    from playbill.runtime.simulation.coverage import Sight
    from playbill.runtime.simulation.virtual.loop import VirtualLoop
    from playbill.runtime.world import ManagerView, Parts

ACTORS: Final = frozenset({SupervisorActor, NodeActor, BreakerActor})
HALF_OPEN: Final = BreakerMachine.ACTIONS[rules.HALF_OPEN]
STOPS: Final = frozenset({Stop, Cancel})


class WatchedRunner:
    """Tells of each attempt before another runner begins it.

    Args:
        inner: begins the attempts.
        begun: is told of run, node, number, inputs and actor.
    """

    __slots__ = ("_begun", "_inner")

    def __init__(self, inner: Runner, begun: Callable[[RunFacts, NodePlan, int, Inputs, Receiver], None]) -> None:
        self._inner = inner
        self._begun = begun

    def begin(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> Attempt:
        """Begin an attempt."""
        self._begun(run, plan, attempt, inputs, reply_to)
        return self._inner.begin(run, plan, attempt, inputs, reply_to)


class SimWorld(FaultyWorld):
    """The world of the manager on one virtual loop.

    Args:
        loop: the one it is on.
        tape: decides everything.
        plan: faults and behaviours.
        policy: which mailbox is served next.
        properties: what the user says must hold.
        traced: whether to keep what was delivered.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        tape: Tape,
        plan: FaultPlan,
        policy: str,
        properties: Iterable[Property] = (),
        *,
        traced: bool = False,
    ) -> None:
        super().__init__(VirtualWorld(tape, self._dispatcher), plan, tape, loop)
        self.loop = loop
        self.view: ManagerView | None = None
        """What its manager shows; None: nobody has opened it yet."""
        self.mail: SeededDispatcher | None = None
        """What carries the manager's mail."""
        self.journal: MemoryJournal | None = None
        """What keeps its events."""
        self.seen: set[Sight] = set()
        self.events: list[Event] = []
        self.violations: list[Violation] = []
        self.properties = list(properties)
        self.trace: list[Delivery] | None = [] if traced else None
        self.orphans = Orphans()
        self._policy = policy
        self._watches: dict[str, rules.RunWatch] = {}
        self._stopped: set[Shell[Any]] = set()

    # ---- its parts --------------------------------------------------------------------------------------------

    def _dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Let the tape choose whose mail comes next."""
        delays = self.injector.messages if self.injector.messages.are_possible else None
        self.mail = SeededDispatcher(loop, clock, self.tape, picker(self._policy, self.tape), self, delays=delays)
        return self.mail

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts; watch the permits when nothing is under way."""
        self.view = view
        self.loop.jumped = self._idle
        self.loop.describe = lambda: [repr(run) for run in self.runs()]
        parts = super().open(loop, view, wrap)
        self.journal = parts.journal
        return parts

    def runs(self) -> Iterable[Shell[Any]]:
        """Return the supervisors of the active runs, oldest first."""
        return () if self.view is None else self.view.runs()

    def breakers(self) -> Iterable[BreakerActor]:
        """Return the breakers there are."""
        return () if self.view is None else self.view.breakers

    def dead_letters(self) -> int:
        """Count the messages that came too late."""
        return 0 if self.view is None else self.view.dead_letters()

    # ---- what happens -----------------------------------------------------------------------------------------

    def delay(self, to: Receiver, message: Any) -> float:
        """Return how many seconds a message is on its way."""
        fault = self.injector.messages.happens(type(message).__name__)
        if fault is None:
            return 0.0
        self.injector.lateness += fault.seconds
        return fault.seconds

    def deliver(self, sender: Receiver | None, to: Receiver, message: Any, now: Now) -> None:
        """Have `to` receive `message`; look at both sides of it."""
        kind = type(to)
        if kind not in ACTORS or self.trace is not None:
            self._deliver_rarely(sender, to, message, now)
            return
        if to.ended:  # type: ignore[attr-defined]
            self._late_mail(to, to, message, now)  # type: ignore[arg-type]
            return
        told = cast("type[object]", type(message))
        self.seen.add((id(to.machine.actions), told))  # type: ignore[attr-defined]
        if told in STOPS:
            self._stops(to, message)  # type: ignore[arg-type]
        to.receive(message, now)
        if kind is BreakerActor and to.machine.actions is HALF_OPEN:  # type: ignore[attr-defined]
            rules.check_probes(to, self.report)  # type: ignore[arg-type]

    def _deliver_rarely(self, sender: Receiver | None, to: Receiver, message: Any, now: Now) -> None:
        """The same for mail from outside, for those that are no actors, and with a trace."""
        shell: Any = to
        content = message
        if type(to) is Inbox:
            shell, content = to.actor, message.message
        if type(shell) not in ACTORS:
            to.receive(message, now)
            return
        was = state_of(shell) if self.trace is not None else ""
        if shell.ended:
            self._late_mail(shell, to, message, now)
        else:
            self.seen.add((id(shell.machine.actions), cast("type[object]", type(content))))
            self._stops(shell, content)
            to.receive(message, now)
        if self.trace is not None:
            told = (name_of(sender), shell.actor_urn, describe(content), was, state_of(shell))
            self.trace.append(Delivery(now.monotonic, *told))
        if type(shell) is BreakerActor:
            rules.check_probes(shell, self.report)

    def _late_mail(self, shell: Shell[Any], to: Receiver, message: Any, now: Now) -> None:
        before = self.dead_letters()
        to.receive(message, now)
        if type(to) is not Inbox and rules.must_count(message) and self.dead_letters() == before:
            self.report(rules.LETTERS, f"{describe(message)} to {shell.actor_urn}, which has ended, was not counted")

    def _stops(self, shell: Shell[Any], message: Any) -> None:
        """Look at who is told to stop."""
        if isinstance(message, Stop):
            self._stopped.add(shell)
        elif isinstance(message, Cancel) and isinstance(shell, SupervisorActor):
            self._watch(shell).stopping(message.grace or 0.0)

    def _watch(self, actor: SupervisorActor) -> rules.RunWatch:
        watch = self._watches.get(actor.actor_urn)
        if watch is None:
            watch = self._watches[actor.actor_urn] = rules.RunWatch(actor, self.report, self.loop.time)
        return watch

    def taken(self, event: Event) -> None:
        """Look at an event as it is recorded."""
        self.events.append(event)
        if event.data and not rules.TELLTALE.isdisjoint(event.data):
            rules.check_fault(event, self.report)
        watch = self._watches.get(event.stream) or self._watch_of(event.stream)
        if watch is not None:
            watch.recorded(event, self.injector.lateness)
        if self.properties:
            self._judge(event)
        crashes = self.injector.crashes
        if crashes.calm:
            crashes.calm -= 1
        elif crashes.happens(event.type) is not None:
            self.loop.fail(Crashed(f"the runtime died as {event.type} was recorded"))

    def _watch_of(self, stream: str) -> rules.RunWatch | None:
        """Begin to watch a run; None: the stream is a breaker's."""
        run = next((run for run in self.runs() if run.actor_urn == stream), None)
        return self._watch(run) if isinstance(run, SupervisorActor) else None

    def _judge(self, event: Event) -> None:
        for rule in self.properties:
            try:
                rule.see(event, self)
            except Exception as error:  # noqa: BLE001 (the actor that recorded the event is not to blame)
                self.report(rule.name, f"its predicate raised {error!r} at {event.type}")

    def kept(self, keeper: Keeper, seq: int) -> None:
        """Tell a supervisor; what its gate lets go is its own mail, in order with all else it says."""
        if isinstance(keeper, SupervisorActor) and self.mail is not None:
            self.mail.speak(keeper, keeper.kept, seq)
        else:
            keeper.kept(seq)

    def begun(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> None:
        """Look at the beginning of an attempt."""
        if isinstance(reply_to, NodeActor):
            watch = self._watches[run.run_id]
            watch.begun(plan, attempt, inputs, reply_to, reply_to in self._stopped)

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run coroutines; stand in for the rest; look at all that begin."""
        self.orphans = services.attempts.orphans
        return WatchedRunner(super().runner(services, bindings, context), self.begun)

    def over(self, result: RunResult) -> None:
        """Look at a run that has ended."""
        self._watches[result.run_id].over(result)

    def lose(self) -> None:
        """Let all actors be dead: nothing is told any more."""
        for actor in [*self.runs(), *self.breakers()]:
            actor.lose()

    def _idle(self) -> None:
        """Look at the permits when nothing is ready and no mail under way."""
        if self.mail is not None and self.mail.is_idle:
            rules.check_permits(self.breakers(), self.runs(), self.report)  # type: ignore[arg-type]

    def report(self, invariant: str, text: str) -> None:
        """Keep a violation; the first one ends the simulation."""
        violation = Violation(invariant, text, self.loop.time())
        self.violations.append(violation)
        self.loop.fail(violation)
