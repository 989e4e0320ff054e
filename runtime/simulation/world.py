"""The simulated world: a tape decides, deliveries are seen and the invariants watched."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.actors.breaker import BreakerActor
from playbill.actors.node import NodeActor
from playbill.actors.reference import ActorStop, Inbox
from playbill.actors.shell import Shell
from playbill.actors.supervisor import SupervisorActor
from playbill.model.messages import Ask, Force, HalfOpenOver, OpenOver, Recovered, Settle
from playbill.runtime.faults.world import FaultyWorld
from playbill.runtime.runners.attempt import Orphans
from playbill.runtime.simulation.checks.injected import TEXT, Injected
from playbill.runtime.simulation.checks.names import LETTERS
from playbill.runtime.simulation.checks.properties import describe_raised
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.reference.whole import ReferenceModel, WatchedRunner
from playbill.runtime.simulation.trace import Delivery, describe, name_of, state_of
from playbill.runtime.simulation.virtual.dispatcher import SeededDispatcher
from playbill.runtime.simulation.virtual.schedules import picker, reports_by_call
from playbill.runtime.simulation.virtual.world import VirtualWorld
from playbill.runtime.world import unchanged

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from playbill.actors.ports import Dispatcher, Keeper, Receiver, Runner
    from playbill.model.events import Event
    from playbill.model.facts import Now
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

AT_CIRCUITS: Final[frozenset[type]] = frozenset({Ask, Settle, Force, OpenOver, HalfOpenOver})
"""What a breaker hands to one of its circuits."""
ACTORS: Final[dict[type[Any], str]] = {SupervisorActor: "supervisor", NodeActor: "node", BreakerActor: "breaker"}


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
        self.model = ReferenceModel(self.report, lambda: self.injector.lateness)
        self._tellers = {} if traced else self.model.tellers
        """Who takes the messages of whom; with a trace nobody is known here, so that each delivery is written."""
        self._runs = self.model.runs
        self._unforeseen = 0
        """Dead letters that the model says nothing of: to those that have ended, from outside, from a gate."""
        self._failing = self.injector.actors if self.injector.actors.are_possible else None
        self._policy = policy

    # ---- its parts --------------------------------------------------------------------------------------------

    def _dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Let the tape choose whose mail comes next, and how reports go up: by queue, where mail is delayed."""
        tape, messages = self.tape, self.injector.messages
        by_call = not messages.are_planned and reports_by_call(tape)
        delays = messages if messages.are_possible and not by_call else None
        pick = picker(self._policy, tape)
        self.mail = SeededDispatcher(loop, clock, tape, pick, self, by_call=by_call, delays=delays)
        return self.mail

    def open(
        self, loop: asyncio.AbstractEventLoop, view: ManagerView, wrap: Callable[[Clock], Clock] = unchanged
    ) -> Parts:
        """Make the parts; look for what is owed when nothing is under way."""
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
        """Return how many seconds a message is on its way; what had begun of a node it is told as it is made."""
        if type(message) is Recovered:
            return 0.0
        fault = self.injector.messages.happens(type(message).__name__)
        if fault is None:
            return 0.0
        self.injector.lateness += fault.seconds
        return fault.seconds

    def deliver(self, sender: Receiver | None, to: Receiver, message: Any, now: Now) -> Any:
        """Have `to` receive `message`; look at both sides of it; return its answer."""
        teller = self._tellers.get(to)
        if teller is None and (type(to) not in ACTORS or self.trace is not None):
            return self._deliver_rarely(sender, to, message, now)
        if self._failing is not None:
            self._fail(to, message, now)  # type: ignore[arg-type]
        if to.ended:  # type: ignore[attr-defined]
            return self._late_mail(to, to, message, now)  # type: ignore[arg-type]
        kind = message.__class__
        self.seen.add((id(to.machine.actions), kind))  # type: ignore[attr-defined]
        if kind in AT_CIRCUITS:
            self._see_circuit(to, message, kind)  # type: ignore[arg-type]
        if teller is None:
            self.model.tell(to, message, now)  # type: ignore[arg-type]
        else:  # what model.tell does, without its call
            try:
                teller(message, now)
            except Exception as error:  # noqa: BLE001 (whatever a broken machine makes of the model)
                self.model.fits_nothing(to, message, error)
        return to.receive(message, now)

    def _see_circuit(self, breaker: BreakerActor, message: Any, kind: type) -> None:
        """Note where the circuit stands that a message is about."""
        target = message.permit.target if kind is Settle else message.target or ""
        circuit = breaker.machine.circuits.get(target)
        if circuit is not None:
            self.seen.add((id(circuit.actions), kind))

    def _deliver_rarely(self, sender: Receiver | None, to: Receiver, message: Any, now: Now) -> Any:
        """The same for mail from outside, for those that are no actors, and with a trace."""
        shell: Any = to
        content = message
        if type(to) is Inbox:
            shell, content = to.actor, message.message
        if type(shell) not in ACTORS:
            return to.receive(message, now)
        was = state_of(shell) if self.trace is not None else ""
        if self._failing is not None and self._fail(shell, content, now) and self.trace is not None:
            became = state_of(shell)
            self.trace.append(Delivery(now.monotonic, "(outside)", shell.actor_urn, TEXT, was, became))
            was = became
        told = (now.monotonic, name_of(sender), shell.actor_urn, describe(content), was)
        place = len(self.trace or ())
        if self.trace is not None:  # before what it is told leads to: reports that are received at once
            self.trace.append(Delivery(*told, was))
        answer: Any = None
        if shell.ended:
            self._late_mail(shell, to, message, now)
        else:
            kind = cast("type[object]", type(content))
            self.seen.add((id(shell.machine.actions), kind))
            if type(shell) is BreakerActor and kind in AT_CIRCUITS:
                self._see_circuit(shell, content, kind)
            if kind is ActorStop and not isinstance(shell, SupervisorActor):
                self.model.stop_judging()
            foreseen = self.model.letters.late
            self.model.tell(shell, content, now)
            if shell is to:
                answer = to.receive(message, now)
            else:  # who asks is answered; what is counted then depends on who it is
                self.model.letters.late = foreseen
                self._unseen(partial(to.receive, message, now))
        if self.trace is not None:
            self.trace[place] = Delivery(*told, state_of(shell))
        return answer

    def _fail(self, shell: Shell[Any], message: Any, now: Now) -> bool:
        """Let an actor fail before it is told something, if it is an occasion for that; tell whether it did."""
        failing = self.injector.actors
        if failing.calm:
            failing.calm -= 1
            return False
        if shell.ended or failing.happens(type(message).__name__, ACTORS[type(shell)]) is None:
            return False
        injected = Injected(message)
        self.model.fails(shell, injected, now)
        self._unseen(partial(shell.receive, injected, now))
        return True

    def _unseen(self, act: Callable[[], Any]) -> None:
        """Do what the model says nothing of: the dead letters it leads to are none that were foreseen."""
        foreseen, unforeseen, before = self.model.letters.late, self._unforeseen, self.dead_letters()
        act()
        self.model.letters.late = foreseen
        self._unforeseen = unforeseen + self.dead_letters() - before

    def _late_mail(self, shell: Shell[Any], to: Receiver, message: Any, now: Now) -> None:
        before = self.dead_letters()
        self._unseen(partial(to.receive, message, now))
        if type(to) is not Inbox and type(message) is not Ask and self.dead_letters() == before:
            self.report(LETTERS, f"{describe(message)} to {shell.actor_urn}, which has ended, was not counted")

    def taken(self, event: Event) -> None:
        """Look at an event as it is recorded."""
        self.events.append(event)
        run = self._runs.get(event.stream)
        if run is None:
            self.model.recorded(event)
        else:
            run.recorded(event)
        if self.properties:
            self._judge(event)
        crashes = self.injector.crashes
        if crashes.calm:
            crashes.calm -= 1
        elif crashes.happens(event.type) is not None:
            self.loop.fail(Crashed(f"the runtime died as {event.type} was recorded"))

    def _judge(self, event: Event) -> None:
        for rule in self.properties:
            try:
                rule.see(event, self)
            except Exception as error:  # noqa: BLE001 (the actor that recorded the event is not to blame)
                self.report(rule.name, describe_raised(error, event))

    def kept(self, keeper: Keeper, seq: int) -> None:
        """Tell a supervisor; what its gate lets go is its own mail, in order with all else it says."""
        if isinstance(keeper, SupervisorActor) and self.mail is not None:
            self._unseen(partial(self.mail.speak, keeper, keeper.kept, seq))
        else:
            self._unseen(partial(keeper.kept, seq))

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run coroutines; stand in for the rest; look at all that begin."""
        self.orphans = services.attempts.orphans
        return WatchedRunner(super().runner(services, bindings, context), self.model)

    def over(self, actor: Shell[Any], result: RunResult) -> None:
        """Look at a run that has ended."""
        self.model.over(actor, result)

    def lose(self) -> None:
        """Let all actors be dead: nothing is told any more."""
        for actor in [*self.runs(), *self.breakers()]:
            actor.lose()

    def _idle(self) -> None:
        """Look for what should have happened, when nothing is ready and no mail under way."""
        view, model = self.view, self.model
        if view is not None and self.mail is not None and self.mail.is_idle:
            model.idle(self.loop.time())
            counted = view.dead_letters() - self._unforeseen
            if counted != model.letters.late and not model.is_blind:
                text = f"{model.letters.late} messages to the living came too late, {counted} were counted"
                self.report(LETTERS, text)

    def report(self, invariant: str, text: str) -> None:
        """Keep a violation; the first one ends the simulation."""
        violation = Violation(invariant, text, self.loop.time())
        self.violations.append(violation)
        self.loop.fail(violation)
