"""A breaker with hands and eyes: asks, settles, lets time pass, and tells what was answered."""

from typing import Any

from playbill.model.effects import Timer
from playbill.model.facts import Now, Permit, Verdict
from playbill.model.machines.breaker import BreakerMachine
from playbill.model.machines.breaker_state import Report
from playbill.model.messages import Ask, Force, Granted, Parked, Refused, Released, Settle, Withdraw
from playbill.model.policies import BreakerPolicy
from tests.model.machines.recorder import at

OK, BAD = Verdict.SUCCESS, Verdict.FAILURE


class Circuit:
    """A breaker machine whose timers fire when time passes."""

    def __init__(self, **policy: Any) -> None:
        self.machine = BreakerMachine("key", BreakerPolicy(**policy))
        self.now = 0.0
        self.wall_clock_skew = 0.0
        self.answers: dict[str, Any] = {}
        """The last answer to each ask, by the asker."""
        self.events: list[str] = []
        self.dead: list[Any] = []
        self._timers: dict[Timer, tuple[float, Any]] = {}

    @property
    def state(self) -> str:
        return str(self.machine.state)

    def ask(self, who: str, *, wait: bool = False) -> str:
        """Ask; return "granted", "parked" or "refused"."""
        self._receive(Ask(who, who, wait))
        return self.answer(who)

    def answer(self, who: str) -> str:
        return {Granted: "granted", Parked: "parked", Refused: "refused"}[type(self.answers[who])]

    def permit(self, who: str) -> Permit:
        permit: Permit = self.answers[who].permit
        return permit

    def settle(self, who: str, verdict: Verdict, *, seconds: float = 0.0, running: bool = False) -> Report:
        report: Report = self._receive(Settle(self.permit(who), verdict, seconds, running=running))
        return report

    def call(self, who: str, verdict: Verdict) -> Report:
        assert self.ask(who) == "granted"
        return self.settle(who, verdict)

    def withdraw(self, who: str) -> None:
        self._receive(Withdraw(who))

    def release(self, who: str) -> None:
        self._receive(Released(self.permit(who)))

    def force(self, state: str) -> None:
        self._receive(Force(state))

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

    def record(self, event: Any) -> None:
        self.events.append(str(event.type))

    def set_timer(self, name: Timer, delay: float, message: Any) -> None:
        assert delay >= 0
        self._timers[name] = (self.now + delay, message)

    def drop_timer(self, name: Timer) -> None:
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
