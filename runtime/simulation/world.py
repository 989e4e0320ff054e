"""The simulated world: surroundings in which a tape decides, deliveries are seen and the invariants watched."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from playbill.actors.breaker import BreakerActor
from playbill.actors.node import NodeActor
from playbill.actors.shell import Inbox, Shell
from playbill.actors.supervisor import SupervisorActor
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.node import NodeMachine
from playbill.model.machines.salvage import SalvageMachine
from playbill.model.machines.supervisor import SupervisorMachine
from playbill.model.messages import Cancel, Stop
from playbill.model.wording import clip
from playbill.runtime.faults.world import FaultyWorld
from playbill.runtime.runners.attempt import Orphans
from playbill.runtime.simulation.checks import invariants as rules
from playbill.runtime.simulation.checks.violations import Crashed, Violation
from playbill.runtime.simulation.virtual.clock import VirtualClock
from playbill.runtime.simulation.virtual.dispatcher import SeededDispatcher
from playbill.runtime.simulation.virtual.schedules import picker
from playbill.runtime.world import RealWorld

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from playbill.actors.ports import Dispatcher, Keeper, Receiver, Runner
    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Now
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import RunResult
    from playbill.runtime.breakers import Breakers
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.faults.tape import Tape
    from playbill.runtime.runners.bindings import Bindings
    from playbill.runtime.runners.runner import RunnerServices
    from playbill.runtime.simulation.checks.properties import Property
    from playbill.runtime.simulation.virtual.loop import VirtualLoop

Pair = tuple[str, str, str]
"""A machine's class, its state, and the message it received there."""
Sight = tuple[int, type]
"""The same, as it is noted for each message: by the identity of what is done there (see PLACES)."""
ACTORS: Final = frozenset({SupervisorActor, NodeActor, BreakerActor})
PLACES: Final = {
    id(actions): (machine.__name__, str(state))
    for machine in (SupervisorMachine, SalvageMachine, NodeMachine, BreakerMachine)
    for state, actions in machine.ACTIONS.items()
}
"""Machine and state by the identity of what is done there: the cheapest thing to note for each message."""
HALF_OPEN: Final = BreakerMachine.ACTIONS[rules.HALF_OPEN]
STOPS: Final = frozenset({Stop, Cancel})
LONGEST: Final = 100
"""Characters of one value in a trace."""
HIDDEN: Final = frozenset({"traceback", "kinds"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message, as it was received."""

    at: float
    sender: str
    to: str
    message: str
    was: str
    became: str

    def __str__(self) -> str:
        states = self.was if self.was == self.became else f"{self.was} -> {self.became}"
        return f"{self.at:12.3f}  {self.sender} -> {self.to}  {self.message}  [{states}]"


class SimWorld(FaultyWorld):
    """The surroundings of the managers on one virtual loop.

    Args:
        tape: decides everything.
        plan: faults and behaviours.
        policy: which mailbox is served next.
        properties: what the user says must hold.
        traced: whether to keep what was delivered.
    """

    simulated = True

    def __init__(
        self, tape: Tape, plan: FaultPlan, policy: str, properties: Iterable[Property] = (), *, traced: bool = False
    ) -> None:
        super().__init__(RealWorld(), plan, tape)
        self.seen: set[Sight] = set()
        self.events: list[Event] = []
        self.violations: list[Violation] = []
        self.properties = list(properties)
        self.trace: list[Delivery] | None = [] if traced else None
        self.dead_letters: Callable[[], int] = lambda: 0
        self.orphans = Orphans()
        self._policy = policy
        self._ids = 0
        self._watches: dict[str, rules.RunWatch] = {}
        self._stopped: set[Shell[Any]] = set()
        self.loop: VirtualLoop

    # ---- surroundings -----------------------------------------------------------------------------------------

    def clock(self, loop: asyncio.AbstractEventLoop) -> Clock:
        """Make a clock of virtual time."""
        self.inner.clock = VirtualClock  # type: ignore[method-assign]
        return super().clock(loop)

    def dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Let the tape choose whose mail comes next."""
        delays = self.injector.messages if self.plan.by_kind.get("message_delay") or self.plan.buggify else None
        self.mail = SeededDispatcher(loop, clock, self.tape, picker(self._policy, self.tape), self, delays=delays)
        return self.mail

    def draw(self) -> float:
        """Ask the tape."""
        return self.tape.fraction("jitter")

    def new_id(self) -> str:
        """Count."""
        self._ids += 1
        return f"run-{self._ids}"

    def wired(
        self, circuits: Breakers, runs: Callable[[], Iterable[Shell[Any]]], dead_letters: Callable[[], int]
    ) -> None:
        """Watch the permits when nothing is under way."""
        super().wired(circuits, runs, dead_letters)
        self.dead_letters = dead_letters
        self.loop.jumped = self._idle
        self.loop.describe = lambda: [repr(run) for run in self.runs()]

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
            shell, content = to.shell, message.message
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
            told = (name_of(sender), shell.actor_urn, shown(content), was, state_of(shell))
            self.trace.append(Delivery(now.monotonic, *told))
        if type(shell) is BreakerActor:
            rules.check_probes(shell, self.report)

    def _late_mail(self, shell: Shell[Any], to: Receiver, message: Any, now: Now) -> None:
        before = self.dead_letters()
        to.receive(message, now)
        if type(to) is not Inbox and rules.must_count(message) and self.dead_letters() == before:
            self.report(rules.LETTERS, f"{shown(message)} to {shell.actor_urn}, which has ended, was not counted")

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
        if isinstance(keeper, SupervisorActor):
            self.mail.speak(keeper, keeper.kept, seq)
        else:
            keeper.kept(seq)

    def begun(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> None:
        """Look at the beginning of an attempt."""
        if isinstance(reply_to, NodeActor):
            watch = self._watches[run.run_id]
            watch.begun(plan, attempt, inputs, reply_to, reply_to in self._stopped)

    def runner(self, services: RunnerServices, bindings: Bindings, context: Context) -> Runner:
        """Run coroutines; stand in for the rest."""
        self.orphans = services.attempts.orphans
        return super().runner(services, bindings, context)

    def over(self, result: RunResult) -> None:
        """Look at a run that has ended."""
        self._watches[result.run_id].over(result)

    def lose(self) -> None:
        """Let all actors be dead: nothing is told any more."""
        if self.loop.jumped is not None:
            for actor in [*self.runs(), *self.circuits]:
                actor.lose()

    def _idle(self) -> None:
        """Look at the permits when nothing is ready and no mail under way."""
        if self.mail.is_idle:
            rules.check_permits(self.circuits, self.runs(), self.report)  # type: ignore[arg-type]

    def report(self, invariant: str, text: str) -> None:
        """Keep a violation; the first one ends the simulation."""
        violation = Violation(invariant, text, self.loop.time())
        self.violations.append(violation)
        self.loop.fail(violation)


def pairs_of(seen: Iterable[Sight]) -> set[Pair]:
    """Return which machine received what in which state."""
    return {(*PLACES[place], told.__name__) for place, told in seen}


def state_of(shell: Shell[Any]) -> str:
    """Return what traces call an actor's state."""
    return "ended" if shell.ended else str(shell.machine.state)


def name_of(actor: object) -> str:
    """Return what traces call an actor."""
    if isinstance(actor, Inbox):
        actor = actor.shell
    return actor.actor_urn if isinstance(actor, Shell) else "(outside)"


def shown(message: object) -> str:
    """Write a message without what differs from run to run."""
    if isinstance(message, Shell):
        return message.actor_urn
    if isinstance(message, dict):
        items = cast("dict[object, object]", message).items()
        return "{" + ", ".join(f"{key}: {shown(value)}" for key, value in items) + "}"
    if is_dataclass(message) and not isinstance(message, type):
        told = [(field.name, getattr(message, field.name)) for field in fields(message) if field.name not in HIDDEN]
        inner = ", ".join(f"{name}={shown(value)}" for name, value in told if value is not None)
        return f"{type(message).__name__}({inner})"
    if isinstance(message, datetime):
        return message.isoformat()
    if type(message).__repr__ is object.__repr__:
        return f"<{type(message).__name__}>"
    text = message if isinstance(message, str) else repr(message)
    return clip(text, LONGEST)
