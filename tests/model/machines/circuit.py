"""A breaker with hands and eyes: asks, settles, lets time pass, and tells what was answered."""

from typing import Any

from playbill.model.effects import TimerName
from playbill.model.events import Event
from playbill.model.facts import Failure, Now, Permit, Verdict
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.circuit_state import Report
from playbill.model.messages import Ask, Force, Granted, Parked, Refused, Released, Settle, Withdraw
from playbill.model.policies import BreakerPolicy
from tests.model.machines.recorder import at

OK, BAD = Verdict.SUCCESS, Verdict.FAILURE


class Circuit:
    """A breaker machine whose timers fire when time passes; who asks as "who@target" asks for a target."""

    def __init__(self, targets: dict[str, BreakerPolicy] | None = None, **policy: Any) -> None:
        self.machine = BreakerMachine("key", BreakerPolicy(**policy), targets)
        self.now = 0.0
        self.wall_clock_skew = 0.0
        self.answers: dict[str, Any] = {}
        """The last answer to each ask, by the asker."""
        self.events: list[str] = []
        self.facts: list[Event] = []
        self.dead: list[Any] = []
        self._timers: dict[TimerName, tuple[float, Any]] = {}

    @property
    def state(self) -> str:
        return str(self.machine.own.state)

    def ask(self, who: str, *, wait: bool = False) -> str:
        """Ask; return "granted", "parked" or "refused"."""
        self._receive(Ask(who, who, wait, who.partition("@")[2]))
        return self.answer(who)

    def state_of(self, target: str) -> str:
        circuit = self.machine.circuits.get(target)
        return "forgotten" if circuit is None else str(circuit.state)

    def answer(self, who: str) -> str:
        answers: dict[type, str] = {Granted: "granted", Parked: "parked", Refused: "refused"}
        return answers[type(self.answers[who])]

    def permit(self, who: str) -> Permit:
        permit: Permit = self.answers[who].permit
        return permit

    def settle(
        self,
        who: str,
        verdict: Verdict,
        *,
        seconds: float = 0.0,
        running: bool = False,
        failure: Failure | None = None,
    ) -> Report:
        message = Settle(self.permit(who), verdict, seconds, running=running, failure=failure)
        report: Report = self._receive(message)
        return report

    def call(self, who: str, verdict: Verdict) -> Report:
        assert self.ask(who) == "granted"
        return self.settle(who, verdict)

    def withdraw(self, who: str) -> None:
        self._receive(Withdraw(who))

    def release(self, who: str) -> None:
        self._receive(Released(self.permit(who)))

    def force(self, state: str, target: str | None = None) -> None:
        self._receive(Force(state, target))

    def restart(self, message: Any) -> None:
        """The machine broke over `message`."""
        self.machine.restart(message, "a bug", at(self.now), self)  # type: ignore[arg-type]  # it asks for these only

    def wait(self, seconds: float) -> None:
        """Let time pass; timers fire at their own times."""
        end = self.now + seconds
        while due := [(when, name) for name, (when, _) in self._timers.items() if when <= end]:
            self.now, name = min(due)
            self._receive(self._timers.pop(name)[1])
        self.now = end

    def _receive(self, message: Any) -> Any:
        now = Now(self.now, at(self.now + self.wall_clock_skew).utc)
        return self.machine.receive(message, now, self)  # type: ignore[arg-type]  # it asks for these only

    # The outbox.

    def tell(self, to: str, message: Any) -> None:
        self.answers[to] = message

    def record(self, event: Event) -> None:
        self.events.append(str(event.type))
        self.facts.append(event)

    def set_timer(self, name: TimerName, delay: float, message: Any) -> None:
        assert delay >= 0
        self._timers[name] = (self.now + delay, message)

    def drop_timer(self, name: TimerName) -> None:
        self._timers.pop(name, None)

    def dead_letter(self, message: Any) -> None:
        self.dead.append(message)


def opened(before: str | None = None, **policy: Any) -> Circuit:
    """A breaker that one failure has opened for 10 s; who asked `before` has a permit of its closed era still out."""
    circuit = Circuit(**{"failures": 1, "open_seconds": 10.0, **policy})
    if before is not None:
        assert circuit.ask(before) == "granted"
    circuit.call("bad", BAD)
    assert circuit.state == "open"
    return circuit


def half_open(before: str | None = None, **policy: Any) -> Circuit:
    """The same breaker 10 s later."""
    circuit = opened(before, **policy)
    circuit.wait(10.0)
    assert circuit.state == "half_open"
    return circuit
