"""The simulated world: surroundings in which a tape decides, every delivery is seen, and the invariants are watched."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

from playbill.actors.breaker import BreakerActor
from playbill.actors.node import NodeActor
from playbill.actors.shell import Inbox, Shell
from playbill.actors.supervisor import SupervisorActor
from playbill.model.messages import Cancel, Stop
from playbill.runtime.clocks.virtual import VirtualClock
from playbill.runtime.dispatchers.seeded import SeededDispatcher
from playbill.runtime.faults.ports import SITE_SECONDS
from playbill.runtime.faults.world import FaultyWorld
from playbill.runtime.simulation import invariants as rules
from playbill.runtime.simulation.policies import picker
from playbill.runtime.simulation.violations import Crashed, Violation
from playbill.runtime.surroundings import RealWorld

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from playbill.actors.ports import Dispatcher, Receiver
    from playbill.model.events import Event
    from playbill.model.facts import Inputs, Now
    from playbill.model.plan import NodePlan, RunFacts
    from playbill.model.results import RunResult
    from playbill.runtime.circuits import Circuits
    from playbill.runtime.clocks.system import Clock
    from playbill.runtime.faults.plan import FaultPlan
    from playbill.runtime.simulation.loop import VirtualLoop
    from playbill.runtime.simulation.properties import Property
    from playbill.runtime.tape import Tape

Pair = tuple[str, str, str]
"""A machine's class, its state, and the message it received there."""
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
        self.coverage: set[Pair] = set()
        self.events: list[Event] = []
        self.violations: list[Violation] = []
        self.properties = list(properties)
        self.trace: list[Delivery] | None = [] if traced else None
        self.dead_letters: Any = None
        self._policy = policy
        self._ids = 0
        self._watches: dict[str, rules.RunWatch] = {}
        self._stopped: set[Shell[Any]] = set()
        self.loop: VirtualLoop

    # ---- surroundings -----------------------------------------------------------------------------------------

    def clock(self, loop: asyncio.AbstractEventLoop) -> Clock:
        """Make a clock of virtual time."""
        self.inner.clock = lambda loop: VirtualClock(loop)  # type: ignore[method-assign]
        return super().clock(loop)

    def dispatcher(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> Dispatcher:
        """Let the tape choose whose mail comes next."""
        self.mail = SeededDispatcher(loop, clock, self.tape, picker(self._policy, self.tape), self)
        return self.mail

    def draw(self) -> float:
        """Ask the tape."""
        return self.tape.fraction("jitter")

    def new_id(self) -> str:
        """Count."""
        self._ids += 1
        return f"run-{self._ids}"

    def wired(self, circuits: Circuits, runs: Callable[[], Iterable[Shell[Any]]]) -> None:
        """Watch the permits when nothing is under way."""
        super().wired(circuits, runs)
        self.loop.jumped = self._idle
        self.loop.describe = lambda: [repr(run) for run in self.runs()]

    # ---- what happens -----------------------------------------------------------------------------------------

    def delay(self, to: Receiver, message: Any) -> float:
        """Return how many seconds a message is on its way."""
        injector = self.injector
        if not injector.delays:
            return 0.0
        fault = injector.of("message_delay", type(message).__name__)
        late = fault.seconds if fault is not None else SITE_SECONDS if injector.buggify("message-late") else 0.0
        injector.lateness += late
        return late

    def deliver(self, sender: Receiver | None, to: Receiver, message: Any, now: Now) -> None:
        """Have `to` receive `message`; look at both sides of it."""
        if type(to) is Inbox:
            shell, content = to._shell, message.message  # noqa: SLF001 (its own door)
        else:
            shell, content = to, message
        if not isinstance(shell, Shell):
            to.receive(message, now)
            return
        machine = shell.machine
        was, ended = machine._state, shell.ended  # noqa: SLF001 (the property costs a call)
        if ended:
            self._late_mail(shell, to, message, now)
        else:
            self.coverage.add((type(machine).__name__, was, type(content).__name__))
            if type(content) is Stop:
                self._stopped.add(shell)
            elif type(content) is Cancel:
                self._cancelled(shell, content)
            to.receive(message, now)
        if self.trace is not None:
            became = "ended" if shell.ended else str(shell.machine.state)
            told = (name_of(sender), shell.actor_urn, shown(content), "ended" if ended else str(was), became)
            self.trace.append(Delivery(now.monotonic, *told))
        if type(shell) is BreakerActor:
            rules.check_probes(shell, self.report)

    def _late_mail(self, shell: Shell[Any], to: Receiver, message: Any, now: Now) -> None:
        before = self.dead_letters.count
        to.receive(message, now)
        if type(to) is not Inbox and rules.must_count(message) and self.dead_letters.count == before:
            self.report(rules.LETTERS, f"{shown(message)} to {shell.actor_urn}, which has ended, was not counted")

    def _cancelled(self, shell: Shell[Any], message: Cancel) -> None:
        if isinstance(shell, SupervisorActor):
            self._watch(shell).stopping(message.grace or 0.0)

    def _watch(self, actor: SupervisorActor) -> rules.RunWatch:
        watch = self._watches.get(actor.actor_urn)
        if watch is None:
            watch = self._watches[actor.actor_urn] = rules.RunWatch(actor, self.report, self.loop.time)
        return watch

    def taken(self, event: Event) -> None:
        """Look at an event as it is recorded."""
        self.events.append(event)
        if not event.stream.startswith("breaker:"):
            watch = self._watches.get(event.stream)
            if watch is None:
                actor = next((run for run in self.runs() if run.actor_urn == event.stream), None)
                if not isinstance(actor, SupervisorActor):
                    return
                watch = self._watch(actor)
            watch.recorded(event, self.injector.lateness)
        for rule in self.properties:
            rule.see(event, self)
        if self.injector.has("crash") and self.injector.of("crash", event.type) is not None:
            self.loop.fail(Crashed(f"the runtime died as {event.type} was recorded"))

    def begun(self, run: RunFacts, plan: NodePlan, attempt: int, inputs: Inputs, reply_to: Receiver) -> None:
        """Look at the beginning of an attempt."""
        if isinstance(reply_to, NodeActor):
            watch = self._watches[run.run_id]
            watch.begun(plan, attempt, inputs, reply_to, reply_to in self._stopped)

    def over(self, result: RunResult) -> None:
        """Look at a run that has ended."""
        self._watches[result.run_id].over(result)

    def _idle(self) -> None:
        if self.mail.is_idle:
            runs = [run for run in self.runs() if isinstance(run, SupervisorActor)]
            rules.check_permits(list(self.circuits), runs, self.report)

    def report(self, invariant: str, text: str) -> None:
        """Keep a violation; the first one ends the simulation."""
        violation = Violation(invariant, text, self.loop.time())
        self.violations.append(violation)
        self.loop.fail(violation)


def name_of(actor: object) -> str:
    """Return what traces call an actor."""
    if isinstance(actor, Inbox):
        actor = actor._shell  # noqa: SLF001 (its own door)
    return actor.actor_urn if isinstance(actor, Shell) else "(outside)"


def shown(message: object) -> str:
    """Write a message without what differs from run to run."""
    if isinstance(message, Shell):
        return message.actor_urn
    if isinstance(message, dict):
        return "{" + ", ".join(f"{key}: {shown(value)}" for key, value in message.items()) + "}"
    if is_dataclass(message) and not isinstance(message, type):
        told = [(field.name, getattr(message, field.name)) for field in fields(message) if field.name not in HIDDEN]
        inner = ", ".join(f"{name}={shown(value)}" for name, value in told if value is not None)
        return f"{type(message).__name__}({inner})"
    if type(message).__repr__ is object.__repr__:
        return f"<{type(message).__name__}>"
    return repr(message) if not isinstance(message, str) else str(message)
