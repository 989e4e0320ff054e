"""What a circuit holds: its counts, its probes, who waits at it; and how it changes its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playbill.model.effects import Timer
from playbill.model.events import NO_DATA, EventType
from playbill.model.facts import Verdict
from playbill.model.machines.capacity import Capacity
from playbill.model.machines.circuit_state import BARRED, CircuitState
from playbill.model.machines.machine import Machine
from playbill.model.machines.window import Window
from playbill.model.messages import HalfOpenOver, OpenOver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbill.model.breaker_past import CircuitPast
    from playbill.model.effects import Outbox
    from playbill.model.facts import Failure, Now
    from playbill.model.machines.circuit_state import Ledger
    from playbill.model.messages import Ask, Settle
    from playbill.model.policies import BreakerPolicy

S: Final = CircuitState
# Bound once, see machine.py.
CLOSED: Final = S.CLOSED
HALF_OPEN: Final = S.HALF_OPEN
FOREVER: Final = float("inf")


class CircuitBase(Machine[CircuitState]):
    """What a circuit holds, and how it changes."""

    INITIAL = S.CLOSED

    # Its defaults are the class's: one is made for every attempt at a target that is idle otherwise.
    at_work: int = 0
    """Permits of it that are out, and settled ones whose work goes on."""
    last_failure: Failure | None = None
    in_a_row: int = 0
    openings = 0
    open_ends = 0.0
    half_open_ends = 0.0
    probes: int = 0
    successes: int = 0
    draw = 0.5

    limits: Capacity | None = None
    """Its own, besides its breaker's."""

    def __init__(self, ledger: Ledger, target: str, policy: BreakerPolicy, failures: int | None) -> None:
        """Make a closed circuit.

        Args:
            ledger: its breaker's.
            target: what it is about; empty: all that has no circuit of its own.
            policy: when it opens.
            failures: how many in a row open it, unless its policy says; None: none do.
        """
        self.ledger = ledger
        self.target = target
        self.key = f"{ledger.key}/{target}" if target else ledger.key
        """What people call it."""
        self.judge_by(policy, failures)
        self.epoch = ledger.epoch
        self.line: dict[str, tuple[int, Ask]] = {}
        """Who waits, first come first: the place among all who wait at its breaker, and the ask."""

    def judge_by(self, policy: BreakerPolicy, failures: int | None) -> None:
        """Open by this policy from now on; `failures`: unless it says."""
        self.policy = policy
        self.failures = policy.failures_or(failures)
        self.windowed = policy.failure_rate is not None or policy.slow_rate is not None
        self.window = Window(policy)

    def reconsider(self, before: Mapping[str, Any], now: Now, out: Outbox) -> None:
        """Stay open no longer than the policy of now says, and record that it opened by another one."""
        policy = self.policy.besides_defaults()
        if policy == before:
            return
        self.ledger.record(EventType.BREAKER_POLICY_CHANGED, self.target, now, out, {"policy": policy})
        left = min(self.retry_after(now.monotonic), self.policy.longest_open())
        self.open_ends = now.monotonic + left
        out.set_timer((Timer.OPEN, self.target), left, OpenOver(self.epoch, self.target))

    def follow(self, policy: BreakerPolicy, failures: int | None) -> None:
        """Have a policy of its own from now on, with the limits in it; `failures`: unless it says."""
        self.judge_by(policy, failures)
        self.limits = None if policy.is_unlimited else Capacity(policy)

    @property
    def is_barred(self) -> bool:
        """Whether nobody gets a permit until its state changes."""
        return self.state in BARRED

    def retry_after(self, now: float) -> float:
        """Return in how many seconds it may let somebody through."""
        ends = {S.OPEN: self.open_ends, HALF_OPEN: self.half_open_ends}.get(self.state, FOREVER)
        return max(0.0, ends - now)

    def is_idle(self, now: float) -> bool:
        """Tell whether a new one would be no different: nobody is at work or waits, and no failure counts."""
        limits = self.limits
        self.window.age(now)
        return not (
            self.at_work
            or self.line
            or (self.in_a_row and self.failures is not None)
            or self.openings
            or self.window.failed
            or (limits is not None and limits.next_start > now)
        )

    def probe(self, now: Now, out: Outbox) -> None:
        """Count a permit that was given while half-open."""
        self.probes += 1
        if self.probes == 1:
            wait = self.policy.half_open_max_wait_seconds
            self.half_open_ends = now.monotonic + wait
            out.set_timer((Timer.HALF_OPEN, self.target), wait, HalfOpenOver(self.epoch, self.target))

    def take_back(self, epoch: int) -> None:
        """Take back a permit of `epoch` whose attempt never began."""
        if self.probes and epoch == self.epoch:
            self.probes -= 1

    def _trips(self, message: Settle, now: Now) -> bool:
        """Add a result to the counts; tell whether there are too many failures."""
        verdict = message.verdict
        if verdict is Verdict.SUCCESS:
            self.in_a_row = 0
        elif verdict is Verdict.FAILURE:
            self.in_a_row += 1
            self.last_failure = message.failure or self.last_failure
        else:
            return False
        if self.windowed:
            self.window.add(now.monotonic, message.seconds, failed=verdict is Verdict.FAILURE)
            if self.window.trips():
                return True
        return self.failures is not None and self.in_a_row >= self.failures

    def _open(self, now: Now, out: Outbox) -> None:
        self.openings += 1
        seconds = self.policy.open_for(self.openings, self.draw)
        self._be_open(seconds, self.policy.besides_defaults(), EventType.BREAKER_OPENED, now, out)

    def _be_open(
        self,
        seconds: float,
        policy: Mapping[str, Any],
        event: EventType,
        now: Now,
        out: Outbox,
        data: Mapping[str, Any] = NO_DATA,
    ) -> None:
        """Let nobody through for so many seconds, and record all that a successor needs to do the same."""
        said: dict[str, Any] = {**data, "seconds": seconds}
        if self.openings > 1:
            said["openings"] = self.openings
        if policy:
            said["policy"] = policy
        if self.last_failure is not None:
            said["failure"] = self.last_failure.brief
        self.open_ends = now.monotonic + seconds
        self._enter(S.OPEN, event, now, out, said)
        out.set_timer((Timer.OPEN, self.target), seconds, OpenOver(self.epoch, self.target))

    def remember(self, past: CircuitPast, now: Now, out: Outbox) -> None:
        """Be what the circuit of this past was: open for what is left, or as it was set by hand."""
        self.last_failure, self.openings = past.last_failure, past.openings
        data, event = {"state": past.state}, EventType.BREAKER_RECOVERED
        if past.state == S.OPEN:
            self._be_open(past.left(now.utc), past.policy, event, now, out, data)
        else:
            self._enter(S(past.state), event, now, out, data)

    def _close(self, now: Now, out: Outbox) -> None:
        self.openings = 0
        self._enter(CLOSED, EventType.BREAKER_CLOSED, now, out)

    def _enter(
        self, state: CircuitState, event: EventType, now: Now, out: Outbox, data: Mapping[str, Any] = NO_DATA
    ) -> None:
        """Begin a new epoch in `state`."""
        self.become(state)
        self.epoch = self.ledger.next_epoch()
        self.in_a_row = self.probes = self.successes = 0
        self.window = Window(self.policy)
        out.drop_timer((Timer.OPEN, self.target))
        out.drop_timer((Timer.HALF_OPEN, self.target))
        self.ledger.record(event, self.target, now, out, {**data, "epoch": self.epoch})

    def __repr__(self) -> str:
        return (
            f"<CircuitMachine {self.key} {self.state} epoch={self.epoch} in_a_row={self.in_a_row}"
            f" at_work={self.at_work} waiting={len(self.line)}>"
        )
